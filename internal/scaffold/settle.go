package scaffold

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/wording"
)

// WantsTrial says whether only a run can tell the metric: what is proposed may be
// bettered by a number that the run prints, or has no metric yet.
func (p *Proposal) WantsTrial() bool { return p.unsure || p.Metric.Name == "" || p.Metric.Better == "" }

// ForTrial is the proposal to be tried: where the metric is open, with the CPU time in
// its place, which every run has.
func (p *Proposal) ForTrial() *Proposal {
	trial := *p
	trial.Wall = maxTrial

	if p.WantsTrial() {
		trial.Metric, trial.Guards = cpuSeconds(), nil
	}

	return &trial
}

// maxTrial is how long the run of a trial may take.
const maxTrial = 15 * time.Minute

// minRank is how much a printed number must look like a result to be taken for the metric.
const minRank = 3

// Settle takes the metric from what a run of the proposal printed, if it was open, and
// the time limit from how long the run took. want is the name that a person gave, or "",
// own the project's. It returns the other numbers that could be the metric.
func (p *Proposal) Settle(want, own string, output []byte, seconds float64) (others []Printed) {
	if wall := 3 * time.Duration(seconds*float64(time.Second)); wall > defaultWall {
		p.Wall = wall.Round(time.Minute)
	}

	if !p.WantsTrial() {
		return nil
	}
	printed := FindPrinted(output, own)

	i := slices.IndexFunc(printed, func(number Printed) bool {
		if want != "" {
			return number.Metric.Name == want || number.Metric.Name == metricName(want)
		}

		return number.rank >= minRank && number.Metric.Better != ""
	})
	if i >= 0 {
		p.take(printed[i])
		printed = slices.Delete(printed, i, i+1)
	}

	printed = slices.DeleteFunc(printed, func(number Printed) bool { return number.rank < 0 })

	return printed[:min(len(printed), 5)]
}

// defaultWall is how long a run may take where the program does not say.
const defaultWall = 5 * time.Minute

// take makes a printed number the metric. What a person said of it stays.
func (p *Proposal) take(number Printed) {
	metric := number.Metric
	metric.Better = cmp.Or(p.saidDirection(), metric.Better)

	if p.Metric.Name != "" && p.Metric.From.Kind != "cpu" {
		metric.Unit = cmp.Or(p.Metric.Unit, metric.Unit)
	}
	p.Metric, p.unsure = metric, false
	p.addReasonf("the run printed %q: %s", wording.Clip(strings.TrimSpace(number.Line), 80), metric.Name)
}

// saidDirection is the direction of a metric that is not only a stand-in.
func (p *Proposal) saidDirection() research.Direction {
	if p.Metric.From.Kind == "cpu" {
		return ""
	}

	return p.Metric.Better
}

// Describe says where a printed number can be had, as flags of `ratchet init`.
func (number Printed) Describe() string {
	text := "--metric " + number.Metric.Name
	if number.Metric.Better == "" {
		text += " --better lower (or higher)"
	}

	return text
}

// ListOthers are the lines that choose something else to be measured, at most n.
func ListOthers(all []*Proposal, n int) (lines []string) {
	for _, p := range all {
		if p.Use != "" && len(lines) < n {
			lines = append(lines, fmt.Sprintf("%s: `ratchet init --use %s`", p.What, quoteArgument(p.Use)))
		}
	}

	return lines
}

// quoteArgument quotes an argument for the shell where that is needed.
func quoteArgument(text string) string {
	if plainArgument().MatchString(text) {
		return text
	}

	return wording.ShellQuote(text)
}

var plainArgument = compileLazily(`^[\w./:@=+-]+$`)

// FormatSample is a value of the metric with its unit.
func FormatSample(metric contract.Metric, value float64) string {
	return metric.Name + " " + wording.FormatValue(value, metric.Unit)
}
