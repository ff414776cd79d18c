package simulate

import (
	"math"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/rules"
)

// flaws is a way to break a rule, so that a test can show that each part matters.
type flaws struct {
	unproven    bool // auto: what was adopted counts as gain, without a certificate
	uncorrected bool // certify: every test has the whole alpha: no e-LOND
	stored      bool // the baseline of a pair is what it was at first, never run again
	blocked     bool // all runs of the baseline first, then all others: no interleaving
	twice       bool // certify: every other pair is not run but counted once more: one pair suffices
	unassuming  bool // certify, not broken: assumptions none
	raw         bool // auto: what was kept is claimed to be worth what the runs that chose it showed
	last        bool // auto: every proposal is taken for the last one: no run is saved for another
	longWay     bool // no shortcut: a metric without noise is judged like a noisy one
	blind       bool // unequal pairs count
	tickless    bool // auto: a coarse clock's equal runs are taken for runs without noise
	first       bool // not broken: the first version of the rule
}

const (
	unit      = 1000 // the raw value of log level 0
	blockRuns = 20   // of the blocked flaw
)

// driver gives Ratchet's rules their observations.
type driver struct {
	*world
	flaws flaws
	first []float64 // raw values of the calibration
	block []float64 // raw values of the baseline of this confirmation
}

// ruleVersion is the version of the rule that is played.
func ruleVersion(f flaws) int {
	if f.first {
		return rules.FirstVersion
	}

	return rules.CurrentVersion
}

// observe makes the wanted run of a program at that level; baseline says that
// it is the half of a pair that the other is compared with.
func (s *driver) observe(request rules.RunRequest, level float64, baseline bool) rules.Observation {
	observation := rules.Observation{RunRequest: request, Valid: true}

	baseline = baseline && request.Role == research.Confirm
	switch {
	case baseline && s.flaws.stored:
		s.Runs++
		observation.Value = s.first[(request.Pair-1)%len(s.first)] * math.Exp(level)
	case baseline && s.flaws.blocked:
		for len(s.block) < blockRuns {
			s.block = append(s.block, unit*math.Exp(s.measureOnce(level)))
		}
		observation.Value = s.block[(request.Pair-1)%blockRuns]
	case baseline:
		observation.Value = unit * math.Exp(s.measureOnce(level)+s.cell.Noise.Beside)
	default:
		observation.Value = unit * math.Exp(s.measureOnce(level))
	}
	observation.Unequal = request.Pair > 0 && s.cell.Noise.Beside > 0 && !s.flaws.blind

	return observation
}

// calibrate runs the start version for as long as the rule wants it.
func (s *driver) calibrate(next func([]rules.Observation) *rules.RunRequest) []rules.Observation {
	var obs []rules.Observation
	for w := next(obs); w != nil; w = next(obs) {
		o := s.observe(*w, 0, false)
		s.first = append(s.first, o.Value)
		obs = append(obs, o)
	}

	return obs
}

// metric is a lower-is-better metric of the cell's noise.
func metric(c Cell, broken flaws) contract.Metric {
	of := contract.Metric{Name: "time", Better: research.Lower, Noise: research.Noisy, MinGainSet: true}
	if c.Noise.Sigma == 0 && !broken.longWay {
		of.Noise = research.Deterministic
	}

	return of
}

// observeHalf is observe, but for the flaw that counts pairs twice.
func (s *driver) observeHalf(
	request rules.RunRequest, level float64, baseline bool, before []rules.Observation,
) rules.Observation {
	if s.flaws.twice && request.Role == research.Confirm && request.Pair%2 == 0 {
		for _, observation := range before {
			if observation.Pair == request.Pair-1 && observation.Side == request.Side {
				observation.RunRequest = request
				return observation
			}
		}
	}

	return s.observe(request, level, baseline)
}

// logGain is a reported share of a lower-is-better metric as a log-ratio.
func logGain(share float64) float64 { return -math.Log1p(-share) }

// exactGain is the log-ratio that one run of a deterministic metric showed, or
// the middle one of a noisy metric's.
func exactGain(j rules.Judgement) float64 { return math.Log(*j.Baseline / *j.Value) }

// playAuto plays the full rule with its default options.
func playAuto(broken flaws) func(*world) {
	return func(w *world) {
		night := newAutoNight(w, broken)
		if st, err := night.rule.Calibrated(night.calibrate(night.rule.Calibrate)); err == nil {
			night.playOn(st)
		}
	}
}

func newAutoNight(w *world, broken flaws) *autoNight {
	return &autoNight{driver: driver{world: w, flaws: broken},
		rule: rules.Auto{Metric: metric(w.cell, broken), Rope: .003 * w.cell.Noise.Scale,
			KeepBar: w.cell.keepBar, Version: ruleVersion(broken)}}
}

// playOn plays the night to its end from the state after the calibration.
func (n *autoNight) playOn(st rules.RuleState) {
	n.st = st
	for n.followPlan() {
	}
}

type autoNight struct {
	driver
	rule  rules.Auto
	st    rules.RuleState
	chain []float64 // true effects of the adopted edits that are not certified
	head  float64   // true level of the head
	shown float64   // sum of what the runs showed that chose the chain's edits
}

