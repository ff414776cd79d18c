package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ratchet/internal/research"
	"ratchet/ledger"
)

const camp = "sort-speed"

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)

func open(t testing.TB, path string) *ledger.Ledger {
	t.Helper()
	var n int

	l, err := ledger.Open(path, ledger.Options{Now: func() time.Time {
		n++
		return epoch.Add(time.Duration(n) * time.Second)
	}})
	if err != nil {
		t.Fatal(err)
	}

	return l
}

func fresh(t testing.TB) *ledger.Ledger {
	return open(t, filepath.Join(t.TempDir(), "ratchet", "ledger.db"))
}

func view(t testing.TB, l *ledger.Ledger, f func(*ledger.Tx) error) {
	t.Helper()

	if err := l.View(context.Background(), f); err != nil {
		t.Fatal(err)
	}
}

func put(t testing.TB, l *ledger.Ledger, entries ...research.Entry) []research.Record {
	t.Helper()

	recs, err := l.Append(context.Background(), entries...)
	if err != nil {
		t.Fatal(err)
	}

	return recs
}

func code(err error) research.Code {
	var e *research.Error
	if errors.As(err, &e) {
		return e.Code
	}

	return ""
}

// wantError wants a coded error, with a next step, whose sentence has all parts.
func wantError(t testing.TB, err error, c research.Code, parts ...string) {
	t.Helper()

	var e *research.Error
	if !errors.As(err, &e) || e.Code != c || e.Next == "" {
		t.Fatalf("got error %v (code %q), want code %q and a next step", err, code(err), c)
	}

	for _, p := range parts {
		if !strings.Contains(e.Msg, p) {
			t.Errorf("the error %q does not mention %q", e.Msg, p)
		}
	}
}

func entry(kind research.Kind, body any) research.Entry {
	return research.Entry{Campaign: camp, Session: "amber-fox", Kind: kind, Body: body}
}

// ruleState is as large as a noisy campaign's gets.
func ruleState() research.RuleState {
	st := research.RuleState{Class: research.Noisy, Scale: "log", Incumbent: 812.25, S: 0.0123, Eps: 0.05, Level: 6.7}
	for i := range 120 {
		st.Residuals = append(st.Residuals, 0.0123456789*float64(i%17-8))
	}

	return st
}

func oid(what string, n int) string { return fmt.Sprintf("%s%036x", what[:4], n) }

// opening begins a campaign, up to its calibration.
func opening() []research.Entry {
	return []research.Entry{
		entry(research.KindCampaignStarted, research.CampaignStart{
			Program: research.Program{Name: camp, Edit: []string{"sort.go"}, Run: "./bench",
				Metric: research.Metric{Name: "ns_per_op", Better: research.Lower}},
			Start: "start", Branch: "refs/heads/ratchet/" + camp, Origin: "refs/heads/main", Checkout: "/src/a",
		}),
		entry(research.KindSessionJoined, research.SessionJoin{Codename: "amber-fox", Client: "editor", Version: "1",
			Checkout: "/src/a"}),
		entry(research.KindCalibrationStarted, research.JobStart{Job: "c1", Commit: "start"}),
		entry(research.KindRunFinished, research.Run{Job: "c1", Number: 1, Role: research.Calibrate,
			Side: research.Start, Valid: true, Wall: 2}),
		entry(research.KindCalibrationFinished, research.CalibrationEnd{Job: "c1", State: ruleState()}),
	}
}

func proposal(n int, hypothesis string) research.Entry {
	return entry(research.KindExperimentProposed, research.Proposal{N: n, Hypothesis: hypothesis, Parent: "start",
		Candidate: oid("cand", n), Tree: oid("tree", n), Paths: []string{"sort.go"}, Added: 3, Removed: 1,
		Checkout: "/src/a"})
}

func run(n, number int) research.Entry {
	return entry(research.KindRunFinished, research.Run{Job: research.NewJobID('x', n), Number: number,
		Role: research.Confirm, Side: research.Candidate, Commit: oid("cand", n), Valid: true,
		Samples: map[string]float64{"ns_per_op": 800.5 + float64(n)}, Wall: 1.5, CPU: 1.25, MaxRSS: 1 << 26,
		Started: epoch, Output: fmt.Sprintf("%064x", n), Bytes: 321})
}

func judged(n int, v research.Verdict) research.Entry {
	value, base := 800.5+float64(n), 812.25

	return entry(research.KindExperimentJudged, research.Judgement{N: n, Verdict: v, Value: &value, Baseline: &base,
		Gain: &research.Interval{Mid: .01, Lo: .005, Hi: .015}, Scale: "log", Pairs: 6, Wins: 6, Runs: 2,
		State: ruleState()})
}

// experiment is one whole reverted experiment.
func experiment(n int, hypothesis, lesson string) []research.Entry {
	return []research.Entry{
		proposal(n, hypothesis), run(n, 1), run(n, 2), judged(n, research.Regressed),
		entry(research.KindExperimentReverted, research.Reversion{N: n, Lesson: lesson, By: "agent"}),
	}
}

var verbs = strings.Fields("unroll inline hoist fuse split cache prefetch reorder vectorize skip")
var nouns = strings.Fields("loop pivot partition buffer branch comparison insertion heap swap recursion threshold slice")

func hypothesis(n int) string {
	return fmt.Sprintf("%s the %s before the %s, because profile %d shows the %s dominating at size %d",
		verbs[n%10], nouns[n%12], nouns[(n/12)%12], n, nouns[(n/7)%12], n%64)
}

// grow appends whole experiments from..to, many to a transaction.
func grow(t testing.TB, l *ledger.Ledger, from, to int) {
	t.Helper()

	for from <= to {
		var batch []research.Entry
		for ; from <= to && len(batch) < 2000; from++ {
			batch = append(batch, experiment(from, hypothesis(from), "no gain, since the compiler did it already")...)
		}
		put(t, l, batch...)
	}
}
