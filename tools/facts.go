package tools

import (
	"ratchet/internal/render"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/view"
	"ratchet/internal/wording"
)

// BriefFacts is what a brief says, in the words of every view, each one line
// and "" where there is nothing to say. For those who lay it out themselves.
type BriefFacts struct {
	Metric, Rests, Machine, Counts, Tried string
	Baseline, Best                        string // with unit
	Lessons, Ideas, Contract              []string
}

// FactsOfBrief are b's.
func FactsOfBrief(b *view.Brief) BriefFacts {
	campaign := &b.Campaign
	unit := campaign.Program.Metric.Unit

	facts := BriefFacts{Metric: render.MetricText(campaign.Program.Metric), Rests: rests(campaign),
		Machine: classWords(campaign), Counts: counts(campaign), Tried: tried(b.Families),
		Lessons: texts(lessonList(b.Lessons, render.MaxText)), Ideas: texts(ideaList(b.Ideas, render.MaxText)),
		Contract: contractLines(&campaign.Program)}
	if b.Baseline != nil {
		facts.Baseline = render.FormatAmount(*b.Baseline, unit)
	}

	if b.Best != nil {
		facts.Best = render.FormatAmount(*b.Best, unit)
	}

	return facts
}

func texts(f render.Field) []string {
	out := make([]string, len(f.List))
	for i, it := range f.List {
		out[i] = it.Line
	}

	return out
}

// RowFacts is an experiment in a table: its texts as every table has them, "-"
// where there is no gain or value.
type RowFacts struct {
	Verdict           research.Verdict // "" while it runs
	Status            string           // with how far a keep is proven
	Gain, Value, Idea string           // Idea: its hypothesis, one line, whole
}

// FactsOfRow are x's.
func FactsOfRow(experiment *history.Experiment) RowFacts {
	f := RowFacts{Status: string(experiment.Status), Gain: "-", Value: "-", Idea: Line(experiment.Hypothesis)}
	if experiment.Proof != "" {
		f.Status += " (" + experiment.Proof + ")"
	}

	if j := experiment.Judgement; j != nil {
		f.Verdict, f.Gain, f.Value = j.Verdict, wording.FormatBareGain(j.Gain, j.Scale), render.FormatOptional(j.Value)
		if experiment.Under != nil && j.Value != nil {
			f.Value += " " + Line(experiment.Under.Name)
		}
	}

	return f
}

// Line is Clean text as one line, however long.
func Line(s string) string { return render.OneLine(s, 1<<20) }

// GainOf is a gain with its interval in words, "" if j has none.
func GainOf(verdict *rules.Judgement) string {
	if verdict == nil || verdict.Gain == nil {
		return ""
	}

	s := wording.FormatBareGain(verdict.Gain, verdict.Scale)
	if verdict.Gain.Lo < verdict.Gain.Hi {
		s += ", 90% interval " + wording.FormatBareGain(&research.Interval{Mid: verdict.Gain.Lo},
			verdict.Scale) + " to " + wording.FormatBareGain(&research.Interval{Mid: verdict.Gain.Hi}, verdict.Scale)
	}

	return s
}
