package research

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// FormatValue writes a number the way every answer and view does: whole
// numbers in full, others to six significant digits, without trailing zeros,
// and the unit after a blank. It says "-" for what is not a finite number.
func FormatValue(v float64, unit string) string {
	if unit != "" {
		unit = " " + unit
	}

	return rounded(v, 6) + unit
}

func rounded(v float64, significant int) string {
	abs := math.Abs(v)
	switch {
	case !finite(v):
		return "-"
	case v == 0:
		return "0"
	case v == math.Trunc(v) && abs < 1e15:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case abs < 1e-5 || abs >= 1e15:
		return strconv.FormatFloat(v, 'g', significant, 64)
	}
	places := max(significant-1-int(math.Floor(math.Log10(abs))), 0)

	s := strconv.FormatFloat(v, 'f', places, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}

	return s
}

// Keepable says whether the verdict allows the experiment to be kept, and
// whether only as a simplification: equivalent, with fewer lines than before.
// When it may not, why holds the reason and what would allow it.
func Keepable(x Experiment) (ok, simplification bool, why string) {
	if x.Judgement == nil {
		return false, false, "it has no verdict yet; wait_run gives it"
	}

	switch x.Judgement.Verdict {
	case Improved, Provisional:
		return true, false, ""
	case Equivalent:
		if x.Removed > x.Added {
			return true, true, ""
		}

		return false, false, fmt.Sprintf("its verdict is equivalent and the edit is not shorter (+%d -%d lines); "+
			"an equivalent edit may be kept only when it removes more lines than it adds", x.Added, x.Removed)
	case Invalid:
		return false, false,
			"its verdict is invalid; only improved, provisional, or equivalent with fewer lines, may be kept"
	}

	return false, false,
		fmt.Sprintf("its verdict is %s; only improved, provisional, or equivalent with fewer lines, may be kept; "+
			"propose an edit with a larger effect", x.Judgement.Verdict)
}

// Words is the judgement in one line for m's readers. It never sets two raw
// noisy numbers side by side, and never suggests to try the same again.
func (j Judgement) Words(m Metric) string {
	w := phrase{j, m.Unit}
	switch {
	case j.Verdict == Invalid:
		return "invalid: " + j.Reason
	case j.Gain == nil:
		return w.unmeasured()
	case j.StoppedBy == "one_run":
		return w.exact()
	case j.Verdict == Provisional:
		return fmt.Sprintf("provisional: expected gain %s after %s", w.amount(j.Gain.Mid), count(j.Runs, "run"))
	case j.Pairs == 0:
		return w.screened()
	}

	return w.paired()
}

type phrase struct {
	Judgement
	unit string
}

// amount writes a gain: a share as percent, anything else in the unit.
func (w phrase) amount(g float64) string {
	if w.Scale == logScale {
		return percent(g) + " %"
	}

	return FormatValue(round3(g), w.unit)
}

// bare is amount without its unit, for the ends of an interval.
func (w phrase) bare(g float64) string {
	if w.Scale == logScale {
		return percent(g)
	}

	return FormatValue(round3(g), "")
}

func (w phrase) signed(g float64) string {
	if g > 0 {
		return "+" + w.amount(g)
	}

	return w.amount(g)
}

func (w phrase) interval() string {
	return fmt.Sprintf("(90 %%: %s..%s)", w.bare(w.Gain.Lo), w.bare(w.Gain.Hi))
}

func (w phrase) unmeasured() string {
	if w.StoppedBy == "" {
		return string(w.Verdict)
	}

	return fmt.Sprintf("%s (stopped by %s after %s): too little was measured to say anything of its effect",
		w.Verdict, w.StoppedBy, count(w.Runs, "run"))
}

func (w phrase) exact() string {
	was, is := "", ""
	if w.Baseline != nil && w.Value != nil {
		was, is = FormatValue(*w.Baseline, ""), FormatValue(*w.Value, w.unit)
		if *w.Baseline != *w.Value && was == FormatValue(*w.Value, "") { // as many digits as it takes
			was = strconv.FormatFloat(*w.Baseline, 'g', -1, 64)
			is = strings.TrimSpace(strconv.FormatFloat(*w.Value, 'g', -1, 64) + " " + w.unit)
		}
	}
	size := ""

	switch g := w.Gain.Mid; {
	case g == 0:
		size = ", no change"
	case w.Verdict == Equivalent:
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
	case w.Verdict == Regressed:
		head, tail = "regressed (at the screen, after %s)", ""
	case w.StoppedBy != "screen":
		head = "inconclusive (stopped by " + w.StoppedBy + " after %s)"
	}

	if w.Reason != "" {
		tail += "; " + w.Reason
	}

	return fmt.Sprintf(head, count(w.Runs, "run")) +
		fmt.Sprintf(": %s against a noise of %s", w.signed(w.Gain.Mid), w.amount(w.Noise)) + tail
}

func (w phrase) paired() string {
	evidence := fmt.Sprintf("E = %s against %s needed", eValue(w.E), eValue(w.Need))

	pairs := count(w.Pairs, "pair")
	switch w.Verdict {
	case Improved:
		return fmt.Sprintf("improved: %s %s, %s, %s", w.amount(w.Gain.Mid), w.interval(), pairs, evidence)
	case Regressed:
		return fmt.Sprintf("regressed: %s %s, %s", w.signed(w.Gain.Mid), w.interval(), pairs)
	case Equivalent:
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

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}

	return fmt.Sprintf("%d %ss", n, noun)
}

// percent writes a share as percent: one decimal, more below one percent.
func percent(share float64) string {
	p := 100 * share
	switch abs := math.Abs(p); {
	case abs >= 1:
		return strconv.FormatFloat(p, 'f', 1, 64)
	case abs < 5e-7:
		return "0"
	}

	return rounded(p, 1)
}

// round3 keeps three significant digits of an estimate.
func round3(g float64) float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(g, 'g', 3, 64), 64)
	if err != nil {
		return g
	}

	return r
}

func eValue(e float64) string {
	if e >= 100 {
		return strconv.FormatFloat(math.Round(e), 'f', 0, 64)
	}

	return rounded(e, 3)
}
