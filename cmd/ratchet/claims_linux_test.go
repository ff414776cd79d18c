package main_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ratchet/internal/research/history"
	"ratchet/internal/testform"
	"ratchet/ledger"
)

func ideas(op, idea string) map[string]any {
	return map[string]any{"ops": []any{map[string]any{"op": op, "idea": idea}}}
}

// A claim falls at once with the session that made it, but not while what that
// session started still runs. What comes back later finds its claim taken.
func TestClaimFallsWithItsSession(t *testing.T) {
	testform.SkipQuick(t, "internal/lab: TestShareIdeasAndClaims")
	t.Parallel()

	s := newSite(t)
	s.sh("sh", "-c",
		"sed -i 's/^budget:/parallel: 64\\nbudget:/' program.md && git commit -qam 'no turns between tests'")
	g := s.gated()
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
	says(a.call("run_experiment", map[string]any{"hypothesis": "one word", "idea": "1"}),
		"claimed: idea 1 is claimed by")

	// killed in the middle of an experiment: the idea is held until that ends
	says(a.call("run_experiment", map[string]any{"hypothesis": "one slow word", "idea": "2", "wait_seconds": 0}),
		"x1 running")
	a.kill()
	says(b.call("share", ideas("claim", "2")), "which runs x1")
	says(b.call("read_log", map[string]any{"view": "sessions"}), "runs x1 for")
	g.open()

	if a := b.call("wait_run", map[string]any{"id": "x1"}); a.Status != "done" {
		t.Fatal(a.text)
	}
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

// A claim outlives its holder's last record by its term, and no clock that was
// set makes it last for longer. The holders are written by clocks of their own.
func TestClaimExpires(t *testing.T) {
	testform.SkipQuick(t, "internal/checkout: TestAClaimLapses")
	t.Parallel()

	s := newSite(t)
	s.sh(ratchet, "call", "start_campaign")
	s.sh(ratchet, "call", "wait_run")

	tests := []struct {
		name string
		ago  time.Duration
		free bool
	}{
		{"active within the term", history.LeaseTerm - time.Minute, false},
		{"silent for longer", history.LeaseTerm + time.Minute, true},
		{"its clock was set back a day since", -24 * time.Hour, true},
		{"its clock was set back a little since", -time.Minute, false},
	}
	for i, tt := range tests {
		l, err := ledger.Open(filepath.Join(s.dir, ".git", "ratchet", "ledger.db"),
			ledger.Options{Now: func() time.Time { return time.Now().Add(-tt.ago) }})
		if err != nil {
			t.Fatal(err)
		}
		who, n := fmt.Sprint("holder", i), i+1

		entry := func(kind history.Kind, body any) history.Entry {
			return history.Entry{Campaign: "shrink", Session: who, Kind: kind, Body: body}
		}
		if _, err := l.Append(t.Context(), entry(history.KindSessionJoined,
			history.SessionJoin{Codename: who, Checkout: "/" + who}),
			entry(history.KindIdeaAdded, history.Idea{N: n, Text: tt.name}),
			entry(history.KindIdeaClaimed, history.IdeaClaim{N: n, Fence: 1, Checkout: "/" + who})); err != nil {
			t.Fatal(err)
		}

		out, err := s.try(ratchet, "call", "share", fmt.Sprintf(`{"ops": [{"op": "claim", "idea": %d}]}`, n))
		if want := "claim 2"; tt.free && !strings.Contains(out, want) {
			t.Errorf("%s: want %q in %s", tt.name, want, out)
		}

		if want := "claimed by " + who; !tt.free && (err == nil || !strings.Contains(out, want)) {
			t.Errorf("%s: want %q in %s", tt.name, want, out)
		}

		_, err = l.Append(t.Context(), entry(history.KindIdeaReleased, history.IdeaRelease{N: n, Fence: 1}))
		if tt.free != (err != nil) {
			t.Errorf("%s: the first holder's release gives %v", tt.name, err)
		}
	}
}
