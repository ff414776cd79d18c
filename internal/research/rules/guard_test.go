package rules_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/rules"
	"ratchet/internal/research/rulestest"
)

// guarded is a simulated benchmark with a noisy metric and one guard.
type guarded struct {
	r           *rand.Rand
	sigma       float64 // of the metric, log
	guardSigma  float64
	level, size float64 // of the incumbent: of the metric and of the guard, log
}

func (g *guarded) run(w rules.RunRequest, effect, growth float64) rules.Observation {
	level, size := g.level, g.size
	if w.Side == rules.Candidate {
		level, size = level+effect, size+growth
	}

	return rules.Observation{RunRequest: w, Valid: true, Value: 1000 * math.Exp(level+g.sigma*g.r.NormFloat64()),
		Guards: map[string]float64{"mem": 500 * math.Exp(size+g.guardSigma*g.r.NormFloat64())}}
}

func guardedProgram(growth float64) contract.Program {
	p := rulestest.NoisyProgram(contract.Amount{})
	p.Guards = []contract.Guard{{Name: "mem", MaxGrowth: &contract.Amount{Value: growth, Relative: true}}}

	return p
}

func (g *guarded) calibrate(t *testing.T, rule rules.Rule) rules.RuleState {
	t.Helper()

	var obs []rules.Observation
	for w := rule.Calibrate(obs); w != nil; w = rule.Calibrate(obs) {
		obs = append(obs, g.run(*w, 0, 0))
	}

	st, err := rule.Calibrated(obs)
	if err != nil {
		t.Fatal(err)
	}

	return st
}

// A gain is kept only with proof that the guard holds, refused with proof that
// it does not, and else stays undecided at the cap.
func TestNoisyGuardsNeedEvidence(t *testing.T) {
	rule := rules.NewRule(guardedProgram(.10))

	for _, c := range []struct {
		name           string
		noise, growth  float64
		verdict        research.Verdict
		by, reason     string
		least, atMost  int // pairs
		alreadyGrownBy float64
	}{
		{"no growth", .01, 0, research.Improved, "threshold", "", 2, 6, 0},
		{"far too much", .01, .30, research.Invalid, "invalid", "breaks max_growth: it was 49", 1, 6, 0},
		{"at the edge", .02, math.Log(1.10), research.Inconclusive, "guard",
			"the gain is proven, but not that guard mem", 20, 20, 0},
		{"nothing left of the allowance", .01, .03, research.Invalid, "invalid", "so at most 5", 1, 20, .09},
	} {
		g := &guarded{r: rand.New(rand.NewPCG(8, 2)), sigma: .01, guardSigma: c.noise}
		st := g.calibrate(t, rule)
		s := st.Guards["mem"]
		s.Mid = c.alreadyGrownBy
		st.Guards["mem"] = s

		j, _ := rulestest.JudgeWith(rule, st, func(_ int, w rules.RunRequest) rules.Observation {
			return g.run(w, -.10, c.growth)
		})
		if j.Verdict != c.verdict || j.StoppedBy != c.by || !strings.Contains(j.Reason, c.reason) ||
			j.Pairs < c.least || j.Pairs > c.atMost {
			t.Errorf("%s: %s by %s after %d pairs: %s", c.name, j.Verdict, j.StoppedBy, j.Pairs, j.Reason)
		}

		if c.by == "guard" && !strings.Contains(j.Describe(contract.Metric{}), "undecided: ") {
			t.Errorf("%s: %s", c.name, j.Describe(contract.Metric{}))
		}
	}
}

// Edits that grow a guard by exactly what is allowed are kept in at most 5 %.
func TestGuardsAtTheEdgeHold(t *testing.T) {
	t.Parallel()
	rule := rules.NewRule(guardedProgram(.05))
	kept, broken := 0, 0

	n := 240
	if testing.Short() {
		n = 80
	}

	for i := range uint64(n) {
		g := &guarded{r: rand.New(rand.NewPCG(81, i)), sigma: .005, guardSigma: .02}
		st := g.calibrate(t, rule)

		j, _ := rulestest.JudgeWith(rule, st, func(_ int, w rules.RunRequest) rules.Observation {
			return g.run(w, -.20, math.Log(1.05))
		})
		switch j.Verdict {
		case research.Improved:
			kept++
		case research.Invalid:
			broken++
		}
	}
	t.Logf("%d kept, %d refused of %d", kept, broken, n)

	if kept > n/20 || broken > n/20 {
		t.Errorf("%d kept and %d refused of %d at the edge", kept, broken, n)
	}
}

// Small growths add up: the guard is held against the campaign's start.
func TestCreepingGuardIsStopped(t *testing.T) {
	t.Parallel()
	rule := rules.NewRule(guardedProgram(.10))
	over, kept := 0, 0

	n := 30
	if testing.Short() {
		n = 10
	}

	for i := range uint64(n) {
		g := &guarded{r: rand.New(rand.NewPCG(82, i)), sigma: .01, guardSigma: .01}

		st := g.calibrate(t, rule)
		for range 15 {
			j, obs := rulestest.JudgeWith(rule, st, func(_ int, w rules.RunRequest) rules.Observation {
				return g.run(w, -.10, .02)
			})

			st = rule.Close(st, rulestest.UsualOutlook, obs, j)
			if j.Verdict == research.Improved {
				st = st.AfterKeep(j)
				g.level, g.size = g.level-.10, g.size+.02
				kept++
			}
		}

		if g.size > math.Log(1.10) {
			over++
		}
	}
	t.Logf("%d keeps, %d of %d campaigns over the limit", kept, over, n)

	if kept < 2*n || over > n/10 {
		t.Errorf("%d keeps, %d of %d campaigns over the limit", kept, over, n)
	}
}

