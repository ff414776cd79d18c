package simulate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
)

// PlayedNight is one night that the real binary was driven through, by an MCP
// client, on a benchmark of known true values. Gains are log-ratios, positive
// is better.
type PlayedNight struct {
	Search  string  `json:"search"` // auto | certify | greedy: a driver that keeps what one measured run shows lower
	Noise   string  `json:"noise"`  // normal | heavy
	Edits   string  `json:"edits"`  // null | mixed
	Night   int     `json:"night"`
	Judged  int     `json:"judged"`  // edits
	Kept    int     `json:"kept"`    // when they were judged
	Tried   int     `json:"tried"`   // certificates
	Passed  int     `json:"passed"`  // of them
	Runs    int     `json:"runs"`    // all but the audit's
	Offered float64 `json:"offered"` // by the planted gains
	Truth   float64 `json:"truth"`   // of the head at the end
	Claimed float64 `json:"claimed"` // by what is proven; by a greedy driver's best value over its first
	Low     float64 `json:"low"`     // of the last certificate's 90 % interval
	High    float64 `json:"high"`
	Audited float64 `json:"audited"` // by fresh pairs of start and head
	OneRun  int     `json:"one_run"` // edits whose first run was lower than all before
	Seconds float64 `json:"seconds"` // summed run time
}

// ParseNights reads lines of JSON, a night each.
func ParseNights(text []byte) ([]PlayedNight, error) {
	return decodeLines[PlayedNight](text, "the nights")
}

// decodeLines reads lines of JSON, a T each. what names them in an error.
func decodeLines[T any](text []byte, what string) ([]T, error) {
	var all []T

	for dec := json.NewDecoder(bytes.NewReader(text)); ; {
		var one T
		if err := dec.Decode(&one); err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("decode %s: %w", what, err)
		}
		all = append(all, one)
	}
}

// IsDeceived says whether something counts as proven that is worth nothing: a
// certificate (auto), else a keep.
func (n PlayedNight) IsDeceived() bool {
	if n.Search == "auto" {
		return n.Passed > 0 && n.Truth <= 0
	}

	return n.Kept > 0 && n.Truth <= 0
}

// CoversTruth says whether the last certificate's interval holds the true gain.
func (n PlayedNight) CoversTruth() bool {
	return n.Passed > 0 && n.Low <= n.Truth && n.Truth <= n.High
}

// RenderPlayedTables has the nights of useless edits, then the mixed ones; a row
// each kind of night, in the order of the search, then of the noise.
func RenderPlayedTables(nights []PlayedNight) string {
	var text strings.Builder
	text.WriteString("| useless edits: search, noise | nights | with something proven | edits a night | kept provisionally | runs a night | nights that deceive \"one run, keep if lower\" | its keeps a night |\n" +
		"|---|---|---|---|---|---|---|---|\n")

	for _, c := range playedCells(nights, "null") {
		text.WriteString(nullRow(c))
	}
	text.WriteString("\n| mixed edits: search | nights | on offer, log-% | true gain of the head | audited | audited/offered | claimed | mean error of the claim | interval holds the truth |\n" +
		"|---|---|---|---|---|---|---|---|---|\n")

	for _, c := range playedCells(nights, "mixed") {
		text.WriteString(mixedRow(c))
	}

	return text.String()
}

// playedCells are the nights of that kind by search and noise.
func playedCells(nights []PlayedNight, edits string) [][]PlayedNight {
	var cells [][]PlayedNight

	for _, search := range []string{"auto", "certify", "greedy"} {
		for _, noise := range []string{"normal", "heavy"} {
			var some []PlayedNight

			for _, n := range nights {
				if n.Edits == edits && n.Search == search && n.Noise == noise {
					some = append(some, n)
				}
			}

			if len(some) > 0 {
				cells = append(cells, some)
			}
		}
	}

	return cells
}

// meanOf is the mean over nights.
func meanOf(nights []PlayedNight, of func(PlayedNight) float64) float64 {
	sum := 0.0
	for _, n := range nights {
		sum += of(n)
	}

	return sum / float64(len(nights))
}

func countNights(nights []PlayedNight, which func(PlayedNight) bool) int {
	k := 0

	for _, n := range nights {
		if which(n) {
			k++
		}
	}

	return k
}

func nullRow(nights []PlayedNight) string {
	provisional := "-"
	if nights[0].Search == "auto" {
		provisional = fmt.Sprintf("%.0f", meanOf(nights, func(n PlayedNight) float64 { return float64(n.Kept) }))
	}

	return fmt.Sprintf("| %s, %s | %d | %d | %.0f | %s | %.0f | %d | %.1f |\n", nights[0].Search, nights[0].Noise,
		len(nights), countNights(nights, PlayedNight.IsDeceived), meanOf(nights,
			func(n PlayedNight) float64 { return float64(n.Judged) }),
		provisional, meanOf(nights, func(n PlayedNight) float64 { return float64(n.Runs) }),
		countNights(nights, func(n PlayedNight) bool { return n.OneRun > 0 }),
		meanOf(nights, func(n PlayedNight) float64 { return float64(n.OneRun) }))
}

func mixedRow(nights []PlayedNight) string {
	audited, ratio, covered := "-", "-", "-"
	if nights[0].Search != "greedy" {
		audited = fmt.Sprintf("%.1f", 100*meanOf(nights, func(n PlayedNight) float64 { return n.Audited }))
		ratio = fmt.Sprintf("%.3f", meanOf(nights, func(n PlayedNight) float64 { return n.Audited / n.Offered }))
	}

	if nights[0].Search == "auto" {
		covered = fmt.Sprintf("%d of %d", countNights(nights, PlayedNight.CoversTruth), len(nights))
	}

	return fmt.Sprintf("| %s | %d | %.1f | %.1f | %s | %s | %.1f | %.1f | %s |\n", nights[0].Search, len(nights),
		100*meanOf(nights, func(n PlayedNight) float64 { return n.Offered }),
		100*meanOf(nights, func(n PlayedNight) float64 { return n.Truth }), audited, ratio,
		100*meanOf(nights, func(n PlayedNight) float64 { return n.Claimed }),
		100*meanOf(nights, func(n PlayedNight) float64 { return math.Abs(n.Claimed - n.Truth) }), covered)
}
