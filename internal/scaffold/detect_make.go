package scaffold

import (
	"slices"
	"strings"
)

var makeTarget = compileLazily(`(?m)^([A-Za-z][\w.-]*)[ \t]*:(?:[^=]|$)`)

// detectMake proposes the Makefile's targets that are named as benchmarks, with its test
// target as the check, and the CPU time of the tests.
func detectMake(folder *tree) (found []*Proposal) {
	file := folder.firstExisting("Makefile", "makefile", "GNUmakefile")
	if file == "" {
		return nil
	}
	text := folder.readStart(file)

	var targets []string
	for _, m := range makeTarget().FindAllStringSubmatch(text, -1) {
		if !slices.Contains(targets, m[1]) {
			targets = append(targets, m[1])
		}
	}
	var base Proposal
	base.addReasonf("%s: make", file)

	for _, check := range []string{"check", "test"} {
		if slices.Contains(targets, check) {
			base.Check = "make --silent " + check
		}
	}

	for _, target := range targets {
		if !benchTarget().MatchString(target) || strings.Contains(target, ".") {
			continue
		}
		proposal := base
		proposal.kind, proposal.Use, proposal.What = ofBenchScript, target, `the target "`+target+`"`
		proposal.addReasonf(`the target "%s"`, target)
		proposal.Run = "make --silent " + target

		if slices.Contains(targets, "build") {
			proposal.Build = "make --silent build"
		}
		proposal.measureMake(folder, text, target)
		found = append(found, &proposal)
	}

	if base.Check != "" {
		tests := base.proposeTests(base.Check)
		if slices.Contains(targets, "all") {
			tests.Build = "make --silent all"
		}
		found = append(found, tests)
	}

	return found
}

var (
	benchTarget = compileLazily(`(^|[-_])(bench(mark)?s?|perf)($|[-_])`)
	sourceName  = compileLazily(`[\w./-]+\.(?:cc|cpp|cxx|c|py|js|mjs|rs|sh)\b|[\w./-]*bench[\w./-]*`)
)

// measureMake finds the source of a target's benchmark, what it prints, and which file
// it is of.
func (p *Proposal) measureMake(folder *tree, text, target string) {
	p.setUsage()

	if metric, ok := findPrintedMetric(text); ok {
		p.Metric, p.unsure, p.kind = metric, false, ofPrintedNumber
	}

	for _, name := range sourceName().FindAllString(makeRule(text, target), -1) {
		file := folder.firstExisting(name, name+".c", name+".cc", name+".cpp", "src/"+name+".c", "bench/"+name+".c",
			"bench/"+name+".cc", "benchmarks/"+name+".c", "test/"+name+".c", "tests/"+name+".c")
		if file == "" || languageOf(file) == "" {
			continue
		}

		source := folder.readStart(file)
		if metric, ok := findPrintedMetric(source); ok && p.unsure {
			p.Metric, p.unsure, p.kind = metric, false, ofPrintedNumber
			p.addReasonf("%s: prints %s", file, metric.Name)
		}
		p.setExercised(folder, file, source)

		return
	}
}

// makeRule is the rule of a target, with the rules of what it needs.
func makeRule(text, target string) string {
	var rule strings.Builder
	wanted, isIn := []string{target}, false

	for line := range strings.Lines(text) {
		name, needs, ok := strings.Cut(line, ":")

		switch {
		case strings.HasPrefix(line, "\t"):
		case ok && slices.Contains(wanted, strings.TrimSpace(name)):
			isIn = true
			wanted = append(wanted, strings.Fields(needs)...)
		default:
			isIn = false
		}

		if isIn {
			rule.WriteString(line)
		}
	}

	return rule.String()
}
