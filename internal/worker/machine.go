package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"time"

	"ratchet/internal/fault"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/sandbox"
	"ratchet/sandbox/hostinfo"
)

// machine is what decides whether the numbers of two runs may be compared.
type machine struct {
	hostinfo.Environment
	VRAM    string `json:"vram,omitempty"`    // tier of the GPUs, for programs that lease some
	Ratchet string `json:"ratchet,omitempty"` // its version
}

// currentMachine is the machine as it is now.
func (s *worker) currentMachine() machine {
	return machine{hostinfo.ReadEnvironment(), s.smallestVRAM(), s.Opt.Version}
}

// classDigest is the digest that stands for m.
func (m machine) classDigest() string { return m.Environment.Digest() + "/" + m.VRAM + "/" + m.Ratchet }

// recordFacts is m for a record.
func (m machine) recordFacts() json.RawMessage {
	text, err := json.Marshal(m)
	if err != nil {
		return nil // a number that is none; nothing in it can be
	}

	return text
}

// changeSince says what changed since the campaign's last calibration, "" if nothing.
func (m machine) changeSince(c *history.Campaign) string {
	var was machine
	if c.Machine == "" || json.Unmarshal(c.Facts, &was) != nil {
		return ""
	}

	words := m.Environment.Differs(was.Environment)
	for _, f := range [][3]string{{"VRAM", was.VRAM, m.VRAM}, {"Ratchet", was.Ratchet, m.Ratchet}} {
		if f[1] != f[2] {
			words = strings.TrimPrefix(words+fmt.Sprintf(", %s %s → %s", f[0], f[1], f[2]), ", ")
		}
	}

	return words
}

// ensureCalibrated calibrates where the campaign's noise is not known yet, or where
// the machine is not the one on which it was learnt: a new class of comparable
// runs begins. reason says why the incumbent gives no usable metric, "" if it does.
func (s *worker) ensureCalibrated(
	ctx context.Context, c *history.Campaign, id research.JobID,
) (now *history.Campaign, reason string, err error) {
	if c.Calibrated && c.Machine == s.currentMachine().classDigest() {
		return c, "", nil
	}

	if now, err = s.calibrateIncumbent(ctx, id); err != nil {
		return c, "", err
	}

	if now.Broken != "" {
		reason = "the incumbent gives no usable metric: " + now.Broken
	}

	return now, reason, nil
}

// The machine counts as busy with something else when others take more than
// half a CPU, and more than a tenth of those that runs may use.
const (
	contendedCPUs  = .5
	contendedShare = .1
	// The kernel counts in ticks of 10 ms: of a shorter run it can't be known.
	shortestWatched = 200 * time.Millisecond
)

// noteContention notes on the run what others did meanwhile.
func noteContention(r *rules.Run, load *hostinfo.LoadMeter, own sandbox.Result) {
	outside, ok := load.Outside(own.CPU)
	if fault.Hit("machine.quiet") || !ok || own.Wall < shortestWatched {
		return
	}
	r.Outside = &outside
	r.Contended = r.Contended || outside > max(contendedCPUs, contendedShare*float64(runtime.NumCPU()))
}
