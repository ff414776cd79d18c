package stage

import (
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// The descriptors that a stage is started with, after 0, 1 and 2.
const (
	controlFD = 3
	readyFD   = 4 // Detach only
)

// deathLimit is how long the stage waits for killed processes to be gone: each
// must be scheduled once more to die, which on a busy machine takes a while. In
// a namespace they die with the stage in any case, so only their accounting is
// at stake; outside, what is left is called a survivor.
const deathLimit = 10 * time.Second

// Calls and flags that package syscall does not name; the numbers are the same
// on every Linux architecture.
const (
	sysCloseRange         = 436
	closeRangeCloexec     = 4
	prSetChildSubreaper   = 36
	prCapAmbient          = 47
	prCapAmbientClearAll  = 4
	pollIn, pollRemoteHup = 1, 0x2000
)

// exit ends this process. The tests of this package count first what it covered.
var exit = syscall.Exit

func init() {
	if len(os.Args) > 0 && os.Args[0] == Name {
		serve()
		exit(2)
	}
}

// stage is the state of the one run. Its main goroutine is locked to the
// process's first thread, because init functions are.
type stage struct {
	plan    *Plan
	control *os.File

	main     int       // pid of the command
	started  time.Time // monotonic
	ended    time.Time // of the command, by the reaper only
	status   syscall.WaitStatus
	timedOut atomic.Bool
	killed   atomic.Bool
	reported atomic.Bool
	exceeded atomic.Pointer[string] // the sampled limit that ended the run
	maxTree  atomic.Int64           // bytes
	seenCPU  atomic.Int64           // nanoseconds of processor time that looks at the tree saw

	enforced     []string // what enforces the plan: key, value, key, value …
	ownTerminals bool     // the run has pseudo-terminals of its own

	// Of the watch over processes that ignore SIGCHLD.
	listener chan int               // brings the filter's listener; closed where there is none
	executed atomic.Bool            // the command has been executed
	blind    atomic.Bool            // the watch can't read what processes set
	ignored  atomic.Pointer[string] // the name of the first that ignored it
}

// serve reads the plan and carries it out. It returns when that failed, or
// when the control socket is closed before the command was started.
func serve() {
	ignoreSignals()
	closeOnExec()

	s := &stage{control: os.NewFile(controlFD, "control")}

	plan, err := ReadPlan(s.control)
	if err != nil {
		return
	}

	s.plan = plan

	if plan.Detach {
		s.startDetached()
		return
	}

	if err := s.prepare(); err != nil {
		s.fail(err)
		return
	}

	if s.waitForBrokenLease(time.Now()) {
		return
	}

	// Said before it is true: the command may stop or kill this process at once.
	s.say(&Message{Kind: Started, Enforced: s.enforced})

	if err := s.startCommand(); err != nil {
		s.fail(err)
		return
	}

	go s.watchDeadline()

	if s.plan.Limits.Sample > 0 {
		go s.watchLimits()
	}

	s.reapAll()
}

// stepError says which step failed, on what.
type stepError struct {
	step, path string
	errno      syscall.Errno
}

func (e *stepError) Error() string { return e.step + " " + e.path + ": " + e.errno.Error() }

// failed makes a stepError of the error of a call; EIO where that has no number.
func failed(step, path string, err error) error {
	errno, ok := err.(syscall.Errno)
	if pathError, is := err.(*os.PathError); is {
		errno, ok = pathError.Err.(syscall.Errno)
	}

	if !ok {
		errno = syscall.EIO
	}

	return &stepError{step, path, errno}
}

// fail says that the command could not be started.
func (s *stage) fail(err error) {
	e, ok := err.(*stepError)
	if !ok {
		e = &stepError{err.Error(), "", 0}
	}

	s.say(&Message{Kind: Failed, Step: e.step, Path: e.path, Errno: e.errno, Enforced: s.enforced})
}

// say sends a message. An error is ignored: it means that the caller is gone,
// and the lease with it.
func (s *stage) say(m *Message) { _, _ = s.control.Write(m.Encode()) }

// ignoreSignals makes the stage deaf to every signal that Go would act on:
// otherwise a SIGTERM from inside would end PID 1. It goes past the runtime on
// purpose. What the runtime believes to handle, it puts back to the default in
// each process that it starts, which is what the command needs; and telling it
// (signal.Notify) costs milliseconds of talk between threads. Signals without
// a handler can't reach PID 1 from inside. SIGCHLD must not be ignored, or
// nothing would be left to wait for; SIGURG and 33 are the runtime's own.
func ignoreSignals() {
	type sigaction struct {
		handler, flags, restorer uintptr
		mask                     uint64
	}

	const ignore, runtimeOwn = 1, 33

	for sig := syscall.Signal(1); sig <= 64; sig++ {
		if sig == syscall.SIGCHLD || sig == syscall.SIGURG || sig == runtimeOwn {
			continue
		}

		var old sigaction

		_, _, e := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(sig), 0,
			uintptr(unsafe.Pointer(&old)), 8, 0, 0)
		if e != 0 || old.handler <= ignore {
			continue
		}

		ignored := sigaction{handler: ignore}
		syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&ignored)), 0, 8, 0, 0)
	}
}

