package scaffold

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
)

// Proposal is what `init` thinks program.md should say. What it could not find
// out is left empty: Edit, Metric.Name, Metric.Better, Run.
type Proposal struct {
	Use    string // what chooses this one of several: `ratchet init --use NAME`
	What   string // what is measured, in a few words
	Edit   []string
	Metric contract.Metric
	Guards []contract.Guard
	Setup  string
	Build  string
	Run    string
	Check  string
	Wall   time.Duration // of the budget; 0 for the default
	Tests  string        // what Check would be, where the tests themselves are what is measured
	Like   []string      // other files that may be what is to be edited, at most three
	Why    []string      // how each thing was found, one line each

	kind     proposalKind
	dir      string // of the project that it is of, "" for the whole
	measured string // the file that measures, which nobody edits
	// unsure says that the run may print a better metric than Metric, which a trial tells.
	unsure bool
}

// proposalKind says how good a thing to measure is, the best first.
type proposalKind int

const (
	ofBenchmark     proposalKind = iota // of a framework whose numbers are known
	ofPrintedNumber                     // a script whose text prints a metric
	ofBenchScript                       // named as a benchmark; what it prints is not known
	ofProgram
	ofTests
)

// Missing names the flags that would give what detection did not.
func (p *Proposal) Missing() []string {
	var flags []string

	for _, f := range []struct {
		flag  string
		given bool
	}{
		{"--edit", len(p.Edit) > 0},
		{"--run", p.Run != ""},
		{"--metric", p.Metric.Name != ""},
		{"--better", p.Metric.Better != ""},
	} {
		if !f.given {
			flags = append(flags, f.flag)
		}
	}

	return flags
}

// LikelyFiles names the candidates for Edit, "" if there are none.
func (p *Proposal) LikelyFiles() string {
	if len(p.Like) == 0 {
		return ""
	}

	return "; perhaps " + strings.Join(p.Like, ", ")
}

// addReason adds a line to a list of the proposal's own: copies of one share what was said before.
func (p *Proposal) addReason(why string) { p.Why = append(slices.Clip(p.Why), why) }

func (p *Proposal) addReasonf(format string, args ...any) { p.addReason(fmt.Sprintf(format, args...)) }

// setUsage lets the proposal measure what the run uses, until a trial shows what it prints.
func (p *Proposal) setUsage() { p.Metric, p.unsure = cpuSeconds(), true }

// proposeTests proposes the CPU time of the project's tests, which run makes: they are what
// is measured, and no check besides.
func (p *Proposal) proposeTests(run string) *Proposal {
	tests := *p
	tests.kind, tests.Use, tests.What = ofTests, "tests", "CPU time of the tests"
	tests.Run, tests.Metric, tests.Tests, tests.Check = run, cpuSeconds(), p.Check, ""

	return &tests
}

// setExercised takes the source file that is measured: what body, the benchmark's
// text in file, makes use of.
func (p *Proposal) setExercised(folder *tree, file, body string) {
	if p.measured == "" {
		p.measured = file
	}

	found := findExercised(folder, file, body)
	if len(found) == 0 {
		return
	}
	p.Edit, p.Like = []string{found[0].file}, nil

	if len(found[0].names) > 0 {
		p.addReasonf("%s: %s uses %s of it", found[0].file, file, strings.Join(found[0].names, ", "))
	}

	for _, other := range found[1:min(len(found), 3)] {
		p.Like = append(p.Like, other.file)
	}
}

// Detect reads the tree and proposes programs for it, the best first; there is always one.
// above are the manifests in the folders above it, in its repository.
func Detect(fsys fs.FS, above ...string) ([]*Proposal, error) {
	folder, err := readTree(fsys)
	if err != nil {
		return nil, err
	}
	folder.above = above

	var found []*Proposal
	for _, project := range folder.listProjects() {
		for _, detect := range []func(*tree) []*Proposal{detectGo, detectCargo, detectPython, detectJS, detectJMH,
			detectMake, detectCMake, detectShell} {
			for _, proposal := range detect(project) {
				proposal.moveTo(project.dir)
				found = append(found, proposal)
			}
		}
	}

	if len(found) == 0 {
		found = []*Proposal{{}}
	}

	for _, proposal := range found {
		proposal.setOnlySource(folder)
	}
	slices.SortStableFunc(found, func(a, b *Proposal) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), -compareBools(len(a.Edit) > 0, len(b.Edit) > 0))
	})
	nameApart(found)

	for _, proposal := range found {
		proposal.guessSource()
	}

	return found, nil
}

// setOnlySource lets a proposal without a file to edit have the only source there is,
// or names the largest.
func (p *Proposal) setOnlySource(folder *tree) {
	if len(p.Edit) > 0 {
		return
	}

	sources := slices.DeleteFunc(largestSources(folder, 4), func(name string) bool { return name == p.measured })
	if len(sources) == 1 {
		p.Edit = sources
		p.addReasonf("%s: the only source that is not a test", sources[0])

		return
	}
	p.Like = sources[:min(len(sources), 3)]
}

