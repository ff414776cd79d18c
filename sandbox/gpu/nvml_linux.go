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
	has     map[string]bool // which of optional and migCalls the library has
	version string
	handles map[string]handle // by UUID
}

// handle is a device, and the GPU that it is or is a part of.
type handle struct{ device, gpu nvml.Device }

// Open loads the NVIDIA driver's library. It fails with CodeUnsupported where
// there is none, or none that answers; nothing of the library is called after
// that. It takes some ten milliseconds, or seconds where no process keeps the
// driver awake. A call that takes longer than 45 s makes this one and all later
// ones fail with ErrHangs.
func Open() (Driver, error) {
	b := &boundDriver{limit: callLimit}

	d, err := callWithin(b, openDriver)
	if err != nil {
		return nil, err
	}

	b.Driver = d

	return b, nil
}

// openDriver starts the library and reads its version.
func openDriver() (Driver, error) {
	has, err := findCalls()
	if err != nil {
		return nil, err
	}

	d := &driver{open: true, has: has}

	err = recoverPanic("start", func() nvml.Return { return nvml.Init() })
	if err != nil {
		return nil, research.Errorf(research.CodeUnsupported, "see whether nvidia-smi works, or set `gpus: 0`",
			"the NVIDIA driver can't be used: %w", err)
	}

	err = recoverPanic("tell its version", func() (ret nvml.Return) {
		d.version, ret = nvml.SystemGetDriverVersion()
		return ret
	})
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}

	return d, nil
}

// findCalls says which of the calls that are not needed the library has. It
// fails when there is no library, or when it lacks one that is needed.
func findCalls() (map[string]bool, error) {
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

// recoverPanic makes an error of whatever goes wrong in a call: go-nvml indexes with
// what the library returns, so a library that answers nonsense makes it panic.
func recoverPanic(what string, call func() nvml.Return) (err error) {
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
		return fmt.Errorf("ask the GPU driver to %s: %s", what, describeCode(ret))
	}
}

// describeCode words a code. NVML's own function for that is another call into
// what may be broken.
func describeCode(ret nvml.Return) string {
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

// whileOpen makes calls, no others meanwhile, unless the driver was closed.
func (d *driver) whileOpen(calls func() error) error {
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

	return recoverPanic("stop", func() nvml.Return { return nvml.Shutdown() })
}

func (d *driver) Devices() (list []Device, err error) {
	err = d.whileOpen(func() error {
		list, err = d.listDevices()
		return err
	})

	return list, err
}

// listDevices lists what answers, and remembers the handles. It fails when there
// are GPUs and none answers.
func (d *driver) listDevices() ([]Device, error) {
	var count int

	err := recoverPanic("count GPUs", func() (ret nvml.Return) {
		count, ret = nvml.DeviceGetCount()
		return ret
	})
	if err != nil {
		return nil, err
	}

	var list []Device
	var failures error
	handles := map[string]handle{}

	for i := range count {
		var gpu nvml.Device

		err := recoverPanic("find a GPU", func() (ret nvml.Return) {
			gpu, ret = nvml.DeviceGetHandleByIndex(i)
			return ret
		})
		if err == nil {
			list, err = d.addGPU(list, handles, gpu)
		}

		failures = errors.Join(failures, err)
	}

	d.handles = handles

	if len(list) == 0 {
		return nil, failures
	}

	return list, nil
}

// addGPU adds a GPU, or its instances if it is in MIG mode.
func (d *driver) addGPU(list []Device, handles map[string]handle, gpu nvml.Device) ([]Device, error) {
	device, err := d.describeDevice(gpu, gpu)
	if err != nil {
		return list, err
	}

	instances, inMIGMode := d.listInstances(gpu)
	if !inMIGMode {
		handles[device.UUID] = handle{gpu, gpu}
		return append(list, device), nil
	}

	for _, instance := range instances {
		device, err := d.describeInstance(instance, gpu)
		if err != nil {
			return list, err
		}

		handles[device.UUID] = handle{instance, gpu}
		list = append(list, device)
	}

	return list, nil
}

// describeInstance asks for the properties of a MIG instance of a GPU.
func (d *driver) describeInstance(instance, gpu nvml.Device) (Device, error) {
	device, err := d.describeDevice(instance, gpu)
	if err != nil {
		return device, err
	}

	device.MIG = true

	err = recoverPanic("number an instance", func() (ret nvml.Return) {
		if device.Instance, ret = instance.GetGpuInstanceId(); ret == nvml.SUCCESS {
			device.Compute, ret = instance.GetComputeInstanceId()
		}

		return ret
	})

	return device, err
}

// describeDevice asks for the properties of a GPU, or of an instance of it.
func (d *driver) describeDevice(asked, gpu nvml.Device) (Device, error) {
	device := Device{Driver: d.version}

	err := recoverPanic("describe a GPU", func() (ret nvml.Return) {
		if device.UUID, ret = asked.GetUUID(); ret != nvml.SUCCESS {
			return ret
		}

		if device.Model, ret = asked.GetName(); ret != nvml.SUCCESS {
			return ret
		}

		device.Minor, ret = gpu.GetMinorNumber()

		return ret
	})
	if err != nil {
		return device, err
	}

	err = recoverPanic("tell a GPU's memory", func() nvml.Return {
		memory, ret := asked.GetMemoryInfo()
		device.Memory = int64(memory.Total)

		return ret
	})
	if errors.Is(err, ErrNotTold) { // it has none of its own
		device.Memory, err = Unknown, nil
	}

	return device, err
}

// listInstances lists a GPU's MIG instances, and says whether it is in that mode.
func (d *driver) listInstances(gpu nvml.Device) (list []nvml.Device, inMIGMode bool) {
	for _, name := range migCalls {
		if !d.has[name] {
			return nil, false
		}
	}

	mode, places := 0, 0

	err := recoverPanic("tell the MIG mode", func() (ret nvml.Return) {
		if mode, _, ret = gpu.GetMigMode(); ret == nvml.SUCCESS && mode == nvml.DEVICE_MIG_ENABLE {
			places, ret = gpu.GetMaxMigDeviceCount()
		}

		return ret
	})
	if err != nil || mode != nvml.DEVICE_MIG_ENABLE {
		return nil, false
	}

	for i := range places {
		var instance nvml.Device

		err := recoverPanic("find an instance", func() (ret nvml.Return) {
			instance, ret = gpu.GetMigDeviceHandleByIndex(i)
			return ret
		})
		if err == nil { // else that place is empty
			list = append(list, instance)
		}
	}

	return list, true
}
