package rules_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/rules"
	"ratchet/internal/research/rulestest"
)

func TestCalibrationTakesWhatItNeeds(t *testing.T) {
	for _, c := range []struct {
		noise   research.NoiseKind
		values  []float64
		runs    int // with the warm-up
		class   research.NoiseKind
		demoted bool
	}{
		{research.Deterministic, []float64{7, 7}, 2, research.Deterministic, false},
		{research.Deterministic, []float64{7, 8}, 8, research.Noisy, true},
		{research.NoiseAuto, []float64{7}, 10, research.Deterministic, false}, // a small number says little
		{research.NoiseAuto, []float64{48213}, 4, research.Deterministic, false},
		{research.NoiseAuto, []float64{48214, 48213, 48213, 48213}, 9, research.Noisy, false}, // the warm-up counts
		{research.NoiseAuto, []float64{9, 7, 7, 7.5}, 9, research.Noisy, false},
		{research.Noisy, []float64{7}, 9, research.Noisy, false},
	} {
		rule := rules.NewRule(contract.Program{Search: rules.SearchCertify,
			Metric: contract.Metric{Noise: c.noise, Better: research.Lower}})

		st, obs := rulestest.CalibrateWith(t, rule, c.values...)
		if len(obs) != c.runs || st.NoiseKind != c.class || st.Demoted != c.demoted || c.demoted != (st.Note != "") {
			t.Errorf("%s %v: %d runs, %+v", c.noise, c.values, len(obs), st)
		}

		if c.noise != research.Deterministic && !obs[0].WarmUp {
			t.Errorf("%s: no warm-up", c.noise)
		}

		if st.NoiseKind == research.Noisy && !(st.S > 0) {
			t.Errorf("%s %v: equal runs left no noise at all", c.noise, c.values)
		}
	}
}

func TestCalibrationNamesTheInvalidRun(t *testing.T) {
	rule := rules.NewRule(contract.Program{})

	bad := []rules.Observation{{Reason: "exit status 3"}}
	if w := rule.Calibrate(bad); w != nil {
		t.Errorf("asks for %+v after an invalid run", w)
	}

	if _, err := rule.Calibrated(bad); err == nil || err.Error() != "exit status 3" {
		t.Errorf("error %v", err)
	}

	for _, v := range []float64{math.NaN(), math.Inf(1)} {
		if _, err := rule.Calibrated([]rules.Observation{rulestest.ValidRun(v)}); err == nil {
			t.Errorf("%v was calibrated", v)
		}
	}
}

func TestDeterministicVerdicts(t *testing.T) {
	rel := func(v float64) contract.Amount { return contract.Amount{Value: v, Relative: true} }
	for _, c := range []struct {
		better  research.Direction
		base, v float64
		min     contract.Amount
		set     bool
		verdict research.Verdict
		gain    float64
	}{
		{research.Lower, 1000, 999, contract.Amount{}, true, research.Improved, .001},
		{research.Lower, 1000, 1000, contract.Amount{}, true, research.Equivalent, 0},
		{research.Lower, 1000, 1001, contract.Amount{}, true, research.Regressed, -.001},
		{research.Higher, 1000, 1001, contract.Amount{}, true, research.Improved, .001},
		{research.Higher, 1000, 999, contract.Amount{}, true, research.Regressed, -.001},
		{research.Lower, 1000, 999, rel(.005), false, research.Improved, .001}, // the default counts as 0
		{research.Lower, 1000, 999, rel(.005), true, research.Equivalent, .001},
		{research.Lower, .3, .297, rel(.01), true, research.Equivalent, .01}, // exactly min_gain, whatever the rounding
		{research.Lower, 1000, 1004, rel(.005), true, research.Equivalent, -.004},
		{research.Lower, 1000, 1006, rel(.005), true, research.Regressed, -.006},
		{research.Lower, 1000, 997, contract.Amount{Value: 2}, true, research.Improved, .003},
		{research.Lower, 1000, 998, contract.Amount{Value: 2}, true, research.Equivalent, .002},
		{research.Lower, 5, 0, contract.Amount{}, true, research.Improved, 5},  // a count: in the unit
		{research.Lower, 0, -2, contract.Amount{}, true, research.Improved, 2}, // linear: in the unit
		{research.Lower, -4, -5, rel(.5), true, research.Equivalent, 1},
	} {
		rule := rules.NewRule(contract.Program{Metric: contract.Metric{Better: c.better, MinGain: c.min,
			MinGainSet: c.set}})
		st, _ := rulestest.CalibrateWith(t, rule, c.base)

		j, obs := rulestest.JudgeWith(rule, st,
			func(int, rules.RunRequest) rules.Observation { return rulestest.ValidRun(c.v) })

		runs := 1
		if c.verdict == research.Improved {
			runs = 2
		}

		if j.Verdict != c.verdict || len(obs) != runs || math.Abs(j.Gain.Mid-c.gain) > 1e-12 || *j.Value != c.v ||
			*j.Baseline != c.base {
			t.Errorf("%+v: %s gain %v after %d runs", c, j.Verdict, j.Gain, len(obs))
		}
	}
}

