package worker

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"time"

	"ratchet/internal/fault"
	"ratchet/internal/research/contract"
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
func (r *runner) currentMachine() machine {
	return machine{hostinfo.ReadEnvironment(), r.smallestVRAM(), r.Opt.Version}
}

// classDigest is equal for machines whose numbers may be compared.
func (m machine) classDigest() string { return m.Environment.Digest() + "/" + m.VRAM + "/" + m.Ratchet }

// recordFacts is m for a record, nil where it holds what is not a JSON number.
func (m machine) recordFacts() json.RawMessage {
	text, err := json.Marshal(m)
	if err != nil {
		return nil
	}

	return text
}

// changeSince says what changed since the campaign's last calibration, "" if nothing.
func (m machine) changeSince(c *history.Campaign) string {
	var was machine
	if c.Machine == "" || json.Unmarshal(c.Facts, &was) != nil {
		return ""
	}
	var changes []string

	if words := m.Environment.Differs(was.Environment); words != "" {
		changes = append(changes, words)
	}

	if was.VRAM != m.VRAM {
		changes = append(changes, fmt.Sprintf("VRAM %s → %s", was.VRAM, m.VRAM))
	}

	if was.Ratchet != m.Ratchet {
		changes = append(changes, fmt.Sprintf("Ratchet %s → %s", was.Ratchet, m.Ratchet))
	}

	return strings.Join(changes, ", ")
}

// The machine counts as busy with something else when others take more than
// half a CPU, and more than a tenth of those that runs may use.
const (
	contendedCPUs  = .5
	contendedShare = .1
	// The kernel counts in ticks of 10 ms: of a shorter run it can't be known. Whether the
	// two runs of a pair differ much can be said of runs half as long.
	shortestWatched  = 200 * time.Millisecond
	shortestCompared = shortestWatched / 2
)

// noteContention notes on the run what others did meanwhile.
func noteContention(run *rules.Run, load *hostinfo.LoadMeter, own sandbox.Result) {
	outside, ok := load.Outside(own.CPU)
	if fault.Hit("machine.quiet") || !ok || own.Wall < shortestCompared {
		return
	}
	run.Outside = &outside

	isBusy := outside > max(contendedCPUs, contendedShare*float64(runtime.NumCPU()))
	if isBusy && own.Wall >= shortestWatched {
		run.Contended = true
	}
}

// halves is what is known of the pair that is being made.
type halves struct {
	first *rules.Run // its first run; nil between pairs
	told  string     // for the phase: why the pair before does not count, "" where it does
}

// noteUnequal notes on the second run of a pair why it can't be compared with the first.
func (r *runner) noteUnequal(run *rules.Run) {
	if run.Void {
		return // it is made again
	}
	first := r.halves.first
	r.halves = halves{}

	if run.Pair == 0 || !run.Valid {
		return
	}

	if first == nil || first.Pair != run.Pair || first.Again != run.Again || first.Side == run.Side {
		r.halves.first = run
		return
	}

	base, other := *first, *run
	if run.Order == "CB" {
		base, other = other, base
	}
	program := r.space.program()

	run.Unequal = rules.UnequalReason(base, other, runtime.NumCPU(), program.Budget.Cache == contract.CacheCold,
		rules.IsLoadProof(program.Metric))
	if run.Unequal != "" {
		r.halves.told = "; the pair before does not count: " + run.Unequal
	}
}
