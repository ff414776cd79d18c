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
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
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

func put(t testing.TB, l *ledger.Ledger, entries ...history.Entry) []history.Record {
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

func entry(kind history.Kind, body any) history.Entry {
	return history.Entry{Campaign: camp, Session: "amber-fox", Kind: kind, Body: body}
}

// ruleState is as large as a noisy campaign's gets.
func ruleState() rules.RuleState {
	st := rules.RuleState{NoiseKind: research.Noisy, Scale: "log", Incumbent: 812.25, S: 0.0123, Eps: 0.05, Level: 6.7}
	for i := range 120 {
		st.Residuals = append(st.Residuals, 0.0123456789*float64(i%17-8))
	}

	return st
}

func oid(what string, n int) string { return fmt.Sprintf("%s%036x", what[:4], n) }

// opening begins a campaign, up to its calibration.
func opening() []history.Entry {
	return []history.Entry{
		entry(history.KindCampaignStarted, history.CampaignStart{
			Program: contract.Program{Name: camp, Edit: []string{"sort.go"}, Run: "./bench",
				Metric: contract.Metric{Name: "ns_per_op", Better: research.Lower}},
			Start: "start", Branch: "refs/heads/ratchet/" + camp, Origin: "refs/heads/main", Checkout: "/src/a",
		}),
		entry(history.KindSessionJoined, history.SessionJoin{Codename: "amber-fox", Client: "editor", Version: "1",
			Checkout: "/src/a"}),
		entry(history.KindCalibrationStarted, rules.JobStart{Job: "c1", Commit: "start"}),
		entry(history.KindRunFinished, rules.Run{Job: "c1", Number: 1, Role: research.Calibrate,
			Side: rules.Start, Valid: true, Wall: 2}),
		entry(history.KindCalibrationFinished, history.CalibrationEnd{Job: "c1", State: ruleState()}),
	}
}

func proposal(n int, hypothesis string) history.Entry {
	return entry(history.KindExperimentProposed, history.Proposal{N: n, Hypothesis: hypothesis, Parent: "start",
		Candidate: oid("cand", n), Tree: oid("tree", n), Paths: []string{"sort.go"}, Added: 3, Removed: 1,
		Checkout: "/src/a"})
}

func run(n, number int) history.Entry {
	return entry(history.KindRunFinished, rules.Run{Job: research.NewJobID('x', n), Number: number,
		Role: research.Confirm, Side: rules.Candidate, Commit: oid("cand", n), Valid: true,
		Samples: map[string]float64{"ns_per_op": 800.5 + float64(n)}, Wall: 1.5, CPU: 1.25, MaxRSS: 1 << 26,
		Started: epoch, Output: fmt.Sprintf("%064x", n), Bytes: 321})
}

func judged(n int, v research.Verdict) history.Entry {
	value, base := 800.5+float64(n), 812.25

	return entry(history.KindExperimentJudged, rules.Judgement{N: n, Verdict: v, Value: &value, Baseline: &base,
		Gain: &research.Interval{Mid: .01, Lo: .005, Hi: .015}, Scale: "log", Pairs: 6, Wins: 6, Runs: 2,
		State: ruleState()})
}

// experiment is one whole reverted experiment.
func experiment(n int, hypothesis, lesson string) []history.Entry {
	return []history.Entry{
		proposal(n, hypothesis), run(n, 1), run(n, 2), judged(n, research.Regressed),
		entry(history.KindExperimentReverted, history.Reversion{N: n, Lesson: lesson, By: "agent"}),
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
		var batch []history.Entry
		for ; from <= to && len(batch) < 2000; from++ {
			batch = append(batch, experiment(from, hypothesis(from), "no gain, since the compiler did it already")...)
		}
		put(t, l, batch...)
	}
}
