package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/wording"
)

// This file tells what finalize made: a branch that may lack some of what was
// kept, and what each change was found to be worth.

// Finalized is what finalize made of the present incumbent; nil while there is
// none, and when the incumbent has moved since.
func (f *Facts) Finalized() *Final {
	if f.Campaign.Finalized() == nil || f.Final == nil || f.Final.Gain == nil {
		return nil
	}

	return f.Final
}

// SortKept sorts kept experiments by the size of their gain, the newest of equals
// first. When finalize made a branch of the incumbent, those in it come before
// those that were left out, and what it measured counts.
func (f *Facts) SortKept(xs []history.Experiment) {
	SortByGain(xs)

	final := f.Finalized()
	if final == nil {
		return
	}

	at := map[int]finding{}
	for _, e := range xs {
		at[e.N], _ = final.findExperiment(e.N)
	}
	rank := func(n int) (out int, size float64) {
		d := at[n]
		if !d.in {
			out = 1
		}

		if d.gain != nil {
			size = math.Abs(d.gain.Mid)
		}

		return out, size
	}
	slices.SortStableFunc(xs, func(a, b history.Experiment) int {
		aOut, aSize := rank(a.N)
		bOut, bSize := rank(b.N)

		return cmp.Or(cmp.Compare(aOut, bOut), cmp.Compare(bSize, aSize))
	})
}

// finding is what a finalize says of one kept change.
type finding struct {
	in    bool   // the branch
	why   string // "" where nothing was left out on trial
	whyAt string // its place in ablation.finished
	// gain is the change's measured effect, nil for none: over the commit before
	// (step), else that the result has by it, together with others.
	gain  *research.Interval
	scale string
	pairs int
	with  []int
	step  bool
	ref   Ref    // of the record that gain, pairs and with stand in
	path  string // of what they stand in
}

// findExperiment returns what the finalize says of experiment n; false if it says nothing.
func (x *Final) findExperiment(n int) (d finding, ok bool) {
	d.in = slices.Contains(x.Kept, n)
	if !d.in && !slices.Contains(x.Dropped, n) {
		return d, false
	}

	if a := x.Ablation; a != nil {
		list, path := a.Dropped, "/dropped"
		if d.in {
			list, path = a.Kept, "/kept"
		}

		if i := slices.IndexFunc(list, func(e rules.AblationEffect) bool { return e.N == n }); i >= 0 {
			e := list[i]
			d.ref, d.path = x.AblatedAt, fmt.Sprintf("%s/%d", path, i)
			d.why, d.whyAt = e.Why, d.path+"/why"
			d.gain, d.scale, d.pairs, d.with = e.Gain, a.Scale, e.Pairs, e.With
		}
	}

	for i, s := range x.Stack {
		if s.Gain == nil || !slices.Contains(s.Experiments, n) {
			continue
		}
		d.ref, d.path, d.step = x.Ref, fmt.Sprintf("/stack/%d", i), true

		d.gain, d.scale, d.pairs, d.with = s.Gain, cmp.Or(s.Scale, x.Scale), s.Pairs, nil
		if len(s.Experiments) > 1 {
			d.with = s.Experiments
		}
	}

	return d, true
}

func (x *Final) branchSpan() Span {
	return recordSpan(Name, x.Ref, "branch", "/branch", shortBranch(x.Branch))
}

// writeFinalized gives the answer of a finalize, whose branch was audited.
func (w *writer) writeFinalized(final *Final) {
	spans := append([]Span{strong("Audited: ")}, w.metricSpans()...)

	spans = append(spans, say(", "), figure("branch.gain", formatOverStart(w.campaign, *final.Gain, final.Scale)),
		say(" over the start, of the branch "), final.branchSpan(), say(", from "),
		recordSpan(Figure, final.Ref, "pairs", "/pairs", formatCount(final.Pairs, "pair|pairs")),
		say(" on which no decision rested. "+w.describeInterval(*final.Gain)))
	if len(final.Dropped) > 0 {
		spans = append(spans, say(" Left out: "),
			recordSpan(Figure, final.Ref, "outof", "", formatDropped(&final.Finalization)),
			say(", which were not shown to pay."))
	}
	w.addParagraph(spans...)

	if final.Interferes {
		w.addItem(strong("Interference: "), say(interference))
	}

	campaign := w.campaign
	if a := campaign.Audit; a != nil && a.Commit == campaign.Incumbent && a.Job != final.Audit {
		w.addItem(say("The incumbent itself, with all that was kept, was audited at "),
			w.auditSpan(),
			say(", from "), recordSpan(Figure, w.facts.Audit.Ref, "pairs", "/paired",
				formatCount(a.Pairs, "pair|pairs")), say("."))
	} else if _, exact := campaign.Exact(); exact && len(final.Dropped) > 0 {
		w.addItem(say("The incumbent itself, with all that was kept, went from "),
			figure("start.value", wording.FormatValue(*campaign.Baseline, w.unit)), say(" to "), figure("best.value",
				wording.FormatValue(campaign.Rule.Incumbent, w.unit)), say("."))
	}
}

