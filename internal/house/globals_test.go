package house

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// remembered are the package-level variables that a worker's packages may keep from
// one job to the next, and why none of them can carry anything of a job.
var remembered = map[string]string{
	"ratchet/sandbox promised":                  "what a tier enforces on this machine, tried without any job",
	"ratchet/sandbox/cgroup findPlaces":         "where this process may make control groups, which no job changes",
	"ratchet/internal/research/history kinds":   "a table of functions, made by calls that only convert them",
	"ratchet/internal/research/history replays": "a table of functions, made by calls that only convert them",
	"ratchet/internal/fault plan":               "only in binaries of the crash campaign: the fault of this process",
	"ratchet/internal/fault steps":              "only in binaries of the crash campaign: it counts on purpose",
}

// A worker does one job after another (worker.DoJob): no package that it is made of
// remembers anything of a job.
func TestWorkersRememberNothing(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-json=ImportPath,Dir,GoFiles,IgnoredGoFiles,Module",
		"ratchet/internal/worker").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := map[string]bool{}

	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var pkg struct {
			ImportPath, Dir         string
			GoFiles, IgnoredGoFiles []string
		}
		if err := dec.Decode(&pkg); err != nil {
			t.Fatal(err)
		}

		if !strings.HasPrefix(pkg.ImportPath, "ratchet/") {
			continue
		}
		sources := map[string][]byte{}

		for _, name := range append(pkg.GoFiles, pkg.IgnoredGoFiles...) {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}

			if sources[name], err = os.ReadFile(filepath.Join(pkg.Dir, name)); err != nil {
				t.Fatal(err)
			}
		}

		for _, fault := range CheckGlobals(sources) {
			variable := pkg.ImportPath + " " + describeGlobal(fault)
			seen[variable] = true

			if remembered[variable] == "" {
				t.Errorf("%s: %s: a worker does many jobs, and none may know of another", pkg.ImportPath, fault)
			}
		}
	}

	for variable := range remembered {
		if !seen[variable] {
			t.Errorf("%s is excused and remembers nothing", variable)
		}
	}
}

func TestGlobalsAreNoticed(t *testing.T) {
	for text, want := range map[string]string{
		"var ErrX = errors.New(`x`)":                                      "",
		"var table = []string{`a`}":                                       "",
		"var table = []string{`a`}\nfunc f() { table[0] = `b` }":          "table is changed by f",
		"var table = []string{`a`}\nfunc f(table []int) { table[0] = 1 }": "",
		"var n = 3\nfunc f() { n++ }":                                     "n is changed by f",
		"var n = 3\nfunc f() { n := 4; n++ }":                             "",
		"var n = 3\nfunc f() *int { return &n }":                          "n is given away by f",
		"var cache sync.Map":                                              "cache begins empty",
		"var find = sync.OnceValue(func() int { return 1 })":              "find begins as the result of a call",
		"var home = map[string]func(){`a`: func() { g() }}":               "",
	} {
		got := strings.Join(CheckGlobals(map[string][]byte{"p.go": []byte("package p\n" + text + "\n")}), "\n")
		if !strings.Contains(got, want) || (got == "") != (want == "") {
			t.Errorf("%s\ngives %q, want %q", text, got, want)
		}
	}
}
