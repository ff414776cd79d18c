package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"ratchet/internal/research/contract"
	"ratchet/internal/research/rules"
	"ratchet/internal/wording"
	"ratchet/sandbox"
	"ratchet/sandbox/gpu"
)

// runResources is what a measured command has of the machine while it runs: the
// measuring slot, or GPUs of its own, which do not share it.
type runResources struct {
	slot   *sandbox.Lock
	lease  *gpu.Lease // nil without GPUs
	driver gpu.Driver // the supervisor's
}

// acquireResources waits for what a measured command needs. Waiting counts against no budget.
func (s *worker) acquireResources(ctx context.Context) (h *runResources, err error) {
	h = &runResources{}
	if s.space.c.Program.GPUs > 0 {
		return h, h.leaseGPUs(ctx, s)
	}
	h.slot, err = s.acquireSlot(ctx)

	return h, err
}

// exposeGPUs lets spec reach the leased GPUs, and no others.
func (h *runResources) exposeGPUs(spec *sandbox.Spec, b contract.Budget) error {
	var devices []gpu.Device
	if h.lease != nil {
		devices = h.lease.Devices
		spec.Env = append(spec.Env, gpu.Environment(devices)...)
	}

	give, hide, err := gpu.Nodes("/", devices)
	if err != nil {
		return err
	}

	spec.Writable, spec.Hidden = append(spec.Writable, give...), append(spec.Hidden, hide...)
	if len(devices) > 0 && b.GPU > 0 &&
		b.GPUClock != "first_use" { // the same clock as the wall's, so that the end is as gentle
		spec.Wall = min(spec.Wall, time.Duration(b.GPU)/time.Duration(len(devices)))
	}

	return nil
}

func (h *runResources) leaseGPUs(ctx context.Context, s *worker) (err error) {
	if s.driver == nil {
		if s.driver, err = gpu.Open(); err != nil {
			return err
		}
	}
	h.driver = s.driver
	h.lease, err = gpu.Acquire(ctx, h.driver,
		gpu.Request{N: s.space.c.Program.GPUs, Who: fmt.Sprintf("%s %s", s.campaign, s.id),
			Waiting: func(w gpu.Wait) {
				s.reportPhase(fmt.Sprintf("waiting for GPUs, place %d, held by %s", w.Position,
					strings.Join(w.Holders, ", ")))
			}})

	return err
}

// release gives back what was held; a GPU whose memory does not come back is
// quarantined, which doctor tells.
func (h *runResources) release(ctx context.Context) error {
	if h.lease == nil {
		return h.slot.Release()
	}
	_, err := h.lease.Release(context.WithoutCancel(ctx), h.driver)

	return err
}

// errGPUBudget is why a run whose GPU budget ended was killed.
var errGPUBudget = errors.New("exceeded its GPU budget")

// runWatched runs spec and, where it has GPUs, watches it on them: r gets the evidence.
func (h *runResources) runWatched(
	ctx context.Context, spec sandbox.Spec, b contract.Budget, r *rules.Run,
) (sandbox.Result, error) {
	if h.lease == nil {
		return sandbox.Run(ctx, spec)
	}

	running, kill := context.WithCancelCause(ctx)
	defer kill(nil)
	watching, end := context.WithCancel(context.WithoutCancel(ctx))

	limit := time.Duration(b.GPU)
	if limit > 0 { // the wall, or this, ends it gently first
		limit += time.Duration(b.Grace) * time.Duration(len(h.lease.Devices))
	}
	w := gpu.Watch{Driver: h.driver, Devices: h.lease.Devices,
		Budget: gpu.Budget{Limit: limit, FirstUse: b.GPUClock == "first_use"}, Exceeded: func() { kill(errGPUBudget) }}
	seen, lost := make(chan gpu.Evidence, 1), error(nil)

	go func() {
		var e gpu.Evidence

		e, lost = w.Run(watching)
		seen <- e
	}()
	res, err := sandbox.Run(running, spec)
	end()
	e := <-seen

	if err != nil {
		return res, err
	}

	res.Enforced["gpu"] = "enforced by leases of whole devices and by hiding the others' nodes"
	if lost != nil {
		res.Enforced["gpu"] += ", but the driver stopped answering: " + wording.ErrorLine(lost)
	}

	if errors.Is(context.Cause(running), errGPUBudget) && ctx.Err() == nil {
		res.Cancelled, res.Exceeded = false, "GPU time"
	}
	r.GPUSeconds = res.Wall.Seconds() * float64(len(h.lease.Devices))
	r.Contended = r.Contended || e.Contended()
	r.GPU, err = json.Marshal(e)

	return res, err
}

// smallestVRAM is the tier of the smallest device that a lease could give, "" without.
func (s *worker) smallestVRAM() string {
	if s.space.c.Program.GPUs == 0 {
		return ""
	}

	if s.driver == nil {
		var err error
		if s.driver, err = gpu.Open(); err != nil {
			return "" // the run will say it
		}
	}

	devices, err := s.driver.Devices()
	if err != nil || len(devices) == 0 {
		return ""
	}

	least := devices[0].Memory
	for _, d := range devices {
		least = min(least, d.Memory)
	}

	return gpu.Tier(least)
}

// surveyGPUs says how each GPU stands, for a doctor; the reason where none can be asked.
func surveyGPUs() []string {
	d, err := gpu.Open()
	if err != nil {
		return []string{wording.ErrorLine(err)}
	}
	defer d.Close()

	list, err := gpu.Survey(d)
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
			line += "in quarantine: " + s.Quarantine.Reason + "; `ratchet doctor --clear-gpu " + s.Device.UUID +
				"` takes it out"
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
