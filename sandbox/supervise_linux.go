package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ratchet/internal/fault"
	"ratchet/internal/research"
	"ratchet/sandbox/stage"
)

const (
	setupLimit = 30 * time.Second      // until the stage must have started the command
	slack      = 25 * time.Millisecond // after the deadline the stage has so long before the supervisor acts
	drainLimit = time.Second           // for the end of the output when the stage is gone; what is in the pipe by then still counts
	deathLimit = 10 * time.Second      // for what was killed to be dead, on a busy machine
	patience   = 2 * deathLimit        // within which a stage that shall end reports, before it is killed itself
	mostPiped  = 1 << 20               // bytes that a pipe holds, unless root enlarged it
)

// running is one stage and what is known of it.
type running struct {
	spec    Spec
	process *os.Process
	control *os.File // its end closes with this process, and the run dies
	output  *os.File
	gone    chan struct{} // closed when the stage has been reaped
	begun   chan struct{} // closed when the command runs
	over    chan string   // the limit that was exceeded; whoever finds it says so once
	meter   *meter
	network string

	kept      collector
	sinkErr   error
	failure   *stage.Message // set by listen
	report    *stage.Message // set by listen
	started   time.Time      // set by listen: when the command began
	cancelled bool           // set by watch
	late      bool           // set by watch: the supervisor's own timer came first
	exceeded  string         // set by watch
	holds     []string       // set by listen: what the stage says that holds
	orphans   []int          // set by watch
}

// supervise starts a stage with the plan and stays until its tree is dead.
// Files in places count against Disk.
func supervise(
	ctx context.Context, s Spec, plan *stage.Plan, attr *syscall.SysProcAttr, places []string,
) (Result, error) {
	boot, mono := clocks()
	s.netAttr(plan, attr)

	g := newGroup(&s)
	defer g.close()
	limits := s.limits(plan, g, attr)
	over := make(chan string, 2) // the meter's word and the output's

	r := &running{spec: s, gone: make(chan struct{}), begun: make(chan struct{}), over: over,
		kept: collector{keep: s.Keep}, meter: &meter{spec: &s, group: g, places: places, over: over}}
	if s.Disk > 0 {
		r.meter.base = r.meter.disk()
	}

	if err := r.start(attr, g, plan); err != nil {
		return Result{}, err
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		r.control.Write(plan.Encode()) // a stage that is gone is found by listen
		r.join(g, plan)
		r.listen()
	})
	wg.Go(r.read)
	wg.Go(func() { r.watch(ctx) })
	wg.Go(func() { r.meter.watch(r.process.Pid, r.begun, r.gone) })
	state, err := r.process.Wait()
	close(r.gone)
	r.control.SetReadDeadline(time.Now().Add(patience)) // no other process has its other end: this ends at once
	r.output.SetReadDeadline(time.Now().Add(drainLimit))
	wg.Wait()
	r.control.Close()
	r.output.Close()

	if err != nil {
		return Result{}, fmt.Errorf("wait for the run's first process: %w", err)
	}

	result, err := r.result(state)
	if err != nil {
		return result, err
	}

	for key, how := range limits {
		result.Enforced[key] = how
	}
	r.final(&result)

	boot2, mono2 := clocks()
	if fault.Hit("machine.suspend") {
		boot2 += time.Hour
	}
	result.Slept = Slept(boot2-boot, mono2-mono)

	return result, nil
}

// join lets the stage begin when it is in its cgroups.
func (r *running) join(g *group, plan *stage.Plan) {
	if !plan.Wait {
		return
	}

	if err := g.join(r.process.Pid); err != nil {
		r.holds = append(r.holds, "cgroup", err.Error())
		r.process.Kill()

		return
	}
	r.control.Write([]byte{'G'})
}

// final adds what is known only now that all is dead.
func (r *running) final(res *Result) {
	g := r.meter.group
	if res.Exceeded == "" {
		res.Exceeded = r.exceeded
	}

	if res.Exceeded == "" {
		res.Exceeded = r.meter.look()
	}

	if res.Exceeded == "" && r.spec.Disk > 0 && r.meter.disk() >= r.spec.Disk {
		res.Exceeded = "disk"
	}

	if res.Exceeded == "" && r.spec.MaxOutput > 0 && r.kept.bytes > r.spec.MaxOutput {
		res.Exceeded = "output" // its last part was read when the run was over
	}

	if g != nil {
		res.CPU = max(res.CPU, g.cpu())
		if r.spec.Memory > 0 {
			res.MaxTree = max(res.MaxTree, r.meter.maxTree, res.MaxRSS)
		}
	}
}

