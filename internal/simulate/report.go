package simulate

import (
	"fmt"
	"strings"
)

// Result is one rule's nights in one cell.
type Result struct {
	Rule string `json:"rule"`
	Peer bool   `json:"peer,omitempty"`
	Summary
	// Ratio of the gain to the best peer's on the same proposals, with its
	// paired standard error; 0 where no peer was played or it gained nothing.
	Ratio float64 `json:"ratio"`
	SE    float64 `json:"se"`
}

// Line is one cell with the rules that were played in it.
type Line struct {
	Cell    string   `json:"cell"`
	Best    string   `json:"best_peer,omitempty"`
	Results []Result `json:"results"`
}

// CompareRules sums up the nights of several rules in one cell; nights[i] are
// those of rules[i], at least one each, from the same seed.
func CompareRules(c Cell, rules []Rule, nights [][]Night) Line {
	line, best := Line{Cell: c.Name}, -1
	for i, r := range rules {
		line.Results = append(line.Results, Result{Rule: r.Name, Peer: r.Peer, Summary: SummariseNights(nights[i])})
		if r.Peer && (best < 0 || line.Results[i].Gain > line.Results[best].Gain) {
			best = i
		}
	}

	if best < 0 || line.Results[best].Gain == 0 {
		return line
	}

	line.Best = rules[best].Name
	for i := range rules {
		line.Results[i].Ratio, line.Results[i].SE = GainRatio(nights[i], nights[best])
	}

	return line
}

// Report is everything that the evidence rests on.
type Report struct {
	Nights int    `json:"nights"`
	Seed   uint64 `json:"seed"`
	Null   []Line `json:"null"`   // by noise model
	Broken []Line `json:"broken"` // Ratchet's rules with a part taken out, on null nights
	Gains  []Line `json:"gains"`
	// Bars is the curve of riders against gain, by the bar of a keep.
	Bars []BarLine `json:"bars,omitempty"`
	// What was recorded on a real machine; all nil where nothing was given.
	Played    []PlayedNight `json:"played,omitempty"`
	Replayed  []Replayed    `json:"replayed,omitempty"`
	Recording *Recording    `json:"-"`
}

// RenderNullTable has a row a rule and a column a noise model: the share of null
// nights in which something was claimed to be proven.
func RenderNullTable(lines []Line) string {
	if len(lines) == 0 {
		return ""
	}
	var text strings.Builder
	row := func(cells []string) { fmt.Fprintf(&text, "| %s |\n", strings.Join(cells, " | ")) }

	head, rule := []string{"rule"}, []string{"---"}
	for _, l := range lines {
		head, rule = append(head, strings.TrimPrefix(l.Cell, nullPrefix)), append(rule, "---")
	}
	row(head)
	row(rule)

	for i, r := range lines[0].Results {
		cells := []string{boldOwn(r)}
		for _, l := range lines {
			cells = append(cells, fmt.Sprintf("%.3f", l.Results[i].FalseNight))
		}
		row(cells)
	}

	return text.String()
}

func boldOwn(r Result) string {
	if r.Peer {
		return r.Rule
	}

	return "**" + r.Rule + "**"
}

// RenderGainTable has a row a cell and three columns for each of Ratchet's rules:
// the gain against the best peer's with its standard error, what it claims
// over what is true, and the share of its kept edits that bring no gain.
func RenderGainTable(lines []Line) string {
	if len(lines) == 0 {
		return ""
	}
	columns := []string{"proposals/runs, noise", "best peer: its gain, claimed/true"}

	for _, r := range lines[0].Results {
		if !r.Peer {
			columns = append(columns, r.Rule+": gain/peer (se)", "claimed/true", "riders", "runs a proposal")
		}
	}

	var text strings.Builder
	text.WriteString(tableHead(columns))

	for _, l := range lines {
		text.WriteString(gainRow(l))
	}

	return text.String()
}

// tableHead is the first two lines of a table with these columns.
func tableHead(columns []string) string {
	return "| " + strings.Join(columns, " | ") + " |\n" + strings.Repeat("|---", len(columns)) + "|\n"
}

func gainRow(l Line) string {
	best, own := "-", ""

	for _, r := range l.Results {
		if r.Rule == l.Best {
			best = fmt.Sprintf("%s: %.1f %%, %.2f", r.Rule, 100*r.Gain, r.Honesty)
		}

		if !r.Peer {
			own += fmt.Sprintf(" %.3f (%.3f) | %.2f | %.2f | %.2f |", r.Ratio, r.SE, r.Honesty, r.FalseShare,
				r.Runs/max(r.Proposals, 1))
		}
	}

	return fmt.Sprintf("| %s | %s |%s\n", l.Cell, best, own)
}

const (
	sampleNights = 4
	sampleSeed   = 5
)

// RenderSample is a small part of the evidence that is quick to play again: both
// tables of one noise model over four nights. docs/evidence.md must contain it.
func RenderSample() string {
	c, _ := FindCell("100/300, drift+heavy")
	rules := Rules()

	return RenderNullTable([]Line{playAll(NullCell(c.Noise, 300, 100), rules)}) + "\n" +
		RenderGainTable([]Line{playAll(c, rules)})
}

func playAll(c Cell, rules []Rule) Line {
	nights := make([][]Night, len(rules))
	for i, r := range rules {
		for n := range sampleNights {
			nights[i] = append(nights[i], PlayNight(r, c, sampleSeed, n))
		}
	}

	return CompareRules(c, rules, nights)
}
