package view_test

import (
	"context"
	"encoding/json"
	"math"
	"testing"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/view"
)

var dusk = time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)

// ran is the record of a run that began m minutes after dusk and took a minute.
func ran(job research.JobID, number, m int, side rules.Side, commit string, v float64) history.Entry {
	return history.Entry{Campaign: camp, Kind: history.KindRunFinished,
		Body: rules.Run{Job: job, Number: number, Side: side, Commit: commit, Valid: true,
			Samples: map[string]float64{"ns": v}, Wall: 60, Started: dusk.Add(time.Duration(m) * time.Minute),
			GPUSeconds: 120}}
}

// withRuns puts runs between the proposal and the verdict.
func withRuns(es []history.Entry, runs ...history.Entry) []history.Entry {
	return append(append(es[:1:1], runs...), es[1:]...)
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

func TestNoiseFollowsEachVersionOverTime(t *testing.T) {
	st := noisy
	st.Values, st.Residuals = []float64{990, 1000, 1010}, research.Floats{.01, -.02}
	s := tell(t, st)
	s.append(withRuns(tried(claim(1, -.02, st), "one", false),
		ran("x1", 1, 1, rules.Incumbent, "a", 1000), ran("x1", 2, 2, rules.Candidate, "x", 5000), ran("x1", 3, 3,
			rules.Incumbent, "a", 1100),
		ran("x1", 4, 4, rules.Incumbent, "a", 900), ran("x1", 5, 5, rules.Incumbent, "b", 1), ran("x1", 6, 6,
			rules.Incumbent, "b", 2))...)

	n, err := view.ReadNoise(context.Background(), s.lab, 0)
	if err != nil {
		t.Fatal(err)
	}

	if n.Noise != research.Noisy || n.Spread != st.S || len(n.Residuals) != 2 || n.Runs != 6 || n.Total != 6 {
		t.Errorf("%+v", n)
	}

	if len(n.Calibration) != 3 || !near(n.Calibration[0], -.01) || !near(n.Calibration[2], .01) {
		t.Errorf("the calibration: %v", n.Calibration)
	}

	var got []float64
	for _, d := range n.Drift {
		got = append(got, d.Deviation)
	}

	if len(got) != 3 || got[0] != 0 || !near(got[1], .1) || !near(got[2], -.1) {
		t.Errorf("the incumbent's runs drifted by %v; candidates, and versions that ran twice, are none", got)
	}
}

func TestSpendingAddsUpToTheTotals(t *testing.T) {
	s := tell(t, exact)
	if p, err := view.ReadSpending(context.Background(), s.lab, 0); err != nil || len(p.Points) != 0 ||
		p.Limit.Experiments != 200 || p.Limit.Hours != 10 {
		t.Errorf("before any run: %+v, %v", p, err)
	}

	for n := 1; n <= 120; n++ { // more than two pages
		id := research.NewJobID(research.ExperimentJob, n)
		s.append(withRuns(tried(bytes(n, 1001, 1000), "h", false), ran(id, 1, 10*n, rules.Candidate, "x", 1),
			ran(id, 2, 10*n+5, rules.Candidate, "x", 1))...)
	}

	p, err := view.ReadSpending(context.Background(), s.lab, 0)
	if err != nil {
		t.Fatal(err)
	}

	first, last := p.Points[0], p.Points[len(p.Points)-1]
	if len(p.Points) != 240 || p.Total != 240 || first.Experiments != 1 || !near(first.Hours, 1./60) ||
		!near(first.GPUHours, 2./60) {
		t.Errorf("%d points, the first %+v", len(p.Points), first)
	}

	if last.Spent != p.Now || last.Experiments != 120 || !near(last.Hours, 4) || !near(last.GPUHours, 8) {
		t.Errorf("the last %+v, in all %+v", last, p.Now)
	}

	for i := 1; i < len(p.Points); i++ {
		if a, b := p.Points[i-1], p.Points[i]; b.At.Before(a.At) || b.Hours < a.Hours || b.Experiments < a.Experiments {
			t.Fatalf("point %d goes back: %+v, %+v", i, a, b)
		}
	}

	if w, err := view.ReadSpending(context.Background(), s.lab, 7); err != nil || len(w.Points) != 7 ||
		w.Points[6] != last ||
		w.Points[0] != p.Points[233] {
		t.Errorf("a window: %+v, %v", w, err)
	}
}

func TestGPUEvidence(t *testing.T) {
	s := tell(t, exact)
	evidence := func(number int, gpu string) history.Entry {
		e := ran("x1", number, number, rules.Candidate, "x", 1)
		r := e.Body.(rules.Run)
		r.GPU = json.RawMessage(gpu)
		e.Body = r

		return e
	}
	s.append(withRuns(tried(bytes(1, 1001, 1000), "h", false),
		evidence(1, `{"samples":3,"used":true,"mean_util":71.5,"max_util":99,"joules":1234,"peak_memory":1073741824}`),
		evidence(2, `{"samples":2,"mean_util":-1,"max_util":-1,"joules":-1}`),
		evidence(3, `{"samples":0,"mean_util":0,"max_util":0,"joules":0}`), evidence(4, `"something else"`))...)

	g, err := view.ReadGPUs(context.Background(), s.lab, 0)
	if err != nil {
		t.Fatal(err)
	}

	if len(g.Points) != 3 || *g.Points[0].MeanUtil != 71.5 || *g.Points[0].MaxUtil != 99 ||
		*g.Points[0].Joules != 1234 || g.Points[0].PeakMemory != 1<<30 {
		t.Fatalf("%+v", g.Points)
	}

	for _, p := range g.Points[1:] {
		if p.MeanUtil != nil || p.Joules != nil || p.Seconds != 120 {
			t.Errorf("what the driver did not tell is told: %+v", p)
		}
	}
}

func TestFamilyYield(t *testing.T) {
	s := tell(t, noisy)
	for n, h := range []string{"unroll the loop", "unroll more", "unroll it all", "prefetch lines", "a cache"} {
		s.append(tried(claim(n+1, .1, noisy), h, n < 2)...)
	}

	f, err := view.ReadFamilies(context.Background(), s.lab, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := []view.FamilyYield{{Word: "unroll", Tried: 3, Kept: 2}, {Tried: 2}}

	if len(f.Families) != 2 || f.From != 1 || f.To != 5 {
		t.Fatalf("%+v", f)
	}

	for i, y := range f.Families {
		if y.Word != want[i].Word || y.Tried != want[i].Tried || y.Kept != want[i].Kept {
			t.Errorf("%+v, want %+v", y, want[i])
		}
	}

	if g := f.Families[0].Gain; g == nil || !near(-math.Log1p(-g.Mid), .2) || f.Families[1].Gain != nil {
		t.Errorf("gains %+v, %+v", g, f.Families[1].Gain)
	}
}
