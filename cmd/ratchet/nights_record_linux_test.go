package main_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ratchet/examples"
	"ratchet/internal/research"
	"ratchet/internal/research/rules"
	"ratchet/internal/simulate"
	"ratchet/internal/testform"
	"ratchet/ledger"
)

var recordTo = flag.String("record", "", "file that TestRecordWordfreq writes its samples to (empty: skip)")

const (
	noOps      = 60
	editPairs  = 22 // of every edit with the start
	wholePairs = 60 // of all edits together with the start
	startRuns  = 20
)

// A noOp is an edit of wordcount.go that changes nothing that a program does:
// it maps the file's top-level declarations to others.
type noOp struct {
	kind  string
	apply func(decls []string) []string
}

// TestRecordWordfreq measures sixty useless edits of examples/wordfreq on this
// machine, by measure_metric, while a competing load comes and goes, and
// writes the samples down as they come. `make evidence-wordfreq` runs it. The
// example makes one round instead of three, so that a recording takes minutes.
func TestRecordWordfreq(t *testing.T) {
	if *recordTo == "" {
		t.Skip("make evidence-wordfreq records")
	}
	s := wordfreqSite(t)

	c := s.connect()
	defer c.close()
	c.calibrated()
	r := rand.New(rand.NewPCG(60, 1))

	stop := competingLoad(r.Uint64(), 2)
	defer stop()
	start := s.read("wordcount.go")
	note := func(line simulate.Recorded) {
		b, err := json.Marshal(line)
		if err != nil {
			t.Fatal(err)
		}
		appendLine(t, *recordTo, b)
	}
	note(simulate.Recorded{Kind: "start", Pairs: s.pairsOf(c, "start", startRuns/2)})
	var edits []noOp
	whole := strings.Split(start, "\n\n")

	for i := range noOps {
		edits = append(edits, someNoOp(r, i+1))
		whole = edits[i].apply(whole)
	}

	for i, e := range append(edits, noOp{"all", func([]string) []string { return whole }}) {
		n := editPairs
		if e.kind == "all" {
			n = wholePairs
		}
		verdict, target := s.judged(c, e, strings.Join(e.apply(strings.Split(start, "\n\n")), "\n\n"))
		note(simulate.Recorded{Edit: i + 1, Kind: e.kind, Verdict: verdict, Pairs: s.pairsOf(c, target, n)})
	}
}

// judged proposes the edit as an experiment, which is reverted whatever its
// verdict; what it built is then at hand for the measurement.
func (s *site) judged(c *client, e noOp, text string) (verdict, id string) {
	s.t.Helper()
	s.write("wordcount.go", text)

	a := c.call("run_experiment", map[string]any{"hypothesis": e.kind, "wait_seconds": 50})
	for a.Status == "running" {
		a = c.call("wait_run", map[string]any{"id": a.ID, "wait_seconds": 50})
	}

	if a.Verdict == "" || a.Verdict == "invalid" {
		s.t.Fatalf("%s: %s", e.kind, a.text)
	}
	c.call("revert", map[string]any{"lesson": "it changed nothing"})

	return a.Verdict, a.ID
}

// wordfreqSite is the example as a repository.
func wordfreqSite(t *testing.T) *site {
	s := newSite(t)
	for name := range repoFiles {
		s.sh("git", "rm", "-q", name)
	}

	x, err := examples.Load("wordfreq")
	if err != nil {
		t.Fatal(err)
	}

	if err := x.Write(s.dir); err != nil {
		t.Fatal(err)
	}
	s.write("main.go", strings.Replace(s.read("main.go"), "rounds   = 3", "rounds   = 1", 1))

	program := s.read("program.md")
	for old, now := range map[string]string{"hours: 1": "hours: 50", "experiments: 60": "experiments: 100",
		"wall: 10s": "wall: 5m", "check: go vet ./wordcount.go\n": ""} {
		program = strings.Replace(program, old, now, 1)
	}
	s.write("program.md", program)
	s.sh("git", "add", ".")
	s.sh("git", "commit", "-qm", "wordfreq")

	return s
}

// pairsOf are at least n pairs of the start's value and the target's, in the
// order of their making, repetitions of contended pairs included.
func (s *site) pairsOf(c *client, target string, n int) [][2]float64 {
	s.t.Helper()

	var pairs [][2]float64
	for len(pairs) < n {
		args := map[string]any{"target": target, "paired_with": "start", "runs": min(11, n-len(pairs)),
			"wait_seconds": 50}

		a := c.call("measure_metric", args)
		for a.Status == "running" {
			a = c.call("wait_run", map[string]any{"id": a.ID, "wait_seconds": 50})
		}

		if a.Error != nil || a.Reason != "" {
			s.t.Fatalf("measure %s: %s", target, a.text)
		}
		pairs = append(pairs, s.recorded(research.JobID(a.ID))...)
	}

	return pairs[:n]
}

