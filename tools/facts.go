package tools

import (
	"ratchet/internal/render"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/view"
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
// where there is no change or value.
type RowFacts struct {
	Verdict research.Verdict // "" while it runs
	Status  string           // with how far a keep is proven
	Values  string           // the incumbent's and the candidate's
	Change  string           // between them
	Range   string           // interval of the change, "" for none
	Result  string           // all three, in one text
	Idea    string           // its hypothesis, one line, whole
}

// FactsOfRow are the experiment's in a campaign of that metric.
func FactsOfRow(experiment *history.Experiment, metric contract.Metric) RowFacts {
	f := RowFacts{Status: string(experiment.Status), Values: "-", Change: "-", Result: "-",
		Idea: Line(experiment.Hypothesis)}
	if experiment.Under != nil {
		metric = *experiment.Under
	}

	if experiment.Proof != "" {
		f.Status += " (" + experiment.Proof + ")"
	}

	if j := experiment.Judgement; j != nil {
		f.Verdict, f.Change, f.Range, f.Result = j.Verdict, j.ShortChange(metric), j.ShortRange(metric),
			j.ShortResult(metric)

		if values := j.FromTo(metric); values != "" {
			f.Values = values
		}

		if experiment.Under != nil && f.Values != "-" {
			f.Values += " " + Line(experiment.Under.Name)
			f.Result += " of " + Line(experiment.Under.Name)
		}
	}

	return f
}

// Line is Clean text as one line, however long.
func Line(s string) string { return render.OneLine(s, 1<<20) }

// FoundOf is a judgement in words, "" for none and for an invalid one, whose reason says
// it.
func FoundOf(verdict *rules.Judgement, metric contract.Metric) string {
	if verdict == nil || verdict.Verdict == research.Invalid {
		return ""
	}

	return Line(verdict.Describe(metric))
}
