package stage

import (
	"os"
	"strconv"
	"syscall"
)

// covers mounts what stands in for places of the host, and then shows again,
// writable, what may be written.
func (s *stage) covers(from, writable []string) error {
	for i, c := range s.plan.Covers {
		if c.given() {
			if err := s.point(c.Path, -1, ""); err != nil {
				return err
			}
		}

		if err := c.mount(from[i]); err != nil {
			return failed("cover", c.Path, err)
		}
	}

	for i, path := range s.plan.Writable {
		if err := s.point(path, -1, writable[i]); err != nil {
			return err
		}

		if err := syscall.Mount(writable[i], path, "", syscall.MS_BIND|syscall.MS_REC, ""); err != nil {
			return failed("bind at", path, err)
		}
	}

	if s.plan.Confine {
		s.terminals()
	}

	return nil
}

// given says whether the run gets something there that it may write to.
func (c Cover) given() bool { return c.Memory || c.From != "" }

func (c Cover) mount(from string) error {
	const flags = syscall.MS_NOSUID | syscall.MS_NODEV

	switch {
	case c.Memory:
		o := "mode=1777"
		if c.Size > 0 {
			o += ",size=" + strconv.FormatInt(c.Size, 10)
		}

		return syscall.Mount("tmpfs", c.Path, "tmpfs", flags, o)
	case c.From != "":
		return syscall.Mount(from, c.Path, "", syscall.MS_BIND, "")
	}

	fi, err := os.Stat(c.Path)
	if os.IsNotExist(err) { // an outer cover hides it already
		return nil
	}

	if err != nil {
		return err
	}

	if fi.IsDir() {
		return syscall.Mount("tmpfs", c.Path, "tmpfs", flags|syscall.MS_NOEXEC, "mode=555,size=64k,nr_inodes=1k")
	}

	return syscall.Mount("/dev/null", c.Path, "", syscall.MS_BIND, "")
}

// terminals gives the run pseudo-terminals of its own; without them it sees
// the host's, which Landlock then keeps it from opening.
func (s *stage) terminals() {
	const flags = syscall.MS_NOSUID | syscall.MS_NOEXEC
	if syscall.Mount("devpts", "/dev/pts", "devpts", flags, "newinstance,ptmxmode=0666,mode=620") != nil {
		return
	}

	if syscall.Mount("/dev/pts/ptmx", "/dev/ptmx", "", syscall.MS_BIND, "") == nil {
		s.ownTerminals = true
	}
}

// point makes a place to mount on that a cover hides; the supervisor has seen
// to it that it exists otherwise. source says whether it must be a folder.
func (s *stage) point(path string, inside int, source string) error {
	if inside >= 0 || len(s.plan.Covers) == 0 {
		return nil
	}

	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		return nil
	}
	folder := path

	if source != "" {
		var st syscall.Stat_t
		if err := syscall.Stat(source, &st); err != nil {
			return failed("look at", path, err)
		}

		if st.Mode&syscall.S_IFMT != syscall.S_IFDIR {
			for folder = path[:len(path)-1]; folder != "" && folder[len(folder)-1] != '/'; {
				folder = folder[:len(folder)-1]
			}
		}
	}

	if err := os.MkdirAll(folder, 0o755); err != nil {
		return failed("make", folder, err)
	}

	if folder == path {
		return nil
	}

	if err := os.WriteFile(path, nil, 0o644); err != nil {
		return failed("make", path, err)
	}

	return nil
}

// readOnly makes everything read-only that the run was not given to write.
func (s *stage) readOnly() error {
	if err := setReadOnly("/", true, true); err != nil {
		return failed("make read-only", "/", err)
	}
	again := func(path string) error {
		if err := setReadOnly(path, false, false); err != nil {
			return failed("make writable", path, err)
		}

		return nil
	}

	for _, c := range s.plan.Covers {
		if c.given() {
			if err := again(c.Path); err != nil {
				return err
			}
		}
	}

	for _, path := range s.plan.Writable {
		// Where the host has it read-only, it stays so.
		if err := again(path); err != nil && err.(*stepError).errno != syscall.EPERM {
			return err
		}
	}

	for _, v := range s.plan.Views {
		if v.Upper != "" {
			if err := again(v.Root); err != nil {
				return err
			}
		}
	}

	return nil
}
