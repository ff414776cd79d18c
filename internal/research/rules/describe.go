package rules

import (
	"fmt"
	"math"
	"strings"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/wording"
)

// This file is where judgements become words for people and agents. Every view uses it:
// the values with their runs first, then the change with its interval, then what it
// rests on. One look claims no change, and what is kept on trial is told as that.

// Describe is the judgement in one line for m's readers. It never suggests to try the
// same again.
func (j Judgement) Describe(m contract.Metric) string {
	w := j.formatter(m)
	switch {
	case j.Verdict == research.Invalid:
		return "invalid: " + j.Reason
	case w.Gain == nil:
		return w.describeUnmeasured()
	case j.StoppedBy == "one_run":
		return w.describeExact()
	case j.Verdict == research.Provisional:
		return w.describeTrial()
	case j.isFirstLook():
		return w.describeFirstLook()
	}

	return w.describeCompared()
}

// DescribeChange is what was measured, without the verdict: the values, and what is known
// of the change. "" where nothing comparable was measured.
func (j Judgement) DescribeChange(m contract.Metric) string {
	w := j.formatter(m)
	switch {
	case j.Verdict == research.Invalid || w.Gain == nil:
		return ""
	case j.isFirstLook():
		return strings.TrimSpace(w.words.Name+" "+w.values()) + " (first look)"
	case j.Verdict == research.Provisional:
		return w.trialChange()
	}

	return w.change("estimated")
}

// FromTo are the incumbent's value and the candidate's with the unit, 299 → 262 ms; the
// candidate's alone in records without the other, "" where it is missing.
func (j Judgement) FromTo(m contract.Metric) string {
	switch {
	case j.Verdict == research.Invalid || j.Value == nil:
		return ""
	case j.Baseline == nil:
		return m.Words(j.Scale).FormatValue(*j.Value)
	}

	return m.Words(j.Scale).FormatFromTo(*j.Baseline, *j.Value)
}

// ShortChange is what is known of the change in a column: "12 % less", with "expected" in
// front of what is on trial, and "first look" for a look that claims none; "-" for nothing.
func (j Judgement) ShortChange(m contract.Metric) string {
	w := j.formatter(m)
	switch {
	case j.Verdict == research.Invalid || w.Gain == nil:
		return "-"
	case j.isFirstLook():
		return "first look"
	case j.Verdict == research.Provisional:
		return "expected " + w.amount(w.Gain.Mid)
	}

	return w.amount(w.Gain.Mid)
}

// ShortRange is the interval of ShortChange, as its numbers; "" where it claims none.
func (j Judgement) ShortRange(m contract.Metric) string {
	if j.Verdict == research.Invalid || j.Gain == nil || j.isFirstLook() {
		return ""
	}

	return m.Words(j.Scale).FormatRange(j.Baseline, *j.Gain)
}

// ShortResult is a judgement in a row: 299 → 262 ms, 12 % less (9..15). "-" for nothing.
func (j Judgement) ShortResult(m contract.Metric) string {
	words := j.ShortChange(m)
	if between := j.ShortRange(m); between != "" {
		words += " (" + between + ")"
	}

	switch values := j.FromTo(m); {
	case values == "":
		return words
	case words == "-":
		return values
	default:
		return values + ", " + words
	}
}

// ExpectedGain is the gain, and of an edit that was run once what is expected of it, as an
// interval of no width: one look claims none. nil where the verdict rests on no gain.
func (j Judgement) ExpectedGain() *research.Interval {
	if j.Gain != nil || j.Claim == nil || j.Value == nil || j.Verdict == research.Invalid {
		return j.Gain
	}
	expected := newScale(j.Scale, j.State.Better).Gain(-j.Claim.Gain)

	return &research.Interval{Mid: expected, Lo: expected, Hi: expected}
}

// formatter writes j.
func (j Judgement) formatter(m contract.Metric) formatter {
	j.Gain = j.ExpectedGain()

	return formatter{j, m.Words(j.Scale)}
}

// isFirstLook says that the candidate was run once and dropped: too little for a claim.
func (j Judgement) isFirstLook() bool {
	looks := j.ValueRuns
	if looks == 0 { // older records don't count them
		looks = j.Runs
	}

	return looks == 1 && j.Pairs == 0 && j.StoppedBy != "one_run" && j.Verdict != research.Improved &&
		j.Verdict != research.Provisional
}