// outlook is what is left before the next proposal.
func (s *driver) outlook() rules.Outlook {
	o := rules.Outlook{Budget: s.cell.Runs, Left: s.cell.Runs - s.Runs, Proposals: rules.Unlimited}
	if s.cell.Proposals < Unlimited {
		o.Proposals = s.cell.Proposals - s.Proposals
	}

	if s.flaws.last && o.Proposals != 0 {
		o.Proposals = 1
	}

	return o
}

// followPlan does what the rule's plan says, false at its end.
func (n *autoNight) followPlan() bool {
	if n.flaws.tickless {
		n.forgetTick()
	}

	outlook := n.outlook()
	switch n.rule.Plan(n.st, outlook) {
	case rules.PlanPropose:
		n.experiment(outlook)
	case rules.PlanCertify:
		n.certify(outlook)
	default:
		return false
	}

	return true
}

// forgetTick takes the clock's tick out of the belief.
func (n *autoNight) forgetTick() {
	auto, speeds := *n.st.Auto, *n.st.Auto.Belief.Speeds
	speeds.Tick = 0
	auto.Belief.Speeds = &speeds
	n.st.Auto = &auto
}

func (n *autoNight) experiment(outlook rules.Outlook) {
	effect, _ := n.propose()
	var obs []rules.Observation

	step := n.rule.Next(n.st, outlook, obs)
	for ; step.Run != nil; step = n.rule.Next(n.st, outlook, obs) {
		level := n.head
		if step.Run.Side == rules.Candidate {
			level += effect
		}
		obs = append(obs, n.observe(*step.Run, level, false))
	}
	judgement := *step.Done
	if n.judged != nil {
		n.judged(effect, judgement)
	}

	n.st = n.rule.Close(n.st, outlook, obs, judgement)
	switch judgement.Verdict {
	case research.Provisional:
		n.chain, n.shown = append(n.chain, effect), n.shown+exactGain(judgement)
	case research.Improved: // a deterministic metric
		n.keepEdit(effect, exactGain(judgement))
	default:
		return
	}
	n.head += effect
	n.st = n.st.AfterKeep(judgement)
}

func (n *autoNight) certify(outlook rules.Outlook) {
	n.block = nil
	if n.flaws.unproven {
		n.keepChain(n.chain, n.st.Auto.Claim)
		n.st = n.rule.CloseCertificate(n.st, outlook, nil, rules.Certificate{Outcome: rules.Certified})
		n.chain = nil

		return
	}
	var obs []rules.Observation

	step := n.rule.NextPair(n.st, outlook, obs)
	for ; step.Run != nil; step = n.rule.NextPair(n.st, outlook, obs) {
		baseline := step.Run.Side == rules.Checkpoint

		level := n.head
		if baseline {
			level = n.level
		}
		obs = append(obs, n.observe(*step.Run, level, baseline))
	}

	n.st = n.rule.CloseCertificate(n.st, outlook, obs, *step.Done)
	if step.Done.Outcome == rules.Certified {
		claim := logGain(step.Done.Gain.Mid)
		if n.flaws.raw {
			claim = n.shown
		}
		n.keepChain(n.chain, claim)
	}
	n.chain, n.head, n.shown = nil, n.level, 0
}

// certify plays the rule that proves every single edit.
func certify(broken flaws) func(*world) {
	return func(machine *world) {
		s := &driver{world: machine, flaws: broken}

		rule := rules.Certify{Metric: metric(machine.cell, broken), Rope: .003 * machine.cell.Noise.Scale,
			Version: ruleVersion(broken)}
		if broken.unassuming {
			rule.Assumptions = contract.AssumeNone
		}

		st, err := rule.Calibrated(s.calibrate(rule.Calibrate))
		if err != nil {
			return
		}

		for machine.hasRunsLeft(1) {
			outlook := s.outlook()

			effect, ok := machine.propose()
			if !ok {
				return
			}

			if broken.uncorrected {
				st.Tests, st.Kept = 0, wholeAlpha
			}

			st = s.judgeEdit(rule, st, outlook, effect)
		}
	}
}

// wholeAlpha is the number of keeps at which e-LOND's first level is about
// .05: 1/gamma_1 - 1 of certify mode.
const wholeAlpha = 50

// judgeEdit is one experiment of certify mode; the budget may break it off.
func (s *driver) judgeEdit(
	rule rules.Rule, st rules.RuleState, outlook rules.Outlook, effect float64,
) rules.RuleState {
	s.block = nil
	var obs []rules.Observation

	step := rule.Next(st, outlook, obs)
	for ; step.Run != nil && s.hasRunsLeft(1); step = rule.Next(st, outlook, obs) {
		level, baseline := s.level+effect, false
		if step.Run.Side != rules.Candidate {
			level, baseline = s.level, true
		}
		obs = append(obs, s.observeHalf(*step.Run, level, baseline, obs))
	}

	if step.Done == nil {
		return st
	}
	judgement := *step.Done
	if s.judged != nil {
		s.judged(effect, judgement)
	}

	st = rule.Close(st, outlook, obs, judgement)
	if judgement.Verdict != research.Improved {
		return st
	}
	claim := logGain(judgement.Gain.Mid)
	s.keepEdit(effect, claim)

	return st.AfterKeep(judgement)
}
