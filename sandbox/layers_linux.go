package sandbox

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"syscall"

	"golang.org/x/sys/unix"
)

// A layer is a folder as overlayfs keeps it: a character device 0:0 (a
// whiteout) says that the name is gone, the attribute "opaque" on a folder that
// nothing of the layers below shows in it.

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
	return slices.ContainsFunc(opaqueNames(), func(n string) bool { return hasMark(dir, n) })
}

func hasMark(dir, name string) bool {
	var value [4]byte
	n, err := unix.Lgetxattr(dir, name, value[:])

	return err == nil && n == 1 && value[0] == 'y'
}

// entry is what a stack of layers shows under one name: a leaf (anything but a
// folder) or the folders that merge there, topmost first.
type entry struct {
	leaf string
	dirs []string
	info fs.FileInfo // of the leaf or the topmost folder; nil when there is nothing
}

// resolve looks name up in merging folders, topmost first.
func resolve(dirs []string, name string) (e entry, err error) {
	for _, dir := range dirs {
		path := filepath.Join(dir, name)

		fi, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR):
			continue
		case err != nil:
			return entry{}, err
		case isWhiteout(fi):
			return e, nil
		case !fi.IsDir() && e.info == nil:
			return entry{leaf: path, info: fi}, nil
		case !fi.IsDir():
			return e, nil
		}

		if e.info == nil {
			e.info = fi
		}

		e.dirs = append(e.dirs, path)
		if isOpaque(path) {
			return e, nil
		}
	}

	return e, nil
}

// names lists every name in merging folders, sorted; those that a whiteout
// hides are among them.
func names(dirs []string) ([]string, error) {
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
	sort.Strings(all)

	return slices.Compact(all), nil
}

// changes lists what a view's upper folder changes in its layers, sorted.
func changes(v View) ([]Change, error) {
	if v.Upper == "" {
		return nil, nil
	}

	var d differ
	if err := d.folder("", v.Upper, v.Lower); err != nil {
		return nil, err
	}
	slices.SortFunc(d.list, func(a, b Change) int { return bytes.Compare([]byte(a.Path), []byte(b.Path)) })

	return d.list, nil
}

type differ struct{ list []Change }

func (d *differ) add(path, kind string) { d.list = append(d.list, Change{path, kind}) }

// folder compares an upper folder with those below it.
func (d *differ) folder(rel, upper string, lower []string) error {
	entries, err := os.ReadDir(upper)
	if err != nil {
		return err
	}

	if isOpaque(upper) {
		if err := d.replaced(rel, upper, lower); err != nil {
			return err
		}
	}

	for _, e := range entries {
		path, name := filepath.Join(upper, e.Name()), joinSlash(rel, e.Name())

		fi, err := os.Lstat(path)
		if err != nil {
			return err
		}

		old, err := resolve(lower, e.Name())
		if err != nil {
			return err
		}

		if err := d.entry(name, path, fi, old); err != nil {
			return err
		}
	}

	return nil
}

// entry compares one name.
func (d *differ) entry(rel, path string, fi fs.FileInfo, old entry) error {
	switch {
	case isWhiteout(fi):
		return d.deleted(rel, old)
	case fi.IsDir():
		if old.info == nil || old.leaf != "" || old.info.Mode() != fi.Mode() {
			d.add(rel, Dir)
		}

		return d.folder(rel, path, old.dirs)
	}

	if err := d.inside(rel, old.dirs); err != nil { // of a folder that became something else
		return err
	}

	same, err := sameLeaf(path, fi, old)
	if err != nil {
		return err
	}

	if !same {
		d.add(rel, Written)
	}

	return nil
}

// deleted lists something that is gone, with everything in it.
func (d *differ) deleted(rel string, old entry) error {
	if old.info == nil {
		return nil
	}
	d.add(rel, Deleted)

	return d.inside(rel, old.dirs)
}

// inside lists everything in merging folders as deleted.
func (d *differ) inside(rel string, dirs []string) error {
	list, err := names(dirs)
	if err != nil {
		return err
	}

	for _, name := range list {
		old, err := resolve(dirs, name)
		if err != nil {
			return err
		}

		if err := d.deleted(joinSlash(rel, name), old); err != nil {
			return err
		}
	}

	return nil
}

// replaced lists what an opaque folder hides and does not have itself.
func (d *differ) replaced(rel, upper string, lower []string) error {
	list, err := names(lower)
	if err != nil {
		return err
	}

	for _, name := range list {
		if _, err := os.Lstat(filepath.Join(upper, name)); err == nil {
			continue
		}

		old, err := resolve(lower, name)
		if err != nil {
			return err
		}

		if err := d.deleted(joinSlash(rel, name), old); err != nil {
			return err
		}
	}

	return nil
}

// sameLeaf says whether a file or link still has its type, mode and content.
func sameLeaf(path string, fi fs.FileInfo, old entry) (bool, error) {
	if old.leaf == "" || old.info.Mode() != fi.Mode() {
		return false, nil
	}

	switch fi.Mode().Type() {
	case fs.ModeSymlink:
		a, err := os.Readlink(path)
		if err != nil {
			return false, err
		}
		b, err := os.Readlink(old.leaf)

		return a == b, err
	case 0:
		if fi.Size() != old.info.Size() {
			return false, nil
		}

		return sameContent(path, old.leaf)
	}

	return false, nil
}

func sameContent(a, b string) (bool, error) {
	fa, err := os.Open(a)
	if err != nil {
		return false, err
	}
	defer fa.Close()

	fb, err := os.Open(b)
	if err != nil {
		return false, err
	}
	defer fb.Close()

	bufA, bufB := make([]byte, 128<<10), make([]byte, 128<<10)
	for {
		n, errA := io.ReadFull(fa, bufA)

		m, errB := io.ReadFull(fb, bufB)
		if n != m || !bytes.Equal(bufA[:n], bufB[:m]) {
			return false, nil
		}

		if errA != nil || errB != nil {
			return ended(errA) && ended(errB), errors.Join(notEnd(errA), notEnd(errB))
		}
	}
}

func ended(err error) bool { return err == io.EOF || err == io.ErrUnexpectedEOF }

func notEnd(err error) error {
	if ended(err) {
		return nil
	}

	return err
}

func joinSlash(dir, name string) string {
	if dir == "" {
		return name
	}

	return dir + "/" + name
}
