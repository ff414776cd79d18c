package main_test

import (
	"path/filepath"
	"strings"
	"testing"
)

func ideas(op, idea string) map[string]any {
	return map[string]any{"ops": []any{map[string]any{"op": op, "idea": idea}}}
}

// A claim falls at once with the session that made it, but not while what that
// session started still runs. What comes back later finds its claim taken.
func TestClaimFallsWithItsSession(t *testing.T) {
	s := newSite(t)
	s.sh("sh", "-c", "sed -i 's/^budget:/parallel: 64\\nbudget:/' program.md && git commit -qam 'no turns between tests'")
	a := s.connect()
	a.calibrated()
	second := &site{t: t, dir: filepath.Join(filepath.Dir(s.dir), "second"), env: s.env}
	s.sh("git", "worktree", "add", "-q", second.dir, "main")
	b := second.connect()
	b.calibrated()
	says := func(got answer, want string) {
		t.Helper()
		if !strings.Contains(got.text, want) {
			t.Errorf("want %q in %s", want, got.text)
		}
	}
	a.call("share", ideas("add", "one word is enough"))
	says(a.call("share", ideas("add", "no words at all")), "idea 2 added")
	says(a.call("share", ideas("claim", "1")), "claim 1")
	says(b.call("share", ideas("claim", "1")), "claimed: idea 1 is claimed by")

	// killed while nothing runs: the idea is free at once
	a.kill()
	says(b.call("read_log", map[string]any{"view": "ideas"}), "idea 1 (free: the claim of")
	says(b.call("share", ideas("claim", "1")), "claim 2")

	// it comes back, in the same checkout: its claim is gone, and it is told
	a = s.connect()
	says(a.call("share", ideas("release", "1")), "you don't hold idea 1: it is claimed by")
	s.write("work.txt", "slow\n")
	says(a.call("run_experiment", map[string]any{"hypothesis": "one word", "idea": "1"}), "claimed: idea 1 is claimed by")

	// killed in the middle of an experiment: the idea is held until that ends
	says(a.call("run_experiment", map[string]any{"hypothesis": "one slow word", "idea": "2", "wait_seconds": 0}), "x1 running")
	a.kill()
	says(b.call("share", ideas("claim", "2")), "which runs x1")
	says(b.call("read_log", map[string]any{"view": "sessions"}), "runs x1 for")
	eventually(t, "the verdict of x1", func() bool {
		return b.call("wait_run", map[string]any{"id": "x1"}).Status == "done"
	})
	says(b.call("share", ideas("claim", "2")), "idea 2 is yours (claim 2)")

	// the old holder's experiment is decided: the new holder's claim stays
	a = s.connect()
	says(a.call("revert", map[string]any{"lesson": "slow"}), "x1 reverted")
	says(b.call("read_log", map[string]any{"view": "ideas"}), "idea 2 (claimed by you; tried in x1: improved)")
	a.close()
	b.close()
	if out := s.sh(ratchet, "verify", "--recompute"); !strings.Contains(out, "every verdict follows") {
		t.Error(out)
	}
}
