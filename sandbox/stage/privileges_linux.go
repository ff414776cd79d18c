package stage

import (
	"syscall"
	"unsafe"
)

// Options that package syscall does not name; the numbers are the same on every
// Linux architecture.
const (
	prSetDumpable   = 4
	prCapbsetDrop   = 24
	prSetSecurebits = 28
	prSetNoNewPrivs = 38
	keyJoinSession  = 1
	capVersion3     = 0x20080522

	// noroot, no_setuid_fixup and no_cap_ambient_raise, and the locks of these and of keep_caps
	securebits = 1<<0 | 1<<1 | 1<<2 | 1<<3 | 1<<5 | 1<<6 | 1<<7
)

// prctl makes a call of prctl(2) with one argument.
func prctl(option, arg uintptr) syscall.Errno {
	_, _, e := syscall.RawSyscall6(syscall.SYS_PRCTL, option, arg, 0, 0, 0, 0)
	return e
}

// confine takes from the calling thread, and so from everything that is started
// from it, what the run shall not have. The stage's other threads keep their
// rights; a run can't get at them, because the stage's memory is closed to
// everybody without capabilities. Nothing can be mounted afterwards.
func (s *stage) confine() error {
	var rules int

	if s.plan.Confine {
		var err error
		if rules, err = s.makeLandlockRules(); err != nil {
			return err
		}
	}

	// A keyring of its own; kernels without keys have none to lose.
	_, _, _ = syscall.RawSyscall(syscall.SYS_KEYCTL, keyJoinSession, 0, 0)

	e := prctl(prSetSecurebits, securebits)
	if e != 0 && e != syscall.EPERM { // without the right to set them there are no capabilities to lose
		return failed("lock the privileges", "", e)
	}

	for c := uintptr(0); c < 64 && prctl(prCapbsetDrop, c) == 0; c++ {
	}

	if e := prctl(prSetNoNewPrivs, 1); e != 0 {
		return failed("renounce new privileges", "", e)
	}

	if rules > 0 {
		if _, _, e := syscall.RawSyscall(sysLandlockRestrictSelf, uintptr(rules), 0, 0); e != 0 {
			return failed("restrict by Landlock", "", e)
		}
	}

	s.filterCalls(rules > 0)

	if err := dropCapabilities(); err != nil {
		return err
	}

	s.reportEnforced("privileges", "enforced by no_new_privs and an empty capability set")

	if e := prctl(prSetDumpable, 0); e != 0 {
		return failed("close its memory", "", e)
	}

	return nil
}

// dropCapabilities empties the thread's sets, and checks that they are empty.
func dropCapabilities() error {
	e := prctl(prCapAmbient, prCapAmbientClearAll)
	if e != 0 && e != syscall.EINVAL {
		return failed("drop ambient capabilities", "", e)
	}

	type header struct {
		version uint32
		pid     int32
	}

	head := header{version: capVersion3}
	var sets [6]uint32 // effective, permitted and inheritable, twice

	_, _, e = syscall.RawSyscall(syscall.SYS_CAPSET, uintptr(unsafe.Pointer(&head)),
		uintptr(unsafe.Pointer(&sets)), 0)
	if e != 0 {
		return failed("drop capabilities", "", e)
	}

	_, _, e = syscall.RawSyscall(syscall.SYS_CAPGET, uintptr(unsafe.Pointer(&head)),
		uintptr(unsafe.Pointer(&sets)), 0)
	if e != 0 || sets != [6]uint32{} {
		return failed("drop capabilities", "", syscall.EPERM)
	}

	return nil
}

// raiseLoopback brings up the one device of a new network namespace.
func raiseLoopback() error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return failed("raise the loopback device", "", err)
	}
	defer syscall.Close(fd)

	request := struct {
		name  [syscall.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}{name: [syscall.IFNAMSIZ]byte{'l', 'o'}, flags: syscall.IFF_UP | syscall.IFF_RUNNING}

	_, _, e := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request)))
	if e != 0 {
		return failed("raise the loopback device", "", e)
	}

	return nil
}

// setLimit sets a resource limit of a process, 0 for this one.
func setLimit(pid int, resource, value uintptr) syscall.Errno {
	limit := [2]uint64{uint64(value), uint64(value)}

	_, _, e := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), resource,
		uintptr(unsafe.Pointer(&limit)), 0, 0, 0)

	return e
}

// reportEnforced notes for the report what enforces a part of the plan.
func (s *stage) reportEnforced(key, how string) { s.enforced = append(s.enforced, key, how) }
