package ledger

import "golang.org/x/sys/unix"

// magicOf is the number of the file system that dir is on, 0 if it can't be known.
func magicOf(dir string) uint32 {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0
	}

	return uint32(st.Type)
}
