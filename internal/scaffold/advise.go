package scaffold

import (
	"fmt"
	"os"
	"strings"

	"ratchet/internal/research/contract"
)

// Advise is what to write into program.md, or to do, about a problem of a program: lines
// to paste, and what is missing by name. problem says why a run gave no value, output is
// what it printed; own is the project's name. Nil where nothing is known.
func Advise(program contract.Program, problem, own string, output []byte) (advice []string) {
	text := string(output)

	switch {
	case strings.Contains(problem, "different values"):
		advice = append(advice, "metric: {pick: last}   # or first, min, max, median")
	case strings.Contains(problem, "never printed"), strings.Contains(problem, "not a decimal number"),
		strings.Contains(problem, "only a part of the number"), strings.Contains(problem, "no value"):
		advice = append(advice, adviseMetric(program.Metric, own, output)...)
	case strings.HasPrefix(problem, "timeout"):
		advice = append(advice, fmt.Sprintf("budget: {wall: %s}", 3*program.Budget.Wall))
	case strings.Contains(problem, "changed files that it may not"):
		_, files, _ := strings.Cut(problem, "may not: ")
		file, _, _ := strings.Cut(files, " (")
		advice = append(advice, fmt.Sprintf("writes: [%s]   # or let the command write below a folder that git ignores", file))
	}

	if path := findUnseenPath(text); path != "" {
		advice = append(advice, fmt.Sprintf("reads: [%s]", path))
	}

	if missing := ExplainMissing(text + "\n" + problem); missing != "" {
		advice = append(advice, missing)
	}

	return advice
}

// adviseMetric proposes how a metric is found in what was printed: under its own name
// where that stands there, else the likeliest numbers.
func adviseMetric(metric contract.Metric, own string, output []byte) (advice []string) {
	found := FindPrinted(output, own)

	for _, number := range found {
		if number.Metric.Name == metric.Name || number.Metric.Name == metricName(metric.Name) {
			return append(advice, describeMetric(number.Metric, metric))
		}
	}

	for _, number := range found[:min(len(found), 3)] {
		if number.rank >= 0 {
			advice = append(advice, describeMetric(number.Metric, metric))
		}
	}

	return advice
}

// describeMetric is a metric as program.md has it, with what was said of it kept.
func describeMetric(metric, said contract.Metric) string {
	parts := []string{"name: " + metric.Name}

	better := metric.Better
	if better == "" || metric.Name == said.Name {
		better = said.Better
	}
	parts = append(parts, "better: "+string(better))

	if metric.Unit != "" {
		parts = append(parts, "unit: "+quoteYAML(metric.Unit))
	}

	if metric.From.Kind != "output" {
		parts = append(parts, "from: "+quoteYAML(metric.From.String()))
	}

	if metric.Pick != "" {
		parts = append(parts, "pick: "+metric.Pick)
	}

	return "metric: {" + strings.Join(parts, ", ") + "}"
}

// quoteYAML quotes a text that is not a plain word.
func quoteYAML(text string) string {
	if plainWord().MatchString(text) {
		return text
	}

	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}

var (
	plainWord  = compileLazily(`^[A-Za-z][\w/]*$`)
	unseenPath = compileLazily(`(?:No such file or directory|ENOENT|cannot find|cannot open|Permission denied)[^\n/]{0,60}['"]?(/[\w./@+-]+)|(/[\w./@+-]+)['"]?:? (?:No such file or directory|Permission denied)`)
)

// findUnseenPath is an absolute path that a run did not find, and that is there for the
// person: it lies outside what runs see. "" for none.
func findUnseenPath(text string) string {
	for _, m := range unseenPath().FindAllStringSubmatch(text, -1) {
		path := m[1] + m[2]
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}

	return ""
}
