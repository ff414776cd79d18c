//go:build gpu && linux && cgo

package gpu_test

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"ratchet/sandbox"
	"ratchet/sandbox/gpu"
)

// These tests need a GPU, nvidia-smi and a Python with torch, and skip with the
// reason where something is missing. `make gpu-test` runs them.

var gpuBudget = flag.Duration("gpu-budget", time.Minute, "GPU time after which training is killed")

// train never ends; its argument is how many seconds it waits before it uses the GPU.
const train = `import sys, time, torch
time.sleep(float(sys.argv[1]))
d = torch.device("cuda")
print(torch.cuda.device_count(), torch.cuda.get_device_name(0), flush=True)
net = torch.nn.Sequential(*[torch.nn.Linear(4096, 4096) for _ in range(8)]).to(d)
opt = torch.optim.AdamW(net.parameters())
while True:
    x = torch.randn(4096, 4096, device=d)
    loss = (net(x) - x).square().mean()
    opt.zero_grad(); loss.backward(); opt.step()
    print(loss.item(), flush=True)
`

func hardware(t *testing.T) gpu.Driver {
	t.Helper()

	d, err := gpu.Open()
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { d.Close() })

	devices, err := d.Devices()
	if err != nil {
		t.Fatal(err)
	}

	if len(devices) == 0 {
		t.Skip("the driver has no GPU")
	}

	if _, err := exec.LookPath("nvidia-smi"); err != nil {
		t.Skip(err)
	}

	return d
}

// python is an interpreter with torch: RATCHET_GPU_PYTHON, or python3.
func python(t *testing.T) string {
	t.Helper()

	path, err := exec.LookPath(cmp.Or(os.Getenv("RATCHET_GPU_PYTHON"), "python3"))
	if err != nil {
		t.Skip(err)
	}

	if out, err := exec.Command(path, "-c",
		"import torch; assert torch.cuda.is_available()").CombinedOutput(); err != nil {
		t.Skipf("%s has no torch that sees a GPU: %v %s", path, err, out)
	}

	return path
}

// smi asks nvidia-smi for one line of fields a device.
func smi(t *testing.T, fields string, args ...string) [][]string {
	t.Helper()
	c := exec.Command("nvidia-smi", append([]string{"--query-gpu=" + fields, "--format=csv,noheader,nounits"},
		args...)...)
	out, err := c.Output()
	r := csv.NewReader(strings.NewReader(string(out)))
	r.TrimLeadingSpace = true

	rows, err2 := r.ReadAll()
	if err := errors.Join(err, err2); err != nil || len(rows) == 0 {
		t.Errorf("nvidia-smi: %v, %q", err, out)
		return [][]string{make([]string, 9)}
	}

	return rows
}

// What the driver lists is what nvidia-smi lists.
func TestHardwareDevices(t *testing.T) {
	d := hardware(t)

	devices, err := d.Devices()
	if err != nil {
		t.Fatal(err)
	}

	mine := map[string]gpu.Device{}
	for _, dev := range devices {
		mine[dev.UUID] = dev
		s, err := d.Sample(dev.UUID)
		list, err2 := d.Processes(dev.UUID)
		t.Logf("%+v tier %s: %+v %v, processes %v %v", dev, gpu.Tier(dev.Memory), s, err, list, err2)
		give, hide, err := gpu.Nodes("/", []gpu.Device{dev})
		t.Logf("give %v, hide %v, %v", give, hide, err)
	}

	for _, row := range smi(t, "uuid,memory.total,driver_version,mig.mode.current") {
		dev, ok := mine[row[0]]

		mb, _ := strconv.ParseInt(row[1], 10, 64)
		if row[3] == "Enabled" {
			if ok {
				t.Errorf("%s is in MIG mode, and can be leased as a whole", row[0])
			}

			continue
		}

		if !ok || dev.Memory/mib != mb || dev.Driver != row[2] {
			t.Errorf("%v is %+v here", row, dev)
		}
	}
}

// training runs train in a sandbox on a lease, under a budget.
func training(t *testing.T, d gpu.Driver, l *gpu.Lease, b gpu.Budget, wait string) (gpu.Evidence, sandbox.Result) {
	t.Helper()
	py := python(t)
	dir := t.TempDir()
	root, layer := filepath.Join(dir, "root"), filepath.Join(dir, "layer")
	write(t, filepath.Join(layer, "train.py"), train)

	if err := os.MkdirAll(root, 0o755); err != nil {
		t.Fatal(err)
	}

	give, hide, err := gpu.Nodes("/", l.Devices)
	if err != nil {
		t.Fatal(err)
	}

	tier, why, err := sandbox.Detect(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("tier %s %s", tier, why)

	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	type watched struct {
		e   gpu.Evidence
		err error
	}
	over, stop := context.WithCancel(t.Context())
	seen := make(chan watched, 1)

	go func() {
		e, err := gpu.Watch{Driver: d, Devices: l.Devices, Every: 200 * time.Millisecond, Budget: b,
			Exceeded: kill}.Run(over)
		seen <- watched{e, err}
	}()
	res, err := sandbox.Run(ctx, sandbox.Spec{
		Command: py + " train.py " + wait, Dir: root, Keep: 1 << 14, Scratch: filepath.Join(dir, "scratch"), Tier: tier,
		Env: append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + root, "PYTHONDONTWRITEBYTECODE=1",
			"LD_LIBRARY_PATH=" + os.Getenv("LD_LIBRARY_PATH")}, gpu.Environment(l.Devices)...),
		Views: []sandbox.View{{Root: root, Lower: []string{layer}, Upper: filepath.Join(dir, "upper"),
			Work: filepath.Join(dir, "work")}},
		Wall: b.Limit + 5*time.Minute, Grace: time.Second, Confined: true, Writable: give, Hidden: hide,
		Network: sandbox.NetworkLoopback,
	})
	stop()

	w := <-seen
	if err := errors.Join(err, w.err); err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", w.e)
	t.Logf("%s", res.Output.Text())

	return w.e, res
}

