package layers

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Copy copies a file or a tree: content (shared blocks where the file system
// has reflinks), modes, symbolic links and modification times; as root owners
// too; also whiteouts and opaque marks, so that a layer stays a layer. dst may
// be an existing folder, which is then filled; a file that is in the way is an
// error.
func Copy(src, dst string) error {
	fi, err := os.Lstat(src)
	if err != nil {
		return err
	}

	if !fi.IsDir() {
		return copyLeaf(src, dst, fi)
	}

	entries, err := os.ReadDir(src)
	if err != nil {
		return err
	}

	if err := makeDir(dst); err != nil {
		return err
	}

	for _, e := range entries {
		if err := Copy(filepath.Join(src, e.Name()), filepath.Join(dst, e.Name())); err != nil {
			return err
		}
	}

	// Last, because a folder may not be writable, and filling it changes its time.
	if err := errors.Join(CopyOwner(dst, fi), os.Chmod(dst, fi.Mode()), copyMarks(src, dst)); err != nil {
		return err
	}

	return os.Chtimes(dst, time.Time{}, fi.ModTime())
}

// CopyStack copies what a stack shows into the existing folder dst.
func CopyStack(dirs []string, dst string) error {
	names, err := ListNames(dirs)
	if err != nil {
		return err
	}

	for _, name := range names {
		e, err := Lookup(dirs, name)
		if err != nil {
			return err
		}

		to := filepath.Join(dst, name)

		switch {
		case e.Leaf != "":
			err = copyLeaf(e.Leaf, to, e.Info)
		case e.Dirs != nil:
			if err = makeDir(to); err == nil {
				err = CopyStack(e.Dirs, to)
			}
		}

		if err != nil {
			return err
		}
	}

	if len(dirs) == 0 {
		return nil
	}

	fi, err := os.Stat(dirs[0])
	if err != nil {
		return err
	}

	if err := CopyOwner(dst, fi); err != nil {
		return err
	}

	if err := os.Chmod(dst, fi.Mode()); err != nil {
		return err
	}

	return setTime(dst, fi)
}

// CopyOwner gives a path the owner and group of fi, when this process is root.
func CopyOwner(to string, fi fs.FileInfo) error {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 || (int(st.Uid) == 0 && int(st.Gid) == 0) {
		return nil
	}

	return os.Lchown(to, int(st.Uid), int(st.Gid))
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

// copyLeaf copies anything but a folder. A socket is left out.
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

		return errors.Join(CopyOwner(to, fi), setTime(to, fi))
	case fs.ModeSocket:
		return nil
	}

	return copySpecial(to, fi)
}

func copyFile(from, to string, fi fs.FileInfo) error {
	in, err := OpenRegular(from)
	if err != nil {
		return err
	}
	defer in.Close()

	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}

	if err := fillFile(out, in); err != nil {
		out.Close()
		return err
	}

	if err := out.Close(); err != nil {
		return err
	}

	if err := errors.Join(CopyOwner(to, fi), os.Chmod(to, fi.Mode())); err != nil {
		return err
	}

	return os.Chtimes(to, time.Time{}, fi.ModTime())
}

// fillFile shares the blocks of in with the empty file out or, where the file
// system can't do that, copies them.
func fillFile(out, in *os.File) error {
	if unix.IoctlFileClone(int(out.Fd()), int(in.Fd())) == nil {
		return nil
	}

	_, err := out.ReadFrom(in) // copy_file_range where the kernel has it

	return err
}

// copySpecial makes a whiteout, a fifo or, where that is allowed, a device.
func copySpecial(to string, fi fs.FileInfo) error {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}

	if err := unix.Mknod(to, st.Mode, int(st.Rdev)); err != nil {
		return &os.PathError{Op: "mknod", Path: to, Err: err}
	}

	return CopyOwner(to, fi)
}

// copyMarks makes dst opaque where src is.
func copyMarks(src, dst string) error {
	for _, name := range opaqueNames() {
		if !hasMark(src, name) {
			continue
		}

		if err := unix.Lsetxattr(dst, name, []byte("y"), 0); err != nil {
			return &os.PathError{Op: "setxattr", Path: dst, Err: err}
		}
	}

	return nil
}

// setTime sets the modification time, of a link its own.
func setTime(to string, fi fs.FileInfo) error {
	t := unix.NsecToTimespec(fi.ModTime().UnixNano())
	return unix.UtimesNanoAt(unix.AT_FDCWD, to, []unix.Timespec{t, t}, unix.AT_SYMLINK_NOFOLLOW)
}
