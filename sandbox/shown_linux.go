package sandbox

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"ratchet/sandbox/stage"
)

// planRoot plans what the run sees in a root of its own; points is an existing
// folder of ours.
func (s *Spec) planRoot(plan *stage.Plan, points string, links *linkReader) error {
	plan.Confine, plan.Root = true, points // what lies in it is open when the root is mounted on it

	covers := s.listShown(links)

	// Folders for temporary files of the run's own.
	for i, path := range privateFolders() {
		real, ok := links.follow(path)
		if !ok || hasCover(covers, real) {
			continue
		}

		from := filepath.Join(points, "private-"+strconv.Itoa(i))
		if err := errors.Join(os.Mkdir(from, 0o700), os.Chmod(from, 0o777|fs.ModeSticky)); err != nil {
			return err
		}

		covers = append(covers, stage.Cover{Path: real, From: from})
	}

	if fi, err := os.Stat(sharedMemory); err == nil && fi.IsDir() {
		covers = append(covers, stage.Cover{Path: sharedMemory, Memory: true, Size: s.Memory})
	}

	// What it may write, and nothing in the place of secrets.
	for _, path := range s.writableOutside(links) {
		covers = append(covers, stage.Cover{Path: path, From: path})
	}

	for _, path := range s.hiddenOutside(links) {
		covers = append(covers, stage.Cover{Path: path})
	}

	plan.Covers = orderCovers(covers)
	plan.Links = listLinks(links, plan.Covers)

	return makePrivateLinks(links, plan.Covers)
}

// makePrivateLinks makes the links that lie in the run's own folders for temporary files.
func makePrivateLinks(links *linkReader, covers []stage.Cover) error {
	for path, target := range links.links {
		for _, c := range covers {
			rel, inside := cutRoot(c.Path, path)
			if !inside || !isPrivate(c.Path) || showsHost(c) {
				continue
			}

			at := filepath.Join(c.From, rel)
			if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.Symlink(target, at)); err != nil {
				return err
			}
		}
	}

	return nil
}

// listShown lists what a run sees of the host, read-only: the system's, and what the spec names.
func (s *Spec) listShown(links *linkReader) (covers []stage.Cover) {
	for _, path := range slices.Concat(s.Shown, s.systemPaths(), shownDevices()) {
		if real, ok := links.follow(path); ok {
			covers = append(covers, stage.Cover{Path: real, From: real, ReadOnly: true})
		}
	}

	return covers
}

// hasCover says whether there is a cover of that path.
func hasCover(covers []stage.Cover, path string) bool {
	return slices.ContainsFunc(covers, func(c stage.Cover) bool { return c.Path == path })
}

// orderCovers puts outer places before what lies in them and leaves out what
// changes nothing: what an outer place shows already, or does not show.
func orderCovers(covers []stage.Cover) (kept []stage.Cover) {
	slices.SortStableFunc(covers, func(a, b stage.Cover) int {
		if order := strings.Compare(a.Path, b.Path); order != 0 {
			return order
		}

		return rankCover(a) - rankCover(b)
	})

	var around []stage.Cover // the kept ones that the current path lies in, outer ones first

	for _, c := range covers {
		for len(around) > 0 {
			if _, inside := cutRoot(around[len(around)-1].Path, c.Path); inside {
				break
			}

			around = around[:len(around)-1]
		}

		isShown := len(around) > 0 && showsHost(around[len(around)-1])
		isSame := len(around) > 0 && around[len(around)-1].Path == c.Path

		if isSame || isShown && c.ReadOnly || !isShown && c.From == "" && !c.Memory {
			continue
		}

		kept, around = append(kept, c), append(around, c)
	}

	return kept
}

// rankCover says which of the covers of one path counts: what may be written,
// then what is shown, then what is hidden.
func rankCover(c stage.Cover) int {
	switch {
	case c.From == "" && !c.Memory:
		return 2
	case c.ReadOnly:
		return 1
	}

	return 0
}

// showsHost says whether a cover shows what the host has at its path.
func showsHost(c stage.Cover) bool { return c.From == c.Path }

// listLinks lists the links that the run's own root must have: those that lie in
// nothing that is mounted there.
func listLinks(links *linkReader, covers []stage.Cover) []stage.Link {
	list := []stage.Link{{Path: "/dev/fd", Target: "/proc/self/fd"}, {Path: "/dev/stdin", Target: "/proc/self/fd/0"},
		{Path: "/dev/stdout", Target: "/proc/self/fd/1"}, {Path: "/dev/stderr", Target: "/proc/self/fd/2"}}

	for path, target := range links.links {
		isInside := slices.ContainsFunc(covers, func(c stage.Cover) bool {
			_, inside := cutRoot(c.Path, path)
			return inside
		})
		if !isInside && !isInAny([]string{"/proc", "/dev/pts"}, path) {
			list = append(list, stage.Link{Path: path, Target: target})
		}
	}

	return list
}