func TestDeterministicNightCostsOneRunAnEditAndOneAKeep(t *testing.T) {
	rule := rules.NewRule(contract.Program{Metric: contract.Metric{Better: research.Lower,
		Noise: research.Deterministic}})
	n := rulestest.NewNight(t, rule, rulestest.Machine{}, 3, 3)
	n.Calibrate()
	claimed := 0.0

	for i := range 100 {
		effect := float64(i%7-3) / 100
		if j := n.Propose(effect, effect >= 0); j.Verdict == research.Improved {
			claimed += math.Log1p(-j.Gain.Mid)
		}
	}

	if n.Counts.Runs > 102+n.Counts.Keeps || n.Counts.FalseKeeps > 0 || math.Abs(claimed-n.Level) > 1e-9 {
		t.Errorf("%d runs, %d false keeps, claimed %v of %v", n.Counts.Runs, n.Counts.FalseKeeps, claimed, n.Level)
	}
}

func TestElevenStraightWinsCrossTheFirstThreshold(t *testing.T) {
	obs, fault := signFault(t, rules.NewRule)
	if fault != "" {
		t.Fatal(fault)
	}

	var order []string
	for _, o := range obs[1:7] {
		order = append(order, fmt.Sprint(o.Pair, o.Order, o.Side[:1]))
	}

	if got := strings.Join(order, " "); got != "1BCi 1BCc 2CBc 2CBi 3BCi 3BCc" {
		t.Errorf("order %s", got)
	}
}

// signFault says what is wrong with a rule without assumptions whose candidate
// wins every pair.
func signFault(t *testing.T, made ruleFor) ([]rules.Observation, string) {
	t.Helper()
	p := rulestest.NoisyProgram(contract.Amount{})
	p.Assumptions = contract.AssumeNone
	rule := made(p)
	st, _ := rulestest.CalibrateWith(t, rule, rulestest.QuietCalibration...)

	j, obs := rulestest.JudgeWith(rule, st, func(_ int, w rules.RunRequest) rules.Observation {
		if w.Side == rules.Candidate {
			return rulestest.ValidRun(900)
		}

		return rulestest.ValidRun(1000)
	})
	if j.Verdict != research.Improved || j.Pairs != 11 || j.Wins != 11 || len(obs) != 23 || math.Abs(j.Need-1011) > 1 ||
		j.E < j.Need {
		return obs, fmt.Sprintf("%s after %d pairs (%d runs): E %.0f against %.1f", j.Verdict, j.Pairs, len(obs), j.E,
			j.Need)
	}

	if step := rule.Next(st, rulestest.UsualOutlook, obs[:21]); step.Run == nil {
		return obs, fmt.Sprintf("ten wins were enough: %+v", step.Done)
	}

	return obs, ""
}

