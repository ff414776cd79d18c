package sandbox_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// attack does one forbidden thing to a target and returns what the kernel says.
func attack(what, target string) error {
	switch what {
	case "read":
		content, err := os.ReadFile(target)
		if err == nil && len(content) == 0 {
			return errors.New("empty")
		}

		return err
	case "open":
		f, err := os.Open(target)
		if err == nil {
			f.Close()
		}

		return err
	case "list":
		entries, err := os.ReadDir(target)
		if err == nil && len(entries) == 0 {
			return errors.New("empty")
		}

		return err
	case "append", "create":
		f, err := os.OpenFile(target, os.O_WRONLY|os.O_APPEND|map[string]int{"create": os.O_CREATE | os.O_EXCL}[what],
			0o600)
		if err == nil {
			_, err = f.Write([]byte("forged\n"))
		}

		return err
	case "truncate":
		return os.Truncate(target, 0)
	case "unlink":
		return os.Remove(target)
	case "rename":
		return os.Rename(target, target+".away")
	case "replace":
		return replace(target, func(own string) error { return os.WriteFile(own, []byte("forged"), 0o644) })
	case "replace by link":
		return replace(target, func(own string) error { return os.Symlink("/etc/passwd", own) })
	case "hard link":
		own := filepath.Join(os.Getenv("TMPDIR"), "linked")
		if err := os.Link(target, own); err != nil {
			return err
		}

		return attack("append", own)
	case "symlink":
		own := filepath.Join(os.Getenv("TMPDIR"), "link")
		os.Remove(own)

		if err := os.Symlink(target, own); err != nil {
			return err
		}

		return attack("append", own)
	case "chmod":
		return os.Chmod(target, 0o777)
	case "chown":
		return os.Chown(target, 1, 1)
	case "utimes":
		return os.Chtimes(target, time.Unix(1, 0), time.Unix(1, 0))
	case "setxattr":
		return unix.Setxattr(target, "user.x", []byte("y"), 0)
	}

	return attackKernel(what, target)
}

func replace(target string, write func(own string) error) error {
	own := filepath.Join(os.Getenv("TMPDIR"), "replacement")
	os.Remove(own)

	if err := write(own); err != nil {
		return err
	}

	return os.Rename(own, target)
}

// attackKernel is what goes for more than a file.
func attackKernel(what, target string) error {
	pid, _ := strconv.Atoi(target)

	switch what {
	case "mknod":
		return unix.Mknod(filepath.Join(target, "disk"), unix.S_IFBLK|0o600, int(unix.Mkdev(254, 0)))
	case "umount":
		return unix.Unmount(target, unix.MNT_DETACH)
	case "remount":
		return unix.Mount("", target, "", unix.MS_REMOUNT|unix.MS_BIND, "")
	case "bind":
		return unix.Mount("/etc", target, "", unix.MS_BIND, "")
	case "mount in a namespace":
		if err := unix.Unshare(unix.CLONE_NEWUSER | unix.CLONE_NEWNS); err != nil {
			return err
		}

		return unix.Mount("tmpfs", target, "tmpfs", 0, "")
	case "signal":
		return unix.Kill(pid, unix.SIGURG)
	case "trace":
		return unix.PtraceAttach(pid)
	case "memory":
		f, err := os.OpenFile("/proc/"+target+"/mem", os.O_RDWR, 0)
		if err == nil {
			f.Close()
		}

		return err
	case "environ":
		_, err := os.ReadFile("/proc/" + target + "/environ")
		return err
	case "setuid":
		return syscall.Setuid(12345)
	case "sysctl":
		return os.WriteFile("/proc/sys/kernel/hostname", []byte("x"), 0)
	}

	return attackNetwork(what, target)
}

func attackNetwork(what, target string) error {
	dial := func(network string) error {
		c, err := net.DialTimeout(network, target, patient) // to this machine, where an answer comes at once
		if err == nil {
			_, err = c.Write([]byte("hello"))
			c.Close()
		}

		return err
	}
	raw := func(protocol int) error {
		host, port, _ := net.SplitHostPort(target)
		n, _ := strconv.Atoi(port)

		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, protocol)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		// where packets to nowhere are thrown away, nobody says that they are
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{Sec: 5})
		addr := &unix.SockaddrInet4{Port: n}
		copy(addr.Addr[:], net.ParseIP(host).To4())

		return unix.Connect(fd, addr)
	}

	switch what {
	case "tcp":
		return raw(0)
	case "mptcp":
		return raw(unix.IPPROTO_MPTCP)
	case "udp":
		return dial("udp")
	case "unix":
		return dial("unix")
	case "listen":
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer l.Close()

		c, err := net.DialTimeout("tcp", l.Addr().String(), patient)
		if err == nil {
			c.Close()
		}

		return err
	case "packet":
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
		if err == nil {
			unix.Close(fd)
		}

		return err
	}

	return fmt.Errorf("no such attack: %s", what)
}

// attacks does what its lines say, "what: target", and prints one line for each.
func attacks(script string) {
	for _, line := range strings.Split(script, "|") {
		what, target, _ := strings.Cut(line, "=")
		err := attack(what, target)

		var errno syscall.Errno
		switch {
		case err == nil:
			fmt.Printf("%s %s: ALLOWED\n", what, target)
		case errors.As(err, &errno):
			fmt.Printf("%s %s: %s\n", what, target, unix.ErrnoName(errno))
		default:
			fmt.Printf("%s %s: %v\n", what, target, err)
		}
	}
}
