package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"ratchet/internal/research/contract"
	"ratchet/internal/research/rules"
	"ratchet/internal/wording"
	"ratchet/sandbox"
	"ratchet/sandbox/gpu"
)

// gpuDriver is the driver of the GPUs, opened when it is first needed.
type gpuDriver struct{ opened gpu.Driver }

func (d *gpuDriver) open() (gpu.Driver, error) {
	if d.opened != nil {
		return d.opened, nil
	}
	driver, err := gpu.Open()
	if err == nil {
		d.opened = driver
	}

	return driver, err
}

// close closes the driver, if it was opened.
func (d *gpuDriver) close() {
	if d.opened != nil {
		_ = d.opened.Close()
	}
}

// runResources is what a command has of the machine's GPUs.
type runResources struct {
	lease  *gpu.Lease // nil without GPUs, and when they were given back
	driver gpu.Driver // the runner's; nil without GPUs
}

// leaseGPUs waits for as many GPUs as the program asks for, which may be none.
func (r *runner) leaseGPUs(ctx context.Context) (*runResources, error) {
	if r.space.program().GPUs == 0 {
		return &runResources{}, nil
	}

	driver, err := r.gpus.open()
	if err != nil {
		return nil, err
	}

	request := gpu.Request{
		N:   r.space.program().GPUs,
		Who: r.campaign,
		Waiting: func(w gpu.Wait) {
			r.owner.reportPhase(fmt.Sprintf("waiting for GPUs, place %d, held by %s", w.Position,
				strings.Join(w.Holders, ", ")))
		},
	}
	lease, err := gpu.Acquire(ctx, driver, request)

	return &runResources{lease: lease, driver: driver}, err
}

// release gives back the GPUs; a second call does nothing. A GPU whose memory does
// not come back is quarantined, which doctor reports.
func (h *runResources) release(ctx context.Context) {
	if h.lease != nil {
		_, _ = h.lease.Release(context.WithoutCancel(ctx), h.driver) // doctor shows what became of it
		h.lease = nil
	}
}

// exposeGPUs lets spec reach the leased GPUs, and no others.
func (h *runResources) exposeGPUs(spec *sandbox.Spec, budget contract.Budget) error {
	var devices []gpu.Device
	if h.lease != nil {
		devices = h.lease.Devices
		spec.Env = append(spec.Env, gpu.Environment(devices)...)
	}

	given, hidden, err := gpu.Nodes("/", devices)
	if err != nil {
		return err
	}
	spec.Writable = append(spec.Writable, given...)
	spec.Hidden = append(spec.Hidden, hidden...)

	// A budget on the wall's clock ends the run as gently as the wall does.
	if len(devices) > 0 && budget.GPU > 0 && budget.GPUClock != "first_use" {
		spec.Wall = min(spec.Wall, time.Duration(budget.GPU)/time.Duration(len(devices)))
	}

	return nil
}

// errGPUBudget is why a run whose GPU budget ended was killed.
var errGPUBudget = errors.New("exceeded its GPU budget")

// runWatched runs spec and, where it has GPUs, watches it on them: run gets the evidence.
func (h *runResources) runWatched(
	ctx context.Context, spec sandbox.Spec, budget contract.Budget, run *rules.Run,
) (sandbox.Result, error) {
	if h.lease == nil {
		return sandbox.Run(ctx, spec)
	}

	devices := len(h.lease.Devices) // End gives them back
	limit := time.Duration(budget.GPU)
	if limit > 0 { // the wall, or this, ends it gently first
		limit += time.Duration(budget.Grace) * time.Duration(devices)
	}

	running, kill := context.WithCancelCause(ctx)
	defer kill(nil)
	watch := gpu.Watch{
		Driver:   h.driver,
		Devices:  h.lease.Devices,
		Budget:   gpu.Budget{Limit: limit, FirstUse: budget.GPUClock == "first_use"},
		Exceeded: func() { kill(errGPUBudget) },
	}

	// The watch outlives a cancelled run, and ends with it.
	watching, end := context.WithCancel(context.WithoutCancel(ctx))
	seen, lost := make(chan gpu.Evidence, 1), error(nil)

	go func() {
		var evidence gpu.Evidence

		evidence, lost = watch.Run(watching)
		seen <- evidence
	}()

	// What the run leaves is looked at later: by then others may have the GPUs.
	var evidence gpu.Evidence
	stopWatch := sync.OnceFunc(func() { end(); evidence = <-seen })
	leave := spec.End
	spec.End = func() { stopWatch(); leave() }

	result, err := sandbox.Run(running, spec)
	stopWatch()

	if err != nil {
		return result, err
	}

	result.Enforced["gpu"] = "enforced by leases of whole devices and by hiding the others' nodes"
	if lost != nil {
		result.Enforced["gpu"] += ", but the driver stopped answering: " + wording.ErrorLine(lost)
	}

	if errors.Is(context.Cause(running), errGPUBudget) && ctx.Err() == nil {
		result.Cancelled, result.Exceeded = false, "GPU time"
	}

	run.GPUSeconds = result.Wall.Seconds() * float64(devices)
	run.Contended = run.Contended || evidence.Contended()
	run.GPU, err = json.Marshal(evidence)

	return result, err
}

// smallestVRAM is the tier of the smallest device that a lease could give, "" for a
// program without GPUs, and where none can be asked: the run will fail with the reason.
func (r *runner) smallestVRAM() string {
	if r.space.program().GPUs == 0 {
		return ""
	}

	driver, err := r.gpus.open()
	if err != nil {
		return ""
	}

	devices, err := driver.Devices()
	if err != nil || len(devices) == 0 {
		return ""
	}

	smallest := devices[0].Memory
	for _, d := range devices {
		smallest = min(smallest, d.Memory)
	}

	return gpu.Tier(smallest)
}

// surveyGPUs says how each GPU stands, for a doctor; the reason where none can be asked.
func surveyGPUs() []string {
	driver, err := gpu.Open()
	if err != nil {
		return []string{wording.ErrorLine(err)}
	}
	defer driver.Close()

	list, err := gpu.Survey(driver)
	if err != nil {
		return []string{wording.ErrorLine(err)}
	}
	var lines []string

	for _, s := range list {
		line := fmt.Sprintf("%s %s: ", s.Device.UUID, s.Device.Model)
		switch {
		case s.Failure != "":
			line += s.Failure
		case s.Quarantine != nil:
			line += fmt.Sprintf("in quarantine: %s; `ratchet doctor --clear-gpu %s` takes it out", s.Quarantine.Reason,
				s.Device.UUID)
		case s.Held:
			line += "leased by " + s.Holder
		default:
			line += "free"
		}

		lines = append(lines, line)
	}

	return lines
}

// ClearGPU takes a GPU out of quarantine.
func ClearGPU(uuid string) error { return gpu.Clear(uuid) }
