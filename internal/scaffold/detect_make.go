package scaffold

import (
	"slices"
)

var makeTarget = compileLazily(`(?m)^([A-Za-z][\w.-]*)[ \t]*:(?:[^=]|$)`)

// detectMake proposes the Makefile's bench target, with its
// test target as the check; without one, the CPU time of the tests.
func detectMake(folder *tree) *Proposal {
	file := folder.firstExisting("Makefile", "makefile", "GNUmakefile")
	if file == "" {
		return nil
	}
	text := folder.readStart(file)

	var targets []string
	for _, m := range makeTarget().FindAllStringSubmatch(text, -1) {
		targets = append(targets, m[1])
	}
	proposal := &Proposal{}
	proposal.addReason(file + ": make")

	for _, check := range []string{"check", "test"} {
		if slices.Contains(targets, check) {
			proposal.Check = "make --silent " + check
		}
	}

	for _, bench := range []string{"bench", "benchmark", "perf"} {
		if !slices.Contains(targets, bench) {
			continue
		}
		proposal.addReason(`the target "` + bench + `"`)

		proposal.Run, proposal.Metric = "make --silent "+bench, cpuSeconds()
		if m, ok := findPrintedMetric(text); ok {
			proposal.Metric = m
		}

		if slices.Contains(targets, "build") {
			proposal.Build = "make --silent build"
		}

		return proposal
	}

	if proposal.Check != "" {
		proposal.Run, proposal.Metric, proposal.Check, proposal.Tests = proposal.Check, cpuSeconds(), "", proposal.Check
		if slices.Contains(targets, "all") {
			proposal.Build = "make --silent all"
		}
		proposal.addReason("no benchmark target: the CPU time of the tests")
	}

	return proposal
}
