package report

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/wording"
)

// cleanText returns somebody's text in one line of at most n characters, without the
// characters that could hide or end it; "-" for an empty one.
func cleanText(text string, n int) string {
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

// formatCount writes a number with its noun: "experiment|experiments", or one word for both.
func formatCount(n int, noun string) string {
	single, many, ok := strings.Cut(noun, "|")
	if !ok {
		many = single
	}

	return wording.CountForms(n, single, many)
}

// formatEnergy writes an energy in J or kJ.
func formatEnergy(joules float64) string {
	if joules < 1e5 {
		return wording.FormatValue(math.Round(joules), "J")
	}

	return wording.FormatValue(math.Round(joules/100)/10, "kJ")
}

// formatBytes is a size in kB, as clients count them.
func formatBytes(n int64) string { return wording.FormatValue(math.Round(float64(n)/100)/10, "kB") }

// toldMetric is the campaign's metric as figures are told in it: without its name, which
// stands beside them.
func toldMetric(c *history.Campaign) contract.Metric {
	metric := c.Program.Metric
	metric.Name, metric.Unit = "", cleanUnit(metric.Unit)

	return metric
}

// formatOverStart is a gain over the start, with the values that it is between.
func formatOverStart(c *history.Campaign, gain research.Interval, scale string) string {
	words := toldMetric(c).Words(scale)
	return words.FormatChange(words.Over(c.ComparableStart(), gain))
}

// formatGain is a gain with its interval. A figure has a digit, also where nothing changed.
func formatGain(metric contract.Metric, gain research.Interval, scale string) string {
	return strings.Replace(metric.Words(scale).FormatGain(gain), "no change", "0 change", 1)
}

// formatSum is what gains add up to, over the start.
func formatSum(c *history.Campaign, gain float64) string {
	return formatOverStart(c, research.Interval{Mid: gain, Lo: gain, Hi: gain}, c.Rule.Scale)
}

// formatAmount is a gain without its interval.
func formatAmount(c *history.Campaign, gain float64) string {
	return formatGain(toldMetric(c), research.Interval{Mid: gain, Lo: gain, Hi: gain}, c.Rule.Scale)
}

// formatShare is a gain that an agent named as a percentage.
func formatShare(c *history.Campaign, gain float64) string {
	return formatGain(toldMetric(c), research.Interval{Mid: gain, Lo: gain, Hi: gain}, research.LogScale)
}

func formatTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// cleanUnit is a unit that a program names.
func cleanUnit(unit string) string {
	if unit == "" {
		return ""
	}

	return cleanText(unit, 16)
}

// shortCommit is a commit's short name.
func shortCommit(hash string) string { return hash[:min(len(hash), 10)] }

// shortBranch is a branch's short name.
func shortBranch(ref string) string { return cleanText(strings.TrimPrefix(ref, "refs/heads/"), 80) }

// formatDropped is how many kept changes a finalize left out.
func formatDropped(b *history.Finalization) string {
	return fmt.Sprintf("%d of %s", len(b.Dropped), formatCount(len(b.Dropped)+len(b.Kept), "kept change|kept changes"))
}

// formatExperiments names experiments, the first few of many.
func formatExperiments(ns []int) string {
	var ids []string
	for _, n := range ns {
		ids = append(ids, fmt.Sprintf("x%d", n))
	}

	return cleanText(strings.Join(ids, ", "), 60)
}

func formatLines(added, removed int) string { return fmt.Sprintf("+%d -%d lines", added, removed) }

// formatPaths names files, the first few of many.
func formatPaths(paths []string) string { return cleanText(strings.Join(paths, ", "), 80) }

// formatResolution is the difference that an audit can show, "" where that is not known.
func formatResolution(campaign *history.Campaign) string {
	pairs := campaign.Outlook().AuditPairs()

	gain, ok := campaign.Rule.DetectableGain(pairs)
	if !ok {
		return ""
	}

	return toldMetric(campaign).Words(campaign.Rule.Scale).FormatSize(gain) + " with " +
		formatCount(pairs, "pair|pairs")
}
