package view_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/checkout"
	"ratchet/internal/report"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/view"
	"ratchet/ledger"
)

const camp = "sorting"

// story is a campaign told by its records, without a run being made.
type story struct {
	t   *testing.T
	lab *checkout.Checkout
	led *ledger.Ledger
}

// tell begins one, calibrated to st.
func tell(t *testing.T, st rules.RuleState) *story {
	t.Helper()

	dir := t.TempDir()
	if out, err := exec.Command("git", "init", "-q", dir).CombinedOutput(); err != nil {
		t.Fatalf("git init: %v %s", err, out)
	}

	text := "---\nname: sorting\nedit: f\nmetric: {name: ns, better: lower, unit: ns}\nrun: ./bench\n---\n"
	if err := os.WriteFile(filepath.Join(dir, "program.md"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}

	l, err := checkout.Open(context.Background(), checkout.Options{Dir: dir, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	s := &story{t: t, lab: l, led: l.Ledger}

	doc, err := contract.ParseProgram([]byte(text), "sorting")
	if err != nil {
		t.Fatal(err)
	}
	s.put(history.KindCampaignStarted, history.CampaignStart{Program: doc.Program, Digest: doc.Program.Digest(),
		ProgramPath: "program.md", Start: "start"})
	s.put(history.KindCalibrationStarted, rules.JobStart{Job: "c1", Commit: "start"})
	s.put(history.KindCalibrationFinished, history.CalibrationEnd{Job: "c1", State: st})

	return s
}

func (s *story) put(kind history.Kind, body any) {
	s.t.Helper()
	s.append(history.Entry{Campaign: camp, Kind: kind, Body: body})
}

func (s *story) append(es ...history.Entry) {
	s.t.Helper()

	if _, err := s.led.Append(context.Background(), es...); err != nil {
		s.t.Fatal(err)
	}
}

// tried are the records of one experiment; kept or reverted.
func tried(j rules.Judgement, hypothesis string, keep bool) []history.Entry {
	id := fmt.Sprintf("%040x", j.N)

	es := []history.Entry{
		{Kind: history.KindExperimentProposed, Body: history.Proposal{N: j.N, Hypothesis: hypothesis, Parent: "start",
			Candidate: id, Tree: id, Checkout: "/elsewhere"}},
		{Kind: history.KindExperimentJudged, Body: j},
	}
	switch {
	case keep:
		es = append(es, history.Entry{Kind: history.KindExperimentKept,
			Body: history.Keeping{N: j.N, Commit: id, Was: "start"}})
	case j.Verdict != research.Invalid:
		es = append(es, history.Entry{Kind: history.KindExperimentReverted,
			Body: history.Reversion{N: j.N, By: "agent"}})
	}

	for i := range es {
		es[i].Campaign = camp
	}

	return es
}

func (s *story) progress(limit int) *view.Progress {
	s.t.Helper()

	p, err := view.ReadProgress(context.Background(), s.lab, limit)
	if err != nil {
		s.t.Fatal(err)
	}

	return p
}

func num(v float64) *float64 { return &v }

var exact = rules.RuleState{NoiseKind: research.Deterministic, Scale: "log", Incumbent: 1000, Better: research.Lower}

// bytes is the judgement of a deterministic metric: v against was.
func bytes(n int, v, was float64) rules.Judgement {
	j := rules.Judgement{N: n, Verdict: research.Regressed, StoppedBy: "one_run", Value: &v, Baseline: &was,
		Scale: "log", State: exact}

	j.State.Incumbent = was
	if g := 1 - v/was; v < was {
		j.Verdict, j.Gain = research.Improved, &research.Interval{Mid: g, Lo: g, Hi: g}
	}

	return j
}

func TestProgressOfADeterministicMetric(t *testing.T) {
	s := tell(t, exact)
	if p := s.progress(0); len(p.Points) != 0 || p.Total != 0 || !p.Exact || *p.Baseline != 1000 || *p.Best != 1000 {
		t.Errorf("a campaign without experiments: %+v", p)
	}
	s.append(tried(bytes(1, 900, 1000), "  quick\nsecond line", true)...)
	s.append(tried(bytes(2, 950, 900), strings.Repeat("ü", 200), false)...)
	s.append(tried(rules.Judgement{N: 3, Verdict: research.Invalid, Value: num(1), State: exact}, "x", false)...)

	p := s.progress(0)
	if len(p.Points) != 3 || p.From != 1 || p.To != 3 || p.Total != 3 {
		t.Fatalf("3 experiments became %+v", p)
	}

	one, two, three := p.Points[0], p.Points[1], p.Points[2]
	if one.Hypothesis != "quick" || !one.Kept || *one.Value != 900 || one.Best.Mid != 900 || one.At.IsZero() {
		t.Errorf("the kept one: %+v", one)
	}

	if n := len([]rune(two.Hypothesis)); n != 80 || two.Kept || *two.Value != 950 || two.Best.Hi != 900 {
		t.Errorf("the reverted one, %d characters: %+v", n, two)
	}

	if three.Value != nil || three.Best.Mid != 900 || three.Verdict != research.Invalid {
		t.Errorf("an invalid one has no value: %+v", three)
	}
}

func TestProgressIsBoundedAndKeepsWhatStands(t *testing.T) {
	s := tell(t, exact)
	for n := 1; n <= 450; n++ {
		s.append(tried(bytes(n, 900+float64(n%2), 1000), "h", n == 7)...)
	}

	p := s.progress(205) // more than a page
	if len(p.Points) != 206 || p.Points[0].N != 7 || p.From != 246 || p.To != 450 || p.Total != 450 {
		t.Errorf("205 of 450 with the one kept: %d points from %d, %d to %d of %d", len(p.Points), p.Points[0].N,
			p.From, p.To, p.Total)
	}

	for i, pt := range p.Points[1:] {
		if pt.N != 246+i {
			t.Fatalf("point %d is experiment %d", i, pt.N)
		}
	}
}

var noisy = rules.RuleState{NoiseKind: research.Noisy, Scale: "log", Better: research.Lower, Incumbent: 1000, S: .02,
	Auto: &rules.AutoState{}}

// claim is a provisional verdict that claims a gain of g on the log scale.
func claim(n int, g float64, st rules.RuleState) rules.Judgement {
	share := -math.Expm1(-g)

	return rules.Judgement{N: n, Verdict: research.Provisional, Value: num(990), Baseline: num(1000), Scale: "log",
		Runs: 2, Gain: &research.Interval{Mid: share, Lo: share - .01, Hi: share + .01}, Claim: &rules.Claim{Gain: g,
			Var: 1e-4}, State: st}
}

func TestProgressOfANoisyMetric(t *testing.T) {
	s := tell(t, noisy)
	s.append(tried(claim(1, .10, noisy), "one", true)...)
	chain := noisy
	chain.Auto = &rules.AutoState{Claim: .10, Chain: 1}
	s.append(tried(claim(2, .05, chain), "two", true)...)
	s.put(history.KindCertificateStarted, rules.JobStart{Job: "h1", Commit: "x", Paired: "start"})
	s.put(history.KindCertificateFinished, history.CertificateEnd{Job: "h1", From: 1, To: 2, State: noisy,
		Certificate: rules.Certificate{
			Outcome: rules.Certified, Scale: "log", Gain: &research.Interval{Mid: -math.Expm1(-.12),
				Lo: -math.Expm1(-.10), Hi: -math.Expm1(-.14)}}})
	s.append(tried(claim(3, .03, noisy), "three", true)...)
	s.append(tried(claim(4, -.02, noisy), "four", false)...)

	p := s.progress(0)
	if p.Exact || p.Baseline != nil || p.Best != nil {
		t.Errorf("raw numbers of a noisy metric are shown: %+v", p)
	}

	for i, want := range []float64{.10, .15, .15, .15} { // .12 certified + .03 claimed
		got := p.Points[i]
		if got.Value != nil {
			t.Errorf("experiment %d shows a raw value", got.N)
		}

		if g := -math.Log1p(-got.Best.Mid); math.Abs(g-want) > 1e-9 {
			t.Errorf("after experiment %d the gain over the start is %g, want %g", got.N, g, want)
		}

		if !(got.Best.Lo < got.Best.Mid && got.Best.Mid < got.Best.Hi) {
			t.Errorf("experiment %d has the interval %+v", got.N, got.Best)
		}
	}

	if g := -math.Log1p(-p.Points[3].OverStart.Mid); math.Abs(g-.13) > 1e-9 {
		t.Errorf("the last one stands at %g over the start, want .15 - .02", g)
	}

	if got := -math.Log1p(-p.Gain.Certified.Mid); math.Abs(got-.12) > 1e-9 || p.Gain.Mid != p.Points[3].Best.Mid {
		t.Errorf("certified %g, in all %+v", got, p.Gain)
	}
	// A window that begins after the certificate knows what was proven before it.
	if w := s.progress(1); len(w.Points) != 4 || math.Abs(w.Points[3].Best.Mid-p.Points[3].Best.Mid) > 1e-12 {
		t.Errorf("a window of one: %+v", w.Points)
	}
}

// An edit that is kept on trial after one run states no interval; what is expected of it is
// drawn all the same, added up, and ordered by.
func TestKeepsOnTrialOfOneRunAreShown(t *testing.T) {
	s := tell(t, noisy)
	once := claim(1, .10, noisy)
	once.Runs, once.Gain = 1, nil
	s.append(tried(claim(2, .05, noisy), "two", true)...)
	s.append(tried(once, "one", true)...)

	for _, pt := range s.progress(0).Points {
		if pt.N != 1 {
			continue
		}

		if pt.Gain == nil || math.Abs(pt.Gain.Mid+math.Expm1(-.10)) > 1e-9 || pt.Gain.Lo != pt.Gain.Hi {
			t.Errorf("the gain that is expected is shown as %+v", pt.Gain)
		}

		if pt.OverStart == nil || !(pt.OverStart.Mid > .09) {
			t.Errorf("the point is drawn at %+v", pt.OverStart)
		}
	}

	kept := []history.Experiment{{Judgement: new(claim(2, .05, noisy))}, {Judgement: &once}}
	if report.SortByGain(kept); kept[0].Judgement.N != 1 {
		t.Error("the larger gain is told last")
	}

	if once.Verdict = research.Invalid; once.ExpectedGain() != nil {
		t.Error("an invalid edit has a gain")
	}
}

func TestProgressFallsWithARolledBackChain(t *testing.T) {
	s := tell(t, noisy)
	s.append(tried(claim(1, .10, noisy), "one", true)...)
	s.put(history.KindCertificateStarted, rules.JobStart{Job: "h1", Commit: "x", Paired: "start"})
	s.put(history.KindCertificateFinished, history.CertificateEnd{Job: "h1", From: 1, To: 1, Commit: "back",
		State: noisy, Certificate: rules.Certificate{Outcome: rules.RolledBack, Scale: "log"}})
	s.put(history.KindExperimentReverted, history.Reversion{N: 1, By: "certificate"})
	s.append(tried(claim(2, .01, noisy), "two", false)...)
	p := s.progress(0)

	one, two := p.Points[0], p.Points[1]
	if one.Kept || !one.RolledBack || one.Best.Mid < .09 {
		t.Errorf("what was believed then is gone: %+v", one)
	}

	if two.Best.Mid != 0 || p.Gain.Mid != 0 {
		t.Errorf("the rollback does not show: %+v, %+v", two.Best, p.Gain)
	}
}

func TestProgressWithoutACampaign(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("git", "init", "-q", dir).CombinedOutput(); err != nil {
		t.Fatalf("git init: %v %s", err, out)
	}

	l, err := checkout.Open(context.Background(), checkout.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}

	if _, err := view.ReadProgress(context.Background(), l, 0); research.Describe(err).Code != research.CodeNoCampaign {
		t.Errorf("got %v", err)
	}
}

// What finalize made of the present incumbent is the audited figure, also where
// the incumbent's own audit is older; of a past incumbent it is none.
func TestProgressAfterFinalize(t *testing.T) {
	s := tell(t, exact)
	s.append(tried(bytes(1, 900, 1000), "one", true)...)
	s.append(tried(bytes(2, 950, 900), "two", false)...)

	if p := s.progress(0); p.Audit != nil {
		t.Errorf("an audit out of nothing: %+v", p.Audit)
	}
	g := research.Interval{Mid: .1, Lo: .1, Hi: .1}
	made := history.Finalization{Branch: "refs/heads/ratchet/sorting-final", Head: fmt.Sprintf("%040x", 1),
		Audit: "a1", Gain: &g, Scale: "log", Pairs: 2}
	s.put(history.KindCampaignFinalized, made)

	want := &view.ProgressAudit{After: 2, Gain: g, Pairs: 2, Branch: "ratchet/sorting-final"}
	if diff := cmp.Diff(want, s.progress(0).Audit); diff != "" {
		t.Errorf("finalized (-want +got):\n%s", diff)
	}
	s.append(tried(bytes(3, 800, 900), "three", true)...)

	if p := s.progress(0); p.Audit != nil {
		t.Errorf("the head moved since, and yet: %+v", p.Audit)
	}
}
