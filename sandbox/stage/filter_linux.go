package stage

import (
	"syscall"
	"unsafe"
)

// call is a call of the kernel with its numbers on x86-64, i386, arm64 and arm;
// -1 where there is none. A test compares them with golang.org/x/sys, which a
// stage can't import.
type call struct {
	name    string
	numbers [4]int32
}

// refusedCalls are the calls that have no business in a run; docs/confinement.md
// has the reason of each. Some need a capability too, which no run has.
func refusedCalls() []call {
	return []call{
		// kernel memory that outlives a run
		{"syslog", [...]int32{103, 103, 116, 103}},
		{"bpf", [...]int32{321, 357, 280, 386}},
		// views of the file system
		{"mount", [...]int32{165, 21, 40, 21}},
		{"umount", [...]int32{-1, 22, -1, -1}},
		{"umount2", [...]int32{166, 52, 39, 52}},
		{"pivot_root", [...]int32{155, 217, 41, 218}},
		{"chroot", [...]int32{161, 61, 51, 61}},
		{"move_mount", [...]int32{429, 429, 429, 429}},
		{"open_tree", [...]int32{428, 428, 428, 428}},
		{"open_tree_attr", [...]int32{467, 467, 467, 467}},
		{"fsopen", [...]int32{430, 430, 430, 430}},
		{"fsconfig", [...]int32{431, 431, 431, 431}},
		{"fsmount", [...]int32{432, 432, 432, 432}},
		{"fspick", [...]int32{433, 433, 433, 433}},
		{"mount_setattr", [...]int32{442, 442, 442, 442}},
		{"open_by_handle_at", [...]int32{304, 342, 265, 371}},
		// namespaces; those of clone and unshare are refused by their flags
		{"setns", [...]int32{308, 346, 268, 375}},
		// the clock that runs are measured by
		{"settimeofday", [...]int32{164, 79, 170, 79}},
		{"stime", [...]int32{-1, 25, -1, -1}},
		{"clock_settime", [...]int32{227, 264, 112, 262}},
		{"clock_settime64", [...]int32{-1, 404, -1, 404}},
		{"adjtimex", [...]int32{159, 124, 171, 124}},
		{"clock_adjtime", [...]int32{305, 343, 266, 372}},
		{"clock_adjtime64", [...]int32{-1, 405, -1, 405}},
		// the machine
		{"reboot", [...]int32{169, 88, 142, 88}},
		{"kexec_load", [...]int32{246, 283, 104, 347}},
		{"kexec_file_load", [...]int32{320, -1, 294, 401}},
		{"init_module", [...]int32{175, 128, 105, 128}},
		{"finit_module", [...]int32{313, 350, 273, 379}},
		{"delete_module", [...]int32{176, 129, 106, 129}},
		{"swapon", [...]int32{167, 87, 224, 87}},
		{"swapoff", [...]int32{168, 115, 225, 115}},
		{"acct", [...]int32{163, 51, 89, 51}},
		{"quotactl", [...]int32{179, 131, 60, 131}},
		{"quotactl_fd", [...]int32{443, 443, 443, 443}},
		{"sethostname", [...]int32{170, 74, 161, 74}},
		{"setdomainname", [...]int32{171, 121, 162, 121}},
	}
}

// missingCalls are refused as a kernel without them would: programs ask for them
// and go on without.
func missingCalls() []call {
	return []call{
		{"add_key", [...]int32{248, 286, 217, 309}},
		{"request_key", [...]int32{249, 287, 218, 310}},
		{"keyctl", [...]int32{250, 288, 219, 311}},
		{"userfaultfd", [...]int32{323, 374, 282, 388}},
		// what is in the page cache, which outlives a run
		{"mincore", [...]int32{27, 218, 232, 219}},
		{"cachestat", [...]int32{451, 451, 451, 451}},
		{"process_madvise", [...]int32{440, 440, 440, 440}},
	}
}

// queueCalls make POSIX message queues, which outlive a run without an IPC namespace.
func queueCalls() []call {
	return []call{
		{"mq_open", [...]int32{240, 277, 180, 274}},
		{"mq_unlink", [...]int32{241, 278, 181, 275}},
	}
}

