package sandbox

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// copyMerged copies what a stack of layers shows into the existing folder dst.
func copyMerged(dirs []string, dst string) error {
	list, err := names(dirs)
	if err != nil {
		return err
	}

	for _, name := range list {
		e, err := resolve(dirs, name)
		if err != nil {
			return err
		}
		to := filepath.Join(dst, name)

		switch {
		case e.leaf != "":
			err = copyLeaf(e.leaf, to, e.info)
		case e.dirs != nil:
			if err = makeDir(to); err == nil {
				err = copyMerged(e.dirs, to)
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

	if err := copyOwner(dst, fi); err != nil {
		return err
	}

	if err := os.Chmod(dst, fi.Mode()); err != nil {
		return err
	}

	return setTime(dst, fi)
}

// cloneFile shares the blocks of in with the empty file out; an error means
// that the file system can't.
func cloneFile(out, in *os.File) error {
	return unix.IoctlFileClone(int(out.Fd()), int(in.Fd()))
}

func copyOwner(to string, fi fs.FileInfo) error {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 || (int(st.Uid) == 0 && int(st.Gid) == 0) {
		return nil
	}

	return os.Lchown(to, int(st.Uid), int(st.Gid))
}

// copyMarks keeps a folder opaque.
func copyMarks(src, dst string) error {
	for _, name := range opaqueNames() {
		if hasMark(src, name) {
			if err := unix.Lsetxattr(dst, name, []byte("y"), 0); err != nil {
				return &os.PathError{Op: "setxattr", Path: dst, Err: err}
			}
		}
	}

	return nil
}

func linkTime(to string, fi fs.FileInfo) error { return setTime(to, fi) }

func setTime(to string, fi fs.FileInfo) error {
	t := unix.NsecToTimespec(fi.ModTime().UnixNano())
	return unix.UtimesNanoAt(unix.AT_FDCWD, to, []unix.Timespec{t, t}, unix.AT_SYMLINK_NOFOLLOW)
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

	return copyOwner(to, fi)
}
