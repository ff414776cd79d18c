package main_test

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ratchet/internal/testform"

	"github.com/google/go-cmp/cmp"
)

// A whole campaign leaves alone what is the user's: the branch they came from,
// every other ref, the stash, untracked and ignored files, hooks and config.
func TestUserStateIsUntouched(t *testing.T) {
	testform.SkipQuick(t, "internal/source: TestCycle looks at what is left")
	t.Parallel()
	s := newSite(t)
	s.write("stashed.txt", "tracked\n")
	s.sh("git", "add", "stashed.txt")
	s.sh("git", "commit", "-qm", "one more file")
	s.sh("git", "branch", "feature")
	s.sh("git", "tag", "-a", "-m", "tagged", "v1")
	s.write("stashed.txt", "put aside\n")
	s.sh("git", "stash", "push", "-q", "-m", "mine")
	s.write("untracked.txt", "not committed\n")
	s.write("ignored.txt", "git ignores this\n")

	if err := os.WriteFile(filepath.Join(s.dir, ".git", "hooks", "pre-commit"),
		[]byte("#!/bin/sh\necho hook ran >> hooked\nexit 1\n"), 0o777); err != nil {
		t.Fatal(err)
	}
	before := userState(s)

	c := s.connect()
	c.calibrated()

	for i, text := range []string{"one\n", "crash\n",
		"a much longer text than before, which is a regression in size for sure, by all that is measured here\n", "1\n",
		"nan\n"} {
		s.write("work.txt", text)

		a := c.call("run_experiment", map[string]any{"hypothesis": fmt.Sprintf("edit %d", i)})
		if a.Verdict == "improved" {
			c.call("keep", nil)
		} else {
			c.call("revert", map[string]any{"lesson": "it did not help"})
		}
	}
	c.close()

	if diff := cmp.Diff(before, userState(s)); diff != "" {
		t.Errorf("the campaign changed the user's state (-before +after):\n%s", diff)
	}

	if s.read("work.txt") != "1\n" || strings.TrimSpace(s.sh("git", "branch", "--show-current")) != "ratchet/shrink" {
		t.Errorf("the campaign's own branch and file are not where they should be")
	}
	s.sh("git", "switch", "-q", "main")

	if s.read("work.txt") != repoFiles["work.txt"] {
		t.Errorf("the way back does not bring back the user's file")
	}
}

// An edit made while a run was under way survives revert: it is stored, and
// the answer names where.
func TestRevertSavesWhatWasEditedOn(t *testing.T) {
	testform.SkipQuick(t, "internal/lab: TestRunAndRevert")
	t.Parallel()
	s := newSite(t)
	g := s.gated()

	c := s.connect()
	defer c.close()
	c.calibrated()
	s.write("work.txt", "slow "+repoFiles["work.txt"])

	if a := c.call("run_experiment", map[string]any{"hypothesis": "slow", "wait_seconds": 0}); a.Status != "running" {
		t.Fatal(a.text)
	}
	later := "edited while the run was under way\n"
	s.write("work.txt", later)
	g.open()

	if a := c.call("wait_run", nil); a.Verdict != "regressed" {
		t.Fatal(a.text)
	}

	a := c.call("revert", map[string]any{"lesson": "slow is slow"})
	if a.SavedAs == "" || !strings.Contains(a.text, a.SavedAs) {
		t.Fatalf("revert does not name what it saved: %s", a.text)
	}

	if got := s.sh("git", "show", a.SavedAs+":work.txt"); got != later {
		t.Errorf("saved %q, want %q", got, later)
	}

	if got := s.read("work.txt"); got != repoFiles["work.txt"] {
		t.Errorf("work.txt holds %q after revert", got)
	}
}

// userState is everything of a repository that a campaign must not change.
func userState(s *site) map[string]string {
	state := map[string]string{"stash": s.sh("git", "stash", "list", "--format=%H %gs")}
	for line := range strings.Lines(s.sh("git", "for-each-ref", "--format=%(refname) %(objectname)")) {
		name, hash, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !strings.HasPrefix(name, "refs/ratchet/") && !strings.HasPrefix(name, "refs/heads/ratchet/") {
			state[name] = hash
		}
	}

	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}

		rel, _ := filepath.Rel(s.dir, path)
		if d.IsDir() && (rel == ".git/objects" || rel == ".git/ratchet" || rel == ".git/refs" || rel == ".git/logs") {
			return filepath.SkipDir
		}

		if d.IsDir() || rel == "work.txt" || rel == ".git/HEAD" || rel == ".git/index" {
			return nil
		}

		b, err := os.ReadFile(path)
		if err != nil {
			s.t.Fatal(err)
		}
		info, _ := d.Info()
		state[rel] = fmt.Sprintf("%s %x", info.Mode(), sha256.Sum256(b))

		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}

	return state
}

// Two sessions decide at once: one wins, the other is told, and branch, file and
// ledger agree.
func TestKeepAndRevertAtOnce(t *testing.T) {
	testform.SkipQuick(t, "internal/lab: TestKeepIsACompareAndSwap")
	t.Parallel()
	s := newSite(t)

	a, b := s.connect(), s.connect()
	defer a.close()
	defer b.close()
	a.calibrated()

	tries := 8
	if testing.Short() {
		tries = 3
	}

	text := repoFiles["work.txt"]
	for n := range tries {
		text = text[:len(text)-2] + "\n"
		s.write("work.txt", text)

		r := a.call("run_experiment", map[string]any{"hypothesis": fmt.Sprintf("one letter less, %d", n)})
		if r.Verdict != "improved" {
			t.Fatal(r.text)
		}

		kept := make(chan answer)
		go func() { kept <- a.call("keep", map[string]any{"id": r.ID}) }()
		reverted := b.call("revert", map[string]any{"id": r.ID})

		k := <-kept
		if (k.Error == nil) == (reverted.Error == nil) {
			t.Fatalf("try %d: keep says %q, revert says %q", n, k.text, reverted.text)
		}

		if out := s.sh("git", "status", "--porcelain"); out != "" {
			t.Fatalf("try %d: %s\nkeep: %s\nrevert: %s", n, out, k.text, reverted.text)
		}
		text = s.read("work.txt")
	}
	s.sh(ratchet, "verify", "--recompute")
}