// start executes this binary again as a stage.
func (r *running) start(attr *syscall.SysProcAttr, g *group, plan *stage.Plan) error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("make a control socket: %w", err)
	}

	theirs := os.NewFile(uintptr(pair[1]), "control")
	defer theirs.Close()

	if err := unix.SetNonblock(pair[0], true); err != nil {
		return fmt.Errorf("make a control socket: %w", err)
	}
	r.control = os.NewFile(uintptr(pair[0]), "control") // pollable, because it does not block

	output, write, err := os.Pipe()
	if err != nil {
		r.control.Close()
		return fmt.Errorf("make an output pipe: %w", err)
	}
	defer write.Close()
	r.output = output

	null, err := os.Open(os.DevNull)
	if err == nil {
		defer null.Close()

		files := []*os.File{null, write, write, theirs}
		if g != nil && g.entry != nil {
			plan.Cgroup = len(files)
			files = append(files, g.entry)
		}
		proc := &os.ProcAttr{Env: []string{}, Files: files, Sys: attr}

		r.process, err = os.StartProcess("/proc/self/exe", []string{stage.Name}, proc)
		if err != nil && attr.Cloneflags&unix.CLONE_NEWNET != 0 {
			r.network = "not enforced: a network namespace can't be made: " + err.Error()
			attr.Cloneflags &^= unix.CLONE_NEWNET
			plan.Loopback, plan.NoSocket = false, r.spec.Network == NetworkOff
			r.process, err = os.StartProcess("/proc/self/exe", []string{stage.Name}, proc)
		} else {
			r.network = r.spec.networkText(attr)
		}
	}

	if err != nil {
		r.control.Close()
		r.output.Close()

		return research.Errorf(research.CodeUnsupported, "run `ratchet doctor`, or set "+TierVariable+"=copies",
			"the run's first process could not be started: %w", err)
	}

	return nil
}

// listen takes in what the stage says, until it is gone.
func (r *running) listen() {
	for {
		m, err := stage.ReadMessage(r.control)
		if err != nil {
			return
		}

		switch m.Kind {
		case stage.Started:
			r.started = time.Now()

			r.holds = append(r.holds, m.Enforced...)
			if g := r.meter.group; g != nil {
				g.cpuBase = g.cpu()
			}
			close(r.begun)
		case stage.Failed:
			r.failure = m
		case stage.Ended:
			r.report = m
		}
	}
}

// read takes in the output. It ends when nothing holds the pipe any more or,
// where something survived, soon after the stage is gone.
func (r *running) read() {
	buf := make([]byte, 64<<10)
	for {
		n, err := r.output.Read(buf)
		r.take(buf[:n])

		if errors.Is(err, os.ErrDeadlineExceeded) {
			r.rest(buf)
		}

		if err != nil {
			return
		}
	}
}

// rest takes in what lies in the pipe when the time for its end is over. On a
// busy machine, or behind a slow Sink, these may be all of the last lines.
func (r *running) rest(buf []byte) {
	raw, err := r.output.SyscallConn()
	if err != nil || r.output.SetReadDeadline(time.Time{}) != nil {
		return
	}

	for range mostPiped / len(buf) { // and no more: whatever survived may write for ever
		n := 0

		err := raw.Read(func(fd uintptr) bool { n, _ = unix.Read(int(fd), buf); return true })
		if err != nil || n <= 0 {
			return
		}
		r.take(buf[:n])
	}
}

// take keeps output and passes it on.
func (r *running) take(b []byte) {
	limit, before := r.spec.MaxOutput, r.kept.bytes
	r.kept.add(b)

	if limit > 0 && before <= limit && r.kept.bytes > limit {
		r.over <- "output" // it has room for the one
	}

	if r.spec.Sink != nil && r.sinkErr == nil && len(b) > 0 {
		_, r.sinkErr = r.spec.Sink.Write(b)
	}
}

// watch is the supervisor's own deadline, and cancellation.
func (r *running) watch(ctx context.Context) {
	limit := time.NewTimer(setupLimit)
	defer limit.Stop()
	begun := r.begun

	for {
		select {
		case <-r.gone:
			return
		case <-begun:
			begun = nil
			limit.Stop()

			if r.spec.Wall > 0 {
				limit.Reset(r.spec.Wall + r.spec.Grace + slack)
			}
		case r.exceeded = <-r.over:
			r.kill(patience)
			return
		case <-ctx.Done():
			r.cancelled = true
			r.kill(patience)

			return
		case <-limit.C:
			r.late = true

			wait := patience
			if r.spec.Tier == Namespaces {
				wait = 0
			}
			r.kill(wait)

			return
		}
	}
}

