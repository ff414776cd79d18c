package gpu

import "errors"

// Driver is what this package needs of a GPU driver. Its methods may be called
// by several goroutines and return within a minute; after an error that is not
// ErrNotTold the driver may be gone, and further calls fail too, but they never panic.
type Driver interface {
	// Devices lists what can be leased, in the order of bus addresses. A GPU
	// in MIG mode is not among them; its instances are.
	Devices() ([]Device, error)
	// Sample looks at a device. What the device does not tell is Unknown.
	Sample(uuid string) (Sample, error)
	// Processes lists who has memory on a device, by the process numbers of
	// the caller's namespace where the driver knows them. ErrNotTold: the
	// driver does not say.
	Processes(uuid string) ([]Process, error)
	// Close ends the use of the driver. It is called once, last.
	Close() error
}

// ErrNotTold is the error of a question that the driver does not answer for
// this device or this caller. The driver works all the same.
var ErrNotTold = errors.New("the driver does not tell")

// Unknown stands for a number that the driver does not tell.
const Unknown = -1

// Device is a GPU or a MIG instance.
type Device struct {
	UUID     string `json:"uuid"` // "GPU-…" or "MIG-…"
	Model    string `json:"model"`
	Memory   int64  `json:"memory"`             // bytes in all; Unknown where it shares the machine's
	Minor    int    `json:"minor"`              // its node is /dev/nvidia<Minor>; of an instance its GPU's
	Driver   string `json:"driver"`             // version of the driver
	MIG      bool   `json:"mig,omitempty"`      // it is an instance
	Instance int    `json:"instance,omitempty"` // MIG: GPU instance of its GPU
	Compute  int    `json:"compute,omitempty"`  // MIG: compute instance of that
}

// Sample is the state of one device at one time.
type Sample struct {
	MemoryUsed  int64    // bytes
	Utilisation int      // percent of the driver's last period in which a kernel ran
	Energy      int64    // millijoules since the driver was loaded
	Clock       int      // MHz of the multiprocessors
	Throttle    Throttle // why the clock is not higher; 0 also when not told
}

// Process is one that has memory on a device.
type Process struct {
	PID      int   `json:"pid"`
	Memory   int64 `json:"memory"`             // bytes
	Graphics bool  `json:"graphics,omitempty"` // it draws, and computes nothing
}

// Throttle is a set of reasons, numbered as NVML does.
type Throttle uint64

// throttles are the reasons that slow a busy GPU down. What NVML has besides
// (idle, clocks set by a person, the display's wish) slows nothing unasked.
var throttles = []struct {
	bit  Throttle
	name string
}{
	{4, "power cap"},
	{8, "hardware slowdown"},
	{16, "sync boost"},
	{32, "thermal"},
	{64, "hardware thermal"},
	{128, "power brake"},
	{512, "board limit"},
	{1024, "reliability"},
}

// Names lists the reasons that slow a GPU down, in a fixed order; "power cap"
// is usual under full load.
func (t Throttle) Names() []string {
	var names []string

	for _, r := range throttles {
		if t&r.bit != 0 {
			names = append(names, r.name)
		}
	}

	return names
}

// Tier classes a GPU by its memory in bytes as autoresearch-at-home does:
// small up to 16 GiB, medium up to 24, large up to 48, else xl; "" for none.
// Results of one tier's GPUs can start from each other's programs without
// running out of memory.
func Tier(memory int64) string {
	const gib = 1 << 30
	switch {
	case memory <= 0:
		return ""
	case memory <= 16*gib:
		return "small"
	case memory <= 24*gib:
		return "medium"
	case memory <= 48*gib:
		return "large"
	}

	return "xl"
}