// Ties move nothing, a gain of exactly or less than min_gain is not a win.
func TestPairsWithinMinGainAreLost(t *testing.T) {
	p := rulestest.NoisyProgram(contract.Amount{Value: .2, Relative: true})
	p.Assumptions = contract.AssumeNone
	rule := rules.NewRule(p)
	st, _ := rulestest.CalibrateWith(t, rule, rulestest.QuietCalibration...)

	j, _ := rulestest.JudgeWith(rule, st, func(_ int, w rules.RunRequest) rules.Observation {
		switch {
		case w.Role == research.Screen:
			return rulestest.ValidRun(700)
		case w.Side == rules.Candidate:
			return rulestest.ValidRun(850)
		}

		return rulestest.ValidRun(1000)
	})
	if j.Verdict == research.Improved || j.Wins != 0 || j.Losses == 0 {
		t.Errorf("%s with %d wins and %d losses", j.Verdict, j.Wins, j.Losses)
	}
}

func TestNoisyEndings(t *testing.T) {
	rule := rules.NewRule(rulestest.NoisyProgram(contract.Amount{Value: .005, Relative: true}))

	st, _ := rulestest.CalibrateWith(t, rule, rulestest.QuietCalibration...)
	for _, c := range []struct {
		name               string
		screen, cand, base float64
		verdict            research.Verdict
		by                 string
		tests              int
	}{
		{"a clear loser costs one run", 3000, 0, 0, research.Regressed, "screen", 0},
		{"what may be one slow outlier is not called a loss", 1060, 0, 0, research.Inconclusive, "screen", 0},
		{"no sign of a gain", 1002, 0, 0, research.Inconclusive, "screen", 0},
		{"a loser that looked good", 950, 1100, 1000, research.Regressed, "threshold", 1},
		{"the same, or nearly", 975, 1000, 1000, research.Inconclusive, "futility", 1},
		{"a gain", 950, 950, 1000, research.Improved, "threshold", 1},
		{"a huge gain, between two steps of the grid", 437, 437, 1000, research.Improved, "threshold", 1},
		{"nearly everything", 1, 1, 1000, research.Improved, "threshold", 1},
	} {
		j, obs := rulestest.JudgeWith(rule, st, func(i int, w rules.RunRequest) rules.Observation {
			switch {
			case w.Role == research.Screen:
				return rulestest.ValidRun(c.screen)
			case w.Side == rules.Candidate:
				return rulestest.ValidRun(c.cand)
			}

			return rulestest.ValidRun(c.base)
		})

		next := rule.Close(st, rulestest.UsualOutlook, obs, j)
		if j.Verdict != c.verdict || j.StoppedBy != c.by || next.Tests != c.tests || j.Runs != len(obs) {
			t.Errorf("%s: %s by %s after %d runs and %d pairs, t = %d", c.name, j.Verdict, j.StoppedBy, len(obs),
				j.Pairs, next.Tests)
		}

		if kept := next.Kept == 1; kept != (c.verdict == research.Improved) {
			t.Errorf("%s: R = %d", c.name, next.Kept)
		}
	}
}

// Equivalent needs a noise that is small against min_gain.
func TestEquivalentAfterPairs(t *testing.T) {
	rule := rules.NewRule(rulestest.NoisyProgram(contract.Amount{Value: .05, Relative: true}))
	st, _ := rulestest.CalibrateWith(t, rule, rulestest.QuietCalibration...)

	j, _ := rulestest.JudgeWithin(patient, rule, st, func(_ int, w rules.RunRequest) rules.Observation {
		if w.Side == rules.Candidate && w.Pair < 2 { // the screen and the first pair flatter it
			return rulestest.ValidRun(935)
		}

		return rulestest.ValidRun(1000)
	})
	if j.Verdict != research.Equivalent || j.Pairs < 2 {
		t.Errorf("%s by %s after %d pairs", j.Verdict, j.StoppedBy, j.Pairs)
	}
}

