package stage

import (
	"os"
	"runtime"
)

// TestName is the argv[0] that makes the test binary act as a stage. Unlike Name
// it does so after every package is initialised, because only then can a
// process write what it covered.
const TestName = "stage-under-test"

// As the init function of this package does, this one keeps the main goroutine
// on the first thread.
func init() {
	if os.Args[0] == TestName {
		runtime.LockOSThread()
	}
}

// ServeTest acts as a stage and never returns. os.Exit writes what was covered
// to GOCOVERDIR.
func ServeTest() {
	exit = os.Exit

	serve()
	exit(2)
}

// Calls lists the calls that filters know, by name, with their numbers on x86-64,
// i386, arm64 and arm.
func Calls() map[string][4]int32 {
	byName := map[string][4]int32{}

	for _, list := range [][]call{refusedCalls(), missingCalls(), queueCalls(), traceCalls(), oldSigactions(), {callClone(),
		callClone3(), callUnshare(), callIoctl(), callSocket(), callIOURing(), callSigaction(), callPtrace(), callMadvise(), callPreadv2(), callPwritev2()}} {
		for _, c := range list {
			byName[c.name] = c.numbers
		}
	}

	for _, c := range adviceCalls() {
		byName[c.name] = c.numbers
	}

	return byName
}

// RefusedNames lists what every filter refuses whatever the arguments.
func RefusedNames() (names []string) {
	for _, c := range append(refusedCalls(), missingCalls()...) {
		names = append(names, c.name)
	}

	return names
}

// What filters answer, and the two entries of this processor.
const (
	AnswerAllow, AnswerAsk, AnswerErrno = seccompAllow, seccompAsk, seccompErrno
	NativeArch, CompatArch              = nativeArch, compatArch
	NativeColumn, CompatColumn          = nativeNumber, compatNumber
)

// FilterPlan is what a filter depends on.
type FilterPlan struct{ NoSocket, NoQueues, NoTrace, Clone3, Children bool }

// Answer is what the plan's filter answers to a call, as the kernel would run it.
func (p FilterPlan) Answer(arch uint32, number int32, arguments ...uint64) uint32 {
	data := make([]byte, 64)
	put := func(at int, value uint64, size int) {
		for i := range size {
			data[at+i] = byte(value >> (8 * i))
		}
	}

	put(atNumber, uint64(uint32(number)), 4)
	put(atArch, uint64(arch), 4)

	for i, argument := range arguments {
		put(atArgument+i*argumentSize, argument, argumentSize)
	}

	filter := makeFilter(filterPlan{p.NoSocket, p.NoQueues, p.NoTrace, p.Clone3, p.Children})
	loaded := uint32(0)

	for at := 0; ; at++ {
		in := filter[at]
		isTrue := false

		switch in.code {
		case bpfLoad:
			loaded = uint32((&decoder{rest: append(data[in.value:in.value+4:in.value+4], 0, 0, 0, 0)}).num())
			continue
		case bpfReturn:
			return in.value
		case bpfJump:
			at += int(in.value)
			continue
		case bpfIfEqual:
			isTrue = loaded == in.value
		case bpfIfAtLeast:
			isTrue = loaded >= in.value
		case bpfIfAnyBit:
			isTrue = loaded&in.value != 0
		default:
			panic("an unknown instruction")
		}

		if isTrue {
			at += int(in.jumpTrue)
		} else {
			at += int(in.jumpFalse)
		}
	}
}
