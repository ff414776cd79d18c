package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ratchet/sandbox"
)

// story is a small real campaign whose calls are processes of their own.
type story struct {
	*site
	bin  string
	text string // of the incumbent's work.txt
	runs int    // experiments that were answered
}

// storyStep is one call of the story: what is done to the checkout before it, the
// call, and what must be true once it was answered without an error.
type storyStep struct {
	name, tool, args string
	before           func(s *story)
	done             func(s *story, a answer) error
}

var storySteps = []storyStep{
	{"start", "start_campaign", "{}", nil, (*story).calibrated},
	edit("shorten", "slow and short\n", "improved"),
	{"keep", "keep", "{}", nil, (*story).kept},
	staged(edit("lengthen", "not short, but slow\n", "regressed")),
	{"revert", "revert", `{"lesson": "longer is not shorter"}`, nil, (*story).reverted},
	{"resume", "start_campaign", "{}", func(s *story) { s.sh("git", "switch", "-q", "main") }, (*story).calibrated},
	edit("again", "slow\n", "improved"),
	{"keep again", "keep", "{}", nil, (*story).kept},
}

func edit(name, text, verdict string) storyStep {
	return storyStep{name, "run_experiment", `{"hypothesis": "` + name + `", "wait_seconds": 2}`,
		func(s *story) { s.write("work.txt", text) },
		func(s *story, a answer) error {
			if a.Verdict != verdict || a.Value == nil || *a.Value != float64(len(text)) {
				return fmt.Errorf("want %s with %d, got %s %s %s", verdict, len(text), a.Status, a.Verdict, a.Reason)
			}

			return nil
		}}
}

// staged adds the edit to the index, as agents do.
func staged(d storyStep) storyStep {
	before := d.before
	d.before = func(s *story) { before(s); s.sh("git", "add", "work.txt") }

	return d
}

func newStory(t *testing.T) *story {
	t.Helper()

	bin, err := faulty()
	if err != nil {
		t.Fatal(err)
	}
	s := &story{site: newSite(t), bin: bin}
	s.env = append(s.env, "RATCHET_FAULT_MET="+s.faultMarker())
	s.write("bench.sh", "grep -q slow built.txt && sleep 0.2\necho METRIC size=$(wc -c < built.txt)\n")
	s.sh("git", "commit", "-qam", "with a slow spot")
	s.write("program.md", strings.Replace(repoFiles["program.md"], "run:", "build: cp work.txt built.txt\nrun:",
		1)) // the start commit takes it in

	return s
}

// faultMarker is the file that a fault leaves.
func (s *story) faultMarker() string { return filepath.Join(filepath.Dir(s.dir), "met") }

// play does a step, with the moment's fault if it is the one that it hits, and
// repeats it without the fault until it is done. A mutant (how ends in skip) is
// not repeated: what was acknowledged must be true at once.
func (s *story) play(d storyStep, m moment, how string) error {
	hit, mutant := d.name == m.step, strings.HasSuffix(how, "skip")
	if d.before != nil {
		d.before(s)
	}

	fault := ""
	if hit {
		fault = m.fault(how)
	}

	args, held := d.args, func() error { return nil }
	if d.tool == "run_experiment" {
		s.runs++
	}

	if !hit { // nothing keeps its run from ending, but perhaps a busy machine
		args = strings.Replace(d.args, ": 2}", ": 50}", 1)
	}

	if hit && mutant && d.tool == "run_experiment" { // its worker must acknowledge, and hold what it must
		args, held = strings.Replace(d.args, `: 2}`, `: 0}`, 1), s.watch()
	}

	a, err := s.call(fault, d.tool, args)
	if err == nil && hit && args != d.args {
		if a.Status != "running" {
			return fmt.Errorf("it was not answered at once: %s", a.text)
		}
		a, err = s.call("", "wait_run", `{"wait_seconds": 50}`)
	}

	if err == nil && a.Error == nil && a.Status != "running" {
		err = d.done(s, a)
	} else if err == nil {
		err = fmt.Errorf("%s: %s", d.name, a.text)
	}

	err = errors.Join(err, held())
	if err != nil && (!hit || mutant) {
		return err
	}

	if err != nil {
		if err := s.settle(d); err != nil {
			return fmt.Errorf("%s was hit (%w) and then: %w", d.name, err, err)
		}
	}

	if last := d.name == storySteps[len(storySteps)-1].name; hit || last {
		return s.sound(mutant, mutant || last)
	}

	return nil
}