// countRuns notes how many runs of each version a comparison without pairs rests on.
func (j *Judgement) countRuns(st RuleState, obs []Observation) {
	if st.NoiseKind != research.Noisy || j.Pairs > 0 || j.Value == nil {
		return
	}

	for _, o := range obs {
		switch _, counts := st.height(o); {
		case !counts:
		case o.Side == Candidate:
			j.ValueRuns++
		case o.Side == Incumbent:
			j.BaselineRuns++
		}
	}
}

// formatter writes the parts of a judgement.
type formatter struct {
	Judgement
	words wording.Metric
}

// amount is a gain in words, of the incumbent's value.
func (w formatter) amount(gain float64) string {
	return w.words.FormatGainOf(w.Baseline, research.Interval{Mid: gain, Lo: gain, Hi: gain})
}

// gain is the judgement's gain with its interval.
func (w formatter) gain() string { return w.words.FormatGainOf(w.Baseline, *w.Gain) }

// values are both values with the number of their runs, "" where one is missing.
func (w formatter) values() string {
	change := w.valuesChange()
	if change.From == nil || change.To == nil {
		return ""
	}
	nameless := w.words
	nameless.Name = ""

	return nameless.FormatChange(change)
}

// valuesChange are both values, and what they rest on where it is known.
func (w formatter) valuesChange() wording.Change {
	change := wording.Change{From: w.Baseline, To: w.Value}
	if w.ValueRuns == 0 {
		return change
	}
	change.FromNote, change.ToNote = "earlier runs", wording.Count(w.ValueRuns, "run")

	if w.BaselineRuns > 0 {
		change.FromNote = fmt.Sprintf("earlier runs and %s", wording.Count(w.BaselineRuns, "new run"))
	}

	return change
}

// measuredGain is the gain that the two values make by themselves.
func (w formatter) measuredGain() (gain float64, ok bool) {
	scale := newScale(w.Scale, w.words.Better)
	if w.Value == nil || w.Baseline == nil || w.Scale == LogScale && (*w.Value <= 0 || *w.Baseline <= 0) {
		return 0, false
	}

	return scale.Gain(scale.Height(*w.Value) - scale.Height(*w.Baseline)), true
}

// change is the measured change with its interval. An estimate that the values don't
// show is told beside them, by that word.
func (w formatter) change(estimated string) string {
	measured, ok := w.measuredGain()
	near := max(math.Abs(w.Gain.Mid), w.Gain.Hi-w.Gain.Lo) / 10
	change := w.valuesChange()

	if !ok || math.Abs(measured-w.Gain.Mid) <= near {
		change.Gain = w.Gain
		return w.words.FormatChange(change)
	}

	return fmt.Sprintf("%s, %s measured; %s %s", w.words.FormatChange(change), w.amount(measured), estimated, w.gain())
}

func (w formatter) describeUnmeasured() string {
	words := "no difference seen: too little was measured"
	if w.Runs > 0 {
		words += ", " + wording.Count(w.Runs, "run")
	}

	return words + w.stopReason()
}

// describeExact is the judgement of a deterministic metric by its one run, or two equal ones.
func (w formatter) describeExact() string {
	head, tail := w.plainVerdict(), ""

	if w.Verdict == research.Equivalent && w.Gain.Mid != 0 {
		tail = ", within min_gain"
	}

	runs := "one run"
	if w.Runs > 1 {
		runs = "two equal runs"
	}

	return fmt.Sprintf("%s: %s%s (deterministic, %s)", head,
		w.words.FormatChange(wording.Change{From: w.Baseline, To: w.Value, Gain: w.Gain}), tail, runs)
}

// plainVerdict is the verdict in plain words.
func (w formatter) plainVerdict() string {
	switch w.Verdict {
	case research.Improved:
		return "better"
	case research.Regressed:
		return "worse"
	case research.Inconclusive:
		if w.StoppedBy == "guard" {
			return "undecided"
		}

		if w.Gain != nil && (w.Gain.Lo > 0 || w.Gain.Hi < 0) {
			return "not proven"
		}
	}

	return "no difference seen"
}

