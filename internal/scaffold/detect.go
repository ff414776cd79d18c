package scaffold

import (
	"cmp"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
)

// Proposal is what `init` thinks program.md should say. What it could not find
// out is left empty: Edit, Metric.Name, Metric.Better, Run.
type Proposal struct {
	Edit   []string
	Metric contract.Metric
	Setup  string
	Build  string
	Run    string
	Check  string
	Tests  string   // what Check would be, where the tests themselves are what is measured
	Like   []string // where Edit is not clear: the largest sources, at most three
	Why    []string // how each thing was found, one line each
}

// complete says whether nothing has to be asked.
func (p *Proposal) complete() bool { return len(p.Missing()) == 0 }

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

func (p *Proposal) addReason(why string) { p.Why = append(p.Why, why) }

// Detect reads the tree and proposes a program for it. Of several ecosystems
// the first whose proposal is complete wins, else the first there is.
func Detect(fsys fs.FS) (*Proposal, error) {
	folder, err := readTree(fsys)
	if err != nil {
		return nil, err
	}
	var first *Proposal

	for _, try := range []func(*tree) *Proposal{detectGo, detectCargo, detectPython, detectJS, detectMake} {
		proposal := try(folder)
		if proposal == nil {
			continue
		}

		if proposal.complete() {
			return proposal, nil
		}

		if first == nil {
			first = proposal
		}
	}

	if first == nil {
		first = &Proposal{}
	}

	if len(first.Edit) > 0 {
		return first, nil
	}

	if first.Like = largestSources(folder, 3); len(first.Like) == 1 {
		first.Edit = first.Like
		first.addReason(first.Like[0] + ": the only source that is no test")
	}

	return first, nil
}

var (
	sourceFile = compileLazily(`\.(c|cc|cpp|cu|go|js|jsx|mjs|cjs|ts|tsx|py|rs|java|zig|jl|rb|php|swift|kt|cs|hs|ml|lua)$`)
	aboutTests = compileLazily(`(^|/)(tests?|benches|bench|benchmarks?|perf|examples?|scripts)/|(_test|\.test|\.spec|\.d)\.|(^|/)(m?test|bench|setup|conftest)[^/]*$`)
)

// largestSources are the n largest sources that are no tests, as far as names tell.
func largestSources(folder *tree, n int) []string {
	size := map[string]int64{}
	var names []string

	for _, name := range folder.files {
		if !sourceFile().MatchString(name) || aboutTests().MatchString(name) {
			continue
		}

		if info, err := fs.Stat(folder.fsys, name); err == nil {
			size[name] = info.Size()
			names = append(names, name)
		}
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(size[b], size[a]) })

	return names[:min(n, len(names))]
}

const (
	maxTreeFiles = 5000
	maxTreeDepth = 6
	maxTreeRead  = 256 << 10 // bytes of one file
)

// tree is the repository as detection sees it: bounded, without what tools put there.
type tree struct {
	fsys  fs.FS
	files []string // slash-separated, shallow ones first, then by name
}

// notSource are folders whose content nobody edits.
var notSource = []string{"node_modules", "vendor", "target", "dist", "build", "out", "testdata", "__pycache__",
	"third_party"}

func readTree(fsys fs.FS) (*tree, error) {
	folder := &tree{fsys: fsys}
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
