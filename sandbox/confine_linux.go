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

const sharedMemory = "/dev/shm"

// checkConfinement refuses what would let a run change its own layers.
func (s *Spec) checkConfinement() error {
	switch s.Network {
	case "", NetworkOff, NetworkLoopback, NetworkOn:
	default:
		return badSpec("unknown network %q", s.Network)
	}

	if s.Memory < 0 || s.Processes < 0 || s.Disk < 0 || s.CPU < 0 || s.MaxOutput < 0 {
		return badSpec("a limit can't be negative")
	}

	for _, path := range slices.Concat(s.Writable, s.Hidden) {
		if !filepath.IsAbs(path) || filepath.Clean(path) == "/" {
			return badSpec("a run can't be confined by the path %q", path)
		}
	}

	if !s.Confined {
		return nil
	}

	for _, path := range append([]string{s.tempDir()}, s.Writable...) {
		if path == "" || isPrivate(path) {
			continue
		}

		for _, v := range s.Views {
			for _, layer := range v.Lower {
				if _, inside := cutRoot(filepath.Clean(path), layer); inside {
					return badSpec("a run that may write to %s could change its layer %s", path, layer)
				}
			}
		}
	}

	return nil
}

// isPrivate says whether path is a folder of which a confined run has its own.
func isPrivate(path string) bool { return slices.Contains(privateFolders(), filepath.Clean(path)) }

// tempDir is TMPDIR as the run has it, "" when it has none.
func (s *Spec) tempDir() string {
	for _, variable := range s.Env {
		if path, ok := strings.CutPrefix(variable, "TMPDIR="); ok && filepath.IsAbs(path) {
			return filepath.Clean(path)
		}
	}

	return ""
}

// writableOutside lists what exists of TMPDIR and Writable outside the views,
// without links.
func (s *Spec) writableOutside() []string {
	var paths []string

	for _, path := range append([]string{s.tempDir()}, s.Writable...) {
		path, err := filepath.EvalSymlinks(path)
		if err != nil || path == "" || isPrivate(path) || slices.Contains(paths, path) {
			continue
		}

		if view, _ := s.findView(path, len(s.Views)); view < 0 {
			paths = append(paths, path)
		}
	}

	return paths
}

// existingHidden lists what exists of Hidden, without links.
func (s *Spec) existingHidden() []string {
	var paths []string

	for _, path := range s.Hidden {
		path, err := filepath.EvalSymlinks(path)
		if err == nil && path != "/" && !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}

	return paths
}

// hiddenOutside lists what must be hidden of the host's. Where an overlay lies
// on top of it, it is hidden already.
func (s *Spec) hiddenOutside() []string {
	return slices.DeleteFunc(s.existingHidden(), func(path string) bool {
		view, _ := s.findView(path, len(s.Views))
		return view >= 0 && s.Tier != Copies
	})
}

// hiddenIn lists what a bind must not show of what lies in it, relative to it.
func (s *Spec) hiddenIn(b Bind) (rels []string) {
	from, err := filepath.EvalSymlinks(b.From)
	if err != nil || !s.Confined {
		return nil
	}

	for _, path := range s.existingHidden() {
		if rel, ok := cutRoot(from, path); ok && rel != "" {
			rels = append(rels, rel)
		}
	}

	return rels
}

// planCovers plans what the run sees instead of the host's shared and secret
// places; private is an existing empty folder of ours.
func (s *Spec) planCovers(plan *stage.Plan, private string) error {
	plan.Confine, plan.Writable = true, s.writableOutside()

	isCovered := func(path string) bool {
		return slices.ContainsFunc(plan.Covers, func(c stage.Cover) bool { return c.Path == path })
	}

	// Folders for temporary files of the run's own.
	for i, path := range privateFolders() {
		path, err := filepath.EvalSymlinks(path)
		if err != nil || isCovered(path) {
			continue
		}

		from := filepath.Join(private, strconv.Itoa(i))
		if err := errors.Join(os.Mkdir(from, 0o700), os.Chmod(from, 0o777|fs.ModeSticky)); err != nil {
			return err
		}

		plan.Covers = append(plan.Covers, stage.Cover{Path: path, From: from})
	}

	if fi, err := os.Stat(sharedMemory); err == nil && fi.IsDir() {
		plan.Covers = append(plan.Covers, stage.Cover{Path: sharedMemory, Memory: true, Size: s.Memory})
	}

	// Nothing in the place of secrets.
	for _, path := range s.hiddenOutside() {
		if !isCovered(path) && !slices.Contains(plan.Writable, path) {
			plan.Covers = append(plan.Covers, stage.Cover{Path: path})
		}
	}

	// An outer place comes before what lies in it.
	slices.SortFunc(plan.Covers, func(a, b stage.Cover) int { return strings.Compare(a.Path, b.Path) })

	return nil
}