// describeTrial is the judgement of an edit that is kept for what is expected of it.
func (w formatter) describeTrial() string {
	words := "on trial: " + w.trialChange()
	switch {
	case w.Gain.Lo == w.Gain.Hi:
		words += ", after one run: single runs differ by " + w.spread()
	case w.Gain.Lo > 0:
		words += ", not proven yet"
	default:
		words += ", no gain shown yet: single runs differ by " + w.spread()
	}

	if least := w.leastGain(); w.Gain.Mid < least {
		words += fmt.Sprintf("; below the smallest gain that counts (%s): may be kept because it is more likely better than worse, "+
			"and its chain is proven or taken back as a whole", w.words.FormatSize(least))
	}

	return words
}

// trialChange are the values, and what is expected of the edit.
func (w formatter) trialChange() string {
	measured, ok := w.measuredGain()
	if !ok {
		return "expected " + w.gain()
	}

	if math.Abs(measured-w.Gain.Mid) <= math.Abs(w.Gain.Mid)/10 {
		return fmt.Sprintf("%s, expected %s", w.words.FormatChange(w.valuesChange()), w.gain())
	}

	return fmt.Sprintf("%s, %s measured; expected %s", w.words.FormatChange(w.valuesChange()), w.amount(measured),
		w.gain())
}

// leastGain is the smallest gain that counts, 0 where the state does not say.
func (w formatter) leastGain() float64 {
	if w.State.Auto == nil {
		return 0
	}

	return newScale(w.Scale, w.words.Better).Gain(-w.State.Auto.Rope)
}

// spread is by how much single runs differ.
func (w formatter) spread() string { return w.words.FormatSize(w.Noise) }

// describeFirstLook is the judgement by one run of the candidate, which claims no size.
func (w formatter) describeFirstLook() string {
	head := "no gain seen"
	switch w.Verdict {
	case research.Regressed:
		head = "looks worse"
	case research.Equivalent:
		head = "no difference seen"
	case research.Inconclusive:
		if measured, ok := w.measuredGain(); ok && measured < -math.Abs(w.Noise) {
			head = "looks worse"
		}
	}

	words := head + " (first look)"
	if values := w.values(); values != "" {
		words += ": " + strings.TrimSpace(w.words.Name+" "+values)
	}

	if w.Noise != 0 {
		words += "; single runs differ by " + w.spread()
	}
	words += w.stopReason()

	if w.Verdict == research.Inconclusive {
		words += w.blindness()
	}

	return words
}

// blindness says which effects the comparison could not have shown.
func (w formatter) blindness() string {
	if w.Detectable == 0 {
		return ""
	}

	return "; this says nothing about effects under about " + w.words.FormatSize(w.Detectable)
}

// describeCompared is the judgement by several runs of the candidate.
func (w formatter) describeCompared() string {
	words := w.plainVerdict() + ": " + w.change("estimated")
	if w.Pairs > 0 {
		words += ", " + wording.Count(w.Pairs, "pair")
	}

	if w.Unequal > 0 {
		words += fmt.Sprintf(" (%d more did not count)", w.Unequal)
	}

	switch w.Verdict {
	case research.Improved:
		return words + w.evidence()
	case research.Regressed:
		return words
	case research.Equivalent:
		return words + "; if there is an effect, it is too small to be worth having"
	}

	words += w.evidence() + w.stopReason()
	if w.Reason == "" {
		words += w.blindness()
	}

	return words
}

// evidence is the e-value that was reached, and what it takes.
func (w formatter) evidence() string {
	if w.Need == 0 {
		return ""
	}

	return fmt.Sprintf(", E = %s against %s needed", wording.FormatEvidence(w.E), wording.FormatEvidence(w.Need))
}

// stopReasons say in plain words what ended the runs, by Judgement.StoppedBy and
// Certificate.StoppedBy. What is missing here needs no words, or has a reason of its own.
var stopReasons = map[string]string{
	"price":    "not worth more runs",
	"screen":   "not worth more runs",
	"futility": "a proof had become unlikely",
	"looks":    "the limit of runs for one edit was reached",
	"cap":      "the limit of pairs for one test was reached",
	"budget":   "no more runs were left",
}

