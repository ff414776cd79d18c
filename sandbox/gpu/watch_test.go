package gpu_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ratchet/sandbox/gpu"
)

// The run's process is 100; 200 is somebody else's; 300 lives elsewhere.
func whose(pid int) gpu.Owner {
	return map[int]gpu.Owner{100: gpu.Ours, 101: gpu.Ours,
		200: gpu.Foreign}[pid] | map[int]gpu.Owner{300: gpu.Unseen}[pid]
}

// step changes the machine at a time after the start.
type step struct {
	at     time.Duration
	change func(m *machine)
}

func on(uuid string, sample gpu.Sample, list ...gpu.Process) func(m *machine) {
	return func(m *machine) { m.Samples[uuid], m.Processes[uuid] = sample, list }
}

// watch plays the steps for so long and returns the evidence, and when the budget
// was said to be exceeded (0: never).
func watch(
	t *testing.T, f *fake, b gpu.Budget, long time.Duration, steps ...step,
) (e gpu.Evidence, exceeded time.Duration, err error) {
	t.Helper()
	start := time.Now()

	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()

	go func() {
		for _, s := range steps {
			time.Sleep(time.Until(start.Add(s.at)) + time.Nanosecond) // after the look at that time
			f.change(t, s.change)
		}
	}()
	calls := 0
	w := gpu.Watch{Driver: f, Devices: f.machine.Devices, Whose: whose, Every: 100 * time.Millisecond, Budget: b,
		Exceeded: func() { exceeded = time.Since(start); calls++ }}
	e, err = w.Run(ctx)

	if calls > 1 {
		t.Errorf("exceeded %d times", calls)
	}

	if took := time.Since(start); took != long {
		t.Errorf("it watched for %s, not %s", took, long)
	}
	synctest.Wait()

	return e, exceeded, err
}

func sample(memory int64) gpu.Sample {
	return gpu.Sample{MemoryUsed: memory * mib, Utilisation: gpu.Unknown, Energy: gpu.Unknown, Clock: gpu.Unknown}
}

func process(pid int, memory int64) gpu.Process { return gpu.Process{PID: pid, Memory: memory * mib} }

