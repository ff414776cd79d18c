package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ratchet/internal/fault"
	"ratchet/internal/research"
	"ratchet/sandbox/cgroup"
	"ratchet/sandbox/meter"
	"ratchet/sandbox/stage"
)

const (
	setupLimit = 30 * time.Second      // until the stage must have started the command
	slack      = 25 * time.Millisecond // after the deadline the stage has so long before this process acts
	// for the end of the output when the stage is gone; what is in the pipe by then still counts
	drainLimit  = time.Second
	deathLimit  = 10 * time.Second // for what was killed to be dead, on a busy machine
	reportLimit = 2 * deathLimit   // within which a stage that shall end reports, before it is killed itself
	pipeLimit   = 1 << 20          // bytes that a pipe holds, unless root enlarged it
)

// activeRun is one stage and what is known of it. Four goroutines share it, and
// one more waits for the stage; what each sets is read when all have ended.
type activeRun struct {
	spec    Spec
	process *os.Process   // the stage
	control *os.File      // when this process dies its end closes, and the run dies
	output  *os.File      // what the command writes
	begun   chan struct{} // closed when the command runs
	gone    chan struct{} // closed when the stage has been reaped
	over    chan string   // limits that were exceeded: at most one of the meter's and the output's
	group   *cgroup.Group // nil where there is none
	meter   *meter.Meter
	network string // what enforces it, unless the stage says so

	// Set by readMessages.
	started  time.Time // when the command began
	enforced []string  // by the stage: key, value, key, value …
	failure  *stage.Message
	report   *stage.Message

	// Set by readOutput.
	kept    outputBuffer
	sinkErr error

	// Set by enforceEnd.
	cancelled bool
	late      bool   // this process's own timer came first
	exceeded  string // the first of over
	survivors []int
}

// supervise starts a stage with the plan and stays until its tree is dead.
// Files in the measured folders count against Disk.
func supervise(
	ctx context.Context, spec Spec, plan *stage.Plan, attr *syscall.SysProcAttr, measured []string,
) (Result, error) {
	spec.planNetwork(plan, attr)

	group := spec.newGroup()
	defer group.Close()

	limits := spec.planLimits(plan, group, attr)

	r := &activeRun{
		spec:  spec,
		gone:  make(chan struct{}),
		begun: make(chan struct{}),
		over:  make(chan string, 2),
		group: group,
		meter: meter.New(meter.Limits{Memory: spec.Memory, CPU: spec.CPU, Disk: spec.Disk}, group, measured),
		kept:  outputBuffer{keep: spec.Keep},
	}

	boot, mono := readClocks()

	state, err := r.runStage(ctx, attr, plan)
	if err != nil {
		return Result{}, err
	}
	bootEnd, monoEnd := readClocks()

	result, err := r.makeResult(state)
	if err != nil {
		return result, err
	}

	for key, how := range limits {
		result.Enforced[key] = how
	}

	r.addFinalUse(&result)

	if fault.Hit("machine.suspend") {
		bootEnd += time.Hour
	}

	result.Slept = Slept(bootEnd-boot, monoEnd-mono)

	return result, nil
}

// runStage runs the stage to its end, between the spec's Begin and End.
func (r *activeRun) runStage(
	ctx context.Context, attr *syscall.SysProcAttr, plan *stage.Plan,
) (*os.ProcessState, error) {
	if r.spec.Begin != nil {
		if err := r.spec.Begin(ctx); err != nil {
			return nil, err
		}
	}

	if r.spec.End != nil {
		defer r.spec.End()
	}

	if err := r.startStage(attr, plan); err != nil {
		return nil, err
	}

	state, err := r.waitForEnd(ctx, plan)
	if err != nil {
		return nil, fmt.Errorf("wait for the run's first process: %w", err)
	}

	return state, nil
}

