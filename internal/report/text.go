package report

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"

	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/wording"
)

// clean is somebody's text in one line of at most n characters, without what
// could hide or end it.
func clean(text string, n int) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '“' || r == '”' || r == '„' || r == '‟':
			return '"'
		case r == '`':
			return '\''
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar:
			return -1
		}

		return r
	}, text)

	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > n {
		text = strings.TrimSpace(string(r[:n-1])) + "…"
	}

	if text == "" {
		return "-"
	}

	return text
}

// countText is a number with its noun: "experiment|experiments", or one word for both.
func countText(n int, noun string) string {
	single, many, ok := strings.Cut(noun, "|")
	if !ok {
		many = single
	}

	return wording.CountForms(n, single, many)
}

// energyText is an energy in its natural unit.
func energyText(joules float64) string {
	if joules < 1e5 {
		return wording.FormatValue(math.Round(joules), "J")
	}

	return wording.FormatValue(math.Round(joules/100)/10, "kJ")
}

// bytesText is a size in kB, as clients count them.
func bytesText(n int64) string { return wording.FormatValue(math.Round(float64(n)/100)/10, "kB") }

// shareText is a share in percent, with its sign.
func shareText(v float64) string { return wording.FormatSignedGain(v, "log", "") }

// sizeText is a share in percent that has no direction.
func sizeText(v float64) string { return strings.TrimPrefix(shareText(v), "+") }

func timeText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// unitText is a unit that a program names.
func unitText(unit string) string {
	if unit == "" {
		return ""
	}

	return clean(unit, 16)
}

// commitText is a commit's short name.
func commitText(hash string) string { return hash[:min(len(hash), 10)] }

// branchText is a branch's short name.
func branchText(ref string) string { return clean(strings.TrimPrefix(ref, "refs/heads/"), 80) }

// outOfText is how many kept changes a finalize left out.
func outOfText(b *history.Finalization) string {
	return fmt.Sprintf("%d of %s", len(b.Dropped), countText(len(b.Dropped)+len(b.Kept), "kept change|kept changes"))
}

// experimentsText names experiments, the first few of many.
func experimentsText(ns []int) string {
	var ids []string
	for _, n := range ns {
		ids = append(ids, fmt.Sprintf("x%d", n))
	}

	return clean(strings.Join(ids, ", "), 60)
}

func linesText(added, removed int) string { return fmt.Sprintf("+%d -%d lines", added, removed) }

// pathsText names files, the first few of many.
func pathsText(paths []string) string { return clean(strings.Join(paths, ", "), 80) }

// resolutionText is the difference that an audit can show.
func resolutionText(gain float64, scale, unit string) string {
	return strings.TrimPrefix(wording.FormatSignedGain(math.Abs(gain), scale, unit),
		"+") + " with " + countText(rules.AuditPairs, "pair|pairs")
}