func TestEvidence(t *testing.T) {
	idle := gpu.Evidence{Samples: 10, MeanUtil: gpu.Unknown, MaxUtil: gpu.Unknown, Joules: gpu.Unknown}
	with := func(change func(e *gpu.Evidence)) gpu.Evidence {
		e := idle
		change(&e)

		return e
	}
	unknown := process(100, 0)
	unknown.Memory = gpu.Unknown
	display := process(200, 90)

	display.Graphics = true
	for name, test := range map[string]struct {
		steps []step
		want  gpu.Evidence
	}{
		"nothing happens": {nil, idle},
		"the tree on two devices": {[]step{
			{0, on("GPU-0", sample(3500), process(100, 2000), process(101, 1000))},
			{200 * time.Millisecond, on("GPU-1", sample(1500), process(100, 1000))},
			{300 * time.Millisecond, on("GPU-0", sample(500))},
		}, with(func(e *gpu.Evidence) {
			e.Used, e.FirstUse, e.PeakMemory, e.MemoryOf = true, 100*time.Millisecond, 4000*mib, gpu.MemoryOfTree
		})},
		"rates": {[]step{
			{0, on("GPU-0", gpu.Sample{MemoryUsed: 900 * mib, Utilisation: 50, Energy: 7000, Clock: 1200,
				Throttle: 4 + 1}, process(100, 400))},
			{100 * time.Millisecond, on("GPU-0", gpu.Sample{MemoryUsed: 900 * mib, Utilisation: 100, Energy: 7500,
				Clock: 1410, Throttle: 64}, process(100, 400))},
			{200 * time.Millisecond, on("GPU-0",
				gpu.Sample{MemoryUsed: 500 * mib, Utilisation: 0, Energy: 8000, Clock: 300, Throttle: 8})},
		}, with(func(e *gpu.Evidence) {
			e.Used, e.FirstUse, e.PeakMemory, e.MemoryOf = true, 100*time.Millisecond, 400*mib, gpu.MemoryOfTree
			e.MeanUtil, e.MaxUtil = 150.0/9, 100
			e.ClockMin, e.ClockMax, e.Throttle = 1200, 1410, []string{"power cap", "hardware thermal"}
		})},
		"somebody else computes": {[]step{
			{0, on("GPU-0", sample(1500), process(200, 500), process(100, 500))},
			{100 * time.Millisecond, on("GPU-0", sample(1800), process(200, 800), process(100, 500))},
			{200 * time.Millisecond, on("GPU-0", sample(1500), process(200, 500), process(100, 500))},
		}, with(func(e *gpu.Evidence) {
			e.Used, e.FirstUse, e.PeakMemory, e.MemoryOf = true, 100*time.Millisecond, 500*mib, gpu.MemoryOfTree
			e.Foreign = []gpu.Process{process(200, 800)}
		})},
		"a display": {[]step{{0, on("GPU-0", sample(590), display)}}, with(func(e *gpu.Evidence) {
			e.Displays = []gpu.Process{display}
		})},
		"the driver lists nothing": {[]step{
			{0, func(m *machine) { m.Secretive = true }},
			{200 * time.Millisecond, on("GPU-0", sample(520))},
			{400 * time.Millisecond, on("GPU-0", sample(2500))},
		}, with(func(e *gpu.Evidence) {
			e.Used, e.FirstUse, e.PeakMemory, e.MemoryOf = true, 500*time.Millisecond, 2000*mib, gpu.MemoryOfDevices
		})},
		"an empty list, but memory": {[]step{{0, on("GPU-1", sample(2500))}}, with(func(e *gpu.Evidence) {
			e.Used, e.FirstUse, e.PeakMemory, e.MemoryOf = true, 200*time.Millisecond, 2000*mib, gpu.MemoryOfDevices
		})},
		"numbers of another namespace": {[]step{{0, on("GPU-1", sample(2500), process(300, 1900))}},
			with(func(e *gpu.Evidence) {
				e.Used, e.FirstUse, e.PeakMemory, e.MemoryOf = true, 200*time.Millisecond, 2000*mib, gpu.MemoryOfDevices
			})},
		"one look meets a process that ends": {[]step{
			{0, on("GPU-0", sample(900), process(300, 400))}, {100 * time.Millisecond, on("GPU-0", sample(500))},
		}, idle},
		"its memory is not told": {[]step{{0, on("GPU-0", sample(900), unknown)}}, with(func(e *gpu.Evidence) {
			e.Used, e.FirstUse, e.PeakMemory, e.MemoryOf = true, 100*time.Millisecond, 400*mib, gpu.MemoryOfDevices
		})},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got, _, err := watch(t, newFake(2), gpu.Budget{}, 950*time.Millisecond, test.steps...)
				if err != nil {
					t.Error(err)
				}

				if d := cmp.Diff(test.want, got); d != "" {
					t.Error(d)
				}

				if got.Contended() != (len(test.want.Foreign) > 0) {
					t.Error("contended?")
				}
			})
		})
	}
}

// Energy is the difference of the counters, the very last one included; one
// counter that starts again makes the sum unknown.
func TestEnergy(t *testing.T) {
	energy := func(mj int64) func(m *machine) {
		return func(m *machine) {
			for _, d := range m.Devices {
				m.Samples[d.UUID] = gpu.Sample{MemoryUsed: 1, Utilisation: gpu.Unknown, Energy: mj}
			}
		}
	}
	for want, steps := range map[float64][]step{
		3.5: {{150 * time.Millisecond, energy(3000)}, {900 * time.Millisecond, energy(2750)}},
		gpu.Unknown: {{150 * time.Millisecond, energy(3000)}, {250 * time.Millisecond, energy(5)},
			{350 * time.Millisecond, energy(9000)}},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(2)
			f.change(t, energy(1000))

			got, _, err := watch(t, f, gpu.Budget{}, 950*time.Millisecond, steps...)
			if err != nil || got.Joules != want {
				t.Errorf("%v J, want %v; %v", got.Joules, want, err)
			}
		})
	}
}