// guessSource takes the largest source of a benchmark that does not say what it is of.
func (p *Proposal) guessSource() {
	if len(p.Edit) == 0 && len(p.Like) > 0 && p.kind < ofTests && p.Run != "" {
		p.Edit, p.Like = p.Like[:1:1], p.Like[1:]
		p.addReasonf("%s: the largest source, which is a guess", p.Edit[0])
	}
}

// nameApart gives proposals of one name the name of their file too, or of their folder.
func nameApart(all []*Proposal) {
	count := map[string]int{}
	for _, p := range all {
		count[p.Use]++
	}

	for _, p := range all {
		if apart := cmp.Or(p.measured, p.dir); count[p.Use] > 1 && apart != "" {
			p.Use = apart + ":" + p.Use
		}
	}
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

var (
	sourceFile = compileLazily(`\.(c|cc|cpp|cu|go|js|jsx|mjs|cjs|ts|tsx|py|rs|java|zig|jl|rb|php|swift|kt|cs|hs|ml|lua)$`)
	aboutTests = compileLazily(`(^|/)(\w+[_-])?(tests?|benches|bench|benchmarks?|perf|examples?|scripts|docs?|contrib|fuzz|third_party)/|([_-](unit)?tests?|\.test|\.spec|\.d|\.gen|\.min|\.pb)\.|(^|/)(m?test|bench|setup|conftest|configure|example|eslint|webpack|rollup)[^/]*$`)
)

// largestSources are the n largest sources that are no tests, as far as names tell.
func largestSources(folder *tree, n int) []string {
	size := map[string]int64{}
	var names []string

	for _, name := range folder.files {
		if !sourceFile().MatchString(name) || aboutTests().MatchString(name) {
			continue
		}

		if info, err := fs.Stat(folder.fsys, name); err == nil && !isGenerated(folder.readStart(name)) {
			size[name] = info.Size()
			names = append(names, name)
		}
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(size[b], size[a]) })

	return names[:min(n, len(names))]
}

// isGenerated says whether a source says that a program wrote it.
func isGenerated(text string) bool { return generated().MatchString(text[:min(len(text), 600)]) }

var generated = compileLazily(`(?i)code generated|generated (by|from|with)|do not edit`)

const (
	maxTreeFiles = 5000
	maxTreeDepth = 6
	maxTreeRead  = 256 << 10 // bytes of one file
)

// tree is the repository, or a project in it, as detection sees it: bounded, without
// what tools put there.
type tree struct {
	fsys  fs.FS
	dir   string   // of a project in it, "." for all
	files []string // slash-separated, below dir, shallow ones first, then by name
	above []string // manifests in the folders above, up to the repository's root

	texts   map[string]string    // what was read
	indexes map[string]codeIndex // by a language
}

// manifests say that their folder is a project.
var manifests = []string{"go.mod", "Cargo.toml", "package.json", "pyproject.toml", "setup.py", "pom.xml",
	"CMakeLists.txt"}

// maxProjects bounds how many projects of a repository are looked at.
const maxProjects = 20

// listProjects are the whole folder, then the folders below it that have a manifest of
// their own, a benchmark of which may be what is to be measured.
func (t *tree) listProjects() []*tree {
	projects := []*tree{t}
	seen := map[string]bool{".": true}

	for _, name := range t.files {
		dir := path.Dir(name)
		if seen[dir] || !slices.Contains(manifests, path.Base(name)) || len(projects) > maxProjects {
			continue
		}
		seen[dir] = true

		if path.Base(name) == "CMakeLists.txt" && t.hasFile("CMakeLists.txt") {
			continue // a part of the whole
		}

		if sub, err := fs.Sub(t.fsys, dir); err == nil {
			projects = append(projects, &tree{fsys: sub, dir: dir, files: t.listBelow(dir)})
		}
	}

	return projects
}

// listBelow are the files below dir, relative to it.
func (t *tree) listBelow(dir string) []string {
	var below []string

	for _, name := range t.files {
		if rest, ok := strings.CutPrefix(name, dir+"/"); ok {
			below = append(below, rest)
		}
	}

	return below
}

// moveTo makes a proposal for the folder dir one for the folder above.
func (p *Proposal) moveTo(dir string) {
	if dir == "." {
		return
	}
	p.dir = dir
	p.What += " in " + dir

	for _, files := range [][]string{p.Edit, p.Like} {
		for i := range files {
			files[i] = path.Join(dir, files[i])
		}
	}

	for _, command := range []*string{&p.Setup, &p.Build, &p.Run, &p.Check, &p.Tests} {
		if *command != "" {
			*command = "cd " + quoteArgument(dir) + " && " + *command
		}
	}

	if p.Metric.From.Kind == "file" {
		p.Metric.From.Path = path.Join(dir, p.Metric.From.Path)
	}

	if p.measured != "" {
		p.measured = path.Join(dir, p.measured)
	}
}

