//go:build linux && cgo

package gpu_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/research"
	"ratchet/sandbox/gpu"
)

// answers is all that a driver tells.
type answers struct {
	Open, Devices string // errors
	List          []gpu.Device
	Samples       map[string]gpu.Sample
	Processes     map[string][]gpu.Process
	Errors        []string
}

func init() { helpers["nvml"] = askNVML }

// askNVML asks the real binding everything and prints it.
func askNVML() {
	var a answers
	defer func() { json.NewEncoder(os.Stdout).Encode(a) }()

	d, err := gpu.Open()
	if err != nil {
		a.Open = fmt.Sprintf("%s: %s", research.Describe(err).Code, err)
		return
	}

	if a.List, err = d.Devices(); err != nil {
		a.Devices = err.Error()
	}
	a.Samples, a.Processes = map[string]gpu.Sample{}, map[string][]gpu.Process{}

	fail := func(err error) {
		if err != nil {
			a.Errors = append(a.Errors, err.Error())
		}
	}
	for _, dev := range a.List {
		a.Samples[dev.UUID], err = d.Sample(dev.UUID)
		fail(err)
		a.Processes[dev.UUID], err = d.Processes(dev.UUID)
		fail(err)
	}
	_, err = d.Sample("GPU-none")
	fail(err)
	fail(d.Close())
	_, err = d.Devices()
	fail(err)
	fail(d.Close())
}

// library compiles testdata/nvml.c as the driver's library into a folder.
func library(t *testing.T, flags ...string) string {
	t.Helper()

	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("there is no C compiler")
	}
	dir := t.TempDir()

	args := append([]string{"-shared", "-fPIC", "-o", filepath.Join(dir, "libnvidia-ml.so.1"), "testdata/nvml.c"},
		flags...)
	if out, err := exec.Command(cc, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}

	return dir
}

// nvml asks the library in a folder, in a process of its own.
func nvml(t *testing.T, dir, mode string) (a answers) {
	t.Helper()

	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(exe)

	c.Env = append(os.Environ(), helperVariable+"=nvml", "LD_LIBRARY_PATH="+dir, "MODE="+mode)
	var stderr strings.Builder
	c.Stderr = &stderr

	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v %s", mode, err, stderr.String())
	}

	if err := json.Unmarshal(out, &a); err != nil {
		t.Fatalf("%v: %s", err, out)
	}

	return a
}

var (
	whole = gpu.Device{UUID: "GPU-0", Model: "NVIDIA Z1", Memory: 80 << 30, Minor: 4, Driver: "570.1"}
	parts = []gpu.Device{
		{UUID: "MIG-1", Model: "NVIDIA Z1 MIG 1g.10gb", Memory: 10 << 30, Minor: 5, Driver: "570.1", MIG: true,
			Instance: 3},
		{UUID: "MIG-2", Model: "NVIDIA Z1 MIG 1g.10gb", Memory: 10 << 30, Minor: 5, Driver: "570.1", MIG: true,
			Instance: 9},
	}
	wholeSample = gpu.Sample{MemoryUsed: 1 << 30, Utilisation: 73, Energy: 123456, Clock: 1410, Throttle: 36}
	partSample  = gpu.Sample{MemoryUsed: 1 << 30, Utilisation: gpu.Unknown, Energy: gpu.Unknown, Clock: 1410,
		Throttle: 36}
	computing  = []gpu.Process{{PID: 7, Memory: 1 << 29}, {PID: 8, Memory: gpu.Unknown}}
	lastErrors = []string{"find the GPU GPU-none: there is no such GPU", "ask the GPU driver: it was closed"}
)

