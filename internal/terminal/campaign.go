package terminal

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/screen"
	"ratchet/internal/view"
	"ratchet/internal/wording"
	"ratchet/tools"
)

// verdictSign is a verdict in one character, so that a column of them reads at a
// glance also without colours, and its colour.
func verdictSign(v research.Verdict) (string, screen.Colour) {
	switch v {
	case research.Improved:
		return "+", screen.Good
	case research.Provisional:
		return "~", screen.Good
	case research.Equivalent:
		return "=", screen.Plain
	case research.Regressed:
		return "-", screen.Bad
	case research.Inconclusive:
		return "?", screen.Maybe
	case research.Invalid:
		return "!", screen.Bad
	}

	return ">", screen.Live
}

// verdictWord is the verdict, or that it runs, with its sign.
func verdictWord(v research.Verdict) (string, screen.Colour) {
	mark, colour := verdictSign(v)
	if v == "" {
		return mark + " running", colour
	}

	return mark + " " + string(v), colour
}

// experimentTable lays experiments of a campaign with that metric out.
func (v Layout) experimentTable(xs []history.Experiment, metric contract.Metric) []string {
	cols := []screen.Column{{Head: "n", Right: true}, {Head: "verdict"}, {Head: "status", Leave: 2},
		{Head: "from → to", Right: true, Leave: 1}, {Head: "change", Right: true},
		{Head: "90 %", Right: true, Leave: 3}, {Head: "hypothesis", Flex: true}}

	rows := make([][]screen.Cell, len(xs))
	for i := range xs {
		f := tools.FactsOfRow(&xs[i], metric)
		word, colour := verdictWord(f.Verdict)

		status := screen.Plain
		if xs[i].Status == research.Kept {
			status = screen.Bold
		}

		rows[i] = []screen.Cell{{Text: strconv.Itoa(xs[i].N)}, {Text: word, Colour: colour},
			{Text: f.Status, Colour: status}, {Text: f.Values},
			{Text: f.Change, Colour: colour}, {Text: f.Range}, {Text: f.Idea}}
	}

	// Exact numbers have no interval.
	const between = 5
	if !slices.ContainsFunc(rows, func(row []screen.Cell) bool { return row[between].Text != "" }) {
		cols = slices.Delete(cols, between, between+1)
		for i := range rows {
			rows[i] = slices.Delete(rows[i], between, between+1)
		}
	}

	return screen.RenderTable(cols, rows, v.width, v.pen)
}

// RenderStatus lays out where the campaign stands.
func (v Layout) RenderStatus(brief *view.Brief) []string {
	campaign, f := &brief.Campaign, tools.FactsOfBrief(brief)

	title := v.pen.Paint(screen.Bold, campaign.Name)
	if campaign.Ended != "" {
		title += v.pen.Paint(screen.Maybe, "  ended: "+tools.Line(campaign.Ended))
	}

	left := wording.Count(brief.Left.Experiments, "experiment") + ", " +
		wording.FormatDuration(brief.Left.Hours*3600)
	facts := dropEmptyFacts([2]string{"metric", f.Metric}, [2]string{"start", f.Baseline}, [2]string{"best", f.Best},
		[2]string{"standing", tools.Line(brief.Standing)}, [2]string{"machine", f.Machine}, [2]string{"so far",
			f.Counts},
		[2]string{"tried", f.Tried}, [2]string{"left", left})
	for _, file := range brief.Edit {
		facts = append(facts, [2]string{"edit", file})
	}

	out := []string{title}
	if brief.Merge != "" {
		out = append(out, v.paintWrapped(screen.Good, "your next step: "+tools.Line(brief.Merge))...)
	}

	out = append(out, screen.RenderFacts(facts, v.width, v.pen)...)
	if f.Rests != "" {
		out = append(out, v.paintWrapped(screen.Maybe, f.Rests)...)
	}

	if brief.Changed {
		out = append(out, v.paintWrapped(screen.Maybe,
			"program.md's contract differs from the accepted one: no run until a person accepts it")...)
	}

	for _, j := range brief.Running {
		out = append(out, v.paintWrapped(screen.Live,
			fmt.Sprintf("> %s, %s, %s", j.ID, tools.Line(j.Phase), formatSeconds(j.Elapsed)))...)
	}

	if len(brief.Recent) > 0 {
		out = append(append(out, ""), v.experimentTable(brief.Recent, campaign.Program.Metric)...)
	}

	if len(f.Lessons)+len(f.Ideas)+len(brief.Notes) > 0 {
		out = append(out, "")
		for _, s := range slices.Concat(noteLines(brief), f.Lessons, f.Ideas) {
			out = append(out, screen.CutText(s, v.width))
		}
	}

	return append(append(out, ""), screen.WrapText("the agent's next step: "+tools.Line(brief.Next), v.width, 2)...)
}

