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
	MemoryOfTree = "tree" // the run's processes
	// what the devices held above what they held at first, since the driver does not tell whose it is
	MemoryOfDevices = "devices"
)

// Contended says whether a foreign process computed on the run's devices, so
// that its measurement should be repeated.
func (e Evidence) Contended() bool { return len(e.Foreign) > 0 }

// idleSlack is how much memory may come and go on an idle device; a CUDA context takes several times as much.
const idleSlack = 64 << 20

// meter adds up looks. It is used by one goroutine at a time.
type meter struct {
	watch    Watch
	seen     Evidence  // what needs no arithmetic at the end
	firstUse time.Time // zero: not yet
	utilSum  int       // of utilisations, over looks and devices
	utils    int       // how many were added up
	throttle Throttle  // every reason that was seen
	devices  map[string]*deviceUse
	ours     map[int]bool // processes that were ours stay ours while they end
	foreign  map[int]Process
}

// deviceUse is what is remembered of a device.
type deviceUse struct {
	started     bool
	unexplained bool  // the last list of processes did not explain the memory
	baseline    int64 // memory in use at the first look
	energy      int64 // at the first look; Unknown
	joules      float64
}

func newMeter(w Watch) *meter {
	m := &meter{watch: w, devices: map[string]*deviceUse{}, ours: map[int]bool{}, foreign: map[int]Process{}}
	m.seen.MaxUtil = Unknown

	for _, d := range w.Devices {
		m.devices[d.UUID] = &deviceUse{energy: Unknown, joules: Unknown}
	}

	return m
}

// readCounters samples every device once. The last look, when the run is dead, is for
// the energy alone.
func (m *meter) readCounters(last bool) error {
	var treeMemory int64 // now, on all devices
	used := false

	for _, d := range m.watch.Devices {
		sample, err := m.watch.Driver.Sample(d.UUID)
		if err != nil {
			return err
		}

		m.devices[d.UUID].addEnergy(sample)

		if last {
			continue
		}

		memory, isOn, err := m.attributeMemory(d, sample)
		if err != nil {
			return err
		}

		treeMemory += memory
		used = used || isOn
		m.addRates(sample, isOn)
	}

	if last {
		return nil
	}

	m.seen.Samples++
	m.seen.PeakMemory = max(m.seen.PeakMemory, treeMemory)

	if used && m.firstUse.IsZero() {
		m.firstUse = time.Now()
		m.seen.Used = true
		m.seen.FirstUse = m.firstUse.Sub(m.watch.Start)
	}

	return nil
}

// addEnergy counts from the first look; a counter that goes back, since the
// driver was loaded again, makes it unknown for good.
func (d *deviceUse) addEnergy(sample Sample) {
	switch {
	case !d.started:
		d.started, d.baseline, d.energy = true, sample.MemoryUsed, sample.Energy
	case d.energy == Unknown:
	case sample.Energy < d.energy:
		d.energy, d.joules = Unknown, Unknown
	}

	if d.energy != Unknown {
		d.joules = float64(sample.Energy-d.energy) / 1000
	}
}

// addRates adds what the device does now. Clocks and what slows them count only
// while the run is on it.
func (m *meter) addRates(sample Sample, isOn bool) {
	if sample.Utilisation != Unknown {
		m.utilSum += sample.Utilisation
		m.utils++
		m.seen.MaxUtil = max(m.seen.MaxUtil, sample.Utilisation)
	}

	if !isOn {
		return
	}

	m.throttle |= sample.Throttle

	if sample.Clock > 0 {
		m.seen.ClockMin = min(cmp.Or(m.seen.ClockMin, sample.Clock), sample.Clock)
		m.seen.ClockMax = max(m.seen.ClockMax, sample.Clock)
	}
}

// attributeMemory says how much of a device's memory is the run's, and whether
// the run is on it at all. Where the driver does not tell, it is all that the
// device holds above what it held at first. A list that explains nothing may
// only have met a process that ends; it counts when the next one is no better.
func (m *meter) attributeMemory(d Device, sample Sample) (memory int64, isOn bool, err error) {
	list, err := m.watch.Driver.Processes(d.UUID)
	if err != nil && !errors.Is(err, ErrNotTold) {
		return 0, false, err
	}

	device := m.devices[d.UUID]
	grown := max(0, sample.MemoryUsed-device.baseline) // unknown memory never grows
	told := err == nil
	hasForeign, hasUnseen := false, false

	for _, p := range list {
		switch m.findOwner(p.PID) {
		case Ours:
			isOn = true
			told = told && p.Memory != Unknown
			memory += max(0, p.Memory)
		case Foreign:
			hasForeign = true
			m.addForeign(p)
		case Unseen:
			hasUnseen = true
		}
	}

	wasUnexplained := device.unexplained
	device.unexplained = grown > idleSlack && (hasUnseen || !isOn && !hasForeign)

	if grown > idleSlack && (!told || device.unexplained && wasUnexplained) {
		m.seen.MemoryOf = MemoryOfDevices
		return grown, true, nil
	}

	if isOn {
		m.seen.MemoryOf = cmp.Or(m.seen.MemoryOf, MemoryOfTree)
	}

	return memory, isOn, nil
}

// findOwner says whose a process is.
func (m *meter) findOwner(pid int) Owner {
	if m.ours[pid] {
		return Ours
	}

	owner := m.watch.Whose(pid)
	if owner == Ours {
		m.ours[pid] = true
	}

	return owner
}

// addForeign remembers the most memory a foreign process had. It only draws
// when it was never seen computing.
func (m *meter) addForeign(p Process) {
	if before, ok := m.foreign[p.PID]; ok {
		p.Memory = max(p.Memory, before.Memory)
		p.Graphics = p.Graphics && before.Graphics
	}

	m.foreign[p.PID] = p
}

// makeEvidence puts together what is known now.
func (m *meter) makeEvidence() Evidence {
	e := m.seen
	e.Throttle = m.throttle.Names()

	e.MeanUtil = Unknown
	if m.utils > 0 {
		e.MeanUtil = float64(m.utilSum) / float64(m.utils)
	}

	e.Joules = 0

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