// recorded are the pairs of a measurement: two consecutive runs are one.
func (s *site) recorded(job research.JobID) (pairs [][2]float64) {
	s.t.Helper()

	err := s.ledger().View(context.Background(), func(tx *ledger.Tx) error {
		runs, err := tx.Runs("wordfreq", job)
		for i := 0; i+1 < len(runs); i += 2 {
			var p [2]float64

			for _, r := range runs[i : i+2] {
				side := 0
				if r.Side == rules.Candidate {
					side = 1
				}
				p[side] = math.Round(100*r.Samples["cpu_ms"]) / 100
			}

			if p[0] == 0 || p[1] == 0 {
				return fmt.Errorf("%s: the runs %d and %d are no pair", job, i+1, i+2)
			}
			pairs = append(pairs, p)
		}

		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}

	return pairs
}

// someNoOp is a comment, the renaming of a local variable, or another order of
// the declarations, in turn.
func someNoOp(r *rand.Rand, n int) noOp {
	seed := r.Uint64()

	switch n % 3 {
	case 0:
		return noOp{"order", func(decls []string) []string { return reordered(decls, seed) }}
	case 1:
		return noOp{"comment", func(decls []string) []string { return commented(decls, seed, n) }}
	}

	return noOp{"rename", func(decls []string) []string { return renamed(decls, seed, n) }}
}

// reordered moves the declarations after package and imports.
func reordered(decls []string, seed uint64) []string {
	out := slices.Clone(decls)
	for i := range out {
		out[i] = strings.TrimSuffix(out[i], "\n")
	}
	r := rand.New(rand.NewPCG(seed, 2))
	r.Shuffle(len(out)-2, func(i, j int) { out[i+2], out[j+2] = out[j+2], out[i+2] })
	out[len(out)-1] += "\n"

	return out
}

// commented puts a line into a function's body.
func commented(decls []string, seed uint64, n int) []string {
	out := slices.Clone(decls)
	for i := int(seed % uint64(len(out))); ; i = (i + 1) % len(out) {
		if head, body, ok := strings.Cut(out[i], " {\n"); ok && strings.Contains(head, "func ") {
			out[i] = fmt.Sprintf("%s {\n\t// Remark %d: this is as it was before, only better explained.\n%s", head, n,
				body)
			return out
		}
	}
}

var local = regexp.MustCompile(`(?m)^\s*(?:var )?([a-z]+)(?: :=| = | \[\]|, [a-z]+ := )`)

// renamed gives one local variable of a function another name.
func renamed(decls []string, seed uint64, n int) []string {
	out := slices.Clone(decls)
	for i := int(seed % uint64(len(out))); ; i = (i + 1) % len(out) {
		if !strings.Contains(out[i], "func ") {
			continue
		}

		if m := local.FindStringSubmatch(out[i]); m != nil {
			name := regexp.MustCompile(`(^|[^.\w])` + m[1] + `\b`)
			_, body, _ := strings.Cut(out[i], " {\n")
			head := strings.TrimSuffix(out[i], body)
			out[i] = head + name.ReplaceAllString(body, fmt.Sprintf("${1}%s%c", m[1][:1], 'a'+rune(n%26)))

			return out
		}
	}
}

// competingLoad keeps CPUs busy, one to most of them, in blocks of 5 to 20 seconds,
// with breaks of the same length, until stop is called.
func competingLoad(seed uint64, most int) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	r := rand.New(rand.NewPCG(seed, 3))
	var done sync.WaitGroup
	done.Go(func() {
		for busy := false; ctx.Err() == nil; busy = !busy {
			block, end := context.WithTimeout(ctx, time.Duration(5+r.IntN(16))*time.Second)
			if busy {
				for range 1 + r.IntN(most) { // each ends with the block, and by itself
					done.Go(func() {
						_ = exec.CommandContext(block, "sh", "-c",
							"i=0; while [ $i -lt 200000000 ]; do i=$((i+1)); done").Run()
					})
				}
			}
			<-block.Done()
			end()
		}
	})

	return func() { cancel(); done.Wait() }
}

// The edits that are called useless compile, and are edits.
func TestNoOpsAreEdits(t *testing.T) {
	testform.SkipQuick(t, "make field plays them")
	t.Parallel()

	dir := t.TempDir()

	x, err := examples.Load("wordfreq")
	if err != nil {
		t.Fatal(err)
	}

	if err := x.Write(dir); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "wordcount.go")

	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r, whole := rand.New(rand.NewPCG(60, 1)), strings.Split(string(b), "\n\n")
	_ = r.Uint64()
	seen := map[string]bool{string(b): true}

	for i := range noOps {
		e := someNoOp(r, i+1)
		text := strings.Join(e.apply(strings.Split(string(b), "\n\n")), "\n\n")

		whole = e.apply(whole)
		if seen[text] {
			t.Errorf("edit %d (%s) is none, or one that was made before", i+1, e.kind)
		}
		seen[text] = true
	}

	if err := os.WriteFile(path, []byte(strings.Join(whole, "\n\n")), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "vet", "./wordcount.go")

	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("all edits together do not compile: %v\n%s", err, out)
	}
}
