package rules

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/wording"
)

// Describe is the judgement in one line for m's readers. It never sets two raw
// noisy numbers side by side, and never suggests to try the same again.
func (j Judgement) Describe(m contract.Metric) string {
	w := formatter{j, m.Unit}
	switch {
	case j.Verdict == research.Invalid:
		return "invalid: " + j.Reason
	case j.Gain == nil:
		return w.describeUnmeasured()
	case j.StoppedBy == "one_run":
		return w.describeExact()
	case j.Verdict == research.Provisional:
		return fmt.Sprintf("provisional: expected gain %s after %s", w.amount(j.Gain.Mid),
			wording.Count(j.Runs, "run"))
	case j.Pairs == 0:
		return w.describeScreened()
	}

	return w.describePaired()
}

// formatter writes the parts of a judgement, in its scale and unit.
type formatter struct {
	Judgement
	unit string
}

func (w formatter) amount(gain float64) string { return wording.FormatGain(gain, w.Scale, w.unit) }

func (w formatter) signedAmount(gain float64) string {
	return wording.FormatSignedGain(gain, w.Scale, w.unit)
}

func (w formatter) interval() string { return wording.FormatInterval(*w.Gain, w.Scale) }

func (w formatter) describeUnmeasured() string {
	if w.StoppedBy == "" {
		return string(w.Verdict)
	}

	return fmt.Sprintf("%s (stopped by %s after %s): too little was measured to say anything of its effect",
		w.Verdict, w.StoppedBy, wording.Count(w.Runs, "run"))
}

// describeExact is the judgement of a deterministic metric by its one run, or two equal ones.
func (w formatter) describeExact() string {
	was, is := w.bothValues()
	size := ""

	switch g := w.Gain.Mid; {
	case g == 0:
		size = ", no change"
	case w.Verdict == research.Equivalent:
		size = ", " + w.signedAmount(g) + ", within min_gain"
	case g > 0:
		size = ", " + w.amount(g)
	default:
		size = ", " + w.amount(-g) + " worse"
	}

	runs := "one run"
	if w.Runs > 1 {
		runs = "two equal runs"
	}

	return fmt.Sprintf("%s: %s → %s%s (deterministic, %s)", w.Verdict, was, is, size, runs)
}

// bothValues are the incumbent's value and the candidate's, with as many digits
// as it takes to tell them apart.
func (w formatter) bothValues() (was, is string) {
	if w.Baseline == nil || w.Value == nil {
		return "", ""
	}

	was = wording.FormatValue(*w.Baseline, "")
	if *w.Baseline == *w.Value || was != wording.FormatValue(*w.Value, "") {
		return was, wording.FormatValue(*w.Value, w.unit)
	}

	was = strconv.FormatFloat(*w.Baseline, 'g', -1, 64)
	is = strings.TrimSpace(strconv.FormatFloat(*w.Value, 'g', -1, 64) + " " + w.unit)

	return was, is
}

func (w formatter) describeScreened() string {
	head, tail := "inconclusive (stopped at the screen after %s)",
		"; this says nothing about effects under about "+w.amount(w.Detectable)
	switch {
	case w.Verdict == research.Regressed:
		head, tail = "regressed (at the screen, after %s)", ""
	case w.StoppedBy != "screen":
		head = "inconclusive (stopped by " + w.StoppedBy + " after %s)"
	}

	if w.Reason != "" {
		tail += "; " + w.Reason
	}

	return fmt.Sprintf(head, wording.Count(w.Runs, "run")) +
		fmt.Sprintf(": %s against a noise of %s", w.signedAmount(w.Gain.Mid), w.amount(w.Noise)) + tail
}

func (w formatter) describePaired() string {
	evidence := fmt.Sprintf("E = %s against %s needed", wording.FormatEvidence(w.E), wording.FormatEvidence(w.Need))

	pairs := wording.Count(w.Pairs, "pair")
	if w.Unequal > 0 {
		pairs += fmt.Sprintf(" (%d more did not count)", w.Unequal)
	}

	switch w.Verdict {
	case research.Improved:
		return fmt.Sprintf("improved: %s %s, %s, %s", w.amount(w.Gain.Mid), w.interval(), pairs, evidence)
	case research.Regressed:
		return fmt.Sprintf("regressed: %s %s, %s", w.signedAmount(w.Gain.Mid), w.interval(), pairs)
	case research.Equivalent:
		return fmt.Sprintf("equivalent: %s %s, %s; if there is an effect, it is too small to be worth having",
			w.signedAmount(w.Gain.Mid), w.interval(), pairs)
	}

	tail := "this says nothing about effects under about " + w.amount(w.Detectable)
	if w.Reason != "" {
		tail = w.Reason
	}

	return fmt.Sprintf("%s (stopped by %s after %s): %s %s, %s; %s",
		w.Verdict, w.StoppedBy, pairs, w.signedAmount(w.Gain.Mid), w.interval(), evidence, tail)
}

// DescribeResolution is Resolution for some numbers of pairs, in one line.
func (s RuleState) DescribeResolution(metric contract.Metric, pairs ...int) string {
	if s.NoiseKind != research.Noisy {
		return "deterministic so far: one run shows any difference"
	}
	words := ""

	w := formatter{Judgement{Scale: s.Scale}, metric.Unit}
	for _, n := range pairs {
		g, ok := s.DetectableGain(n)
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

// DescribeChain says what the head claims over the checkpoint, with the edit that
// j judged if it is kept too; "" when there is no chain.
func (s RuleState) DescribeChain(metric contract.Metric, outlook Outlook, judgement *Judgement) string {
	if s.Auto == nil {
		return ""
	}

	auto := *s.Auto
	if judgement != nil && judgement.Claim != nil {
		auto.Claim, auto.Chain = auto.Claim+judgement.Claim.Gain, auto.Chain+1
	}

	if auto.Chain == 0 {
		return ""
	}
	s.Auto = &auto
	w := formatter{Judgement{Scale: s.Scale}, metric.Unit}

	return fmt.Sprintf("chain of %s claims %s, its certificate needs about %s",
		wording.Count(auto.Chain, "edit"), w.amount(s.MetricScale().Gain(-auto.Claim)),
		wording.Count(s.ReservePairs(outlook), "pair"))
}

// FormatGain is a gain with its interval, if that has a width, for m's readers.
func FormatGain(g research.Interval, scale string, m contract.Metric) string {
	w := formatter{Judgement{Scale: scale, Gain: &g}, m.Unit}
	if g.Lo == g.Hi {
		return w.amount(g.Mid)
	}

	return w.amount(g.Mid) + " " + w.interval()
}
