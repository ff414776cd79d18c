package sandbox

import (
	"path/filepath"
	"slices"
	"strings"
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

	for _, path := range slices.Concat(s.Writable, s.Shown, s.Hidden) {
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
func (s *Spec) writableOutside(links *linkReader) []string {
	var paths []string

	for _, path := range append([]string{s.tempDir()}, s.Writable...) {
		path, ok := links.follow(path)
		if !ok || isPrivate(path) || slices.Contains(paths, path) {
			continue
		}

		if view, _ := s.findView(path, len(s.Views)); view < 0 {
			paths = append(paths, path)
		}
	}

	return paths
}

// existingHidden lists what exists of Hidden, without links.
func (s *Spec) existingHidden(links *linkReader) []string {
	var paths []string

	for _, path := range s.Hidden {
		path, ok := links.follow(path)
		if ok && !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}

	return paths
}

// hiddenOutside lists what must be hidden of the host's: not what is shown by its
// own name. Where an overlay lies on top of it, it is hidden already.
func (s *Spec) hiddenOutside(links *linkReader) []string {
	return slices.DeleteFunc(s.existingHidden(links), func(path string) bool {
		view, _ := s.findView(path, len(s.Views))
		return view >= 0 && s.Tier != Copies || slices.Contains(s.Shown, path)
	})
}

// hiddenIn lists what a bind must not show of what lies in it, relative to it.
func (s *Spec) hiddenIn(b Bind, links *linkReader) (rels []string) {
	from, ok := links.follow(b.From)
	if !ok || !s.Confined {
		return nil
	}

	for _, path := range s.existingHidden(links) {
		if rel, ok := cutRoot(from, path); ok && rel != "" {
			rels = append(rels, rel)
		}
	}

	return rels
}
