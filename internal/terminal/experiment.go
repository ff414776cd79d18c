package terminal

import (
	"fmt"
	"strconv"
	"strings"

	"ratchet/internal/render"
	"ratchet/internal/screen"
	"ratchet/internal/view"
	"ratchet/internal/wording"
	"ratchet/tools"
)

// RenderExperiment lays out one experiment with its runs and its diff.
func (v Layout) RenderExperiment(detail *view.Detail) []string {
	experiment, f := &detail.Experiment, tools.FactsOfRow(&detail.Experiment, detail.Metric)
	word, colour := verdictWord(f.Verdict)
	out := []string{v.pen.Paint(screen.Bold, fmt.Sprintf("x%d", experiment.N)) + "  " + v.pen.Paint(colour,
		word) + "  " + f.Status}

	facts := [][2]string{{"hypothesis", f.Idea}, {"expected", tools.Line(experiment.Expect)},
		{"found", tools.FoundOf(experiment.Judgement, detail.Metric)}}
	if judgement := experiment.Judgement; judgement != nil {
		facts = append(facts, [2]string{"reason", tools.Line(judgement.Reason)})
	}

	for _, guard := range experiment.Guards {
		facts = append(facts, [2]string{"guard " + tools.Line(guard.Name), wording.FormatValue(guard.Value, "")})
	}
	facts = append(facts, [2]string{"proof", tools.Line(detail.Proof)},
		[2]string{"lesson", tools.Line(experiment.Lesson)}, [2]string{"note", tools.Line(experiment.Note)},
		[2]string{"by",
			tools.Line(experiment.Session) + ", " + experiment.ProposedAt.Local().Format("2006-01-02 15:04")},
		[2]string{"candidate", shortHash(experiment.Candidate)}, [2]string{"kept as", shortHash(experiment.Commit)},
		[2]string{"changed", fmt.Sprintf("+%d -%d  %s", experiment.Added, experiment.Removed,
			tools.Line(strings.Join(detail.Files, " ")))})

	out = append(out, screen.RenderFacts(dropEmptyFacts(facts...), v.width, v.pen)...)
	if len(detail.Runs) > 0 {
		out = append(append(out, ""), v.runTable(detail)...)
	}

	if detail.Diff != "" {
		out = append(append(out, ""), v.colorDiff(detail.Diff)...)
	}

	return out
}

// shortHash shortens a commit's hash to twelve digits, which git accepts for it.
func shortHash(hash string) string { return hash[:min(len(hash), 12)] }

// runTable lays out an experiment's runs.
func (v Layout) runTable(detail *view.Detail) []string {
	cols := []screen.Column{{Head: "run", Right: true}, {Head: "role", Leave: 2}, {Head: "side"},
		{Head: tools.Line(detail.Metric.Name), Right: true}, {Head: "wall", Right: true, Leave: 1},
		{Head: "note", Flex: true}}

	rows := make([][]screen.Cell, len(detail.Runs))
	for i, run := range detail.Runs {
		value, colour, note := "-", screen.Plain, tools.Line(run.Reason)
		if s, ok := run.Samples[detail.Metric.Name]; ok {
			value = wording.FormatValue(s, "")
		}

		switch {
		case !run.Valid:
			colour = screen.Bad
		case run.Unequal != "":
			note, colour = strings.TrimSpace("its pair does not count: "+run.Unequal), screen.Maybe
		case run.Again:
			note = strings.TrimSpace("made again " + note)
		case run.Contended:
			note, colour = strings.TrimSpace("contended "+note), screen.Maybe
		}
		rows[i] = []screen.Cell{{Text: strconv.Itoa(run.Number)}, {Text: string(run.Role)}, {Text: string(run.Side)},
			{Text: value}, {Text: wording.FormatDuration(run.Wall)}, {Text: note, Colour: colour}}
	}

	return screen.RenderTable(cols, rows, v.width, v.pen)
}

// colorDiff returns a diff with colours, its lines whole: they may be copied.
func (v Layout) colorDiff(text string) []string {
	lines := strings.Split(strings.TrimRight(render.Clean(text), "\n"), "\n")
	for i, s := range lines {
		colour := screen.Plain

		switch {
		case strings.HasPrefix(s, "+++"), strings.HasPrefix(s, "---"), strings.HasPrefix(s, "diff "),
			strings.HasPrefix(s, "index "):
			colour = screen.Faint
		case strings.HasPrefix(s, "+"):
			colour = screen.Good
		case strings.HasPrefix(s, "-"):
			colour = screen.Bad
		case strings.HasPrefix(s, "@@"):
			colour = screen.Live
		}
		lines[i] = v.pen.Paint(colour, s)
	}

	return lines
}

// RenderOutput is what a job printed, as it printed it, less what would steer the terminal.
func (v Layout) RenderOutput(page *view.OutputPage) []string {
	head := fmt.Sprintf("%s printed %d bytes", page.Job, page.Total)
	if n := int64(len(page.Text)); n < page.Total {
		head += fmt.Sprintf("; the last %d", n)
	}

	return append(v.paintWrapped(screen.Faint, head),
		strings.Split(strings.TrimRight(render.Clean(page.Text), "\n"), "\n")...)
}