// An exact guard is compared once; a repeat that differs makes it noisy.
func TestExactGuardsBecomeNoisy(t *testing.T) {
	rule := rules.NewRule(guardedProgram(.10))
	g := &guarded{r: rand.New(rand.NewPCG(83, 1)), sigma: .01}

	st := g.calibrate(t, rule)
	if !st.Guards["mem"].Exact {
		t.Fatalf("equal values, and yet %+v", st.Guards["mem"])
	}

	j, _ := rulestest.JudgeWith(rule, st, func(_ int, w rules.RunRequest) rules.Observation {
		return g.run(w, -.10, .09)
	})
	if j.Verdict != research.Improved {
		t.Errorf("growth within the limit: %s (%s)", j.Verdict, j.Reason)
	}
	g.guardSigma = .02
	j, obs := rulestest.JudgeWith(rule, st, func(_ int, w rules.RunRequest) rules.Observation {
		return g.run(w, -.10, 0)
	})

	after := rule.Close(st, rulestest.UsualOutlook, obs, j)
	if s := after.Guards["mem"]; s.Exact || !(s.S > .005) || !st.Guards["mem"].Exact {
		t.Errorf("repeats differed, and yet %+v", s)
	}
}

// What a guard has grown by outlives a calibration, and goes back with an undone keep.
func TestGuardsGrowthIsCarried(t *testing.T) {
	rule := rules.NewRule(guardedProgram(.50))
	g := &guarded{r: rand.New(rand.NewPCG(84, 1)), sigma: .01, guardSigma: .01}
	st := g.calibrate(t, rule)
	j, obs := rulestest.JudgeWith(rule, st, func(_ int, w rules.RunRequest) rules.Observation {
		return g.run(w, -.10, .10)
	})
	st = rule.Close(st, rulestest.UsualOutlook, obs, j)

	moved := st.AfterKeep(j)
	if m := moved.Guards["mem"].Growth; math.Abs(m.Mid-.10) > .03 || !(m.Var > 0) {
		t.Fatalf("%s, grown by %+v", j.Verdict, m)
	}

	if again := g.calibrate(t, rule).Continue(moved); again.Guards["mem"].Growth != moved.Guards["mem"].Growth ||
		again.Start["mem"] != moved.Start["mem"] {
		t.Errorf("after a calibration: %+v", again.Guards)
	}

	if back := moved.AfterUndo(j).Guards["mem"].Growth; math.Abs(back.Mid) > 1e-12 || math.Abs(back.Var) > 1e-12 {
		t.Errorf("undone: %+v", back)
	}
}

// A certificate of the head needs the guards too, against the start.
func TestCertificatesHoldTheGuards(t *testing.T) {
	p := guardedProgram(.10)
	p.Search = rules.SearchAuto
	rule := rules.NewAuto(p)

	for _, c := range []struct {
		growth, before float64
		outcome        rules.Outcome
		by             string
	}{
		{0, 0, rules.Certified, "threshold"},
		{.30, 0, rules.RolledBack, "guard"},
		{.06, 0, rules.Certified, "threshold"},
		{.06, .08, rules.RolledBack, "guard"},
	} {
		g := &guarded{r: rand.New(rand.NewPCG(85, 3)), sigma: .01, guardSigma: .01}
		st := g.calibrate(t, rules.NewRule(p))
		s := st.Guards["mem"]
		s.Mid = c.before
		st.Guards["mem"] = s
		st.Auto.Claim, st.Auto.ClaimVar, st.Auto.Chain = .2, .001, 3
		var obs []rules.Observation

		step := rule.NextPair(st, patient, obs)
		for ; step.Run != nil; step = rule.NextPair(st, patient, obs) {
			w := *step.Run
			if w.Side == rules.Incumbent {
				w.Side = rules.Candidate
			}
			o := g.run(w, -.2, c.growth)
			o.RunRequest = *step.Run
			obs = append(obs, o)
		}

		done := *step.Done
		if done.Outcome != c.outcome || done.StoppedBy != c.by ||
			c.by == "guard" && !strings.Contains(done.Describe(p.Metric), "mem") {
			t.Errorf("growth %v after %v: %s", c.growth, c.before, done.Describe(p.Metric))
		}

		after := rule.CloseCertificate(st, patient, obs, done).Guards["mem"].Mid
		if want := c.before + c.growth; c.outcome == rules.Certified && math.Abs(after-want) > .03 ||
			c.outcome != rules.Certified && after != c.before {
			t.Errorf("growth %v after %v is carried as %v", c.growth, c.before, after)
		}
	}
}
