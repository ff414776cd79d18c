package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"ratchet/sandbox/layers"
)

// maxHanded bounds how many files, links and folders one run hands to another.
const maxHanded = 100_000

// refusedError says what of a run can't be handed to another.
type refusedError string

func (e refusedError) Error() string { return string(e) }

// hander makes the layers of a handover: shown holds what is handed, hidden what
// lies under it and must not be seen through.
type hander struct {
	Handover
	shown, hidden string
	made          int // entries of shown
}

func handOver(handed Handover) (made []string, why string, err error) {
	h := &hander{Handover: handed, shown: filepath.Join(handed.Dir, "shown"),
		hidden: filepath.Join(handed.Dir, "hidden")}

	for _, dir := range []string{h.shown, h.hidden} {
		if err := makeLayerDir(dir); err != nil {
			return nil, "", err
		}
	}

	for _, name := range h.Paths {
		if err := h.handPath(name); err != nil {
			why, err = describeRefusal(name, err)
			return nil, why, err
		}
	}

	return []string{h.shown, h.hidden}, "", nil
}

// describeRefusal tells what a run made unusable from what the machine can't do.
func describeRefusal(name string, err error) (why string, _ error) {
	var refused refusedError

	switch {
	case errors.As(err, &refused):
		return refused.Error(), nil
	case errors.Is(err, fs.ErrPermission):
		return name + " can't be read", nil
	case errors.Is(err, unix.ENAMETOOLONG), errors.Is(err, unix.ELOOP):
		return name + " lies too deep", nil
	}

	return "", fmt.Errorf("hand over %s: %w", name, err)
}

// handPath hands what From shows at one path, and hides what To shows there.
func (h *hander) handPath(name string) error {
	entry, err := h.lookup(h.From, name)
	if err != nil {
		return err
	}

	under, err := h.lookup(h.To, name)
	if err != nil {
		return err
	}

	if under.Info != nil && entry.Leaf == "" { // a leaf hides what is under it by itself
		if err := makeLayerDirs(h.hidden, path.Dir(name)); err != nil {
			return err
		}

		if err := layers.MakeWhiteout(filepath.Join(h.hidden, name)); err != nil {
			return err
		}
	}

	if entry.Info == nil {
		return nil
	}

	if err := makeLayerDirs(h.shown, path.Dir(name)); err != nil {
		return err
	}

	return h.handEntry(name, name, entry)
}

// lookup is what a stack shows at a path. A link on the way to it is refused.
func (h *hander) lookup(stack []string, name string) (layers.Entry, error) {
	parts := strings.Split(name, "/")

	for i, part := range parts {
		entry, err := layers.Lookup(stack, part)
		if err != nil || entry.Info == nil || i == len(parts)-1 {
			return entry, err
		}

		if entry.Info.Mode()&fs.ModeSymlink != 0 {
			return entry, refusedError(path.Join(parts[:i+1]...) + " is a link")
		}

		if stack = entry.Dirs; len(stack) == 0 {
			return layers.Entry{}, nil
		}
	}

	return layers.Entry{}, nil
}

// handEntry hands a file, a link or a folder with all that is in it. root is the path
// by which it is handed.
func (h *hander) handEntry(root, name string, entry layers.Entry) error {
	if h.made++; h.made > maxHanded {
		return refusedError(fmt.Sprintf("%s has more than %d files", root, maxHanded))
	}

	if entry.Leaf == "" {
		return h.handFolder(root, name, entry.Dirs)
	}

	if h.Refuse != nil {
		if why := h.Refuse(name, entry.Leaf); why != "" {
			return refusedError(why)
		}
	}
	to := filepath.Join(h.shown, name)

	switch {
	case entry.Info.Mode().IsRegular():
		if os.Link(entry.Leaf, to) == nil {
			return nil
		}

		return layers.Copy(entry.Leaf, to)
	case entry.Info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(entry.Leaf)
		if err != nil {
			return err
		}

		if !staysInside(root, name, target) {
			return refusedError(name + " is a link that leads out of what is handed")
		}

		return os.Symlink(target, to)
	}

	return refusedError(name + " is not a file: a pipe, a socket or a device")
}

// handFolder hands what merging folders show.
func (h *hander) handFolder(root, name string, dirs []string) error {
	if err := makeLayerDir(filepath.Join(h.shown, name)); err != nil {
		return err
	}

	names, err := layers.ListNames(dirs)
	if err != nil {
		return err
	}

	for _, child := range names {
		entry, err := layers.Lookup(dirs, child)
		if err != nil {
			return err
		}

		if entry.Info == nil {
			continue
		}

		if err := h.handEntry(root, path.Join(name, child), entry); err != nil {
			return err
		}
	}

	return nil
}

// staysInside says whether a link at name leads to somewhere in root, whatever links
// it passes: it climbs first, through folders, and then only descends.
func staysInside(root, name, target string) bool {
	if root == name || path.IsAbs(target) {
		return false
	}

	rest := target
	for strings.HasPrefix(rest, "../") {
		rest = strings.TrimLeft(rest[3:], "/")
	}

	if rest != ".." && strings.Contains("/"+rest+"/", "/../") {
		return false
	}
	end := path.Join(path.Dir(name), target)

	return end == root || strings.HasPrefix(end, root+"/")
}

// makeLayerDirs makes a folder of a layer, and those that it lies in.
func makeLayerDirs(layer, name string) error {
	if name == "." {
		return nil
	}

	if err := makeLayerDirs(layer, path.Dir(name)); err != nil {
		return err
	}

	return makeLayerDir(filepath.Join(layer, name))
}

// makeLayerDir makes a folder that the run's user can look into, unless it is there.
func makeLayerDir(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}

	return os.Chmod(dir, 0o755)
}
