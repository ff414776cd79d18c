package gpu_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ratchet/sandbox/gpu"
)

func TestTier(t *testing.T) {
	const gib = 1 << 30
	for memory, want := range map[int64]string{
		gpu.Unknown: "", 0: "", 1: "small", 16 * gib: "small", 16*gib + 1: "medium", 24 * gib: "medium",
		25 * gib: "large", 48 * gib: "large", 48*gib + 1: "xl", 141 * gib: "xl",
	} {
		if got := gpu.Tier(memory); got != want {
			t.Errorf("%d: got %q, want %q", memory, got, want)
		}
	}
}

func TestBudget(t *testing.T) {
	start := time.Now()

	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	for name, test := range map[string]struct {
		budget      gpu.Budget
		now         int
		spent, left time.Duration
		exceeded    bool
	}{
		"before": {gpu.Budget{Limit: time.Minute, GPUs: 2, Start: at(0)}, -1, 0, time.Minute, false},
		"running": {gpu.Budget{Limit: time.Minute, GPUs: 2, Start: at(0)}, 20, 40 * time.Second,
			20 * time.Second, false},
		"at the limit": {gpu.Budget{Limit: time.Minute, GPUs: 2, Start: at(0)}, 30, time.Minute, 0, true},
		"beyond":       {gpu.Budget{Limit: time.Minute, GPUs: 2, Start: at(0)}, 31, 62 * time.Second, 0, true},
		"no limit":     {gpu.Budget{GPUs: 2, Start: at(0)}, 30, time.Minute, 0, false},
		"not used yet": {gpu.Budget{Limit: time.Minute, GPUs: 2, FirstUse: true, Start: at(0)}, 99, 0,
			time.Minute, false},
		"used": {gpu.Budget{Limit: time.Minute, GPUs: 1, FirstUse: true, Start: at(0), Used: at(50)}, 99,
			49 * time.Second, 11 * time.Second, false},
		"used up": {gpu.Budget{Limit: time.Minute, GPUs: 1, FirstUse: true, Start: at(0), Used: at(50)},
			110, time.Minute, 0, true},
		"not by an even part": {gpu.Budget{Limit: 100, GPUs: 3, Start: at(0)}, 1, 3 * time.Second, 0, true},
	} {
		now := at(test.now)
		if got := test.budget.Spent(now); got != test.spent {
			t.Errorf("%s: spent %s, want %s", name, got, test.spent)
		}

		if got := test.budget.Left(now); got != test.left {
			t.Errorf("%s: left %s, want %s", name, got, test.left)
		}

		if got := test.budget.Exceeded(now); got != test.exceeded {
			t.Errorf("%s: exceeded %v", name, got)
		}
	}

	b := gpu.Budget{Limit: 100, GPUs: 3, Start: start}
	if at, ok := b.Deadline(); !ok || at != start.Add(34) {
		t.Errorf("a third of 100 ns ends after %s", at.Sub(start))
	}
}

func TestThrottleNames(t *testing.T) {
	want := []string{"power cap", "hardware slowdown", "sync boost", "thermal", "hardware thermal", "power brake",
		"board limit", "reliability"}
	if d := cmp.Diff(want, gpu.Throttle(1<<11-1).Names()); d != "" {
		t.Error(d)
	}

	if got := gpu.Throttle(1 + 2 + 256).Names(); got != nil {
		t.Errorf("idle is no throttling: %q", got)
	}
}

func TestNodes(t *testing.T) {
	plain := []string{"dev/nvidia0", "dev/nvidia1", "dev/nvidiactl", "dev/nvidia-uvm", "dev/nvidia-uvm-tools",
		"dev/nvidia-modeset", "dev/nvidia-caps/nvidia-cap1", "dev/nvidia-caps/nvidia-cap2",
		"dev/nvidia-caps/nvidia-cap21", "dev/nvidia-caps/nvidia-cap22", "dev/nvidia-caps/nvidia-cap30", "dev/dri/card0",
		"dev/dri/renderD128", "dev/null"}
	always := []string{"dev/nvidia-uvm", "dev/nvidia-uvm-tools", "dev/nvidiactl"}
	minors := map[string]string{"proc/driver/nvidia-caps/mig-minors": "config 1\nmonitor 2\ngpu1/gi3/access 21\ngpu1/gi3/ci0/access 22\ngpu0/gi3/access 30\ngpu1/gi31/access 30\n"}
	folders := map[string]string{
		"proc/driver/nvidia/capabilities/gpu1/mig/gi3/access":     "DeviceFileMinor: 21\nDeviceFileMode: 292\nDeviceFileModify: 1\n",
		"proc/driver/nvidia/capabilities/gpu1/mig/gi3/ci0/access": "DeviceFileMinor: 22\nDeviceFileMode: 292\n",
	}

	part := gpu.Device{UUID: "MIG-1", MIG: true, Minor: 1, Instance: 3}
	for name, test := range map[string]struct {
		nodes   []string
		files   map[string]string
		devices []gpu.Device
		want    []string
		fails   bool
	}{
		"none": {plain, nil, nil, nil, false},
		"whole": {plain, nil, []gpu.Device{{Minor: 1}}, append([]string{"dev/nvidia1"}, always...),
			false},
		"two": {plain, nil, []gpu.Device{{Minor: 1}, {Minor: 0}},
			append([]string{"dev/nvidia0", "dev/nvidia1"}, always...), false},
		"instance, by a list": {plain, minors, []gpu.Device{part},
			append([]string{"dev/nvidia1", "dev/nvidia-caps/nvidia-cap21", "dev/nvidia-caps/nvidia-cap22"}, always...),
			false},
		"instance, by folders": {plain, folders, []gpu.Device{part},
			append([]string{"dev/nvidia1", "dev/nvidia-caps/nvidia-cap21", "dev/nvidia-caps/nvidia-cap22"}, always...),
			false},
		"instance, nobody knows": {plain, nil, []gpu.Device{part}, nil, true},
		"no nodes":               {nil, nil, []gpu.Device{{Minor: 1}}, nil, false},
	} {
		root := t.TempDir()
		for _, node := range test.nodes {
			write(t, filepath.Join(root, node), "")
		}

		for path, text := range test.files {
			write(t, filepath.Join(root, path), text)
		}

		give, hide, err := gpu.Nodes(root, test.devices)
		if (err != nil) != test.fails {
			t.Errorf("%s: %v", name, err)
		}

		if test.fails {
			continue
		}

		got := map[string]string{}
		for _, path := range give {
			got[path] = "give"
		}

		for _, path := range hide {
			got[path] += "hide"
		}
		want := map[string]string{}

		for _, node := range test.nodes {
			if node != "dev/null" {
				want[filepath.Join(root, node)] = "hide"
			}
		}

		for _, node := range test.want {
			want[filepath.Join(root, node)] = "give"
		}

		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()

	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}

	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestEnvironment(t *testing.T) {
	for want, devices := range map[string][]gpu.Device{
		"CUDA_VISIBLE_DEVICES=":            nil,
		"CUDA_VISIBLE_DEVICES=GPU-1,MIG-2": {{UUID: "GPU-1"}, {UUID: "MIG-2"}},
	} {
		if d := cmp.Diff([]string{"CUDA_DEVICE_ORDER=PCI_BUS_ID", want}, gpu.Environment(devices)); d != "" {
			t.Error(d)
		}
	}
}