// writeOvertakenBranch tells of a branch that was made of an older head.
func (w *writer) writeOvertakenBranch() {
	final := w.facts.Final
	if final == nil || final.Head == w.campaign.Incumbent {
		return
	}

	spans := []Span{say("The branch "), final.branchSpan(),
		say(" is of an older head: what was kept or taken back since is not in it.")}
	if final.Gain != nil && !w.size.Short {
		spans = append(spans, say(" It was audited at "),
			recordSpan(Figure, final.Ref, "gain", "/gain",
				w.formatGain(*final.Gain, final.Scale)),
			say("."))
	}
	w.addItem(spans...)
}

// writeMergeAdvice says what to merge, and how the figures below are to be taken.
func (w *writer) writeMergeAdvice(final *Final) {
	spans := []Span{say("To merge: the branch "), final.branchSpan(), say(", a single commit")}
	if len(final.Stack) > 0 {
		spans = append(spans[:2], say(", "), recordSpan(Figure, final.Ref, "commits", "/stack",
			formatCount(len(final.Stack), "commit|commits")))
	}
	how := "."

	switch {
	case len(final.Stack) > 0 && final.Ablation != nil:
		how = ". The gain of a change in the branch is against the commit before it; that of another change is what it adds to the head."
	case len(final.Stack) > 0:
		how = ". The gain of a change is against the commit before it."
	case final.Ablation != nil && w.campaign.Rule.NoiseKind == research.Noisy:
		how = ". The gain of a change is what it adds to the result, from the pairs that decided whether it stays; never add them up."
	case final.Ablation != nil:
		how = ". The gain of a change is what it adds to the result."
	}
	w.addParagraph(append(spans, say(" on the campaign's start"+how))...)
}

// findingSpans tells what finalize found of a change; false: it measured no effect.
func (w *writer) findingSpans(final *Final, n int) (spans []Span, measured bool) {
	d, ok := final.findExperiment(n)
	if !ok {
		return nil, false
	}

	words := "left out"
	if d.in {
		words = "in the branch"
	}

	switch {
	case d.why == "":
		spans = append(spans, say(words))
	case d.in && !isMeasuredReason(d.why):
		words += ", since without it"
		fallthrough
	default:
		spans = append(spans, say(words+": "),
			recordSpan(Name, final.AblatedAt, "text60", d.whyAt, cleanText(d.why, 60)))
	}

	if d.gain == nil {
		return spans, false
	}

	spans = append(spans, say(", worth "), recordSpan(Figure, d.ref, "gain", d.path+"/gain",
		w.formatGain(*d.gain, d.scale)))
	if !w.size.Short && w.campaign.Rule.NoiseKind == research.Noisy {
		spans = append(spans, say(" from "), recordSpan(Figure, d.ref, "pairs", d.path+"/pairs",
			formatCount(d.pairs, "pair|pairs")))
	}

	if len(d.with) > 0 {
		key := "/with"
		if d.step {
			key = "/experiments"
		}
		spans = append(spans, say(" together with "),
			recordSpan(Name, d.ref, "xs", d.path+key, formatExperiments(d.with)))
	}

	return spans, true
}

// isMeasuredReason says whether the reason is what was measured of the change, and not
// what is wrong with the head without it.
func isMeasuredReason(why string) bool {
	switch why {
	case rules.AblationPays, rules.AblationIdle, rules.AblationHurts, rules.AblationShorter,
		rules.AblationTakenBack:
		return true
	}

	return false
}
