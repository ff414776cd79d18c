package gpu_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ratchet/sandbox"
	"ratchet/sandbox/gpu"
)

const mib = 1 << 20

// machine is what the fake driver tells.
type machine struct {
	Devices   []gpu.Device
	Samples   map[string]gpu.Sample
	Processes map[string][]gpu.Process
	Failure   string // every question fails
	Secretive bool   // it does not list processes
}

// fake is a driver without hardware. With a file, that is the machine, which
// several processes share.
type fake struct {
	mu   sync.Mutex
	file string
	machine
	hang chan struct{} // a question waits for it
}

// newFake has n whole GPUs GPU-0, GPU-1 … with 500 MiB of 24 GiB in use.
func newFake(n int) *fake {
	f := &fake{machine: machine{Samples: map[string]gpu.Sample{}, Processes: map[string][]gpu.Process{}}}

	for i := range n {
		d := gpu.Device{UUID: fmt.Sprintf("GPU-%d", i), Model: "NVIDIA Z1", Memory: 24576 * mib, Minor: i,
			Driver: "570.1"}
		f.add(d)
	}

	return f
}

func (f *fake) add(d gpu.Device) {
	f.machine.Devices = append(f.machine.Devices, d)
	f.machine.Samples[d.UUID] = gpu.Sample{MemoryUsed: 500 * mib, Utilisation: gpu.Unknown, Energy: gpu.Unknown,
		Clock: gpu.Unknown}
}

// change changes the machine.
func (f *fake) change(t *testing.T, how func(m *machine)) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	how(&f.machine)

	if f.file == "" {
		return
	}

	b, err := json.Marshal(f.machine)
	if err = errors.Join(err, os.WriteFile(f.file+".new", b, 0o600), os.Rename(f.file+".new", f.file)); err != nil {
		t.Fatal(err)
	}
}

// used sets the memory in use on a device.
func (f *fake) used(t *testing.T, uuid string, bytes int64) {
	t.Helper()
	f.change(t, func(m *machine) {
		s := m.Samples[uuid]
		s.MemoryUsed = bytes
		m.Samples[uuid] = s
	})
}

// ask returns the machine as it is now.
func (f *fake) ask() (machine, error) {
	if f.hang != nil {
		<-f.hang
	}
	f.mu.Lock()
	defer f.mu.Unlock()

	m := f.machine
	if f.file != "" {
		m = machine{}

		b, err := os.ReadFile(f.file)
		if err := errors.Join(err, json.Unmarshal(b, &m)); err != nil {
			return m, err
		}
	}

	m.Samples, m.Processes = maps.Clone(m.Samples), maps.Clone(m.Processes)
	if m.Failure != "" {
		return m, errors.New(m.Failure)
	}

	return m, nil
}

func (f *fake) Devices() ([]gpu.Device, error) {
	m, err := f.ask()
	return m.Devices, err
}

func (f *fake) Sample(uuid string) (gpu.Sample, error) {
	m, err := f.ask()
	return m.Samples[uuid], err
}

func (f *fake) Processes(uuid string) ([]gpu.Process, error) {
	m, err := f.ask()
	if err == nil && m.Secretive {
		err = gpu.ErrNotTold
	}

	return m.Processes[uuid], err
}

func (f *fake) Close() error { return nil }

// lockFolder gives the test, and what it starts, a folder of locks of its own.
func lockFolder(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "locks")
	t.Setenv(sandbox.LocksVariable, dir)

	return dir
}

// helperVariable makes the test binary act as one of the programs below.
const helperVariable = "GPU_TEST_HELPER"

var helpers = map[string]func(){} // those of files that not every build has

func TestMain(m *testing.M) {
	name, rest, _ := strings.Cut(os.Getenv(helperVariable), " ")
	switch name {
	case "":
		os.Exit(m.Run())
	case "hold": // leases n devices of the machine in a file until it is killed
		var n int
		var file string
		fmt.Sscan(rest, &n, &file)

		l, err := gpu.Acquire(context.Background(), &fake{file: file},
			gpu.Request{N: n, Who: "holder", Tick: time.Millisecond})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(strings.Join(l.UUIDs(), ","))
		time.Sleep(time.Hour)
	case "sleep":
		time.Sleep(time.Hour)
	case "churn": // leases and releases
		var file string
		var n, times int
		fmt.Sscan(rest, &file, &n, &times)
		churn(file, n, times)
	default:
		helpers[name]()
	}
	os.Exit(0)
}
