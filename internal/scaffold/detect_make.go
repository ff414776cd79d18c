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

		programs := listPrograms(text, target)
		if slices.Contains(programs, target) && isNeeded(text, target, targets) {
			continue // it only compiles what another target runs
		}
		proposal := base
		proposal.kind, proposal.Use, proposal.What = ofBenchScript, target, `the target "`+target+`"`
		proposal.addReasonf(`the target "%s"`, target)
		proposal.Run = "make --silent " + target

		switch {
		case slices.Contains(targets, "build"):
			proposal.Build = "make --silent build"
		case len(programs) > 0:
			proposal.Build = "make --silent " + strings.Join(programs, " ")
		}

		if slices.Contains(programs, target) {
			proposal.Run = "./" + target
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
	benchSource = compileLazily(`(^|[/_.-])(bench|perf)`)
	sourceName  = compileLazily(`[\w./-]+\.(?:cc|cpp|cxx|c|py|js|mjs|rs|sh)\b|[\w./-]*bench[\w./-]*`)
)

// listPrograms are the target and what it needs, as far as their recipes compile a program
// of the target's name.
func listPrograms(text, target string) (programs []string) {
	own, needed := makeRules(text, target)

	name := ""
	for line := range strings.Lines(own + needed) {
		if !strings.HasPrefix(line, "\t") {
			name, _, _ = strings.Cut(line, ":")
			name = strings.TrimSpace(name)

			continue
		}
		isCompiled := strings.Contains(line, "-o $@ ") || strings.Contains(line, "-o "+name+" ")

		if isCompiled && !strings.Contains(name, ".") && !slices.Contains(programs, name) {
			programs = append(programs, name)
		}
	}

	return programs
}

// isNeeded says whether another target that is named as a benchmark needs this one.
func isNeeded(text, target string, targets []string) bool {
	return slices.ContainsFunc(targets, func(other string) bool {
		return other != target && benchTarget().MatchString(other) &&
			slices.Contains(listPrograms(text, other), target)
	})
}

// measureMake finds the source of a target's benchmark, what it prints, and which file
// it is of.
func (p *Proposal) measureMake(folder *tree, text, target string) {
	p.setUsage()

	if metric, ok := findPrintedMetric(text); ok {
		p.Metric, p.unsure, p.kind = metric, false, ofPrintedNumber
	}

	own, needed := makeRules(text, target)
	names := sourceName().FindAllString(own, -1)

	for _, name := range sourceName().FindAllString(needed, -1) {
		if benchSource().MatchString(name) { // what else it needs may be what is measured
			names = append(names, name)
		}
	}

	for _, name := range names {
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

// makeRules are the rule of a target, and the rules of what it needs.
func makeRules(text, target string) (own, needed string) {
	rules, name := map[string]string{}, ""

	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "\t") {
			name, _, _ = strings.Cut(line, ":")
			name = strings.TrimSpace(name)
		}
		rules[name] += line
	}

	own = rules[target]

	var all strings.Builder
	for wanted := []string{target}; len(wanted) > 0; wanted = wanted[1:] {
		rule := rules[wanted[0]]
		delete(rules, wanted[0])
		all.WriteString(rule)

		head, _, _ := strings.Cut(rule, "\n")
		_, needs, _ := strings.Cut(head, ":")
		wanted = append(wanted, strings.Fields(needs)...)
	}

	return own, strings.TrimPrefix(all.String(), own)
}
