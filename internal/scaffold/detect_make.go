package scaffold

import (
	"regexp"
	"slices"
)

var makeTarget = regexp.MustCompile(`(?m)^([A-Za-z][\w.-]*)[ \t]*:(?:[^=]|$)`)

// detectMake proposes the Makefile's bench target, with its
// test target as the check; without one, the CPU time of the tests.
func detectMake(t *tree) *Proposal {
	file := t.first("Makefile", "makefile", "GNUmakefile")
	if file == "" {
		return nil
	}
	text := t.read(file)

	var targets []string
	for _, m := range makeTarget.FindAllStringSubmatch(text, -1) {
		targets = append(targets, m[1])
	}
	p := &Proposal{}
	p.addReason(file + ": make")

	for _, check := range []string{"check", "test"} {
		if slices.Contains(targets, check) {
			p.Check = "make --silent " + check
		}
	}

	for _, bench := range []string{"bench", "benchmark", "perf"} {
		if !slices.Contains(targets, bench) {
			continue
		}
		p.addReason(`the target "` + bench + `"`)

		p.Run, p.Metric = "make --silent "+bench, cpuSeconds()
		if m, ok := findPrintedMetric(text); ok {
			p.Metric = m
		}

		if slices.Contains(targets, "build") {
			p.Build = "make --silent build"
		}

		return p
	}

	if p.Check != "" {
		p.Run, p.Metric, p.Check, p.Tests = p.Check, cpuSeconds(), "", p.Check
		if slices.Contains(targets, "all") {
			p.Build = "make --silent all"
		}
		p.addReason("no benchmark target: the CPU time of the tests")
	}

	return p
}