// stopReason says why there were no more runs, after a semicolon; "" where nothing is to
// be said.
func (w formatter) stopReason() string {
	words := w.Reason
	if words == "" {
		words = stopReasons[w.StoppedBy]
	}

	if words == "" {
		return ""
	}

	return "; " + words
}

func (c Certificate) formatter(m contract.Metric) formatter {
	return formatter{Judgement{Gain: c.Gain, Scale: c.Scale, StoppedBy: c.StoppedBy, Reason: c.Reason, E: c.E,
		Need: c.Need, Baseline: c.Baseline, Value: c.Value}, m.Words(c.Scale)}
}

// DescribeChange is what the certificate measured, "" without a complete pair.
func (c Certificate) DescribeChange(m contract.Metric) string {
	if c.Gain == nil {
		return ""
	}

	return c.formatter(m).change("estimated")
}

// Describe is the certificate in one line for m's readers.
func (c Certificate) Describe(m contract.Metric) string {
	w := c.formatter(m)
	head := fmt.Sprintf("certified: chain of %s", wording.Count(c.Edits, "edit"))

	if c.Outcome == RolledBack {
		head = fmt.Sprintf("rolled back: chain of %s", wording.Count(c.Edits, "edit"))
	}

	if c.Gain == nil {
		return head + ", nothing was measured" + w.stopReason()
	}

	return fmt.Sprintf("%s, %s, %s%s%s", head, w.change("estimated"), wording.Count(c.Pairs, "pair"), w.evidence(),
		w.stopReason())
}

// DescribeResolution is Resolution for some numbers of pairs, in one line.
func (s RuleState) DescribeResolution(metric contract.Metric, pairs ...int) string {
	if s.NoiseKind != research.Noisy {
		return "deterministic so far: one run shows any difference"
	}
	words := ""

	for _, n := range pairs {
		g, ok := s.DetectableGain(n)
		if !ok {
			return "the noise is not known yet"
		}

		if words != "" {
			words += ", "
		}
		words += fmt.Sprintf("%s with %s", metric.Words(s.Scale).FormatSize(g), wording.Count(n, "pair"))
	}

	return "the smallest difference that can be shown is about " + words
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

	return fmt.Sprintf("chain of %s, expected %s, its certificate needs about %s", wording.Count(auto.Chain, "edit"),
		metric.Words(s.Scale).FormatAmount(s.MetricScale().Gain(-auto.Claim)),
		wording.Count(s.ReservePairs(outlook), "pair"))
}

// WithValues is the certificate with the medians of both versions' runs that count, all
// of its runs in order.
func (c Certificate) WithValues(obs []Observation) Certificate {
	sides := map[Side][]float64{}

	for _, o := range countedRuns(obs) {
		if o.Valid {
			sides[o.Side] = append(sides[o.Side], o.Value)
		}
	}

	if c.Gain != nil && len(sides[Checkpoint]) > 0 && len(sides[Incumbent]) > 0 {
		was, is := median(sides[Checkpoint]), median(sides[Incumbent])
		c.Baseline, c.Value = &was, &is
	}

	return c
}

// DescribeChange is what a comparison of two versions found, "" where it found no gain:
// the medians of both, and the change with its interval.
func (e MeasurementEnd) DescribeChange(m contract.Metric) string {
	if e.Gain == nil {
		return ""
	}
	w := formatter{Judgement{Gain: e.Gain, Scale: e.Scale}, m.Words(e.Scale)}

	w.Baseline, w.Value = e.Medians()

	return w.change("estimated")
}

// FromTo are the medians of both versions with the unit, "" where one was not run.
func (e MeasurementEnd) FromTo(m contract.Metric) string {
	from, to := e.Medians()
	if from == nil || to == nil {
		return ""
	}

	return m.Words(e.Scale).FormatFromTo(*from, *to)
}

// Medians are those of the version that is compared with, and of the one measured; nil
// where it was not run.
func (e MeasurementEnd) Medians() (from, to *float64) {
	if len(e.Paired) > 0 {
		mid := median(e.Paired)
		from = &mid
	}

	if len(e.Samples) > 0 {
		mid := median(e.Samples)
		to = &mid
	}

	return from, to
}