func TestInvalidRunsAndGuards(t *testing.T) {
	three, one := 3.0, 1.0
	p := rulestest.NoisyProgram(contract.Amount{})
	p.Guards = []contract.Guard{
		{Name: "errors", Max: &three, Min: &one},
		{Name: "mem", MaxGrowth: &contract.Amount{Value: .1, Relative: true}},
	}
	rule := rules.NewRule(p)
	sane := map[string]float64{"errors": 2, "mem": 100}

	var obs []rules.Observation
	for want := rule.Calibrate(obs); want != nil; want = rule.Calibrate(obs) {
		obs = append(obs, rules.Observation{RunRequest: *want, Valid: true, Value: rulestest.QuietCalibration[len(obs)],
			Guards: sane})
	}

	st, err := rule.Calibrated(obs)
	if err != nil {
		t.Fatal(err)
	}

	for _, c := range []struct {
		name, reason string
		guards       map[string]float64
		at           int // the run that goes wrong, from 0
		o            rules.Observation
		runs         int
	}{
		{"crash", "exit status 1", sane, 0, rules.Observation{Reason: "exit status 1"}, 1},
		{"nan", "not a finite number", sane, 0, rulestest.ValidRun(math.NaN()), 1},
		{"off the scale", "not positive", sane, 0, rulestest.ValidRun(-1), 1},
		{"incumbent", "the incumbent's own run failed", sane, 1, rules.Observation{Reason: "exit status 1"}, 2},
		{"max", "guard errors = 4 breaks max 3", map[string]float64{"errors": 4, "mem": 100}, -1, rulestest.ValidRun(0),
			1},
		{"min", "guard errors = 0 breaks min 1", map[string]float64{"errors": 0, "mem": 100}, -1, rulestest.ValidRun(0),
			1},
		{"missing", "mem was not measured", map[string]float64{"errors": 2}, -1, rulestest.ValidRun(0), 1},
		{"growth", "guard mem = 111 breaks max_growth: it was 100", map[string]float64{"errors": 2, "mem": 111}, -1,
			rulestest.ValidRun(0), 3},
	} {
		j, obs := rulestest.JudgeWith(rule, st, func(i int, w rules.RunRequest) rules.Observation {
			o := rules.Observation{Valid: true, Value: 1000, Guards: sane}
			if w.Side == rules.Candidate {
				o.Value, o.Guards = 900, c.guards
			}

			if i == c.at {
				o = c.o
				o.Guards = sane
			}

			return o
		})
		if j.Verdict != research.Invalid || j.StoppedBy != "invalid" || !strings.Contains(j.Reason, c.reason) ||
			len(obs) != c.runs {
			t.Errorf("%s: %s (%s) after %d runs", c.name, j.Verdict, j.Reason, len(obs))
		}

		next := rule.Close(st, rulestest.UsualOutlook, obs, j)
		for _, x := range append([]float64{next.Incumbent, next.S, next.Eps, next.Level, next.LevelVar},
			next.Residuals...) {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				t.Errorf("%s: %v reached the state", c.name, x)
			}
		}

		if paired := c.runs > 1; (next.Tests == 1) != paired || next.Kept != 0 {
			t.Errorf("%s: t = %d, R = %d", c.name, next.Tests, next.Kept)
		}
	}
}

func TestTheIncumbentIsRunAgainAfter24Screens(t *testing.T) {
	rule := rules.NewRule(rulestest.NoisyProgram(contract.Amount{}))
	st, _ := rulestest.CalibrateWith(t, rule, rulestest.QuietCalibration...)

	bad := func(_ int, w rules.RunRequest) rules.Observation {
		if w.Side == rules.Incumbent {
			return rulestest.ValidRun(1000)
		}

		return rulestest.ValidRun(1300)
	}
	for i := range 26 {
		j, obs := rulestest.JudgeWith(rule, st, bad)
		if anchored := obs[0].Role == research.Anchor; anchored != (i == 24) {
			t.Fatalf("experiment %d starts with %s", i, obs[0].Role)
		}
		st = rule.Close(st, rulestest.UsualOutlook, obs, j)
	}
}

