package research_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"ratchet/internal/research"
)

// machine is a small simulated benchmark: log-normal noise, one-sided slow
// outliers and AR(1) drift, around a level on the log scale.
type machine struct {
	r                   *rand.Rand
	sigma               float64
	tailP, tailMean     float64
	driftSD, rho, drift float64
}

func (w *machine) run(level float64) float64 {
	if w.driftSD > 0 {
		w.drift = w.rho*w.drift + w.driftSD*math.Sqrt(1-w.rho*w.rho)*w.r.NormFloat64()
	}

	y := level + w.drift + w.sigma*w.r.NormFloat64()
	if w.r.Float64() < w.tailP {
		y += w.tailMean * w.r.ExpFloat64()
	}

	return 1000 * math.Exp(y)
}

func normalNoise(sd float64) machine { return machine{sigma: sd} }
func heavyNoise() machine            { return machine{sigma: .01, tailP: .10, tailMean: .15} }
func driftNoise() machine            { return machine{sigma: .01, driftSD: .025, rho: .974} }

// night is one simulated campaign, played through the public interface only.
type night struct {
	t     *testing.T
	rule  research.Rule
	w     *machine
	level float64 // of the incumbent, log
	turn  func(float64) float64
	// stored, when set, answers every run of the incumbent: a baseline that is not measured again.
	stored *float64

	st     research.RuleState
	counts struct{ runs, calibration, keeps, falseKeeps int }
}

func newNight(t *testing.T, rule research.Rule, w machine, seed, i uint64) *night {
	w.r = rand.New(rand.NewPCG(seed, i+1))
	w.drift = w.driftSD * w.r.NormFloat64()
	n := &night{t: t, rule: rule, w: &w, turn: func(x float64) float64 { return x }}

	return n
}

func (n *night) observe(want research.Want, effect float64) research.Observation {
	n.counts.runs++

	level := n.level
	if want.Side == research.Candidate {
		level += effect
	}

	o := research.Observation{Want: want, Valid: true, Value: n.turn(n.w.run(level))}
	if n.stored != nil && want.Side == research.Incumbent && want.Role == research.Confirm {
		o.Value = *n.stored
	}

	return o
}

func (n *night) calibrate() {
	var obs []research.Observation
	for want := n.rule.Calibrate(obs); want != nil; want = n.rule.Calibrate(obs) {
		obs = append(obs, n.observe(*want, 0))
	}

	st, err := n.rule.Calibrated(obs)
	if err != nil {
		n.t.Fatal(err)
	}
	n.st, n.counts.calibration = st, len(obs)
}

// propose judges one edit of the given true effect, and keeps it when improved.
func (n *night) propose(effect float64, isFalse bool) research.Judgement {
	var obs []research.Observation

	step := n.rule.Next(n.st, usual, obs)
	for ; step.Done == nil; step = n.rule.Next(n.st, usual, obs) {
		obs = append(obs, n.observe(*step.Run, effect))
		if len(obs) > 100 {
			n.t.Fatal("an experiment of more than 100 runs")
		}
	}
	j := *step.Done

	n.st = n.rule.Close(n.st, usual, obs, j)
	if j.Verdict == research.Improved {
		n.st = n.st.Moved(j)
		n.level += effect

		n.counts.keeps++
		if isFalse {
			n.counts.falseKeeps++
		}
	}

	return j
}

// usual is an outlook with three runs a proposal: certify's middle preset;
// patient one with ten: its cheap preset.
var (
	usual   = research.Outlook{Budget: 300, Left: 300, Proposals: 100}
	patient = research.Outlook{Budget: 1000, Left: 1000, Proposals: 100}
)

func noisyProgram(minGain research.Amount) research.Program {
	return research.Program{Search: research.SearchCertify, Metric: research.Metric{
		Name: "ns", Better: research.Lower, Noise: research.Noisy, MinGain: minGain, MinGainSet: true,
	}}
}

// falseNights is the share of nights with a false keep among 100 edits of one effect.
func falseNights(
	t *testing.T, rule research.Rule, w machine, nights int, effect float64, stored bool,
) (share, runs float64) {
	t.Helper()
	bad, total := 0, 0

	for i := range nights {
		n := newNight(t, rule, w, 20260101, uint64(i))
		n.calibrate()

		if stored {
			n.stored = &n.st.Incumbent
		}

		for range 100 {
			n.propose(effect, true)
		}

		total += n.counts.runs
		if n.counts.falseKeeps > 0 {
			bad++
		}
	}

	return float64(bad) / float64(nights), float64(total) / float64(nights) / 100
}