// settle repeats a call that was hit until it is done. What it answers before
// that must be one of the refusals that say so.
func (s *story) settle(d storyStep) error {
	var said []string

	for range 6 {
		if d.tool == "run_experiment" {
			a, err := s.call("", "wait_run", `{"wait_seconds": 50}`)
			if err != nil {
				return err
			}

			if a.Error == nil && d.done(s, a) == nil {
				return nil
			}
			said = append(said, a.text)
		}

		a, err := s.call("", d.tool, d.args)
		if err != nil {
			return err
		}

		if a.Error == nil && d.done(s, a) == nil {
			return nil
		}

		said = append(said, a.text)
		if a.Error != nil && !slices.Contains([]string{"busy", "unresolved", "conflict"}, a.Error.Code) {
			break
		}
	}

	return fmt.Errorf("repeated, it says %q", said)
}

// call runs one tool in a process of its own. The error is for one that ended
// without an answer.
func (s *story) call(fault, tool, args string) (answer, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.bin, "call", "--json", tool, args)
	var out, said bytes.Buffer

	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = s.dir, append(slices.Clone(s.env), "RATCHET_FAULT="+fault), &out, &said
	err := cmd.Run()

	var a answer
	if jerr := json.Unmarshal(out.Bytes(), &a); jerr != nil {
		return a, fmt.Errorf("%s: %v: %s", tool, err, said.String())
	}
	a.text = out.String()

	return a, nil
}

// watch looks, while the next run is under way, for the locks that must be held.
// The function that it returns says which were not.
func (s *story) watch() func() error {
	jobs := filepath.Join(s.dir, ".git", "ratchet", "jobs")
	missing := map[string]string{"job": filepath.Join(jobs, fmt.Sprint("shrink.x", s.runs)),
		"turn": filepath.Join(jobs, "shrink.turn"), "slot": filepath.Join(filepath.Dir(s.dir), "home", ".locks",
			"measure.0")}

	stop, ended := make(chan bool), make(chan bool)
	go func() {
		defer close(ended)

		for len(missing) > 0 {
			for name, path := range missing {
				if held, err := sandbox.Locked(path); err == nil && held {
					delete(missing, name)
				}
			}

			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()

	return func() error {
		close(stop)
		<-ended

		if len(missing) > 0 {
			return fmt.Errorf("nobody held the lock of the %v", missing)
		}

		return nil
	}
}

// calibrated waits for the calibration that an answered start began.
func (s *story) calibrated(a answer) error {
	if a.ID == "" {
		return nil
	}

	w, err := s.call("", "wait_run", `{"id": "`+a.ID+`", "wait_seconds": 50}`)
	if err == nil && (w.Error != nil || w.Status != "done" || w.Value == nil) {
		err = fmt.Errorf("the calibration: %s", w.text)
	}

	return err
}

func (s *story) kept(a answer) error {
	text, err := s.git("show", a.Commit+":work.txt")
	if s.text = s.read("work.txt"); err != nil || text+"\n" != s.text {
		return fmt.Errorf("kept %q, the checkout has %q: %v", text, s.text, err)
	}

	return nil
}

func (s *story) reverted(answer) error {
	if now := s.read("work.txt"); now != s.text {
		return fmt.Errorf("the file holds %q after the revert, not %q", now, s.text)
	}

	if log, err := os.ReadFile(filepath.Join(s.dir, ".git", "ratchet", "ledger.db")); err != nil || !bytes.Contains(log,
		[]byte("longer is not shorter")) {
		return fmt.Errorf("the lesson is not in the ledger: %v", err)
	}

	return nil
}
