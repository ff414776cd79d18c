package layers

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// Entry is what a stack shows under one name: a leaf (anything but a folder),
// or the folders that merge there, or nothing.
type Entry struct {
	Leaf string      // path of the leaf; "" when there is none
	Dirs []string    // paths of the folders, topmost first
	Info fs.FileInfo // of the leaf or the topmost folder; nil when there is nothing
}

// Lookup looks a name up in merging folders, topmost first.
func Lookup(dirs []string, name string) (Entry, error) {
	var found Entry

	for _, dir := range dirs {
		path := filepath.Join(dir, name)

		fi, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR):
			continue
		case err != nil:
			return Entry{}, err
		case isWhiteout(fi):
			return found, nil
		case !fi.IsDir() && found.Info == nil:
			return Entry{Leaf: path, Info: fi}, nil
		case !fi.IsDir(): // hidden by the folders above it, and hides what is below
			return found, nil
		}

		if found.Info == nil {
			found.Info = fi
		}

		found.Dirs = append(found.Dirs, path)

		if isOpaque(path) {
			return found, nil
		}
	}

	return found, nil
}

// ListNames lists every name in merging folders, sorted. Names that a whiteout
// hides are among them.
func ListNames(dirs []string) ([]string, error) {
	var all []string

	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, err
		}

		for _, e := range entries {
			all = append(all, e.Name())
		}
	}

	slices.Sort(all)

	return slices.Compact(all), nil
}

// MakeUpper makes the upper folder for a run on top of a stack and, unless work
// is "", its work folder. The upper one gets the mode of the topmost layer,
// because the overlay's root shows it.
func MakeUpper(upper, work string, lower []string) error {
	if err := os.MkdirAll(upper, 0o755); err != nil {
		return err
	}

	if work != "" {
		if err := os.MkdirAll(work, 0o700); err != nil {
			return err
		}
	}

	if len(lower) == 0 {
		return nil
	}

	fi, err := os.Stat(lower[0])
	if err != nil {
		return err
	}

	return os.Chmod(upper, fi.Mode().Perm())
}

// MakeWhiteout marks a name as deleted. Any user may make this one device from
// Linux 5.8 on.
func MakeWhiteout(path string) error { return unix.Mknod(path, unix.S_IFCHR, 0) }

func isWhiteout(fi fs.FileInfo) bool {
	if fi.Mode()&fs.ModeCharDevice == 0 {
		return false
	}

	st, ok := fi.Sys().(*syscall.Stat_t)

	return ok && st.Rdev == 0
}

// opaqueNames are the marks of overlays mounted by root and in a user namespace.
func opaqueNames() []string { return []string{"trusted.overlay.opaque", "user.overlay.opaque"} }

func isOpaque(dir string) bool {
	return slices.ContainsFunc(opaqueNames(), func(name string) bool { return hasMark(dir, name) })
}

func hasMark(dir, name string) bool {
	var value [4]byte
	n, err := unix.Lgetxattr(dir, name, value[:])

	return err == nil && n == 1 && value[0] == 'y'
}
