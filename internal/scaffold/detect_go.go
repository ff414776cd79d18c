package scaffold

import (
	"fmt"
	"go/build/constraint"
	"path"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/wording"
)

var (
	goBenchmark = compileLazily(`(?m)^func (Benchmark\w*)\(\w+ \*testing\.B\)`)
	goRequire   = compileLazily(`(?m)^require\b`)
	goBuild     = compileLazily(`(?m)^//go:build .*$`)
	goMain      = compileLazily(`(?m)^package main$`)
)

// detectGo proposes the module's first benchmark, else its program, else the
// CPU time of its tests.
func detectGo(folder *tree) *Proposal {
	if !folder.hasFile("go.mod") {
		return nil
	}
	proposal := &Proposal{}
	proposal.addReason("go.mod: a Go module")

	if goRequire().MatchString(folder.readStart("go.mod")) && !folder.exists("vendor/modules.txt") {
		proposal.Setup = "go mod download" // builds have no network, and the module cache may lack something
	}

	if hasGoTests(folder) {
		proposal.Check = "go test ./..."
	}

	switch {
	case goBench(folder, proposal):
	case goProgram(folder, proposal):
	case proposal.Check != "":
		proposal.Build = "go test -run '^$' ./..." // compiles, so that the run doesn't
		proposal.Run, proposal.Metric, proposal.Check, proposal.Tests = "go test -count=1 ./...", cpuSeconds(), "",
			proposal.Check
		proposal.addReason("no benchmark and no program: the CPU time of the tests")
	}

	return proposal
}

func hasGoTests(t *tree) bool {
	for _, name := range t.files {
		if strings.HasSuffix(name, "_test.go") {
			return true
		}
	}

	return false
}

// goCase is one benchmark: parts says that it has sub-benchmarks.
type goCase struct {
	file, name string
	parts      bool
	edit       []string
}

// goBench proposes the first benchmark whose file to edit is clear and that
// prints one number; else one whose parts' numbers are joined; else the first.
func goBench(t *tree, proposal *Proposal) bool {
	cases := goCases(t)
	if len(cases) == 0 {
		return false
	}

	best := cases[0]
	for _, c := range cases {
		if rankCase(c) > rankCase(best) {
			best = c
		}
	}

	found := fmt.Sprintf("%s: %s", best.file, best.name)
	if len(cases) > 1 {
		found += fmt.Sprintf(" (of %d benchmarks; --run and --metric choose another number)", len(cases))
	}
	proposal.addReason(found)
	proposal.Edit = best.edit
	goBenchCommands(proposal, path.Dir(best.file), best)

	return true
}

func rankCase(c goCase) int {
	n := 0
	if len(c.edit) > 0 {
		n += 2
	}

	if !c.parts {
		n++
	}

	return n
}

func goCases(folder *tree) []goCase {
	var cases []goCase

	for _, file := range folder.files {
		if !strings.HasSuffix(file, "_test.go") {
			continue
		}

		text := folder.readStart(file)
		for _, at := range goBenchmark().FindAllStringSubmatchIndex(text, -1) {
			body, _, _ := strings.Cut(text[at[1]:], "\nfunc ")
			name := text[at[2]:at[3]]
			cases = append(cases, goCase{file: file, name: name, parts: strings.Contains(body, "b.Run("),
				edit: goEdit(folder, file, name)})
		}
	}

	return cases
}

// joinParts prints the geometric mean over a benchmark's parts, and fails
// unless all of them ran: the benchmark's last line is PASS only then.
const joinParts = ` | awk '{print} /^PASS$/{ok=1} / ns\/op/{s+=log($3);n++} END{if(!ok||!n)exit 1; printf "METRIC ns_per_op=%.6g\n",exp(s/n)}'`

func goBenchCommands(proposal *Proposal, dir string, c goCase) {
	command := fmt.Sprintf("./bench.test -test.run '^$' -test.bench '^%s$'", c.name)

	proposal.Metric = contract.Metric{Name: "ns_per_op", Better: research.Lower, Unit: "ns", Noise: research.Noisy,
		From: contract.Source{Kind: "regex", Expr: fmt.Sprintf(`^%s(?:-\d+)?\s+\d+\s+([0-9.]+) ns/op`, c.name)}}
	if c.parts {
		command += " -test.benchtime 200ms" + joinParts
		proposal.Metric.From = contract.Source{Kind: "output"}
		proposal.addReason("it has sub-benchmarks: the geometric mean of their ns/op")
	}

	proposal.Build, proposal.Run = "go test -c -o bench.test .", command
	if dir != "." {
		proposal.Build = fmt.Sprintf("go test -c -o %s/bench.test ./%s", dir, dir)
		proposal.Run = fmt.Sprintf("cd %s && %s", dir, command)
	}
}

