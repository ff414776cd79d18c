package main_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"ratchet/internal/research"
	"ratchet/internal/testform"
)

// slotProgram has all that happens around a measured run, each step behind a gate.
const slotProgram = `---
name: shrink
edit: work.txt
metric: {name: size, better: lower, noise: deterministic, from: "file:out.json#/size"}
setup: sh step.sh setup
build: sh step.sh build
check: sh step.sh check
run: sh step.sh run; echo left > left.txt
measure: 'sh step.sh measure; echo "{\"size\": $(wc -c < work.txt)}" > out.json'
hands: [left.txt]
reads: [~/gate]
budget: {wall: 120s, grace: 1s}
---
`

// newSlotSite is a site that shares the machine's locks in a folder; its steps wait where
// their gates are shut.
func newSlotSite(t *testing.T, locks string, shut ...string) *site {
	t.Helper()

	s := newSite(t)
	s.env = append(s.env, "RATCHET_LOCKS="+locks, "RATCHET_WORKER_IDLE=0s")
	s.write("program.md", slotProgram)
	s.write("step.sh", `echo "at $(date +%s.%N)"; while test -e "$HOME/gate/$1"; do sleep 0.02; done; echo end`+"\n")
	s.sh("git", "add", "-A")
	s.sh("git", "commit", "-qm", "steps with gates")
	must(t, os.MkdirAll(filepath.Dir(s.gateOf("run")), 0o777))

	for _, step := range shut {
		must(t, os.WriteFile(s.gateOf(step), nil, 0o666))
	}

	return s
}

// gateOf is the file that holds a step up while it exists.
func (s *site) gateOf(step string) string {
	return filepath.Join(filepath.Dir(s.dir), "home", "gate", step)
}

// awaitPhase waits until a job says that it is in a phase.
func (s *site) awaitPhase(job, phase string) (said string) {
	s.t.Helper()

	eventually(s.t, job+" in "+phase, func() bool {
		text, _ := os.ReadFile(filepath.Join(s.dir, ".git", "ratchet", "jobs", "shrink."+job))
		said = string(text)

		return strings.Contains(said, "\n"+phase)
	})

	return said
}

// measures makes one run of the client's campaign, which needs the machine's slot.
func (c *client) measures(while string) {
	c.t.Helper()

	a := c.once("measure_metric", map[string]any{"target": "incumbent", "runs": 1, "wait_seconds": 50})
	if a.Status != "done" || a.Error != nil {
		c.t.Fatalf("while the other campaign %s: %s", while, a.text)
	}
}

// disturb lets a client measure while another campaign's job hangs in a step, while its
// worker is stopped there, and once it was killed.
func disturb(c *client, s *site, job, step string, canStop bool) {
	c.t.Helper()
	worker := s.worker(job)
	c.measures("hangs in " + step)

	if canStop {
		must(c.t, syscall.Kill(worker, syscall.SIGSTOP))
		c.measures("is stopped in " + step)
	}
	must(c.t, syscall.Kill(worker, syscall.SIGKILL))
	c.measures("was killed in " + step)
}

