package gpu

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"time"
)

// Evidence is what a run did on its devices, as far as the driver told. It is
// sampled: what came and went between two looks is not in it, energy excepted.
type Evidence struct {
	Samples    int           `json:"samples"`               // looks that succeeded; at 0 nothing else says anything
	Used       bool          `json:"used"`                  // the run was seen on a device
	FirstUse   time.Duration `json:"first_use,omitempty"`   // from its process' start until then
	PeakMemory int64         `json:"peak_memory,omitempty"` // bytes: the most its tree had on all devices at a time
	MemoryOf   string        `json:"memory_of,omitempty"`   // MemoryOfTree or MemoryOfDevices
	MeanUtil   float64       `json:"mean_util"`             // percent, over looks and devices; Unknown
	MaxUtil    int           `json:"max_util"`              // percent; Unknown
	Joules     float64       `json:"joules"`                // of the whole devices; Unknown
	ClockMin   int           `json:"clock_min,omitempty"`   // MHz, while the run was seen; 0: not told
	ClockMax   int           `json:"clock_max,omitempty"`   // MHz
	Throttle   []string      `json:"throttle,omitempty"`    // see Throttle.Names
	Foreign    []Process     `json:"foreign,omitempty"`     // others that computed there, with the most memory each had
	Displays   []Process     `json:"displays,omitempty"`    // others that only drew
}

// What Evidence.PeakMemory counts.
const (
	MemoryOfTree    = "tree"    // the run's processes
	MemoryOfDevices = "devices" // what the devices held above what they held at first, since the driver does not tell whose it is
)

// Contended says whether somebody else computed on the run's devices, so that
// its measurement should be repeated.
func (e Evidence) Contended() bool { return len(e.Foreign) > 0 }

// idleSlack is how much memory may come and go on a device that nobody uses;
// a CUDA context takes several times as much.
const idleSlack = 64 << 20

// meter adds up looks. It is used by one goroutine at a time.
type meter struct {
	w        Watch
	e        Evidence
	used     time.Time // the first use
	utils    int       // sum and number of utilisations
	nutils   int
	throttle Throttle
	devices  map[string]*seenDevice
	ours     map[int]bool // processes that were ours stay ours while they end
	foreign  map[int]Process
}

// seenDevice is what is remembered of a device.
type seenDevice struct {
	started  bool
	strange  bool  // the last list of processes did not explain the memory
	baseline int64 // memory in use at the first look
	energy   int64 // at the first look; Unknown
	joules   float64
}

func newMeter(w Watch) *meter {
	m := &meter{w: w, devices: map[string]*seenDevice{}, ours: map[int]bool{}, foreign: map[int]Process{}}

	m.e.MaxUtil = Unknown
	for _, d := range w.Devices {
		m.devices[d.UUID] = &seenDevice{energy: Unknown, joules: Unknown}
	}

	return m
}

// look samples every device once. The last look, when the run is dead, is for
// the energy alone.
func (m *meter) look(last bool) error {
	var tree int64 // memory now
	busy := false

	for _, d := range m.w.Devices {
		s, err := m.w.Driver.Sample(d.UUID)
		if err != nil {
			return err
		}
		m.energy(m.devices[d.UUID], s)

		if last {
			continue
		}

		memory, on, err := m.whose(d, s)
		if err != nil {
			return err
		}
		tree, busy = tree+memory, busy || on
		m.rates(s, on)
	}

	if last {
		return nil
	}

	m.e.Samples++

	m.e.PeakMemory = max(m.e.PeakMemory, tree)
	if busy && m.used.IsZero() {
		m.used = time.Now()
		m.e.Used, m.e.FirstUse = true, m.used.Sub(m.w.Start)
	}

	return nil
}

// energy counts from the first look; a counter that goes back, since the
// driver was loaded anew, makes it unknown for good.
func (m *meter) energy(d *seenDevice, s Sample) {
	switch {
	case !d.started:
		d.started, d.baseline, d.energy = true, s.MemoryUsed, s.Energy
	case d.energy == Unknown:
	case s.Energy < d.energy:
		d.energy, d.joules = Unknown, Unknown
	}

	if d.energy != Unknown {
		d.joules = float64(s.Energy-d.energy) / 1000
	}
}

// rates takes what the device does now; clocks and what slows them count only while the run is on it.
func (m *meter) rates(s Sample, on bool) {
	if s.Utilisation != Unknown {
		m.utils, m.nutils = m.utils+s.Utilisation, m.nutils+1
		m.e.MaxUtil = max(m.e.MaxUtil, s.Utilisation)
	}

	if !on {
		return
	}

	m.throttle |= s.Throttle
	if s.Clock > 0 {
		m.e.ClockMin, m.e.ClockMax = min(cmp.Or(m.e.ClockMin, s.Clock), s.Clock), max(m.e.ClockMax, s.Clock)
	}
}

// whose says how much of a device's memory is the run's, and whether the run is
// on it at all. Where the driver does not tell, it is all that the device holds
// above what it held at first. A list that explains nothing may only have met a
// process that ends; it counts when the next one is no better.
func (m *meter) whose(d Device, s Sample) (memory int64, on bool, err error) {
	list, err := m.w.Driver.Processes(d.UUID)
	if err != nil && !errors.Is(err, ErrNotTold) {
		return 0, false, err
	}
	seen, told, others, strange := m.devices[d.UUID], err == nil, false, false
	grown := max(0, s.MemoryUsed-seen.baseline) // unknown memory never grows

	for _, p := range list {
		switch m.owner(p.PID) {
		case Ours:
			on, told = true, told && p.Memory != Unknown
			memory += max(0, p.Memory)
		case Foreign:
			others = true
			m.met(p)
		case Unseen:
			strange = true
		}
	}
	strange = grown > idleSlack && (strange || !on && !others)
	again := strange && seen.strange
	seen.strange = strange

	if grown > idleSlack && (!told || again) {
		m.e.MemoryOf = MemoryOfDevices
		return grown, true, nil
	}

	if on {
		m.e.MemoryOf = cmp.Or(m.e.MemoryOf, MemoryOfTree)
	}

	return memory, on, nil
}

func (m *meter) owner(pid int) Owner {
	if m.ours[pid] {
		return Ours
	}

	owner := m.w.Whose(pid)
	if owner == Ours {
		m.ours[pid] = true
	}

	return owner
}

// met remembers the most memory a foreign process had.
func (m *meter) met(p Process) {
	if before, ok := m.foreign[p.PID]; ok {
		p.Memory, p.Graphics = max(p.Memory, before.Memory), p.Graphics && before.Graphics
	}
	m.foreign[p.PID] = p
}

// evidence is what is known now.
func (m *meter) evidence() Evidence {
	e := m.e
	e.Throttle = m.throttle.Names()

	e.MeanUtil, e.Joules = Unknown, 0
	if m.nutils > 0 {
		e.MeanUtil = float64(m.utils) / float64(m.nutils)
	}

	for _, d := range m.devices {
		if d.joules == Unknown {
			e.Joules = Unknown
			break
		}
		e.Joules += d.joules
	}

	for _, pid := range slices.Sorted(maps.Keys(m.foreign)) {
		if p := m.foreign[pid]; p.Graphics {
			e.Displays = append(e.Displays, p)
		} else {
			e.Foreign = append(e.Foreign, p)
		}
	}

	return e
}
