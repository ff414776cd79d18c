package layers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// MaxDepth is how deep folders may be nested in a tree that a run leaves.
const MaxDepth = 256

// ErrTooDeep says that a tree is nested deeper than MaxDepth.
var ErrTooDeep = errors.New("folders are nested too deep")

// batch is how many names of a folder are held at a time.
const batch = 1024

// Walk calls visit for everything below the folder dir, until it returns an error,
// which Walk returns. It goes from folder to folder and not by paths, so that no tree
// is hidden from it; a folder at MaxDepth ends it with ErrTooDeep. What comes and goes
// meanwhile, or can't be read, is passed over.
func Walk(dir string, visit func(st *unix.Stat_t) error) error {
	folder, err := openFolder(unix.AT_FDCWD, dir)
	if err != nil {
		return nil
	}

	return walkFolder(folder, 0, visit)
}

// walkFolder walks below an open folder, and closes it.
func walkFolder(folder *os.File, depth int, visit func(st *unix.Stat_t) error) error {
	defer folder.Close()

	if depth >= MaxDepth {
		return ErrTooDeep
	}

	for {
		names, err := folder.Readdirnames(batch)
		for _, name := range names {
			if err := visitEntry(folder, name, depth, visit); err != nil {
				return err
			}
		}

		if err != nil || len(names) == 0 {
			return nil
		}
	}
}

func visitEntry(folder *os.File, name string, depth int, visit func(st *unix.Stat_t) error) error {
	var st unix.Stat_t
	if unix.Fstatat(int(folder.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return nil
	}

	if err := visit(&st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return err
	}

	below, err := openFolder(int(folder.Fd()), name)
	if err != nil {
		return nil
	}

	return walkFolder(below, depth+1, visit)
}

// openFolder opens a folder to list it, never through a link.
func openFolder(parent int, name string) (*os.File, error) {
	fd, err := unix.Openat(parent, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}

	return os.NewFile(uintptr(fd), name), nil
}

// Remove removes a file or a tree, whatever a run made of it: nested deeper than paths
// can name, and folders without the right to look or write into them. It follows no
// link. It ends with ctx's error when ctx ends, and may be called again. What is not
// there is no error.
func Remove(ctx context.Context, path string) error {
	parent, err := os.Open(filepath.Dir(path))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}

	if err != nil {
		return err
	}
	defer parent.Close()

	remover := remover{ctx: ctx}
	if err := remover.removeEntry(parent, filepath.Base(path), 0); err != nil {
		return fmt.Errorf("remove %s: %w", path, err)
	}

	return nil
}

// remover removes one tree.
type remover struct {
	ctx context.Context
	top *os.File // the tree's folder, into which folders that lie deep are moved
}

// removeDepth is how many folders are held open at a time.
const removeDepth = 64

func (r *remover) removeEntry(parent *os.File, name string, depth int) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}

	err := unix.Unlinkat(int(parent.Fd()), name, 0)
	if err == nil || err == unix.ENOENT {
		return nil
	}

	if err != unix.EISDIR {
		return &os.PathError{Op: "unlink", Path: name, Err: err}
	}

	folder, err := openForRemoval(parent, name)
	if err != nil {
		return err
	}
	defer folder.Close()

	if depth == removeDepth { // its turn comes when the top folder is read again
		return unix.Renameat(int(parent.Fd()), name, int(r.top.Fd()), ".moved-"+rand.Text())
	}

	if depth == 0 {
		r.top = folder
	}

	if err := r.emptyFolder(folder, depth); err != nil {
		return err
	}

	return unix.Unlinkat(int(parent.Fd()), name, unix.AT_REMOVEDIR)
}

// emptyFolder removes what lies in a folder, until nothing does.
func (r *remover) emptyFolder(folder *os.File, depth int) error {
	for {
		if _, err := folder.Seek(0, io.SeekStart); err != nil {
			return err
		}

		names, err := folder.Readdirnames(batch)
		if len(names) == 0 {
			return ignoreEnd(err)
		}

		for _, name := range names {
			if err := r.removeEntry(folder, name, depth+1); err != nil {
				return err
			}
		}
	}
}

// openForRemoval opens a folder so that what is in it can be removed.
func openForRemoval(parent *os.File, name string) (*os.File, error) {
	fd, err := unix.Openat(int(parent.Fd()), name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(fd)

	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}

	self := fmt.Sprintf("/proc/self/fd/%d", fd) // this folder, whatever has its name by now
	if st.Mode&0o700 != 0o700 {
		if err := os.Chmod(self, 0o700); err != nil {
			return nil, err
		}
	}

	return os.Open(self)
}
