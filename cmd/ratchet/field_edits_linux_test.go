package main_test

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"ratchet/internal/testform"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A fieldBenchmark is a folder of examples/field, and how its edited file can
// be changed. Its paragraphs after the head may stand in any order.
type fieldBenchmark struct {
	name    string
	file    string   // that is edited
	needs   []string // programs
	build   string   // as program.md has them
	run     string
	amount  string   // how the file says how many units there are, with %d
	base    int      // how many there are at the start
	higher  bool     // more units are better
	remark  string   // what begins a comment
	head    int      // paragraphs that stay first
	names   []string // local names that stand for one thing each in the whole file
	reaches bool     // one of the gains takes the value to 0
}

func fieldBenchmarks() []fieldBenchmark {
	return []fieldBenchmark{
		{name: "go", file: "work.go", needs: []string{"go"}, build: "go build -buildvcs=false -o bench .", run: "./bench",
			amount: "const rounds = %d", base: 800, remark: "//", head: 2,
			names: []string{"checksum", "ranked", "known", "digits"}},
		{name: "python", file: "work.py", needs: []string{"python3"}, run: "python3 -B bench.py",
			amount: "ROUNDS = %d", base: 600, remark: "#", head: 1,
			names: []string{"decoded", "sums", "first", "pairs"}},
		{name: "node", file: "work.js", needs: []string{"node"}, run: "node bench.js",
			amount: "const ROUNDS = %d", base: 400, remark: "//", head: 1,
			names: []string{"ranked", "sums", "first", "checksum"}},
		{name: "c", file: "work.c", needs: []string{"cc"}, build: "cc -O2 -o bench main.c work.c", run: "./bench",
			amount: "const int rounds = %d", base: 1000, remark: "//", head: 1,
			names: []string{"span", "mixed", "fresh", "after"}},
		{name: "http", file: "page.js", needs: []string{"node"}, run: "node bench.js",
			amount: "const REQUESTS = %d", base: 40, remark: "//", head: 1,
			names: []string{"body", "parts", "related", "list"}},
		{name: "gzip", file: "pack.sh", needs: []string{"gzip", "awk"}, build: "sh block.sh", run: "sh bench.sh",
			amount: "BLOCKS=%d", base: 20, remark: "#", head: 1,
			names: []string{"content", "emitted", "counted"}},
		{name: "accuracy", file: "solve.py", needs: []string{"python3"}, run: "python3 -B grade.py",
			amount: "LEARNED = %d", base: 60, higher: true, remark: "#", head: 1,
			names: []string{"words", "rest", "smalls", "digit"}},
		{name: "count", file: "decode.py", needs: []string{"python3"}, run: "python3 -B check.py",
			amount: "FIRST = %d", base: 100, reaches: true, remark: "#", head: 1,
			names: []string{"pieces", "position", "found"}},
	}
}

// A fieldEdit is the edited file's text after an edit, and what it is worth.
type fieldEdit struct {
	kind  string // gain | loss | comment | rename | order
	truth float64
	text  string
}

// missing names the program that the benchmark lacks on this machine, "" for none.
func (b fieldBenchmark) missing() string {
	for _, program := range b.needs {
		if _, err := exec.LookPath(program); err != nil {
			return program
		}
	}

	return ""
}

// writeTo copies the benchmark's files into dir, which exists.
func (b fieldBenchmark) writeTo(t testing.TB, dir string) {
	t.Helper()
	from := os.DirFS(filepath.Join("..", "..", "examples", "field", b.name))

	err := fs.WalkDir(from, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}

		text, err := fs.ReadFile(from, path)
		if err != nil {
			return err
		}
		to := map[string]string{"go.mod.txt": "go.mod", "gitignore.txt": ".gitignore"}[path]
		if to == "" {
			to = path
		}

		return os.WriteFile(filepath.Join(dir, to), text, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// edits are so many no-ops, gains and losses of the start, no two alike, in an
// order that follows from the seed.
func (b fieldBenchmark) edits(t testing.TB, start string, noOps, gains, losses int, seed uint64) []fieldEdit {
	t.Helper()

	r := rand.New(rand.NewPCG(seed, 14))
	seen := map[string]bool{start: true}
	var all []fieldEdit

	add := func(next func(n int) fieldEdit) {
		for n := len(all) + 1; ; n += 1000 {
			if e := next(n); !seen[e.text] {
				seen[e.text] = true
				all = append(all, e)

				return
			}
		}
	}

	for i := range noOps {
		add(func(n int) fieldEdit { return b.noOp(start, i, n, r) })
	}

	for i := range gains {
		add(func(n int) fieldEdit { return b.resized(t, start, b.gainOf(i), n) })
	}

	for i := range losses {
		add(func(n int) fieldEdit { return b.resized(t, start, -plantedSizes()[i%3], n) })
	}
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })

	return all
}

