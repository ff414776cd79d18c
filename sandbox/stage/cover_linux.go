package stage

import (
	"os"
	"strconv"
	"syscall"
)

// mountCovers mounts what the run sees of the host, and what stands in for places
// of it. from names the sources.
func (s *stage) mountCovers(from []string) error {
	for i, c := range s.plan.Covers {
		if c.isShown() {
			if err := s.makeMountPoint(c.Path, -1, from[i]); err != nil {
				return err
			}
		}

		if err := c.mount(from[i]); err != nil {
			return failed("cover", c.Path, err)
		}
	}

	if s.plan.Confine {
		s.mountTerminals()
	}

	return nil
}

// isShown says whether the run gets something there.
func (c Cover) isShown() bool { return c.Memory || c.From != "" }

// isWritable says whether the run gets something there that it may write to.
func (c Cover) isWritable() bool { return c.isShown() && !c.ReadOnly }

// source is what of the host must be open to mount the cover: for a file that is
// hidden the null device. "" for memory.
func (c Cover) source() string {
	if c.isShown() {
		return c.From
	}

	return os.DevNull
}

// mount mounts the cover; from names its source.
func (c Cover) mount(from string) error {
	const flags = syscall.MS_NOSUID | syscall.MS_NODEV

	switch {
	case c.Memory:
		options := "mode=1777"
		if c.Size > 0 {
			options += ",size=" + strconv.FormatInt(c.Size, 10)
		}

		return syscall.Mount("tmpfs", c.Path, "tmpfs", flags, options)
	case c.From != "":
		if err := syscall.Mount(from, c.Path, "", syscall.MS_BIND|syscall.MS_REC, ""); err != nil || !c.ReadOnly {
			return err
		}

		return setReadOnly(c.Path, true, true) // at once: no mount point may be made in it
	}

	fi, err := os.Stat(c.Path)
	if os.IsNotExist(err) { // no outer cover shows it
		return nil
	}

	if err != nil {
		return err
	}

	if fi.IsDir() {
		return syscall.Mount("tmpfs", c.Path, "tmpfs", flags|syscall.MS_NOEXEC, "mode=555,size=64k,nr_inodes=1k")
	}

	return syscall.Mount(from, c.Path, "", syscall.MS_BIND, "")
}

// mountTerminals gives the run pseudo-terminals of its own. Where it can't, the
// run has none.
func (s *stage) mountTerminals() {
	const flags = syscall.MS_NOSUID | syscall.MS_NOEXEC

	if s.makeMountPoint("/dev/pts", -1, "") != nil ||
		syscall.Mount("devpts", "/dev/pts", "devpts", flags, "newinstance,ptmxmode=0666,mode=620") != nil {
		return
	}

	s.ownTerminals = syscall.Symlink("pts/ptmx", "/dev/ptmx") == nil
}

// makeMountPoint makes a place to mount on in the run's own root; everywhere else
// the caller has made it. It becomes a file when source is given and is not a folder.
// Files are made without package os, which would set up its poller for them.
func (s *stage) makeMountPoint(path string, inside int, source string) error {
	if inside >= 0 || !s.plan.Confine {
		return nil
	}

	var st syscall.Stat_t
	if syscall.Lstat(path, &st) == nil {
		return nil
	}

	create := func() error { return syscall.Mkdir(path, 0o755) }

	if source != "" {
		if err := syscall.Stat(source, &st); err != nil {
			return failed("look at", path, err)
		}

		if st.Mode&syscall.S_IFMT != syscall.S_IFDIR {
			create = func() error { return syscall.Mknod(path, syscall.S_IFREG|0o644, 0) }
		}
	}

	err := create()
	if err == syscall.ENOENT {
		if err := os.MkdirAll(parentOf(path), 0o755); err != nil {
			return failed("make", parentOf(path), err)
		}

		err = create()
	}

	if err != nil {
		return failed("make", path, err)
	}

	return nil
}

// parentOf is path up to its last slash, which stays.
func parentOf(path string) string {
	end := len(path) - 1
	for end > 0 && path[end-1] != '/' {
		end--
	}

	return path[:end]
}

// makeRestReadOnly makes everything read-only that the run was not given to write.
func (s *stage) makeRestReadOnly() error {
	if err := setReadOnly("/", true, true); err != nil {
		return failed("make read-only", "/", err)
	}

	makeWritable := func(path string) error {
		if err := setReadOnly(path, false, false); err != nil {
			return failed("make writable", path, err)
		}

		return nil
	}

	for _, c := range s.plan.Covers {
		if !c.isWritable() {
			continue
		}

		// Where the host has it read-only, it stays so.
		if err := makeWritable(c.Path); err != nil && (c.Memory || err.(*stepError).errno != syscall.EPERM) {
			return err
		}
	}

	for _, v := range s.plan.Views {
		if v.Upper != "" {
			if err := makeWritable(v.Root); err != nil {
				return err
			}
		}
	}

	return nil
}
