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

// Experiment lays out one experiment with its runs and its diff.
func (v Layout) Experiment(d *view.Detail) []string {
	x, f := &d.Experiment, tools.FactsOfRow(&d.Experiment)
	word, colour := verdictWord(f.Verdict)
	out := []string{v.pen.Paint(screen.Bold, fmt.Sprintf("x%d", x.N)) + "  " + v.pen.Paint(colour,
		word) + "  " + f.Status}

	facts := [][2]string{{"hypothesis", f.Idea}, {"expected", tools.Line(x.Expect)},
		{"gain", tools.GainOf(x.Judgement)}}
	if j := x.Judgement; j != nil {
		if j.Value != nil {
			facts = append(facts, [2]string{"value", wording.FormatValue(*j.Value, d.Metric.Unit)})
		}

		if d.Exact && j.Baseline != nil { // two raw numbers of a noisy metric only look comparable
			facts = append(facts, [2]string{"before", wording.FormatValue(*j.Baseline, d.Metric.Unit)})
		}
		facts = append(facts, [2]string{"reason", tools.Line(j.Reason)})
	}
	facts = append(facts, [2]string{"proof", tools.Line(d.Proof)}, [2]string{"lesson", tools.Line(x.Lesson)},
		[2]string{"note", tools.Line(x.Note)}, [2]string{"by",
			tools.Line(x.Session) + ", " + x.ProposedAt.Local().Format("2006-01-02 15:04")},
		[2]string{"candidate", shortHash(x.Candidate)}, [2]string{"kept as", shortHash(x.Commit)},
		[2]string{"changed", fmt.Sprintf("+%d -%d  %s", x.Added, x.Removed, tools.Line(strings.Join(d.Files, " ")))})

	out = append(out, screen.Facts(nonEmpty(facts...), v.width, v.pen)...)
	if len(d.Runs) > 0 {
		out = append(append(out, ""), v.runTable(d)...)
	}

	if d.Diff != "" {
		out = append(append(out, ""), v.colorDiff(d.Diff)...)
	}

	return out
}

// shortHash is what git takes for the commit in any repository of this world.
func shortHash(hash string) string { return hash[:min(len(hash), 12)] }

// runTable lays out an experiment's runs.
func (v Layout) runTable(d *view.Detail) []string {
	cols := []screen.Column{{Head: "run", Right: true}, {Head: "role", Leave: 2}, {Head: "side"},
		{Head: tools.Line(d.Metric.Name), Right: true}, {Head: "wall", Right: true, Leave: 1}, {Head: "note",
			Flex: true}}

	rows := make([][]screen.Cell, len(d.Runs))
	for i, r := range d.Runs {
		value, colour, note := "-", screen.Plain, tools.Line(r.Reason)
		if s, ok := r.Samples[d.Metric.Name]; ok {
			value = wording.FormatValue(s, "")
		}

		switch {
		case !r.Valid:
			colour = screen.Bad
		case r.Again:
			note = strings.TrimSpace("made again " + note)
		case r.Contended:
			note, colour = strings.TrimSpace("contended "+note), screen.Maybe
		}
		rows[i] = []screen.Cell{{Text: strconv.Itoa(r.Number)}, {Text: string(r.Role)}, {Text: string(r.Side)},
			{Text: value}, {Text: wording.FormatDuration(r.Wall)}, {Text: note, Colour: colour}}
	}

	return screen.Table(cols, rows, v.width, v.pen)
}

// colorDiff is a diff with colours, its lines whole: they may be copied.
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

// Output is what a job printed, as it printed it, less what would steer the terminal.
func (v Layout) Output(p *view.OutputPage) []string {
	head := fmt.Sprintf("%s printed %d bytes", p.Job, p.Total)
	if n := int64(len(p.Text)); n < p.Total {
		head += fmt.Sprintf("; the last %d", n)
	}

	return append(v.paintWrapped(screen.Faint, head),
		strings.Split(strings.TrimRight(render.Clean(p.Text), "\n"), "\n")...)
}
