//go:build linux && cgo

package gpu

import (
	"errors"
	"fmt"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// findHandle returns a device's handle, listing the devices again for one that is
// not known.
func (d *driver) findHandle(uuid string) (handle, error) {
	if h, ok := d.handles[uuid]; ok {
		return h, nil
	}

	if _, err := d.listDevices(); err != nil {
		return handle{}, err
	}

	h, ok := d.handles[uuid]
	if !ok {
		return handle{}, fmt.Errorf("find the GPU %s: there is no such GPU", uuid)
	}

	return h, nil
}

func (d *driver) Sample(uuid string) (sample Sample, err error) {
	err = d.whileOpen(func() error {
		h, err := d.findHandle(uuid)
		if err != nil {
			return err
		}

		sample, err = d.sampleDevice(h)

		return err
	})

	return sample, err
}

// sampleDevice asks a device. Of an instance the clock is its GPU's; its energy
// and utilisation are unknown.
func (d *driver) sampleDevice(h handle) (Sample, error) {
	sample := Sample{Utilisation: Unknown, Energy: Unknown, Clock: Unknown}

	err := recoverPanic("tell the memory in use", func() nvml.Return {
		memory, ret := h.device.GetMemoryInfo()
		sample.MemoryUsed = int64(memory.Used)

		return ret
	})
	if errors.Is(err, ErrNotTold) {
		sample.MemoryUsed, err = Unknown, nil
	}

	if err != nil {
		return sample, err
	}

	return sample, errors.Join(
		d.callOptional(utilisationCall, func() nvml.Return {
			rates, ret := h.device.GetUtilizationRates()
			if ret == nvml.SUCCESS {
				sample.Utilisation = int(rates.Gpu)
			}

			return ret
		}),
		d.callOptional(energyCall, func() nvml.Return {
			energy, ret := h.device.GetTotalEnergyConsumption()
			if ret == nvml.SUCCESS {
				sample.Energy = int64(energy)
			}

			return ret
		}),
		d.callOptional(clockCall, func() nvml.Return {
			clock, ret := h.gpu.GetClockInfo(nvml.CLOCK_SM)
			if ret == nvml.SUCCESS {
				sample.Clock = int(clock)
			}

			return ret
		}),
		d.askThrottle(h.gpu, &sample.Throttle),
	)
}

// askThrottle asks why the clock is not higher, by the call's new or old name.
func (d *driver) askThrottle(gpu nvml.Device, reasons *Throttle) error {
	if d.has[reasonsCall] {
		return d.callOptional(reasonsCall, func() nvml.Return {
			bits, ret := gpu.GetCurrentClocksEventReasons()
			*reasons = Throttle(bits)

			return ret
		})
	}

	return d.callOptional(throttleCall, func() nvml.Return {
		bits, ret := gpu.GetCurrentClocksThrottleReasons()
		*reasons = Throttle(bits)

		return ret
	})
}

// callOptional makes a call that the library may lack or the device may not answer;
// an instance answers some with "invalid argument". A GPU that is gone is an error all the same.
func (d *driver) callOptional(name string, call func() nvml.Return) error {
	if !d.has[name] {
		return nil
	}

	return recoverPanic("answer "+name, func() nvml.Return {
		switch ret := call(); ret {
		case nvml.ERROR_GPU_IS_LOST, nvml.ERROR_RESET_REQUIRED, nvml.ERROR_UNINITIALIZED, nvml.ERROR_DRIVER_NOT_LOADED:
			return ret
		}

		return nvml.SUCCESS
	})
}

func (d *driver) Processes(uuid string) (list []Process, err error) {
	err = d.whileOpen(func() error {
		h, err := d.findHandle(uuid)
		if err != nil {
			return err
		}

		list, err = d.listProcesses(h)

		return err
	})

	return list, err
}

// listProcesses lists every process once; one that draws and computes computes.
func (d *driver) listProcesses(h handle) ([]Process, error) {
	if !d.has[computeCall] {
		return nil, ErrNotTold
	}

	var computing, drawing []nvml.ProcessInfo

	err := recoverPanic("list processes", func() (ret nvml.Return) {
		computing, ret = h.device.GetComputeRunningProcesses()
		return ret
	})
	if err != nil {
		return nil, err
	}

	err = d.callOptional(graphicsCall, func() (ret nvml.Return) {
		drawing, ret = h.device.GetGraphicsRunningProcesses()
		return ret
	})
	if err != nil {
		return nil, err
	}

	var list []Process
	listed := map[uint32]bool{}

	for i, p := range append(computing, drawing...) {
		if !listed[p.Pid] {
			list = append(list, Process{PID: int(p.Pid), Memory: memoryOf(p), Graphics: i >= len(computing)})
		}

		listed[p.Pid] = true
	}

	return list, nil
}

// memoryOf is a process's memory in bytes. All bits set means that the driver
// can't tell: Unknown.
func memoryOf(p nvml.ProcessInfo) int64 {
	if p.UsedGpuMemory > 1<<62 {
		return Unknown
	}

	return int64(p.UsedGpuMemory)
}