// The machine's slot is held by nothing but measured runs: in every step around one, in
// which a campaign hangs, is stopped or dies, another campaign measures.
func TestSlotIsForMeasuredRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("make long runs it: it takes minutes; TestSlotIsGivenBack proves the like of one process")
	}

	t.Parallel()
	locks := t.TempDir()
	waiter := newSlotSite(t, locks)
	c := waiter.connect()
	defer c.close()
	c.calibrated()

	s := newSlotSite(t, locks, "setup", "build", "check")

	// Commands that are not measured.
	for _, step := range []string{"setup", "build", "check"} {
		job := s.started("start_campaign", "{}")
		s.awaitPhase(job, step)
		disturb(c, s, job, step, true)
		must(t, os.Remove(s.gateOf(step)))
	}

	if said := s.sh(ratchet, "call", "start_campaign") + s.sh(ratchet, "call", "wait_run"); !strings.Contains(said,
		"value:") {
		t.Fatalf("the campaign is not calibrated: %s", said)
	}

	// A measured command holds the slot, and no longer than its worker lives.
	for _, step := range []string{"run", "measure"} {
		must(t, os.WriteFile(s.gateOf(step), nil, 0o666))
		job := s.started("measure_metric", `{"target": "incumbent", "runs": 1, "wait_seconds": 0}`)
		s.awaitPhase(job, "run 1")

		waiting := c.once("measure_metric", map[string]any{"target": "incumbent", "runs": 1, "wait_seconds": 0})
		waiter.awaitPhase(waiting.ID, "waiting for the machine, place 1, held since ")
		told := c.once("wait_run", map[string]any{"id": waiting.ID, "wait_seconds": 0})

		// A run and its evaluator have the wall time, the grace and a minute around each.
		if !strings.Contains(told.text, "for at most 6m2s by "+s.dir+": campaign shrink") {
			t.Errorf("who waits for %s is told %q", step, told.text)
		}

		must(t, syscall.Kill(s.worker(job), syscall.SIGKILL))

		if end := c.call("wait_run", map[string]any{"id": waiting.ID}); end.Status != "done" {
			t.Errorf("after the death of the worker that held the slot in %s: %s", step, end.text)
		}
		must(t, os.Remove(s.gateOf(step)))
	}

	// What happens to what a run left.
	bin, err := faulty()
	must(t, err)

	for _, point := range []struct {
		name, args string
		canStop    bool
	}{
		{"run.list:before:hang:2", `"runs": 1`, true}, // of the evaluator
		{"run.read:before:hang", `"runs": 1`, true},
		{"output.store:before:hang", `"runs": 1`, true},
		{"run.remove:before:hang:2", `"runs": 1`, true},
		// Between the halves of a pair the slot is held for a moment; a worker that is
		// stopped then can't give it back.
		{"run.list:before:hang:2", `"runs": 1, "paired_with": "start"`, false},
		{"run.list:before:hang:1", `"runs": 1`, false}, // before the evaluator
	} {
		if testing.Short() && !strings.HasPrefix(point.name, "run.read") {
			continue
		}

		met := filepath.Join(t.TempDir(), "met")
		env := slices.Clone(s.env)
		s.other, s.env = bin, append(s.env, "RATCHET_FAULT=supervise/"+point.name, "RATCHET_FAULT_MET="+met)
		job := s.started("measure_metric", `{"target": "incumbent", "wait_seconds": 0, `+point.args+`}`)
		eventually(t, point.name, func() bool { _, err := os.Stat(met); return err == nil })
		disturb(c, s, job, point.name, point.canStop)
		s.other, s.env = "", env
	}
}

var jobName = regexp.MustCompile(`^[a-z]\d+$`)

// started calls a tool that starts a job, and returns the job.
func (s *site) started(tool, args string) (job string) {
	s.t.Helper()
	said, _ := s.once(s.binary(), "call", tool, args)

	for _, word := range strings.FieldsFunc(said,
		func(r rune) bool { return strings.ContainsRune(" \n,:;()`\"{}", r) }) {
		if jobName.MatchString(word) && s.worker(word) > 0 {
			return word
		}
	}
	s.t.Fatalf("%s started no job: %s", tool, said)

	return ""
}

// Two campaigns that measure pairs take turns: who waits gets the slot after one block.
func TestCampaignsTakeTurns(t *testing.T) {
	testform.SkipQuick(t, "internal/queue: the slot's own tests")
	t.Parallel()
	locks := t.TempDir()
	sites := []*site{newSlotSite(t, locks), newSlotSite(t, locks)}
	jobs := make([]string, len(sites))

	for _, s := range sites {
		c := s.connect()
		c.calibrated()
		c.close()
	}

	// Both wait in the queue before one of them runs.
	holder := newSlotSite(t, locks)
	hold := holder.connect()
	hold.calibrated()
	must(t, os.WriteFile(holder.gateOf("run"), nil, 0o666))
	held := hold.once("measure_metric", map[string]any{"target": "incumbent", "runs": 1, "wait_seconds": 0})
	holder.awaitPhase(held.ID, "run 1")

	for i, s := range sites {
		jobs[i] = s.started("measure_metric",
			`{"target": "incumbent", "paired_with": "start", "runs": 3, "wait_seconds": 0}`)
		s.awaitPhase(jobs[i], "waiting for the machine")
	}
	must(t, os.Remove(holder.gateOf("run")))
	hold.call("wait_run", map[string]any{"id": held.ID})
	hold.close()

	var runs []string // when each began, and whose it was
	for i, s := range sites {
		s.sh(ratchet, "call", "wait_run", `{"id": "`+jobs[i]+`", "wait_seconds": 50}`)

		for _, run := range s.runsOf(research.JobID(jobs[i])) {
			begun := regexp.MustCompile(`at (\S+)`).FindString(s.outputOf(run))
			runs = append(runs, begun+" "+string(rune('A'+i)))
		}
	}
	slices.Sort(runs)

	order := ""
	for _, run := range runs {
		order += run[len(run)-1:]
	}

	// Both were in the queue, so the second block is the second site's; and neither waits
	// until the other has ended.
	if len(order) != 12 || !strings.HasPrefix(order, "AABB") || strings.HasSuffix(order, "BBBB") {
		t.Errorf("two campaigns with three pairs each measured in the order %s", order)
	}
}