// noteLines lists the last notes to the agents, and whether this checkout's agent got them.
func noteLines(b *view.Brief) (out []string) {
	for _, n := range b.Notes {
		told := "told"
		if n.Unheard {
			told = "not told yet"
		}
		out = append(out, fmt.Sprintf("note %d (%s): %s", n.N, told, tools.Line(n.Text)))
	}

	return out
}

// paintWrapped wraps s and gives every line the colour.
func (v Layout) paintWrapped(c screen.Colour, s string) []string {
	lines := screen.WrapText(s, v.width, 2)
	for i := range lines {
		lines[i] = v.pen.Paint(c, lines[i])
	}

	return lines
}

// dropEmptyFacts returns the facts that have a text.
func dropEmptyFacts(facts ...[2]string) [][2]string {
	var out [][2]string

	for _, f := range facts {
		if f[1] != "" {
			out = append(out, f)
		}
	}

	return out
}

func formatSeconds(seconds float64) string {
	return wording.FormatDuration(math.Round(seconds))
}

// RenderLog lays out a page of experiments.
func (v Layout) RenderLog(brief *view.Brief, page *view.Page, query string) []string {
	if len(page.Experiments) == 0 {
		words := "no experiments yet"
		if query != "" {
			words = "no experiment mentions " + query
		}

		return append([]string{words}, v.importTable(page.Imported)...)
	}

	out := append(v.experimentTable(page.Experiments, brief.Campaign.Program.Metric),
		v.importTable(page.Imported)...)
	if page.Next != "" {
		more := "ratchet log --cursor " + page.Next
		if query != "" {
			more += " " + strconv.Quote(query)
		}

		out = append(out, v.paintWrapped(screen.Faint,
			fmt.Sprintf("of %d; older ones: %s", brief.Campaign.Experiments, more))...)
	}

	return out
}

// importTable lays out lines of other programs' logs.
func (v Layout) importTable(is []history.Import) []string {
	if len(is) == 0 {
		return nil
	}
	cols := []screen.Column{{Head: "imported"}, {Head: "said", Leave: 1}, {Head: "self-reported", Right: true},
		{Head: "text", Flex: true}}

	rows := make([][]screen.Cell, len(is))
	for i := range is {
		value, text, said := "-", is[i].Searched(), is[i].Status
		if is[i].Value != nil {
			value = wording.FormatValue(*is[i].Value, "")
		}

		if is[i].Kind == history.ImportBroken {
			said, text = "not understood", is[i].Broken
		}
		rows[i] = []screen.Cell{{Text: tools.Line(is[i].Place())}, {Text: screen.CutText(tools.Line(said), 16)},
			{Text: value}, {Text: tools.Line(text)}}
	}

	return append([]string{"", v.pen.Paint(screen.Faint, "from other programs' logs, no evidence:")},
		screen.RenderTable(cols, rows, v.width, v.pen)...)
}

// RenderImportPage lays out what was imported: the sources, and a page of their lines.
func (v Layout) RenderImportPage(page *view.ImportPage) []string {
	var out []string
	for _, s := range page.Sources {
		out = append(out,
			screen.WrapText(fmt.Sprintf("%s (%s): lines %d, runs %d, not understood %d", tools.Line(s.Source),
				s.Format, s.Lines, s.Runs, s.Broken), v.width, 2)...)
	}

	out = append(out, v.importTable(page.Lines)...)
	if page.Next != "" {
		out = append(out, v.paintWrapped(screen.Faint, "older ones: ratchet log --imported --cursor "+page.Next)...)
	}

	return out
}
