package layers

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// UnlistableError says that a tree can't be listed for its own sake: the program that
// made it is at fault, and not the machine.
type UnlistableError struct {
	Path string // of what can't be listed
	Why  string
}

func (e *UnlistableError) Error() string { return fmt.Sprintf("%s: %s", e.Path, e.Why) }

// AsUnlistable is err as an *UnlistableError where a program can make a tree that
// fails so, else err itself.
func AsUnlistable(err error) error {
	var failed *fs.PathError
	if !errors.As(err, &failed) {
		var link *os.LinkError
		if !errors.As(err, &link) {
			return err
		}

		failed = &fs.PathError{Op: link.Op, Path: link.Old, Err: link.Err}
	}

	switch {
	case errors.Is(failed, unix.ENAMETOOLONG):
		return &UnlistableError{failed.Path, "folders are nested deeper than a path can name"}
	case errors.Is(failed, fs.ErrPermission):
		return &UnlistableError{failed.Path, "it can't be read, and its mode can't be changed"}
	case errors.Is(failed, fs.ErrInvalid), errors.Is(failed, unix.ELOOP), errors.Is(failed, unix.ENXIO):
		return &UnlistableError{failed.Path, "it is neither a file nor a folder any more"}
	}

	return err
}