// plantedSizes are the shares by which edits are better or worse, in turn.
func plantedSizes() []float64 { return []float64{.2, .1, .05} }

// gainOf is the size of the gain with that number.
func (b fieldBenchmark) gainOf(i int) float64 {
	if b.reaches && i == 3 {
		return 1
	}

	return plantedSizes()[i%3]
}

// unitsAt is how many units there are after an edit of that truth: a cost
// changes by a share of it, a score by hundredths of all questions.
func (b fieldBenchmark) unitsAt(truth float64) int {
	percent := int(100*truth+100.5) - 100
	if b.higher {
		return b.base + percent
	}

	return b.base - b.base*percent/100
}

// resized has another number of units, and a remark that tells it from others.
func (b fieldBenchmark) resized(t testing.TB, start string, truth float64, n int) fieldEdit {
	t.Helper()

	kind := "gain"
	if truth < 0 {
		kind = "loss"
	}
	old := fmt.Sprintf(b.amount, b.base)

	if strings.Count(start, old) != 1 {
		t.Fatalf("%s: %q stands in %s %d times", b.name, old, b.file, strings.Count(start, old))
	}
	text := strings.Replace(start, old, fmt.Sprintf(b.amount, b.unitsAt(truth)), 1)

	return fieldEdit{kind, truth, text + fmt.Sprintf("\n%s Attempt %d.\n", b.remark, n)}
}

// noOp changes nothing that the program does: by a comment, a new name of a
// local variable, or another order of the paragraphs after the head, in turn.
func (b fieldBenchmark) noOp(start string, i, n int, r *rand.Rand) fieldEdit {
	switch paragraphs := strings.Split(strings.TrimSuffix(start, "\n"), "\n\n"); i % 3 {
	case 0:
		at := b.head + r.IntN(len(paragraphs)-b.head)
		paragraphs[at] = fmt.Sprintf("%s Remark %d: as before, only better explained.\n%s", b.remark, n, paragraphs[at])

		return fieldEdit{"comment", 0, strings.Join(paragraphs, "\n\n") + "\n"}
	case 1:
		name := b.names[r.IntN(len(b.names))]
		word := regexp.MustCompile(`\b` + name + `\b`)

		return fieldEdit{"rename", 0, word.ReplaceAllString(start, name+strconv.Itoa(n))}
	default:
		rest := paragraphs[b.head:]
		r.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })

		return fieldEdit{"order", 0, strings.Join(paragraphs, "\n\n") + "\n"}
	}
}

// The edits do what they are said to do: a run of each counts its units, and
// its result is that of the start. Nothing here depends on the machine's speed.
func TestFieldEditsAreTrue(t *testing.T) {
	testform.SkipQuick(t, "it tries the benchmarks of make field, and nothing of Ratchet")

	for _, b := range fieldBenchmarks() {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()

			if program := b.missing(); program != "" {
				t.Skipf("the benchmark needs %s, which is not on the PATH", program)
			}
			dir := t.TempDir()
			b.writeTo(t, dir)

			text, err := os.ReadFile(filepath.Join(dir, b.file))
			if err != nil {
				t.Fatal(err)
			}
			start := string(text)

			units, checksum := b.counted(t, dir, start)
			if units != b.base {
				t.Errorf("the start does %d units, not %d", units, b.base)
			}

			noOps, gains := 12, 4
			if testing.Short() {
				noOps, gains = 3, 1
			}

			for _, e := range b.edits(t, start, noOps, gains, gains, 1) {
				got, sum := b.counted(t, dir, e.text)
				if want := b.unitsAt(e.truth); got != want {
					t.Errorf("%s of %+.2f: %d units, want %d", e.kind, e.truth, got, want)
				}

				// Of these the checksum is over all units.
				over := slices.Contains([]string{"gzip", "accuracy", "count"}, b.name)
				if sum != checksum && (e.truth == 0 || !over) {
					t.Errorf("%s of %+.2f changes the result:\n%s", e.kind, e.truth, e.text)
				}
			}
		})
	}
}

var (
	unitsLine    = regexp.MustCompile(`(?m)^units: (\d+)$`)
	checksumLine = regexp.MustCompile(`(?m)^checksum: (\d+)$`)
)

// counted builds and runs the benchmark with that text, and reads what it counted.
func (b fieldBenchmark) counted(t *testing.T, dir, text string) (units int, checksum string) {
	t.Helper()

	if err := os.WriteFile(filepath.Join(dir, b.file), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}

	cmd := exec.CommandContext(t.Context(), "sh", "-c", strings.TrimPrefix(b.build+" && ", " && ")+b.run)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()

	said, sum := unitsLine.FindSubmatch(out), checksumLine.FindSubmatch(out)
	if err != nil || said == nil || sum == nil {
		t.Fatalf("%s: %v\n%s\n%s", b.run, err, out, text)
	}
	units, _ = strconv.Atoi(string(said[1]))

	return units, string(sum[1])
}
