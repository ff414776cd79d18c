//go:build unix

package clients

import (
	"os"
	"syscall"
)

// keepOwner gives f the owner of file.
func keepOwner(f *os.File, file string) error {
	is, err := f.Stat()
	if err != nil {
		return err
	}

	want, err := os.Stat(file)
	if err != nil {
		return err
	}
	a, ok := is.Sys().(*syscall.Stat_t)

	b, okay := want.Sys().(*syscall.Stat_t)
	if !ok || !okay || a.Uid == b.Uid && a.Gid == b.Gid {
		return nil
	}

	return f.Chown(int(b.Uid), int(b.Gid))
}