// startStage executes this binary again as a stage.
func (r *activeRun) startStage(attr *syscall.SysProcAttr, plan *stage.Plan) error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("make a control socket: %w", err)
	}

	theirs := os.NewFile(uintptr(pair[1]), "control")
	defer theirs.Close()

	if err := unix.SetNonblock(pair[0], true); err != nil {
		return fmt.Errorf("make a control socket: %w", err)
	}

	r.control = os.NewFile(uintptr(pair[0]), "control") // can have a deadline, because it does not block

	output, write, err := os.Pipe()
	if err != nil {
		r.control.Close()
		return fmt.Errorf("make an output pipe: %w", err)
	}
	defer write.Close()

	r.output = output

	if err := r.startProcess(attr, plan, write, theirs); err != nil {
		r.control.Close()
		r.output.Close()

		return research.Errorf(research.CodeUnsupported, "run `ratchet doctor`, or set "+TierVariable+"=copies",
			"the run's first process could not be started: %w", err)
	}

	return nil
}

// startProcess starts the stage's process; without a network namespace where
// none can be made, which r.network then says.
func (r *activeRun) startProcess(attr *syscall.SysProcAttr, plan *stage.Plan, output, control *os.File) error {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()

	files := []*os.File{null, output, output, control}
	if folder := r.group.Folder(); folder != nil {
		plan.Cgroup = len(files)
		files = append(files, folder)
	}

	start := func() (err error) {
		r.process, err = os.StartProcess("/proc/self/exe", []string{stage.Name},
			&os.ProcAttr{Env: stageEnvironment(), Files: files, Sys: attr})

		return err
	}

	err = start()
	if err == nil || attr.Cloneflags&unix.CLONE_NEWNET == 0 {
		r.network = r.spec.describeNetwork(attr)
		return err
	}

	r.network = "not enforced: a network namespace can't be made: " + err.Error()
	attr.Cloneflags &^= unix.CLONE_NEWNET
	plan.Loopback, plan.NoSocket = false, r.spec.Network == NetworkOff

	return start()
}

// stageEnvironment is a stage's own environment; its command gets the plan's. Go makes
// ready for all CPUs of a machine, at five page faults each before the stage does
// anything. It has four goroutines at most.
func stageEnvironment() []string {
	const goroutines = 4

	return []string{fmt.Sprintf("GOMAXPROCS=%d", min(runtime.GOMAXPROCS(0), goroutines))}
}

// waitForEnd hands the plan to the stage and stays until the stage is gone and
// everything that it and the command said has been read.
func (r *activeRun) waitForEnd(ctx context.Context, plan *stage.Plan) (*os.ProcessState, error) {
	var wg sync.WaitGroup

	wg.Go(func() {
		r.control.Write(plan.Encode()) // a stage that is gone is found by readMessages
		r.joinGroup(plan)
		r.readMessages()
	})
	wg.Go(r.readOutput)
	wg.Go(func() { r.enforceEnd(ctx) })
	wg.Go(func() {
		if limit := r.meter.Watch(r.process.Pid, r.begun, r.gone); limit != "" {
			r.over <- limit
		}
	})

	state, err := r.process.Wait()
	close(r.gone)

	r.control.SetReadDeadline(time.Now().Add(reportLimit)) // no other process has its other end: this ends at once
	r.output.SetReadDeadline(time.Now().Add(drainLimit))
	wg.Wait()
	r.control.Close()
	r.output.Close()

	return state, err
}

// joinGroup puts the stage into its version 1 cgroups, while it does its work,
// and then lets it start the command.
func (r *activeRun) joinGroup(plan *stage.Plan) {
	if !plan.Wait {
		return
	}

	if err := r.group.Join(r.process.Pid); err != nil {
		r.enforced = append(r.enforced, "cgroup", err.Error())
		r.process.Kill()

		return
	}

	r.control.Write([]byte{'G'})
}

// readMessages takes in what the stage says, until it is gone.
func (r *activeRun) readMessages() {
	for {
		message, err := stage.ReadMessage(r.control)
		if err != nil {
			return
		}

		switch message.Kind {
		case stage.Started:
			r.started = time.Now()
			r.enforced = append(r.enforced, message.Enforced...)
			r.group.ResetCPU()
			close(r.begun)
		case stage.Failed:
			r.failure = message
		case stage.Ended:
			r.enforced = append(r.enforced, message.Enforced...)
			r.report = message
		}
	}
}

