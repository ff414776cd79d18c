package main

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"ratchet/internal/research"
)

var (
	goBenchmark = regexp.MustCompile(`(?m)^func (Benchmark\w*)\(\w+ \*testing\.B\)`)
	goMain      = regexp.MustCompile(`(?m)^package main$`)
)

// detectGo proposes the module's first benchmark, else its program, else the
// CPU time of its tests.
func detectGo(t *tree) *proposal {
	if !t.has("go.mod") {
		return nil
	}
	p := &proposal{}
	p.because("go.mod: a Go module")
	if hasGoTests(t) {
		p.Check = "go test ./..."
	}
	switch {
	case goBench(t, p):
	case goProgram(t, p):
	case p.Check != "":
		p.Build = "go test -run '^$' ./..." // compiles, so that the run doesn't
		p.Run, p.Metric, p.Check = "go test -count=1 ./...", cpuSeconds(), ""
		p.because("no benchmark and no program: the CPU time of the tests")
	}
	return p
}

func hasGoTests(t *tree) bool {
	for _, name := range t.files {
		if strings.HasSuffix(name, "_test.go") {
			return true
		}
	}
	return false
}

// goBench proposes the first benchmark without sub-benchmarks: they would
// print several numbers.
func goBench(t *tree, p *proposal) bool {
	for _, file := range t.files {
		if !strings.HasSuffix(file, "_test.go") {
			continue
		}
		text := t.read(file)
		for _, at := range goBenchmark.FindAllStringSubmatchIndex(text, -1) {
			name := text[at[2]:at[3]]
			body, _, _ := strings.Cut(text[at[1]:], "\nfunc ")
			if strings.Contains(body, "b.Run(") {
				continue
			}
			p.because(fmt.Sprintf("%s: %s", file, name))
			goBenchCommands(p, path.Dir(file), name)
			p.Edit = goEdit(t, file, name)
			return true
		}
	}
	return false
}

func goBenchCommands(p *proposal, dir, name string) {
	command := fmt.Sprintf("./bench.test -test.run '^$' -test.bench '^%s$'", name)
	p.Build, p.Run = "go test -c -o bench.test .", command
	if dir != "." {
		p.Build = fmt.Sprintf("go test -c -o %s/bench.test ./%s", dir, dir)
		p.Run = fmt.Sprintf("cd %s && %s", dir, command)
	}
	p.Metric = research.Metric{Name: "ns_per_op", Better: research.Lower, Unit: "ns", Noise: research.Noisy,
		From: research.Source{Kind: "regex", Expr: fmt.Sprintf(`^%s(?:-\d+)?\s+\d+\s+([0-9.]+) ns/op`, name)}}
}

// goEdit finds the file that a benchmark is of: the one of the same name, the
// only one of the package, or the one that declares what is benchmarked.
func goEdit(t *tree, test, benchmark string) []string {
	if same := strings.TrimSuffix(test, "_test.go") + ".go"; t.has(same) {
		return []string{same}
	}
	sources := goSources(t, path.Dir(test))
	if len(sources) == 1 {
		return sources
	}
	subject := strings.TrimPrefix(benchmark, "Benchmark")
	if subject == "" {
		return nil
	}
	declared := regexp.MustCompile(`(?m)^func (?:\([^)]*\) )?(?i:` + regexp.QuoteMeta(subject) + `)[\[(]`)
	for _, file := range sources {
		if declared.MatchString(t.read(file)) {
			return []string{file}
		}
	}
	return nil
}

func goSources(t *tree, dir string) []string {
	var found []string
	for _, name := range t.in(dir, ".go") {
		if !strings.HasSuffix(name, "_test.go") {
			found = append(found, name)
		}
	}
	return found
}

func goProgram(t *tree, p *proposal) bool {
	sources := goSources(t, ".")
	for _, file := range sources {
		if !goMain.MatchString(t.read(file)) {
			continue
		}
		p.because(file + ": a program; no benchmark")
		p.Build, p.Run, p.Metric = "go build -buildvcs=false -o bench.bin .", "./bench.bin", cpuSeconds()
		if m, ok := printed(t.read(file)); ok {
			p.Metric = m
		}
		if len(sources) == 1 {
			p.Edit = sources
		}
		return true
	}
	return false
}