// goEdit finds the file that a benchmark is of: the one of the same name, the
// only one of the package, or the one that declares what is benchmarked.
func goEdit(folder *tree, test, benchmark string) []string {
	if same := strings.TrimSuffix(test, "_test.go") + ".go"; folder.hasFile(same) {
		return []string{same}
	}

	sources := goSources(folder, path.Dir(test))
	if len(sources) == 1 {
		return sources
	}

	for _, declared := range declarations(strings.TrimPrefix(benchmark, "Benchmark")) {
		for _, file := range sources {
			text := folder.readStart(file)
			if m := declared.FindStringIndex(text); m != nil && goBuilt(file, text) {
				return goBody(folder, file, text[m[0]:])
			}
		}
	}

	return nil
}

// goBody is the file in which the function that text begins with has its body:
// file itself, or the assembly file of this machine that implements it, if that
// is clear.
func goBody(folder *tree, file, text string) []string {
	line := wording.FirstLine(text)
	if strings.Contains(line, "{") || strings.HasSuffix(line, "(") {
		return []string{file}
	}

	name, _, _ := strings.Cut(strings.TrimPrefix(line, "func "), "(")
	for _, asm := range folder.listFolder(path.Dir(file), ".s") {
		if text := folder.readStart(asm); goBuilt(asm, text) && strings.Contains(text, "·"+name+"(") {
			return []string{asm}
		}
	}

	return nil
}

// goBuilt says whether a file is compiled on this machine: by its name
// (_linux, _amd64) and its //go:build line. Tags are those of a plain go build.
func goBuilt(file, text string) bool {
	parts := strings.Split(strings.TrimSuffix(path.Base(file), path.Ext(file)), "_")
	for _, part := range parts[1:] {
		if slices.Contains(otherSystems, part) && part != runtime.GOOS && part != runtime.GOARCH {
			return false
		}
	}

	line := goBuild().FindString(text)
	if line == "" {
		return true
	}
	expr, err := constraint.Parse(strings.TrimSpace(line))

	return err != nil || expr.Eval(func(tag string) bool {
		return tag == runtime.GOOS || tag == runtime.GOARCH || tag == "gc" || tag == "cgo" || tag == "unix" ||
			strings.HasPrefix(tag, "go1.")
	})
}

// otherSystems are the words of file names that tie a file to a system.
var otherSystems = []string{"linux", "darwin", "windows", "freebsd", "openbsd", "netbsd", "js", "wasip1", "plan9",
	"solaris", "android", "ios", "aix", "amd64", "arm64", "386", "arm", "riscv64", "ppc64", "ppc64le", "s390x",
	"loong64", "mips", "mipsle", "mips64", "mips64le", "wasm"}

// declarations match what a benchmark's name stands for: Parse is a function
// or a method, Node_Parse also Node's method Parse or the function Node.
func declarations(name string) []*regexp.Regexp {
	if name == "" {
		return nil
	}
	q := regexp.QuoteMeta

	found := []*regexp.Regexp{regexp.MustCompile(`(?m)^func (?i:` + q(name) + `)[\[(]`),
		regexp.MustCompile(`(?m)^func \([^)]*\) (?i:` + q(name) + `)[\[(]`)}
	if head, tail, ok := strings.Cut(name, "_"); ok && head != "" && tail != "" {
		found = append(found, regexp.MustCompile(`(?mi)^func \((?:\w+ )?\*?`+q(head)+`(?:\[[^)]*)?\) `+q(tail)+`[\[(]`),
			regexp.MustCompile(`(?mi)^func `+q(head)+`[\[(]`))
	}

	return found
}

func goSources(folder *tree, dir string) []string {
	var found []string

	for _, name := range folder.listFolder(dir, ".go") {
		if !strings.HasSuffix(name, "_test.go") {
			found = append(found, name)
		}
	}

	return found
}

func goProgram(folder *tree, proposal *Proposal) bool {
	sources := goSources(folder, ".")
	for _, file := range sources {
		if !goMain().MatchString(folder.readStart(file)) {
			continue
		}
		proposal.addReason(file + ": a program; no benchmark")

		proposal.Build, proposal.Run, proposal.Metric = "go build -buildvcs=false -o bench.bin .", "./bench.bin",
			cpuSeconds()
		if m, ok := findPrintedMetric(folder.readStart(file)); ok {
			proposal.Metric = m
		}

		if len(sources) == 1 {
			proposal.Edit = sources
		}

		return true
	}

	return false
}
