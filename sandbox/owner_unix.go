//go:build unix

package sandbox

import (
	"io/fs"
	"os"
	"syscall"
)

// isOwnedByUs says whether a file belongs to this process's user.
func isOwnedByUs(fi fs.FileInfo) bool {
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}
