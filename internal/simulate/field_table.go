package simulate

import (
	"fmt"
	"slices"
	"strings"

	"ratchet/internal/research"
)

// RenderFieldDocument is the document of the trials in jsonl, both named by their file
// names: what was tried, the tables, and how they are made again.
func RenderFieldDocument(trials []FieldTrial, jsonl string) string {
	return fmt.Sprintf(fieldDocument, jsonl, RenderFieldTable(trials))
}

const fieldDocument = `# Evidence: truth against verdict, on real benchmarks

The eight small benchmarks below examples/field, through the real binary with search: auto, each on a quiet machine and beside a loop that keeps one core busy in blocks of 5 to 20
seconds. Useless edits are comments, new names and another order of the code; gains and losses change how many units of work a run does, so that their truth is exact (of the accuracy,
in hundredths of all questions). Every edit is reverted after its verdict, so each is judged against the start. *Called* is the verdict improved or regressed, or an interval without 0
in the answer; a keep on trial (provisional) alone is none. The noise is that of single runs of the start over the whole campaign.

Made by ` + "`make field`" + `, from %s, a line an edit; ` + "`FIELD=go,c`" + ` plays some of the benchmarks again and leaves the others as they are. What is promised is below the tables.

%s`

// RenderFieldTable shows the trials, as made by `make field`: the machine, truth
// against verdict for each condition, a row each campaign, and what was promised.
func RenderFieldTable(trials []FieldTrial) string {
	var text strings.Builder

	machines := distinct(trials, func(t FieldTrial) string {
		return fmt.Sprintf("%s, cores: %d", t.Processor, t.Cores)
	})
	fmt.Fprintf(&text, "Made on: %s.\n\n", strings.Join(machines, "; "))

	text.WriteString("| condition | truth | edits |")

	for _, v := range fieldVerdicts() {
		fmt.Fprintf(&text, " %s |", v)
	}
	text.WriteString(" called better | called worse | runs, median | seconds to the verdict, median |\n|" +
		strings.Repeat("---|", 7+len(fieldVerdicts())) + "\n")

	for _, condition := range distinct(trials, func(t FieldTrial) string { return t.Condition }) {
		for _, truth := range truths(trials) {
			text.WriteString(truthRow(condition, truth, trials))
		}
	}

	text.WriteString("\n| benchmark | condition | noise of a run | seconds of a run | no-ops called | " +
		"gains found of 5, 10, 20 % or more | losses found of 5, 10, 20 % | called the wrong way | " +
		"runs | minutes to the first verdict | minutes |\n|" +
		strings.Repeat("---|", 11) + "\n")

	for _, campaign := range distinct(trials, FieldTrial.campaign) {
		text.WriteString(campaignRow(only(trials, func(t FieldTrial) bool { return t.campaign() == campaign })))
	}

	text.WriteString("\n")

	for _, p := range CheckField(trials) {
		fmt.Fprintf(&text, "- %s\n", p)
	}

	return text.String()
}

// fieldVerdicts are the columns of truth against verdict.
func fieldVerdicts() []research.Verdict {
	return []research.Verdict{research.Improved, research.Provisional, research.Equivalent, research.Inconclusive,
		research.Regressed, research.Invalid}
}

// truths are the gains that were planted, the largest first.
func truths(trials []FieldTrial) (all []float64) {
	for _, t := range trials {
		if !slices.Contains(all, t.Truth) {
			all = append(all, t.Truth)
		}
	}
	slices.Sort(all)
	slices.Reverse(all)

	return all
}

func only(trials []FieldTrial, is func(FieldTrial) bool) (some []FieldTrial) {
	for _, t := range trials {
		if is(t) {
			some = append(some, t)
		}
	}

	return some
}

// truthRow is truth against verdict of one condition; "" where nothing was tried.
func truthRow(condition string, truth float64, trials []FieldTrial) string {
	same := only(trials, func(t FieldTrial) bool { return t.Condition == condition && t.Truth == truth })
	if len(same) == 0 {
		return ""
	}

	name := fmt.Sprintf("%+.0f %%", 100*truth)
	if truth == 0 {
		name = "no-op"
	}
	row := fmt.Sprintf("| %s | %s | %d |", condition, name, len(same))

	for _, v := range fieldVerdicts() {
		row += fmt.Sprintf(" %d |", len(only(same, func(t FieldTrial) bool { return t.Verdict == v })))
	}

	return row + fmt.Sprintf(" %d | %d | %.0f | %.1f |\n",
		len(only(same, func(t FieldTrial) bool { return t.Called() > 0 })),
		len(only(same, func(t FieldTrial) bool { return t.Called() < 0 })), medianOf(same,
			func(t FieldTrial) float64 { return float64(t.Runs) }),
		medianOf(same, func(t FieldTrial) float64 { return t.Seconds }))
}

// campaignRow is one benchmark in one condition.
func campaignRow(trials []FieldTrial) string {
	noOps := only(trials, FieldTrial.IsNoOp)
	called := only(noOps, func(t FieldTrial) bool { return t.Called() != 0 })
	wrong := only(trials, func(t FieldTrial) bool { return float64(t.Called())*t.Truth < 0 })

	runs := 0
	for _, t := range trials {
		runs += t.Runs
	}
	first, last := trials[0], trials[len(trials)-1]

	return fmt.Sprintf("| %s | %s | %.1f %% | %.2f | %d of %d | %s | %s | %d | %d | %.1f | %.1f |\n", first.Benchmark,
		first.Condition, 100*last.Noise, medianOf(trials, func(t FieldTrial) float64 { return t.RunCost }), len(called),
		len(noOps), foundOf(trials, 1), foundOf(trials, -1), len(wrong), runs, first.At/60, last.At/60)
}

// foundOf says how many of the gains (sign 1) or losses (-1) of each size are found.
func foundOf(trials []FieldTrial, sign float64) string {
	var cells []string

	for _, size := range []float64{.05, .1, .2} {
		same := only(trials, func(t FieldTrial) bool {
			return t.Truth*sign == size || size == .2 && t.Truth*sign > size
		})
		cells = append(cells, fmt.Sprintf("%d of %d", len(only(same, FieldTrial.IsFound)), len(same)))
	}

	return strings.Join(cells, ", ")
}

// medianOf is the median of a figure of the trials, at least one.
func medianOf(trials []FieldTrial, figure func(FieldTrial) float64) float64 {
	values := make([]float64, len(trials))
	for i, t := range trials {
		values[i] = figure(t)
	}
	slices.Sort(values)

	return quantileOf(values, .5)
}
