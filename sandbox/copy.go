package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Copy copies a file or a tree: content (shared blocks where the file system
// has reflinks), modes, symbolic links and modification times; as root owners
// too; on Linux also whiteouts and opaque marks, so that a layer stays a layer.
// Sockets are left out; hard links become separate files; other extended
// attributes are not copied. dst may be an existing folder, which is then
// filled; a file that is in the way is an error.
func Copy(src, dst string) error {
	return walkTree(src, dst, func(from, to string, fi fs.FileInfo) error { return copyLeaf(from, to, fi) })
}

// HardlinkTree is Copy for trees that nobody ever writes to: files are linked,
// not copied, so an edit in one tree would show in the other. src and dst must
// be on one file system.
func HardlinkTree(src, dst string) error {
	return walkTree(src, dst, func(from, to string, fi fs.FileInfo) error {
		if fi.Mode().IsRegular() {
			return os.Link(from, to)
		}

		return copyLeaf(from, to, fi)
	})
}

// walkTree makes src's folders at dst and calls leaf for everything else.
func walkTree(src, dst string, leaf func(from, to string, fi fs.FileInfo) error) error {
	fi, err := os.Lstat(src)
	if err != nil {
		return err
	}

	if !fi.IsDir() {
		return leaf(src, dst, fi)
	}

	entries, err := os.ReadDir(src)
	if err != nil {
		return err
	}

	if err := makeDir(dst); err != nil {
		return err
	}

	for _, e := range entries {
		if err := walkTree(filepath.Join(src, e.Name()), filepath.Join(dst, e.Name()), leaf); err != nil {
			return err
		}
	}

	return finishDir(src, dst, fi)
}

// makeDir makes a folder that can be filled, whatever its mode will be.
func makeDir(dst string) error {
	if err := os.Mkdir(dst, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}

	fi, err := os.Stat(dst)
	if err == nil && !fi.IsDir() {
		return fmt.Errorf("copy to %s: not a folder", dst)
	}

	return err
}

// finishDir gives a filled folder its owner, mode, marks and time.
func finishDir(src, dst string, fi fs.FileInfo) error {
	if err := errors.Join(copyOwner(dst, fi), os.Chmod(dst, fi.Mode()), copyMarks(src, dst)); err != nil {
		return err
	}

	return os.Chtimes(dst, time.Time{}, fi.ModTime())
}

// copyLeaf copies anything but a folder.
func copyLeaf(from, to string, fi fs.FileInfo) error {
	switch fi.Mode().Type() {
	case 0:
		return copyFile(from, to, fi)
	case fs.ModeSymlink:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}

		if err := os.Symlink(target, to); err != nil {
			return err
		}

		return errors.Join(copyOwner(to, fi), linkTime(to, fi))
	case fs.ModeSocket:
		return nil
	}

	return copySpecial(to, fi)
}

func copyFile(from, to string, fi fs.FileInfo) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()

	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}

	if err := cloneFile(out, in); err != nil {
		_, err = out.ReadFrom(in) // copy_file_range where the kernel has it
		if err != nil {
			out.Close()
			return err
		}
	}

	if err := out.Close(); err != nil {
		return err
	}

	if err := errors.Join(copyOwner(to, fi), os.Chmod(to, fi.Mode())); err != nil {
		return err
	}

	return os.Chtimes(to, time.Time{}, fi.ModTime())
}