// The budget ends at its deadline, whatever the time between looks.
func TestBudgetOfRun(t *testing.T) {
	use := step{1234 * time.Millisecond, on("GPU-0", sample(900), process(100, 400))}
	dies := step{1234 * time.Millisecond, func(m *machine) { m.Failure = "gone" }}

	const limit = 5010 * time.Millisecond // of two devices: 2505 ms of wall
	for name, test := range map[string]struct {
		budget gpu.Budget
		steps  []step
		want   time.Duration
	}{
		"none":                       {gpu.Budget{}, []step{use}, 0},
		"from the start":             {gpu.Budget{Limit: limit}, nil, 2505 * time.Millisecond},
		"never used":                 {gpu.Budget{Limit: limit, FirstUse: true}, nil, 0},
		"from the first use":         {gpu.Budget{Limit: limit, FirstUse: true}, []step{use}, 3805 * time.Millisecond},
		"the driver dies, started":   {gpu.Budget{Limit: limit}, []step{dies}, 2505 * time.Millisecond},
		"the driver dies before use": {gpu.Budget{Limit: limit, FirstUse: true}, []step{dies}, 3805 * time.Millisecond},
		"too short to be exceeded":   {gpu.Budget{Limit: time.Minute}, []step{use}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, got, err := watch(t, newFake(2), test.budget, 10*time.Second, test.steps...)
				if got != test.want {
					t.Errorf("exceeded after %s, want %s", got, test.want)
				}

				if died := strings.Contains(name, "dies"); died != (err != nil) ||
					died && !strings.Contains(err.Error(), "gone") {
					t.Error(err)
				}
			})
		})
	}
}

// A driver that dies leaves what was seen before.
func TestDriverDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, _, err := watch(t, newFake(1), gpu.Budget{}, 950*time.Millisecond,
			step{0, on("GPU-0", sample(900), process(100, 400))}, step{450 * time.Millisecond,
				func(m *machine) { m.Failure = "gone" }})
		if err == nil || got.Samples != 5 || got.PeakMemory != 400*mib {
			t.Errorf("%v %+v", err, got)
		}
	})
}

// A driver that hangs costs neither the budget its deadline nor the caller its return.
func TestDriverHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1)

		f.hang = make(chan struct{})
		defer close(f.hang)
		d := gpu.Bound(f, 3*time.Second)

		ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second)
		defer cancel()
		start, exceeded := time.Now(), time.Duration(0)
		w := gpu.Watch{Driver: d, Devices: f.machine.Devices, Whose: whose, Budget: gpu.Budget{Limit: time.Second},
			Exceeded: func() { exceeded = time.Since(start) }}

		e, err := w.Run(ctx)
		if !errors.Is(err, gpu.ErrHangs) || e.Samples != 0 || exceeded != time.Second ||
			time.Since(start) != 9*time.Second {
			t.Errorf("%v after %s, exceeded after %s: %+v", err, time.Since(start), exceeded, e)
		}

		if _, err := d.Devices(); !errors.Is(err, gpu.ErrHangs) || time.Since(start) != 9*time.Second {
			t.Errorf("it was asked again: %v", err)
		}

		if err := d.Close(); !errors.Is(err, gpu.ErrHangs) {
			t.Error(err)
		}
	})
}

// A slow driver, whose answers take longer than the time between looks.
func TestBudgetWhileDriverThinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1)
		f.hang = make(chan struct{})
		time.AfterFunc(3*time.Second, func() { close(f.hang) })

		_, exceeded, err := watch(t, f, gpu.Budget{Limit: time.Second}, 5*time.Second)
		if exceeded != time.Second || err != nil {
			t.Errorf("exceeded after %s; %v", exceeded, err)
		}
	})
}
