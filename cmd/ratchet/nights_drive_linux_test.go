package main_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/simulate"
	"ratchet/ledger"
)

// A night is a campaign on a benchmark whose true value is known. The edited
// file has a line for every edit that is in it: "note" changes nothing, "gain"
// and "loss" make the value 5 % smaller and larger.
type night struct {
	number int      // seeds the noise; another number is another night
	search string   // auto | certify | greedy: what the driver goes by
	noise  string   // normal | heavy | mild, by which a gain is 3.4 sd of a run
	edits  []string // kinds, in the order of proposal
	pairs  int      // of the audit at the end, 0 for none
	alone  bool     // as on a quiet machine: what a night comes to depends on its seeds alone
	every  int      // the driver keeps every so-manieth edit that it may keep; 0 is 1
}

var effects = map[string]float64{"note": 0, "gain": math.Log(.95), "loss": math.Log(1.05)}

// The noise is independent for every content, seed and night: squares modulo p
// mix them, a linear congruence draws from what comes out.
const noisyBench = `
function mix(k) { x = (x * x + k + 1) % 94906249 }
function draw() { x = (x * 16807) % 2147483647; return x / 2147483647 }
function normal() { return sqrt(-2 * log(draw())) * cos(6.283185307179586 * draw()) }
BEGIN { x = 271828; level = log(100) }
$1 == "gain" { level += log(0.95) }
$1 == "loss" { level += log(1.05) }
{ mix($2 * 7 + length($1)); mix(NR) }
END {
	seed = ENVIRON["RATCHET_SEED"]
	mix(seed % 65536); mix(night); mix(int(seed / 65536)); mix(31); mix(37)
	x = x * 20 + 1; for (i = 0; i < 4; i++) draw()
	y = level + (kind == "heavy" ? 0.01 : kind == "mild" ? 0.015 : 0.02) * normal()
	if (kind == "heavy" && draw() < 0.1) y += 0.1 + 0.2 * draw()
	printf "METRIC ms=%.6f\n", exp(y)
}
`

// The hours are more than are ever needed, so that what a night does depends on
// its seeds alone, not on the machine's speed.
const noisyProgram = `---
name: night-%d
edit: work.txt
metric: {name: ms, better: lower, unit: ms, noise: noisy, min_gain: 0}
run: awk -v night=%d -v kind=%s -f bench.awk work.txt
budget: {wall: 120s, grace: 1s}
campaign: {experiments: %d, hours: 10000}
parallel: 64
search: %s
---
Make it faster.
`

// prepare makes the night's repository.
func (n night) prepare(t testing.TB) *site {
	t.Helper()
	s := newSite(t)

	search := n.search
	if search == "greedy" {
		search = "auto"
	}

	if n.alone {
		s.alone()
	}
	s.write("bench.awk", noisyBench)
	s.write("work.txt", "note 0\n")
	s.write("program.md", fmt.Sprintf(noisyProgram, n.number, n.number, n.noise, len(n.edits), search))
	s.sh("git", "add", ".")
	s.sh("git", "commit", "-qm", "a noisy benchmark")

	return s
}

// play drives the night as an agent does, and checks its ledger.
func (n night) play(t testing.TB) simulate.PlayedNight {
	t.Helper()
	s := n.prepare(t)

	c := s.connect()
	defer c.close()
	c.calibrated()

	d := &driver{t: t, s: s, c: c, night: n, end: simulate.PlayedNight{Search: n.search, Noise: n.noise, Edits: n.mix(),
		Night: n.number}}
	for i, kind := range n.edits {
		d.end.Offered -= min(0, effects[kind])

		line := fmt.Sprintf("%s %d\n", kind, i+1)
		if n.search == "greedy" {
			d.tryOnce(line)
			continue
		}
		d.propose(line)
	}
	d.finish()

	return d.end
}

func (n night) mix() string {
	for _, kind := range n.edits {
		if kind != "note" {
			return "mixed"
		}
	}

	return "null"
}

// driver is the agent of one night.
type driver struct {
	t     testing.TB
	s     *site
	c     *client
	night night
	end   simulate.PlayedNight
	able  int // edits that could be kept

	text        string  // a greedy driver's best version,
	first, best float64 // its value, and that of the start
}

// propose makes the edit on top of the incumbent, and again when the head was
// rolled back under it.
func (d *driver) propose(line string) {
	d.t.Helper()

	for range 3 {
		d.s.write("work.txt", d.s.read("work.txt")+line)

		a := d.await(d.c.call("run_experiment", map[string]any{"hypothesis": line, "wait_seconds": 50}))
		switch {
		case a.Error != nil:
			d.t.Fatalf("night %d, %q: %s", d.night.number, line, a.text)
		case a.Verdict == "":
			d.c.call("revert", nil) // a certificate came first, and failed
			continue
		}
		d.decide(a)

		return
	}
	d.t.Fatalf("night %d, %q: never judged", d.night.number, line)
}

