package rules

import (
	"fmt"
	"math"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/wording"
)

// AuditPairs is how many pairs an audit makes.
const AuditPairs = 6

// student90 is the 95 % point of Student's t by degrees of freedom from 1
// (Gosset 1908); beyond its end the normal's is near enough.
var student90 = [...]float64{6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812,
	1.796, 1.782, 1.771, 1.761, 1.753, 1.746, 1.740, 1.734, 1.729, 1.725}

// SummariseAudit says what fresh pairs of head (samples) and start (paired) show: the
// mean of their differences, which is unbiased whatever led to the head, with
// Student's 90 % interval. A deterministic metric's equal pairs have an
// interval of no width; fewer than two pairs give no gain.
func SummariseAudit(samples, paired []float64, m contract.Metric, scale string) MeasurementEnd {
	end := Summarise(samples, paired, m, scale)
	end.Gain = nil

	n := min(len(samples), len(paired))
	if end.Failed != "" || n < 2 {
		return end
	}
	r := ruler{end.Scale, m.Better}

	ds := make([]float64, n)
	for i := range ds {
		ds[i] = r.Y(samples[i]) - r.Y(paired[i])
	}

	mid, squares := mean(ds), 0.0
	for _, d := range ds {
		squares += (d - mid) * (d - mid)
	}

	t := z95
	if n-2 < len(student90) {
		t = student90[n-2]
	}
	half := t * math.Sqrt(squares/float64(n-1)/float64(n))
	end.Gain = r.interval(mid, mid-half, mid+half)

	return end
}

// power95 times the standard error is the difference that a 90 % interval sets
// apart from none four times of five: the normal's 95 % and 80 % points together.
const power95 = z95 + .8416

// Resolution says, before any run is spent, which difference n pairs could
// show at the noise known so far, on the scale's terms: as a share (log) or an
// amount. false for a deterministic metric, which one run shows exactly, and
// before calibration.
func (s RuleState) Resolution(pairs int) (gain float64, ok bool) {
	if s.Class != research.Noisy || !(s.S > 0) || pairs < 1 {
		return 0, false
	}

	return s.Ruler().Gain(-power95 * s.S / math.Sqrt(float64(pairs))), true
}

// ResolutionWords is Resolution for some numbers of pairs, in one line.
func (s RuleState) ResolutionWords(m contract.Metric, pairs ...int) string {
	if s.Class != research.Noisy {
		return "deterministic so far: one run shows any difference"
	}
	words := ""

	w := phrase{Judgement{Scale: s.Scale}, m.Unit}
	for _, n := range pairs {
		g, ok := s.Resolution(n)
		if !ok {
			return "the noise is not known yet"
		}

		if words != "" {
			words += ", "
		}
		words += fmt.Sprintf("%s with %s", w.amount(math.Abs(g)), wording.Count(n, "pair"))
	}

	return "the smallest difference that can be told from none is about " + words
}

// ChainWords says what the head claims over the checkpoint, with the edit that
// j judged if it is kept too; "" when there is no chain.
func (s RuleState) ChainWords(m contract.Metric, j *Judgement) string {
	if s.Auto == nil {
		return ""
	}

	auto := *s.Auto
	if j != nil && j.Claim != nil {
		auto.Claim, auto.Chain = auto.Claim+j.Claim.Gain, auto.Chain+1
	}

	if auto.Chain == 0 {
		return ""
	}
	s.Auto = &auto
	w := phrase{Judgement{Scale: s.Scale}, m.Unit}

	return fmt.Sprintf("chain of %s claims %s, its certificate needs about %s",
		wording.Count(auto.Chain, "edit"), w.amount(s.Ruler().Gain(-auto.Claim)), wording.Count(s.CertificatePairs(), "pair"))
}

// GainWords is a gain with its interval, if that has a width, for m's readers.
func GainWords(g research.Interval, scale string, m contract.Metric) string {
	w := phrase{Judgement{Scale: scale, Gain: &g}, m.Unit}
	if g.Lo == g.Hi {
		return w.amount(g.Mid)
	}

	return w.amount(g.Mid) + " " + w.interval()
}

// NextMeasured is the next run of a measurement or audit m, nil when it has
// them all: of one version, or of two in pairs A B, B A, … so that steady drift
// cancels; a contended pair is repeated once, unless class, the metric's, is
// deterministic.
func NextMeasured(m JobStart, role research.Role, class research.Noise, obs []Observation) *Want {
	if w := Again(class, obs); w != nil {
		return w
	}
	a, b := measuredSides(m)

	done := len(Settled(obs))
	if m.Paired == "" {
		if done >= m.Runs {
			return nil
		}

		return &Want{Side: a, Role: role}
	}

	if done >= 2*m.Runs {
		return nil
	}

	w := &Want{Side: b, Role: role, Pair: done/2 + 1, Order: "BC"}
	if w.Pair%2 == 0 {
		w.Order = "CB"
	}

	if (done%2 == 0) == (w.Order == "CB") {
		w.Side = a
	}

	return w
}

// Measured are the samples of both versions of a measurement, pair by pair.
func Measured(m JobStart, obs []Observation) (samples, paired []float64) {
	a, _ := measuredSides(m)
	for _, o := range Settled(obs) {
		if o.Side == a {
			samples = append(samples, o.Value)
		} else {
			paired = append(paired, o.Value)
		}
	}

	return samples, paired
}

// measuredSides are the version measured and the one it is compared with.
func measuredSides(m JobStart) (a, b Side) {
	if m.Job.Kind() == research.AuditJob {
		return Incumbent, Start
	}

	return Candidate, Incumbent
}