// The real binding against a library that we compile: whole GPUs, instances,
// and everything that a library may do wrong.
func TestNVML(t *testing.T) {
	young, old, ancient := library(t), library(t, "-DOLD"), library(t, "-DANCIENT")
	full := answers{
		List:    append([]gpu.Device{whole}, parts...),
		Samples: map[string]gpu.Sample{"GPU-0": wholeSample, "MIG-1": partSample, "MIG-2": partSample},
		Processes: map[string][]gpu.Process{"MIG-1": computing, "MIG-2": computing,
			"GPU-0": append(computing[:2:2], gpu.Process{PID: 9, Memory: 2, Graphics: true})},
		Errors: lastErrors,
	}
	change := func(how func(a *answers)) answers {
		a := full

		a.Samples, a.Processes = map[string]gpu.Sample{}, map[string][]gpu.Process{}
		for _, d := range full.List {
			a.Samples[d.UUID], a.Processes[d.UUID] = full.Samples[d.UUID], full.Processes[d.UUID]
		}
		how(&a)

		return a
	}
	oldWhole := func(uuid string, minor int) gpu.Device {
		return gpu.Device{UUID: uuid, Model: whole.Model, Memory: whole.Memory, Minor: minor, Driver: whole.Driver}
	}

	oldSample := gpu.Sample{MemoryUsed: 1 << 30, Utilisation: gpu.Unknown, Energy: gpu.Unknown, Clock: 1410,
		Throttle: 64}
	for mode, test := range map[string]struct {
		dir  string
		want answers
	}{
		"": {young, full},
		"old": {old, answers{
			List:      []gpu.Device{oldWhole("GPU-0", 4), oldWhole("GPU-1", 5)},
			Samples:   map[string]gpu.Sample{"GPU-0": oldSample, "GPU-1": oldSample},
			Processes: map[string][]gpu.Process{"GPU-0": {{PID: 11, Memory: 5}}, "GPU-1": {{PID: 11, Memory: 5}}},
			Errors:    lastErrors,
		}},
		"ancient": {ancient, answers{Open: "unsupported: the NVIDIA driver's library lacks nvmlDeviceGetCount_v2"}},
		"no module": {young,
			answers{Open: "unsupported: the NVIDIA driver can't be used: ask the GPU driver to start: its kernel module is not loaded"}},
		"version mismatch": {young,
			answers{Open: "unsupported: the NVIDIA driver can't be used: ask the GPU driver to start: " +
				"its library and its kernel module are of different versions, as after an update without a restart"}},
		"no gpus": {young, answers{Samples: map[string]gpu.Sample{}, Processes: map[string][]gpu.Process{},
			Errors: lastErrors}},
		"one dead": {young, change(func(a *answers) {
			a.List = parts
			delete(a.Samples, "GPU-0")
			delete(a.Processes, "GPU-0")
		})},
		"secretive": {young, change(func(a *answers) {
			clear(a.Processes)
			const e = "ask the GPU driver to list processes: the driver does not tell"

			for _, d := range a.List {
				a.Processes[d.UUID] = nil
				a.Errors = append([]string{e}, a.Errors...)
			}
		})},
		"shared memory": {young, change(func(a *answers) {
			a.List = nil
			for _, d := range full.List {
				d.Memory = gpu.Unknown
				a.List = append(a.List, d)
				s := a.Samples[d.UUID]
				s.MemoryUsed = gpu.Unknown
				a.Samples[d.UUID] = s
			}
		})},
	} {
		if d := cmp.Diff(test.want, nvml(t, test.dir, mode)); d != "" {
			t.Errorf("%s: %s", mode, d)
		}
	}

	if a := nvml(t, young, "nonsense"); len(a.Errors) < 3 || !strings.Contains(a.Errors[0], "it answered nonsense") {
		t.Errorf("%q", a.Errors)
	}

	if a := nvml(t, young, "dies"); len(a.List) != 3 || !strings.Contains(strings.Join(a.Errors, " "),
		"the GPU has fallen off the bus") {
		t.Errorf("%+v", a)
	}
}

// Without a library every question is answered by an error, and none kills us.
func TestNoDriver(t *testing.T) {
	d, err := gpu.Open()
	if err == nil {
		d.Close()
		t.Skip("there is a driver")
	}

	for range 3 {
		_, err := gpu.Open()
		if e := research.Describe(err); e.Code != research.CodeUnsupported || e.Next == "" {
			t.Errorf("%v, %+v", err, e)
		}
	}
}
