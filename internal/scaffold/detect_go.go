package scaffold

import (
	"cmp"
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

// detectGo proposes each of the module's benchmarks, its program, and the CPU time of
// its tests.
func detectGo(folder *tree) (found []*Proposal) {
	if !folder.hasFile("go.mod") && (folder.dir != "." || !folder.isBelow("go.mod") ||
		len(folder.listFolder(".", ".go")) == 0) {
		return nil
	}
	module := &tree{fsys: folder.fsys, dir: folder.dir, files: withoutModulesBelow(folder.files)}
	base := Proposal{}

	if goRequire().MatchString(folder.readStart("go.mod")) && !folder.exists("vendor/modules.txt") {
		base.Setup = "go mod download" // builds have no network, and the module cache may lack something
	}

	if hasGoTests(module) {
		base.Check = "go test ./..."
	}

	cases := goCases(module)
	slices.SortStableFunc(cases, func(a, b goCase) int { return compareBools(a.hasParts, b.hasParts) })

	for _, benchmark := range cases {
		found = append(found, goBench(module, base, benchmark))
	}
	sortByEdit(found)
	found = append(found, goPackages(module, base, cases)...)

	if program := goProgram(module, base); program != nil {
		found = append(found, program)
	}

	if base.Check != "" {
		tests := base.proposeTests("go test -count=1 ./...")
		tests.Build = "go test -run '^$' ./..." // compiles, so that the run doesn't
		found = append(found, tests)
	}

	return found
}

// sortByEdit puts the benchmarks of the file that most of them are of first: the others
// may measure helpers. Those with sub-benchmarks stay last.
func sortByEdit(benchmarks []*Proposal) {
	count := map[string]int{}
	for _, p := range benchmarks {
		if len(p.Edit) > 0 {
			count[p.Edit[0]]++
		}
	}

	often := func(p *Proposal) int {
		if len(p.Edit) == 0 || p.Metric.From.Kind == "output" { // of sub-benchmarks
			return 0
		}

		return count[p.Edit[0]]
	}
	slices.SortStableFunc(benchmarks, func(a, b *Proposal) int { return cmp.Compare(often(b), often(a)) })
}

// withoutModulesBelow leaves out the files of the modules below this one.
func withoutModulesBelow(files []string) []string {
	var below []string

	for _, name := range files {
		if path.Base(name) == "go.mod" && path.Dir(name) != "." {
			below = append(below, path.Dir(name)+"/")
		}
	}

	return slices.DeleteFunc(slices.Clone(files), func(name string) bool {
		return slices.ContainsFunc(below, func(dir string) bool { return strings.HasPrefix(name, dir) })
	})
}

func hasGoTests(t *tree) bool {
	for _, name := range t.files {
		if strings.HasSuffix(name, "_test.go") {
			return true
		}
	}

	return false
}

// goCase is one benchmark: hasParts says that it has sub-benchmarks, isParallel that it
// runs on several processors.
type goCase struct {
	file, name, body     string
	hasParts, isParallel bool
}

func goCases(folder *tree) []goCase {
	var cases []goCase

	for _, file := range folder.files {
		text := ""
		if strings.HasSuffix(file, "_test.go") {
			text = folder.readStart(file)
		}

		if text == "" || !goBuilt(strings.TrimSuffix(file, "_test.go")+".go", text) {
			continue
		}

		for _, at := range goBenchmark().FindAllStringSubmatchIndex(text, -1) {
			body, _, _ := strings.Cut(text[at[1]:], "\nfunc ")
			cases = append(cases, goCase{file: file, name: text[at[2]:at[3]], body: body,
				hasParts: strings.Contains(body, "b.Run("), isParallel: strings.Contains(body, ".RunParallel(")})
		}
	}

	return cases
}

// goBench proposes one benchmark.
func goBench(folder *tree, base Proposal, c goCase) *Proposal {
	proposal := base
	proposal.kind, proposal.Use, proposal.What = ofBenchmark, c.name, "ns/op of "+c.name
	proposal.measured = c.file
	proposal.addReasonf("%s: %s", c.file, strings.Replace(c.name, ".*", "its benchmarks", 1))
	proposal.setGoEdit(folder, c)

	dir := path.Dir(c.file)
	run := "./bench.test"
	proposal.Build = "go test -c -o bench.test ."

	if dir != "." {
		proposal.Build = fmt.Sprintf("go test -c -o %s/bench.test ./%s", dir, dir)
		run = fmt.Sprintf("cd %s && ./bench.test", dir)
	}
	run += fmt.Sprintf(" -test.run '^$' -test.bench '^%s$' -test.benchmem", c.name)

	if !c.isParallel {
		run += " -test.cpu 1"
	}

	proposal.Metric = contract.Metric{Name: "ns_per_op", Better: research.Lower, Unit: "ns", Noise: research.Noisy}

	if c.hasParts {
		proposal.Metric.From = contract.Source{Kind: "output"}
		proposal.Run = run + " -test.benchtime 200ms" + joinParts
		proposal.Guards = memoryGuards(contract.Source{}, contract.Source{})
		proposal.addReason("it has sub-benchmarks: the geometric mean of their ns/op, the sums of B/op and allocs/op")

		return &proposal
	}
	column := func(unit string) contract.Source {
		return contract.Source{Kind: "regex", Expr: fmt.Sprintf(`^%s(?:-\d+)?\s.*?\s([0-9.]+) %s`, c.name, unit)}
	}
	proposal.Metric.From = column("ns/op")
	proposal.Run = run + " -test.benchtime 1s"
	proposal.Guards = memoryGuards(column("B/op"), column("allocs/op"))

	return &proposal
}

// goPackages proposes all benchmarks of each package that has several.
func goPackages(folder *tree, base Proposal, cases []goCase) (found []*Proposal) {
	bodies := map[string][]goCase{}
	var dirs []string

	for _, c := range cases {
		dir := path.Dir(c.file)
		if bodies[dir] == nil {
			dirs = append(dirs, dir)
		}
		bodies[dir] = append(bodies[dir], c)
	}

	for _, dir := range dirs {
		all := bodies[dir]
		if len(all) < 2 {
			continue
		}
		joined := goCase{file: all[0].file, name: ".*", hasParts: true}

		for _, c := range all {
			joined.body += c.body
			joined.isParallel = joined.isParallel || c.isParallel
		}
		proposal := goBench(folder, base, joined)
		proposal.Use = "all:" + dir
		proposal.What = fmt.Sprintf("ns/op of all %d benchmarks in %s, their geometric mean", len(all), dir)
		found = append(found, proposal)
	}

	return found
}

// memoryGuards are a benchmark's bytes and allocations, which may grow by a tenth.
func memoryGuards(bytes, allocations contract.Source) []contract.Guard {
	tenth := &contract.Amount{Value: .1, Relative: true}

	return []contract.Guard{{Name: "bytes_per_op", From: bytes, MaxGrowth: tenth},
		{Name: "allocs_per_op", From: allocations, MaxGrowth: tenth}}
}

// joinParts prints the geometric mean over a benchmark's parts with their bytes and
// allocations, and fails unless all of them ran: the benchmark's last line is PASS only then.
const joinParts = ` | awk '{print} /^PASS$/{ok=1} / ns\/op/{for(i=2;i<=NF;i++){if($i=="ns/op")s+=log($(i-1));if($i=="B/op")b+=$(i-1);if($i=="allocs/op")a+=$(i-1)};n++}` +
	` END{if(!ok||!n)exit 1; printf "METRIC ns_per_op=%.6g\nMETRIC bytes_per_op=%d\nMETRIC allocs_per_op=%d\n",exp(s/n),b,a}'`

// setGoEdit takes the file that a benchmark is of: one that declares what it is named
// after, else the one of which it uses most.
func (p *Proposal) setGoEdit(folder *tree, c goCase) {
	for _, declared := range declarations(strings.TrimPrefix(c.name, "Benchmark")) {
		for _, file := range goSources(folder, path.Dir(c.file)) {
			text := folder.readStart(file)
			if m := declared.FindStringIndex(text); m != nil && goBuilt(file, text) {
				p.Edit = goBody(folder, file, text[m[0]:])
				p.addReasonf("%s: declares what %s is named after", file, c.name)

				return
			}
		}
	}

	p.setExercised(folder, c.file, c.body)

	if len(p.Edit) > 0 {
		p.Edit = goBodyOf(folder, p.Edit[0], c.body)
	}
}

// goBodyOf is file, or the assembly file of this machine that has the body of the
// function of it that text uses first.
func goBodyOf(folder *tree, file, text string) []string {
	source := folder.readStart(file)

	for _, name := range nameExpr().FindAllString(text, -1) {
		at := strings.Index(source, "\nfunc "+name+"(")
		if at < 0 {
			continue
		}

		return goBody(folder, file, source[at+1:])
	}

	return []string{file}
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

// goProgram proposes the module's command, nil without one.
func goProgram(folder *tree, base Proposal) *Proposal {
	sources := goSources(folder, ".")
	for _, file := range sources {
		text := folder.readStart(file)
		if !goMain().MatchString(text) {
			continue
		}
		proposal := base
		proposal.kind, proposal.Use, proposal.What = ofProgram, "program", "the program "+file
		proposal.addReasonf("%s: a program", file)

		proposal.Build, proposal.Run = "go build -buildvcs=false -o bench.bin .", "./bench.bin"
		proposal.setPrinted(folder, file)

		if len(sources) == 1 {
			proposal.Edit = sources
		} else {
			proposal.setExercised(folder, file, text)
		}

		return &proposal
	}

	return nil
}