// closeOnExec keeps every descriptor from 3 on out of what is executed.
func closeOnExec() {
	if _, _, e := syscall.RawSyscall(sysCloseRange, 3, ^uintptr(0)>>1, closeRangeCloexec); e == 0 {
		return
	}

	for fd := 3; fd < 4096; fd++ {
		syscall.CloseOnExec(fd)
	}
}

// prepare makes the place where the command runs, and takes from this thread
// what the command shall not have.
func (s *stage) prepare() error {
	if s.plan.Namespaces {
		if err := s.mountAll(); err != nil {
			return err
		}
	} else if e := prctl(prSetChildSubreaper, 1); e != 0 {
		return failed("become a subreaper", "", e)
	}

	if s.plan.Loopback {
		if err := raiseLoopback(); err != nil {
			return err
		}
	}

	// Entered while it still may be: root without capabilities can't pass
	// through everybody's folders.
	if err := os.Chdir(s.plan.Dir); err != nil {
		return failed("enter", s.plan.Dir, err)
	}

	setLimit(0, syscall.RLIMIT_CORE, 0)

	if s.plan.Children {
		s.startWatch()
	}

	if err := s.confine(); err != nil {
		return err
	}

	if s.plan.Wait {
		var goAhead [1]byte
		if _, err := s.control.Read(goAhead[:]); err != nil {
			return failed("wait for its cgroup", "", syscall.EPIPE)
		}
	}

	return nil
}

// startCommand executes the command in a session of its own. The size of its files is
// limited by inheritance: this process writes none. When the number of its processes
// is limited, which must not hold for this process's threads, it is traced for a
// moment: it stops before its first instruction, gets the limit, and goes on.
func (s *stage) startCommand() error {
	limits := s.plan.Limits

	if limits.FileSize > 0 {
		if e := setLimit(0, syscall.RLIMIT_FSIZE, uintptr(limits.FileSize)); e != 0 {
			return failed("limit the size of files", "", e)
		}
	}

	attr := &syscall.SysProcAttr{Setsid: true, Ptrace: limits.Tasks > 0}
	if s.plan.Cgroup > 0 {
		attr.UseCgroupFD, attr.CgroupFD = true, s.plan.Cgroup
	}

	execute := func() (pid int, err error) {
		return syscall.ForkExec(s.plan.Argv[0], s.plan.Argv,
			&syscall.ProcAttr{Env: s.plan.Env, Files: []uintptr{0, 1, 2}, Sys: attr})
	}

	s.started = time.Now()

	pid, err := execute()
	if err == syscall.EPERM && attr.Ptrace { // tracing is forbidden here: limited a moment late
		attr.Ptrace = false
		pid, err = execute()
	}

	if err != nil {
		return failed("execute", s.plan.Argv[0], err)
	}

	s.main = pid
	if s.plan.Children {
		s.checkWatch()
	}

	if attr.Ptrace {
		var status syscall.WaitStatus
		for {
			if _, err = syscall.Wait4(pid, &status, 0, nil); err != syscall.EINTR {
				break
			}
		}

		defer func() { _ = syscall.PtraceDetach(pid) }()
	}

	if limits.Tasks > 0 {
		if e := setLimit(pid, rlimitNproc, uintptr(limits.Tasks)); e != 0 {
			return failed("limit the number of processes", "", e)
		}
	}

	return nil
}

// watchDeadline ends the run when the lease breaks or at the deadline, first
// with SIGTERM. It only kills; the reaper reports, unless something can't be
// killed.
func (s *stage) watchDeadline() {
	runtime.LockOSThread()
	goFirst()

	var wall time.Time
	if s.plan.Wall > 0 {
		wall = s.started.Add(s.plan.Wall)
	}

	if !s.waitForBrokenLease(wall) {
		s.timedOut.Store(true)
		s.signalAll(syscall.SIGTERM)
		s.waitForBrokenLease(wall.Add(s.plan.Grace))
	}

	s.end()
}

// goFirst lets this thread alone, where this process is root, run before what
// it has to kill. It does next to nothing, and what it starts runs as usual.
func goFirst() {
	const firstInFirstOut, resetOnFork = 1, 0x40000000

	priority := int32(1)
	_, _, _ = syscall.RawSyscall(syscall.SYS_SCHED_SETSCHEDULER, 0, firstInFirstOut|resetOnFork,
		uintptr(unsafe.Pointer(&priority)))
}

