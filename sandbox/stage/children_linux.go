package stage

import (
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

// The kernel adds what a process used to its parent's account when the parent
// waits for it. The children of a process that ignores SIGCHLD, or that sets
// SA_NOCLDWAIT, are waited for by nobody: what they used is in no account, and a
// short one is gone before any look at the tree. So where the account matters,
// each process that sets what SIGCHLD does to it is held up until the stage has
// read what it sets.
//
// A thread may change what it sets between the stage's look and the kernel's. So
// the stage looks a random number of times: what is changed in between is seen
// far more likely than it is missed, in every run again.

const (
	lookAgain   = 50 * time.Microsecond // between two looks at what a process sets
	mostAnswers = 4096                  // random bytes that are read at a time; one decides one look

	signalIgnored = 1 // SIG_IGN
	noChildWait   = 2 // SA_NOCLDWAIT

	// Requests of a seccomp listener, and the answer that lets a call go on.
	listenerReceive, listenerSend, listenerIsValid = 0xc0502100, 0xc0182101, 0x40082102
	answerContinue                                 = 1
)

// question is a call that waits for the stage (struct seccomp_notif).
type question struct {
	id         uint64
	pid, flags uint32 // pid is the thread's
	number     int32
	arch       uint32
	at         uint64
	arguments  [6]uint64
}

// answer lets a call go on or fail (struct seccomp_notif_resp).
type answer struct {
	id    uint64
	value int64
	errno int32
	flags uint32
}

// startWatch starts the thread that answers, before this thread loses its rights:
// a thread that is cloned later could inherit the loss.
func (s *stage) startWatch() {
	// The command is started by a call that holds up this thread, and with it
	// everything that would stop all threads, until the watch has answered.
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), 2))
	runtime.GC()

	s.listener = make(chan int, 1)
	ready := make(chan struct{})

	go s.watchChildren(ready)
	<-ready
}

// reportWatch hands the filter's listener to the watch.
func (s *stage) reportWatch(listener int, errno syscall.Errno) {
	if errno != 0 {
		close(s.listener)
		s.reportEnforced("accounting", "not enforced: a seccomp listener can't be set: "+errno.Error())

		return
	}

	s.reportEnforced("accounting", "enforced by watching which processes ignore SIGCHLD")
	s.listener <- listener
}

// checkWatch finds out, when the command has been executed, whether the watch can
// read what processes set. The shell lets itself be read.
func (s *stage) checkWatch() {
	if _, e := readMemory(s.main, 0, 1); e == syscall.EPERM || e == syscall.ENOSYS {
		s.blind.Store(true)
		s.reportEnforced("accounting", "not enforced: what processes set can't be read: "+e.Error())
	}

	s.executed.Store(true)
}

// watchChildren answers what the filter asks, until the stage ends.
func (s *stage) watchChildren(ready chan<- struct{}) {
	runtime.LockOSThread()
	goFirst()
	close(ready)

	listener, isSet := <-s.listener
	if !isSet {
		return
	}

	random := coin{}

	for {
		var asked question

		_, _, e := syscall.Syscall(syscall.SYS_IOCTL, uintptr(listener), listenerReceive,
			uintptr(unsafe.Pointer(&asked)))
		if e == syscall.EINTR || e == syscall.ENOENT { // ENOENT: it died
			continue
		}

		if e != 0 {
			return
		}

		reply := answer{id: asked.id, flags: answerContinue}

		isClone3 := asked.number == callClone3().numbers[0] // the same everywhere

		switch {
		case isClone3 && int(asked.pid) != os.Getpid():
			reply.errno, reply.flags = -int32(syscall.ENOSYS), 0
		case isClone3 || s.ignored.Load() != nil: // the stage starts the command, or the run is void already
		case s.ignoresChildren(&asked, &random) && isStillAsking(listener, &asked):
			name := readName(int(asked.pid))
			s.ignored.Store(&name)
		}

		_, _, _ = syscall.Syscall(syscall.SYS_IOCTL, uintptr(listener), listenerSend, uintptr(unsafe.Pointer(&reply)))
	}
}

// isStillAsking says whether the process that asks is the one that was looked at.
func isStillAsking(listener int, asked *question) bool {
	_, _, e := syscall.Syscall(syscall.SYS_IOCTL, uintptr(listener), listenerIsValid,
		uintptr(unsafe.Pointer(&asked.id)))

	return e == 0
}

// ignoresChildren says whether a process is about to ignore SIGCHLD.
func (s *stage) ignoresChildren(asked *question, random *coin) bool {
	wordSize := 8
	if asked.arch == compatArch {
		wordSize = 4

		if asked.number != callSigaction().numbers[compatNumber] {
			return true // an older call, which no libc of today makes
		}
	}

	for {
		action, e := readMemory(int(asked.pid), uintptr(asked.arguments[1]), 2*wordSize)

		switch {
		case e != 0 && !s.executed.Load(): // the stage's own child, which has not executed the command yet
			return false
		case e == syscall.ESRCH || e == syscall.EPERM && s.blind.Load():
			return false
		case e != 0: // it has closed its memory, or points to nowhere
			return true
		}

		handler, flags := (&decoder{rest: action[:8]}).num(), int64(0)
		if wordSize == 8 {
			flags = (&decoder{rest: action[8:]}).num()
		} else {
			handler, flags = handler&0xffffffff, handler>>32
		}

		if handler == signalIgnored || flags&noChildWait != 0 {
			return true
		}

		if !random.isHeads() {
			return false
		}

		time.Sleep(lookAgain)
	}
}

// readMemory reads n bytes of a process's memory, at most 16.
func readMemory(pid int, address uintptr, n int) ([]byte, syscall.Errno) {
	content := make([]byte, 16)
	local := [2]uintptr{uintptr(unsafe.Pointer(&content[0])), uintptr(n)}
	remote := [2]uintptr{address, uintptr(n)}

	got, _, e := syscall.Syscall6(sysProcessVMReadv, uintptr(pid), uintptr(unsafe.Pointer(&local)), 1,
		uintptr(unsafe.Pointer(&remote)), 1, 0)
	if e == 0 && int(got) < n {
		e = syscall.EFAULT
	}

	return content, e
}

// readName reads the name of a process, which it may have chosen itself: what is
// no letter, digit or one of -._ is left out.
func readName(pid int) string {
	text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
	name := make([]byte, 0, len(text))

	for _, c := range text {
		isLetter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if isLetter || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_' {
			name = append(name, c)
		}
	}

	if len(name) == 0 {
		return "a process"
	}

	return string(name)
}

// coin falls as nobody can foresee.
type coin struct{ rest []byte }

// isHeads is true three times of four. Without a source of chance it is false.
func (c *coin) isHeads() bool {
	if len(c.rest) == 0 {
		source, err := os.Open("/dev/urandom")
		if err != nil {
			return false
		}
		defer source.Close()

		c.rest = make([]byte, mostAnswers)
		n, _ := source.Read(c.rest)
		c.rest = c.rest[:n]
	}

	if len(c.rest) == 0 {
		return false
	}

	heads := c.rest[0]&3 != 0
	c.rest = c.rest[1:]

	return heads
}