// decide keeps whenever the verdict allows it, and waits for the certificate
// that this may start.
func (d *driver) decide(a answer) {
	d.t.Helper()

	if a.Verdict == "invalid" {
		d.t.Fatalf("night %d: %s", d.night.number, a.text)
	}

	d.end.Judged++

	next, may := "", a.Verdict == "improved" || a.Verdict == "provisional"
	if may {
		d.able++
	}

	if may && d.able%max(d.night.every, 1) == 0 {
		k := d.c.call("keep", nil)
		if k.Error != nil {
			d.t.Fatalf("night %d: %s", d.night.number, k.text)
		}

		d.end.Kept++
		next = k.Next
	} else {
		next = d.c.call("revert", nil).Next
	}

	if job, ok := strings.CutPrefix(next, `wait_run{id: "`); ok {
		job, _, _ = strings.Cut(job, `"`)
		d.await(d.c.call("wait_run", map[string]any{"id": job, "wait_seconds": 50}))
		d.c.call("revert", nil) // brings the checkpoint's file, if it failed
	}
}

// await waits for the end of what an answer says is running.
func (d *driver) await(a answer) answer {
	for a.Status == "running" {
		a = d.c.call("wait_run", map[string]any{"id": a.ID, "wait_seconds": 50})
	}

	return a
}

// tryOnce does what the tools do that keep what one run shows lower: the same
// binary measures, and nobody asks it for a verdict.
func (d *driver) tryOnce(line string) {
	d.t.Helper()

	if d.text == "" {
		d.text = d.s.read("work.txt")
		d.first = d.value("start")
		d.best = d.first
	}
	d.s.write("work.txt", d.text+line)
	d.s.sh("git", "commit", "-qam", line)
	commit := strings.TrimSpace(d.s.sh("git", "rev-parse", "HEAD"))
	d.s.sh("git", "reset", "-q", "--hard", "HEAD~1")

	d.end.Judged++
	if v := d.value(commit); v < d.best {
		d.best, d.text = v, d.text+line
		d.end.Kept++
	}
}

// value is one measured run of a version.
func (d *driver) value(target string) float64 {
	d.t.Helper()

	a := d.await(d.c.call("measure_metric", map[string]any{"target": target, "runs": 1, "wait_seconds": 50}))
	if a.Value == nil {
		d.t.Fatalf("measure %s: %s", target, a.text)
	}

	return *a.Value
}

// finish reads the ledger, which must be whole and recomputable, and audits.
func (d *driver) finish() {
	d.t.Helper()

	end, text := &d.end, d.text
	if d.night.search == "greedy" {
		end.Claimed = math.Log(d.first / d.best)
	} else {
		text = d.s.read("work.txt")
	}

	for line := range strings.Lines(text) {
		kind, _, _ := strings.Cut(line, " ")
		end.Truth -= effects[kind]
	}
	name, moved := fmt.Sprintf("night-%d", d.night.number), false

	err := d.s.ledger().View(context.Background(), func(tx *ledger.Tx) error {
		c, err := tx.Campaign(name)
		if err != nil {
			return err
		}
		moved = c.IncumbentTree != c.StartTree

		end.Runs, end.Tried, end.Passed, end.Seconds = c.Runs, c.Certificates, c.Certified, c.RunSeconds
		if end.Search == "greedy" {
			return nil
		}

		end.Claimed = c.CertifiedGain
		if end.OneRun, err = oneRunKeeps(tx, c); err != nil {
			return err
		}

		for h := 1; h <= c.Certificates; h++ {
			m, err := tx.Measurement(name, research.NewJobID(research.CertificateJob, h))
			if err != nil {
				return err
			}

			if m.Proof != nil && m.Proof.Gain != nil {
				end.Low, end.High = -math.Log1p(-m.Proof.Gain.Lo), -math.Log1p(-m.Proof.Gain.Hi)
			}
		}

		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}

	if d.night.pairs > 0 && moved {
		end.Audited = d.s.audit(d.night.pairs)
	}
	d.s.sh(ratchet, "verify", "--recompute")
}

// oneRunKeeps counts the experiments whose first run was lower than the start's
// first and than every one counted before.
func oneRunKeeps(tx *ledger.Tx, c *history.Campaign) (kept int, err error) {
	best := math.Inf(1)

	for n := 0; n <= c.Experiments; n++ {
		job, side := research.NewJobID(research.ExperimentJob, n), rules.Candidate
		if n == 0 {
			job, side = research.NewJobID(research.CalibrationJob, 1), rules.Incumbent
		}

		runs, err := tx.Runs(c.Name, job)
		if err != nil {
			return 0, err
		}

		i := slices.IndexFunc(runs, func(r rules.Run) bool { return r.Side == side })
		if i < 0 || runs[i].Samples["ms"] >= best {
			continue
		}
		best = runs[i].Samples["ms"]

		if n > 0 {
			kept++
		}
	}

	return kept, nil
}

// ledger is the site's ledger, which any process may open.
func (s *site) ledger() *ledger.Ledger {
	s.t.Helper()

	l, err := ledger.Open(filepath.Join(s.dir, ".git", "ratchet", "ledger.db"), ledger.Options{})
	if err != nil {
		s.t.Fatal(err)
	}

	return l
}

// audit is the gain as a log-ratio that `ratchet audit` finds.
func (s *site) audit(pairs int) (gain float64) {
	s.t.Helper()
	s.sh(s.binary(), "audit", "--pairs", strconv.Itoa(pairs))

	err := s.ledger().View(context.Background(), func(tx *ledger.Tx) error {
		all, err := tx.Campaigns()
		if err == nil {
			gain = -math.Log1p(-all[0].Audit.Gain.Mid)
		}

		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}

	return gain
}

// appendLine adds a line to a file.
func appendLine(t testing.TB, path string, line []byte) {
	t.Helper()

	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()

	if _, err := f.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
}