// end kills everything. The reaper, which then finds the command dead, reports,
// unless something can't be killed.
func (s *stage) end() {
	s.killed.Store(true)
	s.signalAll(syscall.SIGKILL) // may take long on a busy machine, so the limit begins after it

	for end := time.Now().Add(deathLimit); time.Now().Before(end); {
		time.Sleep(time.Millisecond)
		s.signalAll(syscall.SIGKILL)
	}

	s.report(syscall.WaitStatus(syscall.SIGKILL))
}

// waitForBrokenLease waits until a time, zero for ever, and says whether the
// lease broke before it.
func (s *stage) waitForBrokenLease(until time.Time) bool {
	poll := struct {
		fd              int32
		events, revents int16
	}{fd: controlFD, events: pollIn | pollRemoteHup}

	for {
		var wait *syscall.Timespec

		if !until.IsZero() {
			left := syscall.NsecToTimespec(int64(max(time.Until(until), 0)))
			wait = &left
		}

		n, _, e := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&poll)), 1,
			uintptr(unsafe.Pointer(wait)), 0, 0, 0)
		if e != syscall.EINTR && e != syscall.EAGAIN {
			return e != 0 || n > 0
		}
	}
}

// signalAll signals everything in the run but the stage. A signal to all processes
// of a namespace is atomic; a walk over /proc is not, see KillDescendants.
func (s *stage) signalAll(sig syscall.Signal) {
	switch {
	case s.plan.Namespaces:
		_ = syscall.Kill(-1, sig)
	case sig == syscall.SIGKILL:
		KillDescendants(os.Getpid())
	default:
		for _, p := range Descendants(os.Getpid()) {
			_ = syscall.Kill(p.Pid, sig)
		}
	}
}

// reapAll waits until the command itself has ended, ends what it left behind and reports.
func (s *stage) reapAll() {
	for {
		var status syscall.WaitStatus

		pid, err := syscall.Wait4(-1, &status, 0, nil)
		if err == syscall.EINTR {
			continue
		}

		if err != nil || pid == s.main {
			s.status, s.ended = status, time.Now()
			break
		}
	}

	if !reapDead() {
		s.signalAll(syscall.SIGKILL)

		for end := time.Now().Add(deathLimit); !reapDead() && time.Now().Before(end); {
			time.Sleep(200 * time.Microsecond)
			s.signalAll(syscall.SIGKILL)
		}
	}

	s.report(s.status)
}

// reapDead collects every child that has died and says whether none is left: in
// a subreaper or PID 1 that is exact.
func reapDead() bool {
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		if err == syscall.EINTR || pid > 0 {
			continue
		}

		return err == syscall.ECHILD
	}
}

// usageBlock is the unit of what getrusage says of reading and writing, in bytes.
const usageBlock = 512

// report tells the outcome and ends the stage, and with it its namespace. Only
// the first caller reports; any other waits for that end.
func (s *stage) report(status syscall.WaitStatus) {
	if !s.reported.CompareAndSwap(false, true) {
		for {
			time.Sleep(time.Hour)
		}
	}

	ended := s.ended
	if s.killed.Load() {
		ended = time.Now()
	}

	var ru syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_CHILDREN, &ru)

	// The kernel does not count the children of a process that ignores SIGCHLD.
	cpu := max(ru.Utime.Nano()+ru.Stime.Nano(), s.seenCPU.Load())

	message := &Message{
		Kind:     Ended,
		Status:   status,
		Wall:     ended.Sub(s.started),
		CPU:      time.Duration(cpu),
		MaxRSS:   int64(ru.Maxrss) << 10,
		TimedOut: s.timedOut.Load(),
		Killed:   s.killed.Load(),
		MaxTree:  s.maxTree.Load(),
		DiskRead: int64(ru.Inblock) * usageBlock,
		Faults:   int64(ru.Majflt),
		Enforced: s.enforced,
	}
	if limit := s.exceeded.Load(); limit != nil {
		message.Exceeded = *limit
	}

	if name := s.ignored.Load(); name != nil {
		message.Ignored = *name
	}

	if !s.plan.Namespaces && !reapDead() {
		for _, p := range Descendants(os.Getpid()) {
			if !p.Dead {
				message.Survivors = append(message.Survivors, p.Pid)
			}
		}
	}

	s.say(message)
	exit(0)
}

// startDetached starts the plan's program in a new session and says its pid. The
// stage exits at once, so that init adopts the program and waits for it.
func (s *stage) startDetached() {
	pid, err := syscall.ForkExec(s.plan.Argv[0], s.plan.Argv[1:], &syscall.ProcAttr{
		Dir: s.plan.Dir, Env: s.plan.Env, Files: []uintptr{0, 1, 2, readyFD}, Sys: &syscall.SysProcAttr{Setsid: true}})
	if err != nil {
		s.fail(failed("execute", s.plan.Argv[0], err))
		return
	}

	s.say(&Message{Kind: Started, Pid: pid})
}
