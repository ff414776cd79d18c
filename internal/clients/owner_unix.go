//go:build unix

package clients

import (
	"os"
	"syscall"
)

// keepOwner gives f the owner of file.
func keepOwner(f *os.File, file string) error {
	now, err := f.Stat()
	if err != nil {
		return err
	}

	want, err := os.Stat(file)
	if err != nil {
		return err
	}

	from, ok := now.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}

	to, ok := want.Sys().(*syscall.Stat_t)
	if !ok || from.Uid == to.Uid && from.Gid == to.Gid {
		return nil
	}

	return f.Chown(int(to.Uid), int(to.Gid))
}