// traceCalls reach into other processes of the same user; those of ptrace are refused
// by their requests.
func traceCalls() []call {
	return []call{
		{"pidfd_getfd", [...]int32{438, 438, 438, 438}},
		{"process_vm_readv", [...]int32{310, 347, 270, 376}},
		{"process_vm_writev", [...]int32{311, 348, 271, 377}},
	}
}

// Calls that are judged by their arguments.
func callPtrace() call    { return call{"ptrace", [...]int32{101, 26, 117, 26}} }
func callClone() call     { return call{"clone", [...]int32{56, 120, 220, 120}} }
func callClone3() call    { return call{"clone3", [...]int32{435, 435, 435, 435}} }
func callUnshare() call   { return call{"unshare", [...]int32{272, 310, 97, 337}} }
func callIoctl() call     { return call{"ioctl", [...]int32{16, 54, 29, 54}} }
func callSocket() call    { return call{"socket", [...]int32{41, 359, 198, 281}} }
func callIOURing() call   { return call{"io_uring_setup", [...]int32{425, 425, 425, 425}} }
func callMadvise() call   { return call{"madvise", [...]int32{28, 219, 233, 220}} }
func callPreadv2() call   { return call{"preadv2", [...]int32{327, 378, 286, 392}} }
func callPwritev2() call  { return call{"pwritev2", [...]int32{328, 379, 287, 393}} }
func callSigaction() call { return call{"rt_sigaction", [...]int32{13, 174, 134, 174}} }

// adviceCall is a call that gives advice about a file, and which of its arguments the
// advice is, by the same columns as its numbers.
type adviceCall struct {
	call
	at [4]int
}

// adviceCalls give advice about a file. A 64-bit argument takes two in 32-bit programs.
func adviceCalls() []adviceCall {
	return []adviceCall{
		{call{"fadvise64", [...]int32{221, 250, 223, -1}}, [...]int{3, 4, 3, 0}},
		{call{"fadvise64_64", [...]int32{-1, 272, -1, -1}}, [...]int{0, 5, 0, 0}},
		{call{"arm_fadvise64_64", [...]int32{-1, -1, -1, 270}}, [...]int{0, 0, 0, 1}},
	}
}

// oldSigactions are the older calls of 32-bit programs that set what a signal does.
func oldSigactions() []call {
	return []call{{"sigaction", [...]int32{-1, 67, -1, 67}}, {"signal", [...]int32{-1, 48, -1, -1}}}
}

// instruction is one of a seccomp filter (classic BPF).
type instruction struct {
	code                uint16
	jumpTrue, jumpFalse uint8 // how many instructions to leave out
	value               uint32
}

// Codes of instructions.
const (
	bpfLoad, bpfJump, bpfReturn           = 0x20, 0x05, 0x06
	bpfIfEqual, bpfIfAtLeast, bpfIfAnyBit = 0x15, 0x35, 0x45
)

// Where what is loaded lies: the numbers are little-endian on both architectures,
// and an argument has 8 bytes.
const (
	atNumber, atArch, atArgument = 0, 4, 16
	argumentSize, highHalf       = 8, 4
)

// What a filter returns.
const (
	seccompAllow = 0x7fff0000
	seccompAsk   = 0x7fc00000 // the listener
	seccompErrno = 0x00050000 // with the number in the low bits
)

const (
	// of clone and unshare: user, PID, mount, network, IPC, UTS and cgroup
	newNamespaces    = 0x7e020000
	newTimeNamespace = 0x80 // of unshare only

	// Requests of ioctl: pushing input into a terminal, and storing a key in a file system.
	tiocsti, tioclinux = 0x5412, 0x541c
	addEncryptionKey   = 0xc0506617

	// Requests of ptrace that begin to trace a process which did not ask for it. All
	// others are for processes that are traced already, and those are the run's own.
	ptraceAttach, ptraceSeize = 16, 0x4206

	// Advice that takes pages out of the page cache, of posix_fadvise and madvise.
	fadviseDontNeed, madviseCold, madvisePageOut = 4, 20, 21

	// Flags of preadv2: only what is in memory, and dropped from it after reading.
	readNoWait, readDontCache = 0x8, 0x80
)

// filterPlan is what a filter depends on.
type filterPlan struct {
	noSocket bool // refuse all sockets but local ones
	noQueues bool // refuse POSIX message queues
	noTrace  bool // refuse to reach into other processes
	clone3   bool // the stage starts the command in a cgroup, which only clone3 can
	children bool // ask when a process sets what SIGCHLD does
}

