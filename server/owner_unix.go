//go:build unix

package server

import (
	"os"
	"syscall"
)

// ownedByUs says whether path belongs to the user who serves, as git asks before it
// trusts a repository's configuration.
func ownedByUs(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)

	return ok && int(st.Uid) == os.Geteuid()
}
