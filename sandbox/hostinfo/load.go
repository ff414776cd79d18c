package hostinfo

import "time"

// LoadMeter measures how busy others kept the CPUs while something ran, from
// StartLoad to Stop or, before that, until it is asked.
//
// Its answers are estimates:
//   - The kernel counts in ticks of 10 ms a CPU, the run's own time is exact:
//     over less than a second expect errors of some hundredths of a CPU, over a
//     tenth of a second of some tenths. Under 50 ms it does not answer.
//   - Everything that is not in own is outside: what Ratchet itself uses beside
//     the run, interrupts, and the time that a hypervisor stole.
//   - It sees the CPUs that the calling thread may use, wherever others may run;
//     load on hardware threads of the same cores, on caches and on memory by
//     CPUs outside that set shows nowhere. In a container these CPUs are the
//     host's, so the container's neighbours count, as they should. Where a
//     container's /proc/stat numbers CPUs differently (lxcfs) or stands still
//     (gVisor) it does not answer.
//   - A run that left its CPU set is subtracted all the same; the answer is
//     then too small.
type LoadMeter struct {
	cpus    []int
	started time.Time
	before  cpuTime
	ok      bool // before was read
	stopped bool
	elapsed time.Duration // from the start to Stop
	after   cpuTime       // at Stop
	afterOK bool          // after was read
}

// shortestLoad is the shortest time over which the load can be estimated.
const shortestLoad = 50 * time.Millisecond

// cpuTime is time spent since the system's start, summed over CPUs.
type cpuTime struct {
	busy time.Duration // in anything but idling and waiting for devices
	all  time.Duration
}

// StartLoad begins to measure. There is nothing to release.
func StartLoad() *LoadMeter {
	m := &LoadMeter{cpus: allowedCPUs()}
	m.before, m.ok = readCPUTime(m.cpus)
	m.started = time.Now()

	return m
}

// Stop ends the time that is measured. Only the first call counts.
func (m *LoadMeter) Stop() {
	if m.stopped {
		return
	}

	m.elapsed = time.Since(m.started)
	m.after, m.afterOK = readCPUTime(m.cpus)
	m.stopped = true
}

// Outside is the average number of CPUs that others kept busy since StartLoad,
// at least 0; own is the CPU time, user and system, that the run's processes
// used meanwhile. Not ok means that it can't be known: not on Linux, less than
// 50 ms since the start, no usable /proc/stat, or a CPU came or went.
func (m *LoadMeter) Outside(own time.Duration) (cpus float64, ok bool) {
	elapsed, now, ok := m.elapsed, m.after, m.afterOK
	if !m.stopped {
		elapsed = time.Since(m.started)
		now, ok = readCPUTime(m.cpus)
	}

	if !m.ok || elapsed < shortestLoad {
		return 0, false
	}

	if !ok || now.all <= m.before.all {
		return 0, false
	}

	outside := now.busy - m.before.busy - own

	return max(outside.Seconds()/elapsed.Seconds(), 0), true
}