// kill breaks the lease, so that the stage ends the run and still reports, and
// after a while kills the stage. Outside a namespace that would not kill the
// tree, so there everything below the stage goes first.
func (r *running) kill(wait time.Duration) {
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
		r.orphans = sweepAway(r.process.Pid)
	}
	r.process.Kill()
}

// sweepAway kills all that lives below pid and lists what is still alive a while later.
func sweepAway(pid int) (alive []int) {
	stage.Sweep(pid)

	for end := time.Now().Add(deathLimit); ; time.Sleep(time.Millisecond) {
		alive = alive[:0]

		for _, p := range stage.Descendants(pid) {
			if !p.Dead {
				alive = append(alive, p.Pid)
			}
		}

		if len(alive) == 0 || time.Now().After(end) {
			return alive
		}
		stage.Sweep(pid)
	}
}

// result puts together what is known once the stage is gone.
func (r *running) result(state *os.ProcessState) (Result, error) {
	res := Result{Output: r.kept.output(), SinkErr: r.sinkErr, Cancelled: r.cancelled, Survivors: r.orphans,
		Enforced: map[string]string{}}
	if r.spec.Wall > 0 {
		res.Enforced["deadline"] = "enforced by timers of the run's first process and of its worker"
	}

	if n := r.spec.Network; n != "" && n != NetworkOn {
		res.Enforced["network"] = r.network
	}

	for i := 0; i+1 < len(r.holds); i += 2 {
		res.Enforced[r.holds[i]] = r.holds[i+1]
	}

	switch m := r.report; {
	case r.failure != nil:
		return Result{}, stageError(r.failure)
	case m != nil:
		res.Wall, res.CPU, res.MaxRSS = m.Wall, m.CPU, m.MaxRSS
		res.TimedOut, res.Killed, res.Survivors = m.TimedOut || r.late, m.Killed, m.Survivors
		res.Cancelled = r.cancelled && m.Killed
		res.Exceeded, res.MaxTree = m.Exceeded, m.MaxTree

		res.Exit = m.Status.ExitStatus()
		if m.Status.Signaled() {
			res.Signal = unix.SignalName(m.Status.Signal())
		}

		return res, nil
	case r.started.IsZero() && !r.cancelled:
		return Result{}, fmt.Errorf("start the run's command: its first process ended early: %v", state)
	}
	res.Enforced["stage"] = "not enforced: it died before it could report"
	res.Exit, res.Signal, res.Killed, res.TimedOut = -1, "SIGKILL", true, r.late

	res.CPU = state.UserTime() + state.SystemTime()
	if r.started.IsZero() {
		return res, nil
	}

	res.Wall = time.Since(r.started) // that it is over is known a moment late
	if ru, ok := state.SysUsage().(*syscall.Rusage); ok {
		res.MaxRSS = ru.Maxrss << 10
	}

	return res, nil
}

// stageError is why a run could not be made.
func stageError(m *stage.Message) error {
	err := &os.PathError{Op: m.Step, Path: m.Path, Err: m.Errno}
	switch {
	case m.Step == "enter" && (m.Errno == syscall.ENOENT || m.Errno == syscall.ENOTDIR):
		return research.Errorf(research.CodeNotFound, "check that this folder is committed",
			"the command's folder is missing: %w", err)
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EROFS):
		return research.Errorf(research.CodeStorage, "free some space and try again", "can't prepare the run: %w", err)
	}

	return research.Errorf(research.CodeUnsupported, "run `ratchet doctor`, or set "+TierVariable+"=copies",
		"can't prepare the run: %w", err)
}

// clocks reads the boot and the monotonic clock as close together as it can.
func clocks() (boot, mono time.Duration) {
	for range 10 {
		var a, b, c unix.Timespec
		unix.ClockGettime(unix.CLOCK_MONOTONIC, &a)
		unix.ClockGettime(unix.CLOCK_BOOTTIME, &b)
		unix.ClockGettime(unix.CLOCK_MONOTONIC, &c)

		boot, mono = time.Duration(b.Nano()), time.Duration(a.Nano())
		if time.Duration(c.Nano())-mono < time.Millisecond {
			break
		}
	}

	return boot, mono
}