// readOutput takes in the output. It ends when nothing holds the pipe any more or,
// where something survived, soon after the stage is gone.
func (r *activeRun) readOutput() {
	buf := make([]byte, 64<<10)

	for {
		n, err := r.output.Read(buf)
		r.takeOutput(buf[:n])

		if errors.Is(err, os.ErrDeadlineExceeded) {
			r.drainOutput(buf)
			return
		}

		if err != nil {
			return
		}
	}
}

// drainOutput takes in what lies in the pipe when the time for its end is over. On a
// busy machine, or behind a slow Sink, these may be all of the last lines.
func (r *activeRun) drainOutput(buf []byte) {
	raw, err := r.output.SyscallConn()
	if err != nil || r.output.SetReadDeadline(time.Time{}) != nil {
		return
	}

	for range pipeLimit / len(buf) { // and no more: a survivor may write for ever
		n := 0

		err := raw.Read(func(fd uintptr) bool { n, _ = unix.Read(int(fd), buf); return true })
		if err != nil || n <= 0 {
			return
		}

		r.takeOutput(buf[:n])
	}
}

// takeOutput keeps output, counts it and passes it on.
func (r *activeRun) takeOutput(content []byte) {
	limit, before := r.spec.MaxOutput, r.kept.bytes
	r.kept.add(content)

	if limit > 0 && before <= limit && r.kept.bytes > limit {
		r.over <- "output" // has room: the meter sends one at most
	}

	if r.spec.Sink != nil && r.sinkErr == nil && len(content) > 0 {
		_, r.sinkErr = r.spec.Sink.Write(content)
	}
}

// enforceEnd ends the run when ctx ends, when a limit is exceeded, when the
// stage takes too long to start the command or, somewhat later than the stage
// itself should, at the deadline.
func (r *activeRun) enforceEnd(ctx context.Context) {
	limit := time.NewTimer(setupLimit)
	defer limit.Stop()

	begun := r.begun

	for {
		select {
		case <-r.gone:
			return
		case <-begun:
			begun = nil // else it would be chosen again and again
			limit.Stop()

			if r.spec.Wall > 0 {
				limit.Reset(r.spec.Wall + r.spec.Grace + slack)
			}
		case r.exceeded = <-r.over:
			r.kill(reportLimit)
			return
		case <-ctx.Done():
			r.cancelled = true
			r.kill(reportLimit)

			return
		case <-limit.C:
			r.late = true

			if r.spec.Tier == Namespaces {
				r.kill(0)
			} else {
				r.kill(reportLimit)
			}

			return
		}
	}
}

// kill breaks the lease, so that the stage ends the run and still reports, and
// after a while kills the stage. Outside a namespace that would not kill the
// tree, so there everything below the stage goes first.
func (r *activeRun) kill(wait time.Duration) {
	if raw, err := r.control.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { unix.Shutdown(int(fd), unix.SHUT_WR) })
	}

	if r.spec.Tier == Copies {
		r.process.Signal(syscall.SIGCONT) // it may have been stopped from inside
	}

	select {
	case <-r.gone:
		return
	case <-time.After(wait):
	}

	if r.spec.Tier == Copies {
		r.survivors = killBelow(r.process.Pid)
	}

	r.process.Kill()
}

// killBelow kills everything below pid, and lists what is still alive when
// deathLimit is over.
func killBelow(pid int) (survivors []int) {
	stage.KillDescendants(pid)

	for end := time.Now().Add(deathLimit); ; time.Sleep(time.Millisecond) {
		survivors = survivors[:0]

		for _, p := range stage.Descendants(pid) {
			if !p.Dead {
				survivors = append(survivors, p.Pid)
			}
		}

		if len(survivors) == 0 || time.Now().After(end) {
			return survivors
		}

		stage.KillDescendants(pid)
	}
}

// readClocks reads the boot and the monotonic clock as close together as it can.
func readClocks() (boot, mono time.Duration) {
	for range 10 {
		var before, at, after unix.Timespec
		unix.ClockGettime(unix.CLOCK_MONOTONIC, &before)
		unix.ClockGettime(unix.CLOCK_BOOTTIME, &at)
		unix.ClockGettime(unix.CLOCK_MONOTONIC, &after)

		boot, mono = time.Duration(at.Nano()), time.Duration(before.Nano())
		if time.Duration(after.Nano())-mono < time.Millisecond {
			break
		}
	}

	return boot, mono
}