// makeFilter makes the filter. The other entry of the processor, for 32-bit
// programs, has one of its own; calls of any further entry fail.
func makeFilter(plan filterPlan) []instruction {
	native := plan.makePart(nativeNumber)
	compat := plan.makePart(compatNumber)

	if plan.noSocket { // socketcall has the kind of socket in memory
		compat = refuse(syscall.ENOSYS)
	}

	if firstX32 > 0 {
		native = append([]instruction{{bpfLoad, 0, 0, atNumber}, {bpfIfAtLeast, 0, 1, firstX32},
			{bpfReturn, 0, 0, seccompErrno | uint32(syscall.ENOSYS)}}, native...)
	}

	filter := []instruction{
		{bpfLoad, 0, 0, atArch},
		{bpfIfEqual, 1, 0, nativeArch},
		{bpfJump, 0, 0, uint32(len(native))},
	}
	filter = append(filter, native...)
	filter = append(filter, instruction{bpfIfEqual, 1, 0, compatArch})
	filter = append(filter, refuse(syscall.ENOSYS)...)

	return append(filter, compat...)
}

// makePart makes the part of one entry, whose numbers stand in that column of call.
func (p filterPlan) makePart(column int) []instruction {
	part := []instruction{{bpfLoad, 0, 0, atNumber}}
	add := func(c call, then ...instruction) {
		if n := c.numbers[column]; n >= 0 {
			part = append(part, instruction{bpfIfEqual, 0, uint8(len(then)), uint32(n)})
			part = append(part, then...)
		}
	}

	addAll := func(calls []call, errno syscall.Errno) {
		for _, c := range calls {
			add(c, refuse(errno)...)
		}
	}

	p.addByArgument(add)
	p.addPageCache(add, column)
	addAll(refusedCalls(), syscall.EPERM)
	addAll(missingCalls(), syscall.ENOSYS)

	if p.noQueues {
		addAll(queueCalls(), syscall.ENOSYS)
	}

	if p.noTrace {
		addAll(traceCalls(), syscall.EPERM)
	}

	return append(part, instruction{bpfReturn, 0, 0, seccompAllow})
}

// addByArgument adds the calls that are judged by their arguments. Only the lower
// half of an argument is looked at where the kernel looks at no more.
func (p filterPlan) addByArgument(add func(c call, then ...instruction)) {
	allow, ask := instruction{bpfReturn, 0, 0, seccompAllow}, instruction{bpfReturn, 0, 0, seccompAsk}
	denied := refuse(syscall.EPERM)[0]
	loadArgument := func(n, half int) instruction {
		return instruction{bpfLoad, 0, 0, uint32(atArgument + n*argumentSize + half)}
	}

	add(callIoctl(), loadArgument(1, 0), instruction{bpfIfEqual, 3, 0, tiocsti},
		instruction{bpfIfEqual, 2, 0, tioclinux}, instruction{bpfIfEqual, 1, 0, addEncryptionKey}, allow, denied)
	add(callClone(), loadArgument(0, 0), instruction{bpfIfAnyBit, 1, 0, newNamespaces}, allow, denied)
	add(callUnshare(), loadArgument(0, 0),
		instruction{bpfIfAnyBit, 1, 0, newNamespaces | newTimeNamespace}, allow, denied)

	if p.noTrace {
		add(callPtrace(), loadArgument(0, 0), instruction{bpfIfEqual, 2, 0, ptraceAttach},
			instruction{bpfIfEqual, 1, 0, ptraceSeize}, allow, denied)
	}

	// The flags of clone3 are in memory, where no filter can look.
	switch {
	case p.clone3 && p.children:
		add(callClone3(), ask)
	case !p.clone3:
		add(callClone3(), refuse(syscall.ENOSYS)...)
	}

	if p.noSocket {
		add(callSocket(), loadArgument(0, 0), instruction{bpfIfEqual, 1, 0, syscall.AF_UNIX},
			refuse(syscall.EACCES)[0], allow)
		add(callIOURing(), refuse(syscall.ENOSYS)...) // it makes sockets too
	}

	if p.children {
		// Without an action the call only asks.
		add(callSigaction(), loadArgument(0, 0), instruction{bpfIfEqual, 1, 0, uint32(syscall.SIGCHLD)}, allow,
			loadArgument(1, 0), instruction{bpfIfEqual, 0, 2, 0},
			loadArgument(1, highHalf), instruction{bpfIfEqual, 1, 0, 0}, ask, allow)

		for _, c := range oldSigactions() {
			add(c, loadArgument(0, 0), instruction{bpfIfEqual, 0, 1, uint32(syscall.SIGCHLD)}, ask, allow)
		}
	}
}

