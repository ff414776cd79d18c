// Package rulestest plays the decision rules on simulated benchmarks, for the tests of
// packages rules and history.
package rulestest

import (
	"math"
	"math/rand/v2"
	"testing"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/rules"
)

// Machine is a small simulated benchmark: log-normal noise, one-sided slow
// outliers and AR(1) drift, around a level on the log scale.
type Machine struct {
	r                   *rand.Rand
	Sigma               float64
	tailP, tailMean     float64
	driftSD, rho, drift float64
}

func (w *Machine) run(level float64) float64 {
	if w.driftSD > 0 {
		w.drift = w.rho*w.drift + w.driftSD*math.Sqrt(1-w.rho*w.rho)*w.r.NormFloat64()
	}

	y := level + w.drift + w.Sigma*w.r.NormFloat64()
	if w.r.Float64() < w.tailP {
		y += w.tailMean * w.r.ExpFloat64()
	}

	return 1000 * math.Exp(y)
}

func NormalNoise(sd float64) Machine { return Machine{Sigma: sd} }

func HeavyNoise() Machine { return Machine{Sigma: .01, tailP: .10, tailMean: .15} }

func DriftNoise() Machine { return Machine{Sigma: .01, driftSD: .025, rho: .974} }

// Night is one simulated campaign, played through the public interface only.
type Night struct {
	t     *testing.T
	Rule  rules.Rule
	w     *Machine
	Level float64 // of the incumbent, log
	Turn  func(float64) float64
	// Stored, when set, answers every run of the incumbent: a baseline that is not measured again.
	Stored *float64

	State  rules.RuleState
	Counts struct{ Runs, Calibration, Keeps, FalseKeeps int }
}

func NewNight(t *testing.T, rule rules.Rule, w Machine, seed, i uint64) *Night {
	w.r = rand.New(rand.NewPCG(seed, i+1))
	w.drift = w.driftSD * w.r.NormFloat64()
	n := &Night{t: t, Rule: rule, w: &w, Turn: func(x float64) float64 { return x }}

	return n
}

func (n *Night) Observe(want rules.RunRequest, effect float64) rules.Observation {
	n.Counts.Runs++

	level := n.Level
	if want.Side == rules.Candidate {
		level += effect
	}

	observation := rules.Observation{RunRequest: want, Valid: true, Value: n.Turn(n.w.run(level))}
	if n.Stored != nil && want.Side == rules.Incumbent && want.Role == research.Confirm {
		observation.Value = *n.Stored
	}

	return observation
}

func (n *Night) Calibrate() {
	var obs []rules.Observation
	for want := n.Rule.Calibrate(obs); want != nil; want = n.Rule.Calibrate(obs) {
		obs = append(obs, n.Observe(*want, 0))
	}

	st, err := n.Rule.Calibrated(obs)
	if err != nil {
		n.t.Fatal(err)
	}
	n.State, n.Counts.Calibration = st, len(obs)
}

// Propose judges one edit of the given true effect, and keeps it when improved.
func (n *Night) Propose(effect float64, isFalse bool) rules.Judgement {
	var obs []rules.Observation

	step := n.Rule.Next(n.State, UsualOutlook, obs)
	for ; step.Done == nil; step = n.Rule.Next(n.State, UsualOutlook, obs) {
		obs = append(obs, n.Observe(*step.Run, effect))
		if len(obs) > 100 {
			n.t.Fatal("an experiment of more than 100 runs")
		}
	}
	judgement := *step.Done

	n.State = n.Rule.Close(n.State, UsualOutlook, obs, judgement)
	if judgement.Verdict == research.Improved {
		n.State = n.State.AfterKeep(judgement)
		n.Level += effect

		n.Counts.Keeps++
		if isFalse {
			n.Counts.FalseKeeps++
		}
	}

	return judgement
}

// UsualOutlook is an outlook with three runs a proposal: certify's middle preset.
var UsualOutlook = rules.Outlook{Budget: 300, Left: 300, Proposals: 100}

func NoisyProgram(minGain contract.Amount) contract.Program {
	return contract.Program{Search: rules.SearchCertify, Metric: contract.Metric{
		Name: "ns", Better: research.Lower, Noise: research.Noisy, MinGain: minGain, MinGainSet: true,
	}}
}

// FullRule is what a campaign of search: auto asks.
type FullRule interface {
	rules.Rule
	NextPair(st rules.RuleState, o rules.Outlook, obs []rules.Observation) rules.CertificateStep
	CloseCertificate(st rules.RuleState, o rules.Outlook, obs []rules.Observation, c rules.Certificate) rules.RuleState
}

