package rules

import (
	"fmt"
	"strconv"
	"strings"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/wording"
)

// Words is the judgement in one line for m's readers. It never sets two raw
// noisy numbers side by side, and never suggests to try the same again.
func (j Judgement) Words(m contract.Metric) string {
	w := phrase{j, m.Unit}
	switch {
	case j.Verdict == research.Invalid:
		return "invalid: " + j.Reason
	case j.Gain == nil:
		return w.unmeasured()
	case j.StoppedBy == "one_run":
		return w.exact()
	case j.Verdict == research.Provisional:
		return fmt.Sprintf("provisional: expected gain %s after %s", w.amount(j.Gain.Mid), wording.Count(j.Runs, "run"))
	case j.Pairs == 0:
		return w.screened()
	}

	return w.paired()
}

type phrase struct {
	Judgement
	unit string
}

func (w phrase) amount(gain float64) string { return wording.FormatGain(gain, w.Scale, w.unit) }

func (w phrase) signed(gain float64) string { return wording.FormatSignedGain(gain, w.Scale, w.unit) }

func (w phrase) interval() string { return wording.FormatInterval(*w.Gain, w.Scale) }

func (w phrase) unmeasured() string {
	if w.StoppedBy == "" {
		return string(w.Verdict)
	}

	return fmt.Sprintf("%s (stopped by %s after %s): too little was measured to say anything of its effect",
		w.Verdict, w.StoppedBy, wording.Count(w.Runs, "run"))
}

func (w phrase) exact() string {
	was, is := "", ""
	if w.Baseline != nil && w.Value != nil {
		was, is = wording.FormatValue(*w.Baseline, ""), wording.FormatValue(*w.Value, w.unit)
		if *w.Baseline != *w.Value && was == wording.FormatValue(*w.Value, "") { // as many digits as it takes
			was = strconv.FormatFloat(*w.Baseline, 'g', -1, 64)
			is = strings.TrimSpace(strconv.FormatFloat(*w.Value, 'g', -1, 64) + " " + w.unit)
		}
	}
	size := ""

	switch g := w.Gain.Mid; {
	case g == 0:
		size = ", no change"
	case w.Verdict == research.Equivalent:
		size = ", " + w.signed(g) + ", within min_gain"
	case g > 0:
		size = ", " + w.amount(g)
	default:
		size = ", " + w.amount(-g) + " worse"
	}

	return fmt.Sprintf("%s: %s → %s%s (deterministic, one run)", w.Verdict, was, is, size)
}

func (w phrase) screened() string {
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
		fmt.Sprintf(": %s against a noise of %s", w.signed(w.Gain.Mid), w.amount(w.Noise)) + tail
}

func (w phrase) paired() string {
	evidence := fmt.Sprintf("E = %s against %s needed", wording.FormatEvidence(w.E), wording.FormatEvidence(w.Need))

	pairs := wording.Count(w.Pairs, "pair")
	switch w.Verdict {
	case research.Improved:
		return fmt.Sprintf("improved: %s %s, %s, %s", w.amount(w.Gain.Mid), w.interval(), pairs, evidence)
	case research.Regressed:
		return fmt.Sprintf("regressed: %s %s, %s", w.signed(w.Gain.Mid), w.interval(), pairs)
	case research.Equivalent:
		return fmt.Sprintf("equivalent: %s %s, %s; if there is an effect, it is too small to be worth having",
			w.signed(w.Gain.Mid), w.interval(), pairs)
	}

	tail := "this says nothing about effects under about " + w.amount(w.Detectable)
	if w.Reason != "" {
		tail = w.Reason
	}

	return fmt.Sprintf("%s (stopped by %s after %s): %s %s, %s; %s",
		w.Verdict, w.StoppedBy, pairs, w.signed(w.Gain.Mid), w.interval(), evidence, tail)
}
