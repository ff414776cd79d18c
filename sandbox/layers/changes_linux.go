package layers

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// ListChanges lists what an upper folder changes in the stack below it, sorted
// by path. It opens nothing but folders and regular files, and ends with ctx's error
// when ctx ends. A tree that can't be listed for its own sake is an *UnlistableError.
// Folders that their owner may not read are opened for the time of the listing:
// nothing else may use them meanwhile.
func ListChanges(ctx context.Context, upper string, lower []string) ([]Change, error) {
	d := differ{ctx: ctx}
	if err := d.compareFolder("", upper, lower); err != nil {
		return nil, AsUnlistable(err)
	}

	slices.SortFunc(d.changes, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })

	return d.changes, nil
}

// differ collects changes. In its methods rel is a path relative to the upper
// folder, with slashes, "" for that folder itself.
type differ struct {
	ctx     context.Context
	changes []Change
}

func (d *differ) add(rel, kind string) { d.changes = append(d.changes, Change{rel, kind}) }

// compareFolder compares an upper folder with those below it.
func (d *differ) compareFolder(rel, upper string, lower []string) error {
	closeAgain, err := openClosedFolder(upper)
	if err != nil {
		return err
	}
	defer closeAgain()

	entries, err := os.ReadDir(upper)
	if err != nil {
		return err
	}

	if isOpaque(upper) {
		if err := d.addReplaced(rel, upper, lower); err != nil {
			return err
		}
	}

	for _, e := range entries {
		if err := d.ctx.Err(); err != nil {
			return err
		}

		at := filepath.Join(upper, e.Name())

		fi, err := e.Info()
		if err != nil {
			return err
		}

		old, err := Lookup(lower, e.Name())
		if err != nil {
			return err
		}

		if err := d.compareEntry(path.Join(rel, e.Name()), at, fi, old); err != nil {
			return err
		}
	}

	return nil
}

// compareEntry compares what lies in an upper folder with what was there before.
func (d *differ) compareEntry(rel, at string, fi fs.FileInfo, old Entry) error {
	switch {
	case isWhiteout(fi):
		return d.addDeleted(rel, old)
	case fi.IsDir():
		if old.Info == nil || old.Leaf != "" || old.Info.Mode() != fi.Mode() {
			d.add(rel, Dir)
		}

		return d.compareFolder(rel, at, old.Dirs)
	}

	// A folder that became something else lost what was in it.
	if err := d.addContents(rel, old.Dirs); err != nil {
		return err
	}

	same, err := d.isSameLeaf(at, fi, old)
	if err != nil {
		return err
	}

	if same {
		d.add(rel, Restored)
	} else {
		d.add(rel, Written)
	}

	return nil
}

// addDeleted adds something that is gone, with everything in it.
func (d *differ) addDeleted(rel string, old Entry) error {
	if old.Info == nil {
		return nil
	}

	d.add(rel, Deleted)

	return d.addContents(rel, old.Dirs)
}

// addContents adds everything in merging folders as deleted.
func (d *differ) addContents(rel string, dirs []string) error {
	names, err := ListNames(dirs)
	if err != nil {
		return err
	}

	for _, name := range names {
		if err := d.ctx.Err(); err != nil {
			return err
		}

		old, err := Lookup(dirs, name)
		if err != nil {
			return err
		}

		if err := d.addDeleted(path.Join(rel, name), old); err != nil {
			return err
		}
	}

	return nil
}

// addReplaced adds what an opaque folder hides and does not have itself.
func (d *differ) addReplaced(rel, upper string, lower []string) error {
	names, err := ListNames(lower)
	if err != nil {
		return err
	}

	for _, name := range names {
		if _, err := os.Lstat(filepath.Join(upper, name)); err == nil {
			continue
		}

		old, err := Lookup(lower, name)
		if err != nil {
			return err
		}

		if err := d.addDeleted(path.Join(rel, name), old); err != nil {
			return err
		}
	}

	return nil
}

// isSameLeaf says whether a file or link still has its type, mode and content.
func (d *differ) isSameLeaf(at string, fi fs.FileInfo, old Entry) (bool, error) {
	if old.Leaf == "" || old.Info.Mode() != fi.Mode() {
		return false, nil
	}

	switch fi.Mode().Type() {
	case fs.ModeSymlink:
		target, err := os.Readlink(at)
		if err != nil {
			return false, err
		}

		oldTarget, err := os.Readlink(old.Leaf)

		return target == oldTarget, err
	case 0:
		if fi.Size() != old.Info.Size() {
			return false, nil
		}

		return d.hasSameContent(at, old.Leaf)
	}

	return false, nil
}

// hasSameContent compares two files byte by byte.
func (d *differ) hasSameContent(pathA, pathB string) (bool, error) {
	a, err := OpenRegular(pathA)
	if err != nil {
		return false, err
	}
	defer a.Close()

	b, err := OpenRegular(pathB)
	if err != nil {
		return false, err
	}
	defer b.Close()

	bufA, bufB := make([]byte, 128<<10), make([]byte, 128<<10)

	for {
		if err := d.ctx.Err(); err != nil {
			return false, err
		}

		n, errA := io.ReadFull(a, bufA)
		m, errB := io.ReadFull(b, bufB)

		if n != m || !bytes.Equal(bufA[:n], bufB[:m]) {
			return false, nil
		}

		if errA != nil || errB != nil {
			return isEnd(errA) && isEnd(errB), errors.Join(ignoreEnd(errA), ignoreEnd(errB))
		}
	}
}

func isEnd(err error) bool { return err == io.EOF || err == io.ErrUnexpectedEOF }

func ignoreEnd(err error) error {
	if isEnd(err) {
		return nil
	}

	return err
}

// OpenRegular opens a regular file to read it, and nothing else: of a link, a pipe or
// a device it fails at once, without waiting and without an effect on it.
func OpenRegular(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}

	if err := requireRegular(file); err != nil {
		file.Close()
		return nil, err
	}

	return file, nil
}

func requireRegular(file *os.File) error {
	fi, err := file.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = &os.PathError{Op: "open", Path: file.Name(), Err: fs.ErrInvalid}
	}

	return err
}

// openClosedFolder lets us look into a folder that its owner, who we are, may not read.
// closeAgain gives it back the mode that it had.
func openClosedFolder(dir string) (closeAgain func(), err error) {
	fi, err := os.Lstat(dir)
	if err != nil {
		return nil, err
	}

	if os.Geteuid() == 0 || fi.Mode().Perm()&0o500 == 0o500 {
		return func() {}, nil
	}

	if err := os.Chmod(dir, 0o700); err != nil {
		return nil, err
	}

	return func() { _ = os.Chmod(dir, fi.Mode()) }, nil
}