func TestNullNightsStayClean(t *testing.T) {
	for _, assumptions := range []string{research.AssumeModel, research.AssumeNone} {
		p := noisyProgram(research.Amount{})

		p.Assumptions = assumptions
		for name, w := range map[string]machine{"normal 2 %": normalNoise(.02), "heavy one-sided": heavyNoise(),
			"drift": driftNoise()} {
			t.Run(assumptions+", "+name, func(t *testing.T) {
				t.Parallel()
				share, runs := falseNights(t, research.NewRule(p), w, 100, 0, false)
				t.Logf("P(any false keep) = %.4f, %.2f runs a proposal", share, runs)

				if share > .05 {
					t.Errorf("P(any false keep in a night of 100 null edits) = %.3f > .05", share)
				}
			})
		}
	}
}

// At the edge of the null, every edit gains exactly min_gain.
func TestGainsOfMinGainStayUnproven(t *testing.T) {
	rule := research.NewRule(noisyProgram(research.Amount{Value: .02, Relative: true}))

	for name, w := range map[string]machine{"normal 2 %": normalNoise(.02), "heavy one-sided": heavyNoise(),
		"drift": driftNoise()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			share, runs := falseNights(t, rule, w, 40, math.Log(.98), false)
			t.Logf("P(any false keep) = %.4f, %.2f runs a proposal", share, runs)

			if share > .05 {
				t.Errorf("P(any keep in a night of edits that gain min_gain) = %.3f > .05", share)
			}
		})
	}
}

// peeking is the rule without its correction: it keeps as soon as E >= 2.
type peeking struct{ research.Rule }

func (p peeking) Next(st research.RuleState, o research.Outlook, obs []research.Observation) research.Step {
	e, b := 1.0, 0.0

	for _, o := range obs {
		switch {
		case o.Role != research.Confirm:
		case b == 0:
			b = o.Value
		default:
			better := o.Value < b
			if o.Side == research.Incumbent {
				better = b < o.Value
			}

			if b = 0; better {
				e *= 1.9
			} else {
				e *= .1
			}
		}
	}

	if e < 2 || b != 0 {
		return p.Rule.Next(st, o, obs)
	}
	v := obs[0].Value

	return research.Step{Done: &research.Judgement{Verdict: research.Improved, Value: &v, Baseline: &v, State: st}}
}

// The same test must fail for rules that are known to be broken; else it has no teeth.
func TestBrokenRulesFailNullNights(t *testing.T) {
	rule := research.NewRule(noisyProgram(research.Amount{}))
	t.Run("peeking without correction", func(t *testing.T) {
		t.Parallel()
		share, _ := falseNights(t, peeking{rule}, normalNoise(.02), 50, 0, false)
		t.Logf("%.3f", share)

		if share < .25 {
			t.Errorf("only %.3f of the nights went wrong", share)
		}
	})
	t.Run("stored baseline under drift", func(t *testing.T) {
		t.Parallel()
		share, _ := falseNights(t, rule, driftNoise(), 50, 0, true)
		t.Logf("%.3f", share)

		if share < .25 {
			t.Errorf("only %.3f of the nights went wrong", share)
		}
	})
}

// What the rule is for: real gains are found, at a cost, and claimed honestly.
func TestRealGainsAreFound(t *testing.T) {
	t.Parallel()
	rule := research.NewRule(noisyProgram(research.Amount{Value: .005, Relative: true}))
	clear, claimed, real := 0, 0.0, 0.0

	for i := range 60 {
		n := newNight(t, rule, normalNoise(.01), 31, uint64(i))
		n.calibrate()

		j := n.propose(math.Log(.9), false)
		if j.Verdict != research.Improved {
			continue
		}

		clear++

		claimed, real = claimed+j.Gain.Mid, real+.1
		if j.Pairs > 13 {
			t.Errorf("night %d: %d pairs", i, j.Pairs)
		}
	}

	if clear < 60 {
		t.Errorf("a 10 %% gain at 1 %% noise was improved in %d of 60 nights", clear)
	}

	if r := claimed / real; r < .97 || r > 1.03 {
		t.Errorf("claimed/true = %.3f", r)
	}
}

// A mixed night: most edits do nothing, some harm, some help.
func TestMixedNight(t *testing.T) {
	t.Parallel()
	rule := research.NewRule(noisyProgram(research.Amount{}))
	falseKeeps, keeps, gain, offered, runs := 0, 0, 0.0, 0.0, 0

	for i := range 40 {
		n := newNight(t, rule, normalNoise(.02), 57, uint64(i))
		n.calibrate()

		for k := range 50 {
			effect := 0.0

			switch k % 10 {
			case 3:
				effect = .05
			case 6:
				effect = -.06
			}
			offered += max(-effect, 0)
			n.propose(effect, effect >= 0)
		}
		falseKeeps, keeps, gain, runs = falseKeeps+n.counts.falseKeeps, keeps+n.counts.keeps, gain-n.level,
			runs+n.counts.runs
	}
	t.Logf("%d keeps, %d false, %.2f of the gain on offer, %.2f runs a proposal", keeps, falseKeeps, gain/offered,
		float64(runs)/2000)

	if falseKeeps > keeps/50 || gain < .6*offered {
		t.Errorf("%d of %d keeps are false; %.2f of the gain on offer was found", falseKeeps, keeps, gain/offered)
	}
}