// How patient a confirmation is follows from the runs that each proposal can have.
func TestPresetsFollowTheOutlook(t *testing.T) {
	rule := rules.NewRule(guardedProgram(.05))

	for _, c := range []struct {
		left, proposals, pairs int
	}{{1000, 100, 40}, {500, 100, 40}, {499, 100, 20}, {200, 100, 20}, {199, 100, 12}, {1000, rules.Unlimited, 12},
		{100, 0, 40}} {
		g := &guarded{r: rand.New(rand.NewPCG(8, 4)), sigma: .005, guardSigma: .02}
		st := g.calibrate(t, rule)
		o := rules.Outlook{Budget: 1000, Left: c.left, Proposals: c.proposals}
		// The gain is clear, the guard at its edge: pairs go on to the cap.
		j, _ := rulestest.JudgeWithin(o, rule, st, func(_ int, w rules.RunRequest) rules.Observation {
			return g.run(w, -.10, math.Log(1.05))
		})
		if j.Pairs != c.pairs || j.StoppedBy != "guard" {
			t.Errorf("%d runs left for %d proposals: %s after %d pairs, want %d", c.left, c.proposals, j.StoppedBy,
				j.Pairs, c.pairs)
		}
	}
}

// No proof rests on one pair, and a budget that ends stops the pairs.
func TestPairsAtLeastAndAtMost(t *testing.T) {
	rule := rules.NewRule(rulestest.NoisyProgram(contract.Amount{}))
	st, _ := rulestest.CalibrateWith(t, rule, rulestest.QuietCalibration...)
	huge := func(_ int, w rules.RunRequest) rules.Observation {
		if w.Side == rules.Candidate {
			return rulestest.ValidRun(300)
		}

		return rulestest.ValidRun(1000)
	}

	st.Tests, st.Kept = 0, 200 // a threshold that one pair would reach
	if j, _ := rulestest.JudgeWith(rule, st, huge); j.Verdict != research.Improved || j.Pairs != 2 {
		t.Errorf("%s after %d pairs, E = %v against %v", j.Verdict, j.Pairs, j.E, j.Need)
	}

	if j, _ := rulestest.JudgeWithin(rules.Outlook{Budget: 9, Left: 4, Proposals: 1}, rule, st,
		huge); j.Verdict != research.Inconclusive || j.StoppedBy != "budget" || j.Pairs != 1 {
		t.Errorf("with four runs left: %s by %s after %d pairs", j.Verdict, j.StoppedBy, j.Pairs)
	}
}

// The 40th pair of a patient confirmation replays all before it: the dearest
// decision of certify.
func BenchmarkCertifyNext(b *testing.B) {
	rule := rules.NewRule(rulestest.NoisyProgram(contract.Amount{}))
	var obs []rules.Observation

	r := rand.New(rand.NewPCG(1, 3))
	for w := rule.Calibrate(obs); w != nil; w = rule.Calibrate(obs) {
		obs = append(obs, rules.Observation{RunRequest: *w, Valid: true, Value: math.Exp(.02 * r.NormFloat64())})
	}

	st, err := rule.Calibrated(obs)
	if err != nil {
		b.Fatal(err)
	}

	obs = obs[:0]
	for step := rule.Next(st, patient, obs); step.Run != nil && step.Run.Pair < 40; step = rule.Next(st, patient, obs) {
		y := .02 * r.NormFloat64()
		if step.Run.Side == rules.Candidate {
			y -= .002
			if step.Run.Role == research.Screen {
				y = -.05
			}
		}
		obs = append(obs, rules.Observation{RunRequest: *step.Run, Valid: true, Value: math.Exp(y)})
	}
	b.ReportMetric(float64(len(obs)), "runs")

	for b.Loop() {
		rule.Next(st, patient, obs)
	}
}
