package stage

import (
	"os"
	"strconv"
	"syscall"
	"unsafe"
)

const (
	oPath            = 0x200000
	sysMountSetattr  = 442
	atFdcwd          = ^uintptr(99) // -100
	atRecursive      = 0x8000
	mountAttrRdonly  = 1
	mountAttrSize    = 32
	privateRecursive = syscall.MS_PRIVATE | syscall.MS_REC
)

// mountAll puts the run's file system together: when the run is confined an empty
// root, links and covers in it; the views, what is carried, a /proc of the new PID
// namespace; and then, when the run is confined, it makes all the rest read-only
// and lets the host's root go.
//
// Every source is opened before the first mount, because a view or a cover may
// hide the places that other layers lie in, and is then named by its
// descriptor's number, with /proc/self/fd as the working directory. So no path ever stands
// in the options of an overlay: colons, commas, spaces and backslashes mean
// nothing, and some hundreds of layers fit the one page that mount(2) takes.
func (s *stage) mountAll() error {
	if err := syscall.Mount("", "/", "", privateRecursive, ""); err != nil {
		return failed("make mounts private at", "/", err)
	}

	options := make([]string, len(s.plan.Views))

	for i, v := range s.plan.Views {
		var err error
		if options[i], err = v.openLayers(s.plan.UserXattr); err != nil {
			return err
		}
	}

	binds, err := openAll(len(s.plan.Binds), func(i int) string { return s.plan.Binds[i].From })
	if err != nil {
		return err
	}

	from, err := openAll(len(s.plan.Covers), func(i int) string { return s.plan.Covers[i].source() })
	if err != nil {
		return err
	}

	if err := os.Chdir("/proc/self/fd"); err != nil {
		return failed("enter", "/proc/self/fd", err)
	}

	oldRoot := -1
	if s.plan.Confine {
		if oldRoot, err = s.enterOwnRoot(); err != nil {
			return err
		}
	}

	if err := s.mountCovers(from); err != nil {
		return err
	}

	for i, v := range s.plan.Views {
		if err := s.mountOverlay(v, options[i]); err != nil {
			return err
		}
	}

	for i, b := range s.plan.Binds {
		if err := s.mountBind(b, binds[i]); err != nil {
			return err
		}
	}

	if err := os.Chdir("/"); err != nil {
		return failed("enter", "/", err)
	}

	if err := s.makeMountPoint("/proc", -1, ""); err != nil {
		return err
	}

	const flags = syscall.MS_NOSUID | syscall.MS_NODEV | syscall.MS_NOEXEC
	if err := syscall.Mount("proc", "/proc", "proc", flags, ""); err != nil {
		return failed("mount", "/proc", err)
	}

	if !s.plan.Confine {
		return nil
	}

	if err := s.makeRestReadOnly(); err != nil {
		return err
	}

	return leaveOldRoot(oldRoot)
}

// enterOwnRoot makes an empty root for the run and enters it. The host's root,
// whose descriptor it returns, stays reachable by descriptors alone, so that what
// was opened before can still be mounted. The working directory does not change.
func (s *stage) enterOwnRoot() (oldRoot int, err error) {
	if oldRoot, err = openPath("/"); err != nil {
		return -1, failed("open", "/", err)
	}

	const flags = syscall.MS_NOSUID | syscall.MS_NODEV
	if err := syscall.Mount("tmpfs", s.plan.Root, "tmpfs", flags, "mode=755"); err != nil {
		return -1, failed("mount the run's root at", s.plan.Root, err)
	}

	if err := syscall.PivotRoot(s.plan.Root, s.plan.Root); err != nil {
		return -1, failed("enter the run's root at", s.plan.Root, err)
	}

	for _, l := range s.plan.Links {
		if err := os.MkdirAll(parentOf(l.Path), 0o755); err != nil {
			return -1, failed("make", parentOf(l.Path), err)
		}

		if err := syscall.Symlink(l.Target, l.Path); err != nil {
			return -1, failed("link", l.Path, err)
		}
	}

	return oldRoot, nil
}

// leaveOldRoot takes the host's root, and all that is mounted in it, out of the run.
func leaveOldRoot(oldRoot int) error {
	if err := syscall.Fchdir(oldRoot); err != nil {
		return failed("enter", "the host's root", err)
	}

	if err := syscall.Unmount(".", syscall.MNT_DETACH); err != nil {
		return failed("leave", "the host's root", err)
	}

	if err := os.Chdir("/"); err != nil {
		return failed("enter", "/", err)
	}

	return nil
}

// openAll opens n places and names them by their descriptors; "" stays "".
func openAll(n int, path func(i int) string) ([]string, error) {
	names := make([]string, n)
	for i := range names {
		if path(i) == "" {
			continue
		}

		fd, err := openPath(path(i))
		if err != nil {
			return nil, failed("open", path(i), err)
		}

		names[i] = strconv.Itoa(fd)
	}

	return names, nil
}

