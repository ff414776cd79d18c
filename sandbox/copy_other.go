//go:build !linux

package sandbox

import (
	"errors"
	"io/fs"
	"os"
)

func cloneFile(out, in *os.File) error { return errors.ErrUnsupported }

func copyOwner(string, fs.FileInfo) error { return nil }

func copyMarks(string, string) error { return nil }

func linkTime(string, fs.FileInfo) error { return nil }

func copySpecial(to string, fi fs.FileInfo) error {
	return &os.PathError{Op: "copy", Path: to, Err: errors.ErrUnsupported}
}