// addPageCache adds the calls that ask what of a file is in memory, or take it out. They
// fail as on kernels that know them not.
func (p filterPlan) addPageCache(add func(c call, then ...instruction), column int) {
	const flagsAt, adviceAt = 5, 2 // of preadv2 and pwritev2; of madvise

	allow := instruction{bpfReturn, 0, 0, seccompAllow}
	load := func(argument int) instruction {
		return instruction{bpfLoad, 0, 0, uint32(atArgument + argument*argumentSize)}
	}

	add(callMadvise(), load(adviceAt), instruction{bpfIfEqual, 2, 0, madviseCold},
		instruction{bpfIfEqual, 1, 0, madvisePageOut}, allow, refuse(syscall.EINVAL)[0])
	add(callPreadv2(), load(flagsAt), instruction{bpfIfAnyBit, 1, 0, readNoWait | readDontCache}, allow,
		refuse(syscall.EOPNOTSUPP)[0])
	add(callPwritev2(), load(flagsAt), instruction{bpfIfAnyBit, 1, 0, readDontCache}, allow,
		refuse(syscall.EOPNOTSUPP)[0])

	for _, c := range adviceCalls() {
		add(c.call, load(c.at[column]), instruction{bpfIfEqual, 1, 0, fadviseDontNeed}, allow,
			refuse(syscall.ENOSYS)[0])
	}
}

// refuse makes a call fail with an error.
func refuse(errno syscall.Errno) []instruction {
	return []instruction{{bpfReturn, 0, 0, seccompErrno | uint32(errno)}}
}

// installFilter sets a filter on the calling thread and what it starts. listener
// is a descriptor where it asks, 0 where it does not.
func installFilter(filter []instruction, asks bool) (listener int, errno syscall.Errno) {
	// Without allowSpeculation older kernels slow a filtered process down.
	const setModeFilter, allowSpeculation, newListener = 1, 4, 8

	if nativeArch == 0 {
		return 0, syscall.ENOSYS
	}

	program := struct {
		length uint16
		filter *instruction
	}{uint16(len(filter)), &filter[0]}

	flags := uintptr(allowSpeculation)
	if asks {
		flags |= newListener
	}

	fd, _, e := syscall.RawSyscall(sysSeccomp, setModeFilter, flags, uintptr(unsafe.Pointer(&program)))
	if e == syscall.EINVAL {
		fd, _, e = syscall.RawSyscall(sysSeccomp, setModeFilter, flags&^allowSpeculation,
			uintptr(unsafe.Pointer(&program)))
	}

	if e != 0 || !asks {
		return 0, e
	}

	return int(fd), 0
}

// filterCalls takes from the calling thread, and from what it starts, the calls
// that a run has no business with. hasLandlock: other processes are closed to it.
func (s *stage) filterCalls(hasLandlock bool) {
	plan := filterPlan{
		noSocket: s.plan.NoSocket,
		noQueues: !s.plan.Namespaces,
		noTrace:  !s.plan.Namespaces && !hasLandlock,
		clone3:   s.plan.Cgroup > 0,
		children: s.plan.Children,
	}

	listener, e := installFilter(makeFilter(plan), plan.children)
	if plan.children {
		s.reportWatch(listener, e)
	}

	if e != 0 && plan.children { // a container may have a listener already
		plan.children = false
		_, e = installFilter(makeFilter(plan), false)
	}

	calls, network := "enforced by a seccomp filter", "enforced by a seccomp filter that refuses sockets"

	switch {
	case e != 0:
		calls = "not enforced: a seccomp filter can't be set: " + e.Error()
		network = "not enforced: no network namespace, and a seccomp filter can't be set: " + e.Error()
	case plan.clone3 && !plan.children:
		calls += ", but namespaces can be made by clone3, which starts it in its cgroup"
	}

	s.reportEnforced("calls", calls)

	if plan.noSocket {
		s.reportEnforced("network", network)
	}
}