// notSource are folders whose content nobody edits.
var notSource = []string{"node_modules", "vendor", "target", "dist", "build", "out", "testdata", "__pycache__",
	"third_party"}

func readTree(fsys fs.FS) (*tree, error) {
	folder := &tree{fsys: fsys, dir: "."}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && name == ".":
			return err
		case err != nil:
			return fs.SkipDir // a folder that can't be read has nothing to propose
		case len(folder.files) >= maxTreeFiles:
			return fs.SkipAll
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || slices.Contains(notSource, d.Name()) ||
			strings.Count(name, "/") >= maxTreeDepth):
			return fs.SkipDir
		case d.Type().IsRegular():
			folder.files = append(folder.files, name)
		}

		return nil
	})
	slices.SortStableFunc(folder.files, func(a, b string) int {
		if n := strings.Count(a, "/") - strings.Count(b, "/"); n != 0 {
			return n
		}

		return strings.Compare(a, b)
	})

	return folder, err
}

// hasFile says whether a file is in the tree; exists also sees what tools put there.
func (t *tree) hasFile(name string) bool { return slices.Contains(t.files, name) }

func (t *tree) exists(name string) bool {
	_, err := fs.Stat(t.fsys, name)
	return err == nil
}

// readStart returns the beginning of a file, "" if it can't be read.
func (t *tree) readStart(name string) string {
	text, ok := t.texts[name]
	if !ok {
		if t.texts == nil {
			t.texts = map[string]string{}
		}
		text = t.readFile(name)
		t.texts[name] = text
	}

	return text
}

func (t *tree) readFile(name string) string {
	f, err := t.fsys.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	var text strings.Builder

	buf := make([]byte, 32<<10)
	for text.Len() < maxTreeRead {
		n, err := f.Read(buf)
		text.Write(buf[:n])

		if err != nil {
			break
		}
	}

	return text.String()
}

// listFolder lists the files directly in a folder ("." is the root) with that ending.
func (t *tree) listFolder(dir, ending string) []string {
	var found []string

	for _, name := range t.files {
		if path.Dir(name) == dir && strings.HasSuffix(name, ending) {
			found = append(found, name)
		}
	}

	return found
}

// firstMatching returns the first file whose path the expression matches, "" if none does.
func (t *tree) firstMatching(expr *regexp.Regexp) string {
	if i := slices.IndexFunc(t.files, expr.MatchString); i >= 0 {
		return t.files[i]
	}

	return ""
}

// allMatching returns the files whose path the expression matches.
func (t *tree) allMatching(expr *regexp.Regexp) (found []string) {
	for _, name := range t.files {
		if expr.MatchString(name) {
			found = append(found, name)
		}
	}

	return found
}

// isBelow says whether the folder lies, in its repository, below one that has the file.
func (t *tree) isBelow(name string) bool { return slices.Contains(t.above, name) }

// firstExisting returns the first of names that is in the tree, "" if none is.
func (t *tree) firstExisting(names ...string) string {
	for _, name := range names {
		if t.hasFile(name) {
			return name
		}
	}

	return ""
}

var (
	metricLine = compileLazily(`METRIC ([A-Za-z_][A-Za-z0-9_]*)=`)
	colonLine  = compileLazily(`print\(f?["']([A-Za-z_][A-Za-z0-9_]*): +[{%"']`)
)

// findPrintedMetric finds the metric that a program's text prints by itself.
func findPrintedMetric(text string) (contract.Metric, bool) {
	for _, form := range []*regexp.Regexp{metricLine(), colonLine()} {
		if m := form.FindStringSubmatch(text); m != nil {
			return contract.Metric{Name: m[1], Better: guessDirection(m[1]), From: contract.Source{Kind: "output"}},
				true
		}
	}

	return contract.Metric{}, false
}

// cpuSeconds is the metric of a command that prints none.
func cpuSeconds() contract.Metric {
	return contract.Metric{Name: "cpu_s", Better: research.Lower, Unit: "s", From: contract.Source{Kind: "cpu"},
		Noise: research.Noisy}
}

var directions = []struct {
	better research.Direction
	words  func() *regexp.Regexp
}{
	{research.Higher,
		compileLazily(`(^|_)(acc|accuracy|score|throughput|tps|qps|rps|fps|f1|auc|reward|speedup|per_s|per_sec|per_second|(tok|toks|tokens|reqs?|requests|ops|iters?|samples|rows|items|frames|images|[kmg]i?b)_(s|sec|second)|hits|recall|precision|tflops|gflops)(_|$)`)},
	{research.Lower,
		compileLazily(`(^|_)(ns|us|ms|s|sec|secs|seconds|time|latency|bytes|size|kb|mb|loss|bpb|bpc|perplexity|ppl|error|errors|memory|rss|cost|misses|allocs|p50|p95|p99)(_|$)`)},
}

// guessDirection guesses the direction from a metric's name, "" if the name says nothing.
func guessDirection(name string) research.Direction {
	for _, d := range directions {
		if d.words().MatchString(strings.ToLower(name)) {
			return d.better
		}
	}

	return ""
}