// smiWhile samples nvidia-smi until stop and returns the largest memory in MiB,
// the mean power in W and the time it looked.
func smiWhile(t *testing.T, uuid string, stop <-chan struct{}) (peak, watts float64, long time.Duration) {
	start, n := time.Now(), 0

	for {
		row := smi(t, "memory.used,power.draw", "-i", uuid)[0]
		used, _ := strconv.ParseFloat(row[0], 64)
		power, _ := strconv.ParseFloat(row[1], 64)
		peak, watts, n = max(peak, used), watts+power, n+1

		select {
		case <-stop:
			return peak, watts / float64(n), time.Since(start)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// Training is killed at its budget; energy and memory are those of nvidia-smi;
// the memory comes back and the device can be leased again.
func TestHardwareBudget(t *testing.T) {
	d := hardware(t)
	python(t)
	lockFolder(t)

	l, err := gpu.Acquire(t.Context(), d, gpu.Request{N: 1, Who: t.Name()})
	if err != nil {
		t.Fatal(err)
	}

	idle, err := d.Sample(l.UUIDs()[0])
	if err != nil {
		t.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan struct{})
	var peak, watts float64
	var long time.Duration

	go func() {
		defer close(done)
		peak, watts, long = smiWhile(t, l.UUIDs()[0], stop)
	}()
	e, res := training(t, d, l, gpu.Budget{Limit: *gpuBudget}, "0")
	close(stop)
	<-done

	if late := res.Wall - *gpuBudget; !res.Cancelled || late < -time.Second || late > time.Second ||
		len(res.Survivors) > 0 {
		t.Errorf("it was killed %s after its budget: %+v", late, res)
	}
	peak -= float64(idle.MemoryUsed) / mib
	joules := watts * long.Seconds()
	t.Logf("memory: evidence %d MiB (%s), nvidia-smi %.0f MiB above idle", e.PeakMemory/mib, e.MemoryOf, peak)
	t.Logf("energy: evidence %.0f J, nvidia-smi %.0f J (mean power × time)", e.Joules, joules)

	if got := float64(e.PeakMemory) / mib; !e.Used || got < .8*peak || got > 1.2*peak {
		t.Errorf("memory differs")
	}

	if e.Joules != gpu.Unknown && (e.Joules < .8*joules || e.Joules > 1.2*joules) {
		t.Errorf("energy differs")
	}
	start := time.Now()
	quarantined, err := l.Release(t.Context(), d)
	t.Logf("the memory was back after %s", time.Since(start))

	if quarantined != nil || err != nil {
		t.Error(quarantined, err)
	}
}

// The clock starts at the first use, which comes well after the process' start.
func TestHardwareFirstUse(t *testing.T) {
	d := hardware(t)
	python(t)
	lockFolder(t)

	l, err := gpu.Acquire(t.Context(), d, gpu.Request{N: 1, Who: t.Name()})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release(t.Context(), d)
	const limit = 5 * time.Second

	e, res := training(t, d, l, gpu.Budget{Limit: limit, FirstUse: true}, "10")
	if !e.Used || e.FirstUse < 10*time.Second || !res.Cancelled || res.Wall < e.FirstUse+limit-time.Second ||
		res.Wall > e.FirstUse+limit+time.Second {
		t.Errorf("first use after %s, killed after %s", e.FirstUse, res.Wall)
	}
}

// Two sessions want all GPUs: the second waits, knows for whom, and gets them
// when the first is killed. What somebody else computes there is seen.
func TestHardwareContention(t *testing.T) {
	d := hardware(t)
	lockFolder(t)

	c, got := start(t, "hold-real")
	if got != "held" {
		t.Fatal(got)
	}
	var told gpu.Wait
	waiting := make(chan struct{}, 9)
	acquired := make(chan error, 1)
	l := &gpu.Lease{}

	go func() {
		var err error

		l, err = gpu.Acquire(t.Context(), d, gpu.Request{N: 1,
			Waiting: func(w gpu.Wait) { told = w; waiting <- struct{}{} }})
		acquired <- err
	}()
	<-waiting
	c.Process.Kill()

	if err := <-acquired; err != nil || told.Position != 1 || len(told.Holders) != 1 {
		t.Fatal(told, err)
	}

	defer l.Release(t.Context(), d)
	py := exec.Command(python(t), "-c", train, "0")

	py.Env = append(os.Environ(), gpu.Environment(l.Devices)...)
	if err := py.Start(); err != nil {
		t.Fatal(err)
	}
	defer py.Wait()
	defer py.Process.Kill()

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()

	e, err := gpu.Watch{Driver: d, Devices: l.Devices, Whose: gpu.Tree(1 << 30)}.Run(ctx) // nobody's run
	if err != nil || !e.Contended() || e.Used {
		t.Errorf("%v, %+v", err, e)
	}
}

func init() {
	helpers["hold-real"] = func() {
		d, err := gpu.Open()
		if err == nil {
			var devices []gpu.Device
			if devices, err = d.Devices(); err == nil {
				for range devices { // instances are leased one by one
					if _, err = gpu.Acquire(context.Background(), d,
						gpu.Request{N: 1, Who: "the first session"}); err != nil {
						break
					}
				}
			}
		}

		if err != nil {
			os.Stdout.WriteString(err.Error() + "\n")
			return
		}
		os.Stdout.WriteString("held\n")
		time.Sleep(time.Hour)
	}
}
