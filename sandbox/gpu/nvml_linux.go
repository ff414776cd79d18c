//go:build linux && cgo

package gpu

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/NVIDIA/go-nvml/pkg/dl"
	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"ratchet/internal/research"
)

// library is the driver's own; it is found at run time, so the binary starts
// without it.
const library = "libnvidia-ml.so.1"

// A call of a function that the library lacks kills the process, and so does
// any call when there is no library. So every name is looked up first: without
// one of the needed ones nothing is called at all, without one of the others
// what it would tell is unknown.
var (
	needed = []string{"nvmlInit_v2", "nvmlShutdown", "nvmlSystemGetDriverVersion", "nvmlDeviceGetCount_v2",
		"nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetUUID", "nvmlDeviceGetName", "nvmlDeviceGetMinorNumber",
		"nvmlDeviceGetMemoryInfo"}
	optional = []string{utilisationCall, energyCall, clockCall, throttleCall, reasonsCall, computeCall, graphicsCall}
	migCalls = []string{"nvmlDeviceGetMigMode", "nvmlDeviceGetMaxMigDeviceCount", "nvmlDeviceGetMigDeviceHandleByIndex",
		"nvmlDeviceGetGpuInstanceId", "nvmlDeviceGetComputeInstanceId"}
)

const (
	utilisationCall = "nvmlDeviceGetUtilizationRates"
	energyCall      = "nvmlDeviceGetTotalEnergyConsumption"
	clockCall       = "nvmlDeviceGetClockInfo"
	throttleCall    = "nvmlDeviceGetCurrentClocksThrottleReasons"
	reasonsCall     = "nvmlDeviceGetCurrentClocksEventReasons" // its name from driver 535 on
	computeCall     = "nvmlDeviceGetComputeRunningProcesses"
	graphicsCall    = "nvmlDeviceGetGraphicsRunningProcesses"
)

// driver is NVML. One call runs at a time.
type driver struct {
	mu      sync.Mutex
	open    bool
	has     map[string]bool // of optional and migCalls
	version string
	handles map[string]handle
}

// handle is a device, and the GPU that it is or is a part of.
type handle struct{ device, gpu nvml.Device }

// Open loads the NVIDIA driver's library. It fails with CodeUnsupported where
// there is none, or none that answers; nothing of the library is called after
// that. It takes some ten milliseconds, or seconds where no process keeps the
// driver awake. A call that takes longer than patience makes this one and all later
// ones fail with ErrHangs.
func Open() (Driver, error) {
	b := &bounded{patience: patience}

	d, err := within(b, start)
	if err != nil {
		return nil, err
	}
	b.Driver = d

	return b, nil
}

func start() (Driver, error) {
	has, err := symbols()
	if err != nil {
		return nil, err
	}
	d := &driver{open: true, has: has}

	err = guard("start", func() nvml.Return { return nvml.Init() })
	if err != nil {
		return nil, research.Errorf(research.CodeUnsupported, "see whether nvidia-smi works, or set `gpus: 0`",
			"the NVIDIA driver can't be used: %w", err)
	}

	err = guard("tell its version", func() (ret nvml.Return) {
		d.version, ret = nvml.SystemGetDriverVersion()
		return ret
	})
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}

	return d, nil
}

// symbols says which of the calls that are not needed the library has.
func symbols() (map[string]bool, error) {
	lib := dl.New(library, dl.RTLD_LAZY|dl.RTLD_LOCAL)
	if err := lib.Open(); err != nil {
		return nil, research.Errorf(research.CodeUnsupported,
			"install the NVIDIA driver, run on a machine that has one, or set `gpus: 0`",
			"there is no NVIDIA driver on this machine: %w", err)
	}
	defer lib.Close()

	for _, name := range needed {
		if lib.Lookup(name) != nil {
			return nil, research.Errorf(research.CodeUnsupported, "install a newer NVIDIA driver, or set `gpus: 0`",
				"the NVIDIA driver's library lacks %s", name)
		}
	}

	has := map[string]bool{}
	for _, name := range slices.Concat(optional, migCalls) {
		has[name] = lib.Lookup(name) == nil
	}

	return has, nil
}

// guard makes an error of whatever goes wrong in a call: go-nvml indexes with
// what the library returns, so a library that answers nonsense makes it panic.
func guard(what string, call func() nvml.Return) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("ask the GPU driver to %s: it answered nonsense: %v", what, r)
		}
	}()

	switch ret := call(); ret {
	case nvml.SUCCESS:
		return nil
	case nvml.ERROR_NOT_SUPPORTED, nvml.ERROR_NO_PERMISSION, nvml.ERROR_FUNCTION_NOT_FOUND, nvml.ERROR_NO_DATA,
		nvml.ERROR_ARGUMENT_VERSION_MISMATCH:
		return fmt.Errorf("ask the GPU driver to %s: %w", what, ErrNotTold)
	default:
		return fmt.Errorf("ask the GPU driver to %s: %s", what, reason(ret))
	}
}

