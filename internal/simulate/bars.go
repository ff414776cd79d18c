package simulate

import (
	"context"
	"fmt"
	"strings"
)

// BarLine is what nights of mixed edits by search: auto come to, by the bar that an
// expected gain must exceed to be kept.
type BarLine struct {
	Cell   string      `json:"cell"`
	Points []BarResult `json:"points"`
}

// BarResult is a point of the curve.
type BarResult struct {
	Bar    float64 `json:"bar"`    // share of the smallest gain that counts; 0 is the rule's own
	Riders float64 `json:"riders"` // share of what was kept that brings no gain
	// Gain is the true gain over that with the lowest bar, with its paired standard error.
	Gain float64 `json:"gain"`
	SE   float64 `json:"se"`
}

// keepBars are the bars of the curve, the lowest first; the last is the rule's own.
var keepBars = []float64{.05, .3, .6, 1, 0}

// barCells are where the curve is played.
var barCells = []string{"100/300, lognormal 0.5%", "100/300, lognormal 2%", "100/1000, lognormal 2%",
	"flat 100/300, lognormal 2%"}

// playBars plays the curve in each of its cells.
func (s *Study) playBars(ctx context.Context) []BarLine {
	var lines []BarLine
	auto := Rules()[0]

	for _, name := range barCells {
		cell, _ := FindCell(name)
		line := BarLine{Cell: name}
		var lowest []Night

		for _, bar := range keepBars {
			cell.keepBar = bar
			nights := make([]Night, s.Nights)

			playInParallel(ctx, s.Nights, func(i int) {
				nights[i] = PlayNight(auto, cell, s.Seed, i)
				s.Played(int(s.done.Add(1)), int(s.total.Load()))
			})

			if lowest == nil {
				lowest = nights
			}
			gain, se := GainRatio(nights, lowest)
			line.Points = append(line.Points, BarResult{bar, SummariseNights(nights).FalseShare, gain, se})
		}
		lines = append(lines, line)
	}

	return lines
}

// countBarNights is how many nights the curve takes.
func (s *Study) countBarNights() int64 { return int64(s.Nights * len(barCells) * len(keepBars)) }

// RenderBarTable has a row a cell and a column a bar.
func RenderBarTable(lines []BarLine) string {
	if len(lines) == 0 {
		return ""
	}
	columns := []string{"proposals/runs, noise"}

	for _, point := range lines[0].Points {
		words := fmt.Sprintf("bar %v", point.Bar)
		if point.Bar == 0 {
			words = "**the rule's own**"
		}
		columns = append(columns, words)
	}

	var text strings.Builder
	text.WriteString(tableHead(columns))

	for _, line := range lines {
		fmt.Fprintf(&text, "| %s |", line.Cell)
		for _, point := range line.Points {
			fmt.Fprintf(&text, " %.0f %% / %.3f (%.3f) |", 100*point.Riders, point.Gain, point.SE)
		}
		text.WriteString("\n")
	}

	return text.String()
}