// openLayers opens a view's folders and names them in the options of its
// overlay. Without redirects, metacopies and an index, an upper folder means
// the same anywhere and can be the lower one of a later run.
func (v View) openLayers(userXattr bool) (options string, err error) {
	options = "redirect_dir=off,metacopy=off,index=off"
	if userXattr {
		options = "userxattr" // switches off the three; older kernels refuse to be told both
	}

	for i, dir := range v.Lower {
		fd, err := openPath(dir)
		if err != nil {
			return "", failed("open", dir, err)
		}

		if i == 0 {
			options += ",lowerdir="
		} else {
			options += ":"
		}

		options += strconv.Itoa(fd)
	}

	if v.Upper == "" {
		return options, nil
	}

	upper, err := openPath(v.Upper)
	if err != nil {
		return "", failed("open", v.Upper, err)
	}

	work, err := openPath(v.Work)
	if err != nil {
		return "", failed("open", v.Work, err)
	}

	return options + ",upperdir=" + strconv.Itoa(upper) + ",workdir=" + strconv.Itoa(work), nil
}

// mountOverlay mounts a view with the options of openLayers.
func (s *stage) mountOverlay(v View, options string) error {
	if err := s.makeMountPoint(v.Root, v.Inside, ""); err != nil {
		return err
	}

	target, err := s.openTarget(v.Root, v.Inside)
	if err != nil {
		return failed("find", v.Root, err)
	}

	var flags uintptr
	if v.Upper == "" {
		flags = syscall.MS_RDONLY
	}

	if err := syscall.Mount("ratchet", target, "overlay", flags, options); err != nil {
		return failed("mount an overlay at", v.Root, err)
	}

	return nil
}

// mountBind mounts source with everything that is mounted in it, and makes all of it read-only.
func (s *stage) mountBind(b Bind, source string) error {
	if err := s.makeMountPoint(b.To, b.Inside, source); err != nil {
		return err
	}

	target, err := s.openTarget(b.To, b.Inside)
	if err != nil {
		return failed("find", b.To, err)
	}

	if err := syscall.Mount(source, target, "", syscall.MS_BIND|syscall.MS_REC, ""); err != nil {
		return failed("bind at", b.To, err)
	}

	if err := setReadOnly(b.To, true, true); err != nil {
		return failed("make read-only", b.To, err)
	}

	return nil
}

// setReadOnly makes the mount at path, and with recursive all that is mounted
// in it, read-only or writable.
func setReadOnly(path string, readOnly, recursive bool) error {
	name, err := syscall.BytePtrFromString(path)
	if err != nil {
		return err
	}

	var attr [4]uint64 // set, clear, propagation, user namespace
	if readOnly {
		attr[0] = mountAttrRdonly
	} else {
		attr[1] = mountAttrRdonly
	}

	var flags uintptr
	if recursive {
		flags = atRecursive
	}

	_, _, e := syscall.Syscall6(sysMountSetattr, atFdcwd, uintptr(unsafe.Pointer(name)), flags,
		uintptr(unsafe.Pointer(&attr)), mountAttrSize, 0)
	if e != 0 {
		return e
	}

	return nil
}

// openTarget returns the name of a mount point relative to /proc/self/fd. Inside
// a view no symbolic link is followed: the tree under test must not choose what
// is covered.
func (s *stage) openTarget(path string, inside int) (string, error) {
	if inside < 0 || inside >= len(s.plan.Views) {
		return path, nil
	}

	root := s.plan.Views[inside].Root

	fd, err := openPath(root)
	if err != nil {
		return "", err
	}

	for rest := path[len(root):]; rest != ""; {
		var name string

		if name, rest = cutSlash(rest); name == "" {
			continue
		}

		if fd, err = openAt(fd, name); err != nil {
			return "", err
		}
	}

	return strconv.Itoa(fd), nil
}

// cutSlash cuts path at its first slash.
func cutSlash(path string) (before, after string) {
	for i := range len(path) {
		if path[i] == '/' {
			return path[:i], path[i+1:]
		}
	}

	return path, ""
}

// openPath opens a place to name it, not to read it.
func openPath(path string) (int, error) {
	return syscall.Open(path, oPath|syscall.O_CLOEXEC, 0)
}

// openAt opens a name in a folder; ELOOP when it is a symbolic link.
func openAt(dir int, name string) (int, error) {
	fd, err := syscall.Openat(dir, name, oPath|syscall.O_CLOEXEC|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return -1, err
	}

	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		return -1, err
	}

	if st.Mode&syscall.S_IFMT == syscall.S_IFLNK {
		return -1, syscall.ELOOP
	}

	return fd, nil
}