// reason words a code. NVML's own function for that is another call into what
// may be broken.
func reason(ret nvml.Return) string {
	switch ret {
	case nvml.ERROR_UNINITIALIZED:
		return "it was not started"
	case nvml.ERROR_NOT_FOUND, nvml.ERROR_GPU_NOT_FOUND:
		return "there is no such GPU"
	case nvml.ERROR_DRIVER_NOT_LOADED:
		return "its kernel module is not loaded"
	case nvml.ERROR_LIBRARY_NOT_FOUND:
		return "its library can't be loaded"
	case nvml.ERROR_LIB_RM_VERSION_MISMATCH:
		return "its library and its kernel module are of different versions, as after an update without a restart"
	case nvml.ERROR_GPU_IS_LOST:
		return "the GPU has fallen off the bus"
	case nvml.ERROR_RESET_REQUIRED:
		return "the GPU needs a reset"
	case nvml.ERROR_INSUFFICIENT_POWER:
		return "the GPU lacks power"
	case nvml.ERROR_TIMEOUT:
		return "it timed out"
	case nvml.ERROR_NO_PERMISSION:
		return "permission denied"
	}

	return fmt.Sprintf("NVML error %d", int(ret))
}

// ask runs calls while the driver is open.
func (d *driver) ask(calls func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()

	if !d.open {
		return errors.New("ask the GPU driver: it was closed")
	}

	return calls()
}

func (d *driver) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()

	if !d.open {
		return nil
	}
	d.open = false

	return guard("stop", func() nvml.Return { return nvml.Shutdown() })
}

func (d *driver) Devices() (list []Device, err error) {
	err = d.ask(func() error {
		list, err = d.enumerate()
		return err
	})

	return list, err
}

// enumerate lists what answers. It fails when there are GPUs and none does.
func (d *driver) enumerate() ([]Device, error) {
	var n int

	err := guard("count GPUs", func() (ret nvml.Return) {
		n, ret = nvml.DeviceGetCount()
		return ret
	})
	if err != nil {
		return nil, err
	}
	var list []Device
	var failed error
	handles := map[string]handle{}

	for i := range n {
		var gpu nvml.Device

		err := guard("find a GPU", func() (ret nvml.Return) {
			gpu, ret = nvml.DeviceGetHandleByIndex(i)
			return ret
		})
		if err == nil {
			list, err = d.addGPU(list, handles, gpu)
		}
		failed = errors.Join(failed, err)
	}
	d.handles = handles

	if len(list) == 0 {
		return nil, failed
	}

	return list, nil
}

// addGPU adds a GPU, or its instances if it is in MIG mode.
func (d *driver) addGPU(list []Device, handles map[string]handle, gpu nvml.Device) ([]Device, error) {
	dev, err := d.describe(gpu, gpu)
	if err != nil {
		return list, err
	}

	instances, mig := d.instances(gpu)
	if !mig {
		handles[dev.UUID] = handle{gpu, gpu}
		return append(list, dev), nil
	}

	for _, instance := range instances {
		dev, err := d.describe(instance, gpu)
		if err == nil {
			err = guard("number an instance", func() (ret nvml.Return) {
				if dev.Instance, ret = instance.GetGpuInstanceId(); ret == nvml.SUCCESS {
					dev.Compute, ret = instance.GetComputeInstanceId()
				}

				return ret
			})
		}

		if err != nil {
			return list, err
		}
		dev.MIG = true
		handles[dev.UUID] = handle{instance, gpu}
		list = append(list, dev)
	}

	return list, nil
}

func (d *driver) describe(device, gpu nvml.Device) (Device, error) {
	dev := Device{Driver: d.version}

	err := guard("describe a GPU", func() (ret nvml.Return) {
		if dev.UUID, ret = device.GetUUID(); ret != nvml.SUCCESS {
			return ret
		}

		if dev.Model, ret = device.GetName(); ret != nvml.SUCCESS {
			return ret
		}
		dev.Minor, ret = gpu.GetMinorNumber()

		return ret
	})
	if err != nil {
		return dev, err
	}

	err = guard("tell a GPU's memory", func() nvml.Return {
		memory, ret := device.GetMemoryInfo()
		dev.Memory = int64(memory.Total)

		return ret
	})
	if errors.Is(err, ErrNotTold) { // it has none of its own
		dev.Memory, err = Unknown, nil
	}

	return dev, err
}

// instances lists a GPU's MIG instances; mig says whether it is in that mode.
func (d *driver) instances(gpu nvml.Device) (list []nvml.Device, mig bool) {
	for _, name := range migCalls {
		if !d.has[name] {
			return nil, false
		}
	}
	mode, n := 0, 0

	err := guard("tell the MIG mode", func() (ret nvml.Return) {
		if mode, _, ret = gpu.GetMigMode(); ret == nvml.SUCCESS && mode == nvml.DEVICE_MIG_ENABLE {
			n, ret = gpu.GetMaxMigDeviceCount()
		}

		return ret
	})
	if err != nil || mode != nvml.DEVICE_MIG_ENABLE {
		return nil, false
	}

	for i := range n {
		var instance nvml.Device
		if guard("find an instance", func() (ret nvml.Return) {
			instance, ret = gpu.GetMigDeviceHandleByIndex(i)
			return ret
		}) == nil { // else that place is empty
			list = append(list, instance)
		}
	}

	return list, true
}