// Bench is a campaign of the full rule on a simulated benchmark.
type Bench struct {
	T       *testing.T
	Rule    FullRule
	State   rules.RuleState
	Rand    *rand.Rand
	Turn    func(float64) float64 // from log level to raw value
	Sigma   float64
	Outlook rules.Outlook
	// True levels of the head and of the checkpoint, log.
	Head, Base float64
}

func NewBench(t *testing.T, rule FullRule, turn func(float64) float64) *Bench {
	t.Helper()
	b := &Bench{T: t, Rule: rule, Rand: rand.New(rand.NewPCG(31, 5)), Turn: turn, Sigma: .02,
		Outlook: rules.Outlook{Budget: 300, Left: 290, Proposals: 100}}

	var obs []rules.Observation
	for w := rule.Calibrate(obs); w != nil; w = rule.Calibrate(obs) {
		obs = append(obs, b.Observe(*w, 0))
	}

	if len(obs) != 4 || !obs[0].WarmUp {
		t.Fatalf("calibrated with %d runs, want a warm-up and three", len(obs))
	}

	st, err := rule.Calibrated(obs)
	if err != nil {
		t.Fatal(err)
	}
	b.State = st

	return b
}

func (b *Bench) Observe(w rules.RunRequest, level float64) rules.Observation {
	return rules.Observation{RunRequest: w, Valid: true, Value: b.Turn(level + b.Sigma*b.Rand.NormFloat64())}
}

// Try makes one experiment of that effect and keeps it if it is provisional.
func (b *Bench) Try(effect float64) rules.Judgement {
	var obs []rules.Observation

	step := b.Rule.Next(b.State, b.Outlook, obs)
	for ; step.Run != nil; step = b.Rule.Next(b.State, b.Outlook, obs) {
		level := b.Head
		if step.Run.Side == rules.Candidate {
			level += effect
		}
		obs = append(obs, b.Observe(*step.Run, level))
	}

	b.State = b.Rule.Close(b.State, b.Outlook, obs, *step.Done)
	if step.Done.Verdict == research.Provisional {
		b.State = b.State.AfterKeep(*step.Done)
		b.Head += effect
	}
	b.Outlook.Left -= len(obs)
	b.Outlook.Proposals--

	return *step.Done
}

// Certify plays the certificate that is due, without closing it.
func (b *Bench) Certify() ([]rules.Observation, rules.Certificate) {
	var obs []rules.Observation

	step := b.Rule.NextPair(b.State, b.Outlook, obs)
	for ; step.Run != nil; step = b.Rule.NextPair(b.State, b.Outlook, obs) {
		level := b.Base
		if step.Run.Side == rules.Incumbent {
			level = b.Head
		}
		obs = append(obs, b.Observe(*step.Run, level))
	}

	return obs, *step.Done
}

func (b *Bench) CloseCertificate(obs []rules.Observation, c rules.Certificate) {
	b.State = b.Rule.CloseCertificate(b.State, b.Outlook, obs, c)

	b.Outlook.Left -= len(obs)
	if c.Outcome == rules.Certified {
		b.Base = b.Head
	} else {
		b.Head = b.Base
	}
}

func Generator(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(31, seed)) }

// CalibrateWith plays a calibration with the given values, in turn, and returns
// its state and how many runs it asked for.
func CalibrateWith(t *testing.T, rule rules.Rule, values ...float64) (rules.RuleState, []rules.Observation) {
	t.Helper()

	var obs []rules.Observation
	for want := rule.Calibrate(obs); want != nil; want = rule.Calibrate(obs) {
		obs = append(obs, rules.Observation{RunRequest: *want, Valid: true, Value: values[len(obs)%len(values)]})
	}

	st, err := rule.Calibrated(obs)
	if err != nil {
		t.Fatal(err)
	}

	return st, obs
}

// JudgeWith judges an experiment whose runs are answered by f, in order.
func JudgeWith(
	rule rules.Rule, st rules.RuleState, f func(i int, w rules.RunRequest) rules.Observation,
) (rules.Judgement, []rules.Observation) {
	return JudgeWithin(UsualOutlook, rule, st, f)
}

func JudgeWithin(
	outlook rules.Outlook, rule rules.Rule, st rules.RuleState, f func(i int, w rules.RunRequest) rules.Observation,
) (rules.Judgement, []rules.Observation) {
	var obs []rules.Observation
	for {
		step := rule.Next(st, outlook, obs)
		if step.Done != nil {
			return *step.Done, obs
		}
		o := f(len(obs), *step.Run)
		o.RunRequest = *step.Run
		obs = append(obs, o)
	}
}

func ValidRun(v float64) rules.Observation { return rules.Observation{Valid: true, Value: v} }

// QuietCalibration is a calibration around 1000 with about 1 % noise.
var QuietCalibration = []float64{1000, 1008, 992, 1003, 995, 1010, 997, 1001, 990}
