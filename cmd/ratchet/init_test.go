package main_test

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"ratchet/internal/research/contract"
	"ratchet/internal/testform"
)

var updateInit = flag.Bool("update-init", false, "write the goldens of TestInit")

// initIn runs `ratchet init` in dir, with standard input that is not a terminal.
func initIn(t *testing.T, dir string, flags ...string) (out string, code int) {
	t.Helper()
	c := exec.CommandContext(t.Context(), ratchet, append([]string{"init"}, flags...)...)
	c.Dir = dir
	b, err := c.CombinedOutput()

	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}

	return string(b), c.ProcessState.ExitCode()
}

// tree writes the files below tree/ into a folder of the case's name.
func tree(t *testing.T, name string, a *txtar.Archive) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)

	for _, f := range a.Files {
		rel, ok := strings.CutPrefix(f.Name, "tree/")
		if !ok {
			continue
		}

		to := filepath.Join(dir, filepath.FromSlash(rel))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}

		mode := os.FileMode(0o644)
		if strings.HasPrefix(string(f.Data), "#!") {
			mode = 0o755
		}

		if err := os.WriteFile(to, f.Data, mode); err != nil {
			t.Fatal(err)
		}
	}

	return dir
}

// A case is a tree, perhaps a line "flags: …" or "from: …" in the comment, and the golden
// program.md with what was printed.
func TestInit(t *testing.T) {
	t.Parallel()

	cases, err := filepath.Glob("testdata/init/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatalf("%d cases: %v", len(cases), err)
	}

	for _, file := range cases {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var flags []string

			for line := range strings.Lines(string(a.Comment)) {
				if rest, ok := strings.CutPrefix(line, "flags:"); ok {
					flags = append(flags, strings.Fields(rest)...)
				}

				if rest, ok := strings.CutPrefix(line, "from:"); ok {
					flags = append(flags, "--from", strings.TrimSpace(rest))
				}
			}
			dir := tree(t, name, a)

			out, code := initIn(t, dir, flags...)
			if code != 0 {
				t.Fatalf("exit code %d: %s", code, out)
			}

			program, err := os.ReadFile(filepath.Join(dir, "program.md"))
			if err != nil {
				t.Fatal(err)
			}

			if _, err := contract.ParseProgram(program, name); err != nil {
				t.Errorf("program.md does not parse: %v", err)
			}
			got := map[string]string{"golden/program.md": string(program),
				"golden/stdout": strings.ReplaceAll(out, dir, "$DIR")}
			golden(t, file, a, got)
		})
	}
}

func golden(t *testing.T, file string, a *txtar.Archive, got map[string]string) {
	t.Helper()
	want := map[string]string{}
	var rest []txtar.File

	for _, f := range a.Files {
		if strings.HasPrefix(f.Name, "golden/") {
			want[f.Name] = string(f.Data)
		} else {
			rest = append(rest, f)
		}
	}

	if *updateInit {
		for _, name := range []string{"golden/program.md", "golden/stdout"} {
			rest = append(rest, txtar.File{Name: name, Data: []byte(got[name])})
		}

		a.Files = rest
		if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}

		return
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got; -update-init writes them)\n%s", diff)
	}
}

func TestInitNamesTheMissingFlags(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()

	out, code := initIn(t, dir, "--edit", "a.c")
	if code != 2 {
		t.Errorf("exit code %d, want 2", code)
	}

	for flag, named := range map[string]bool{"--run": true, "--metric": true, "--better": true, "--edit": false} {
		if strings.Contains(out, flag) != named {
			t.Errorf("%s named: want %t\n%s", flag, named, out)
		}
	}

	if _, err := os.Stat(filepath.Join(dir, "program.md")); err == nil {
		t.Error("a program was written all the same")
	}
}

func TestInitTellsWhatItFoundAndWhatToTry(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	for name, text := range map[string]string{"Makefile": "test:\n\t./db\n", "db.c": "int main(void) { return 0; }",
		"util.c": "", "db_test.c": "int x; int main(void) { return x; }"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	out, code := initIn(t, dir)
	if code != 2 || !strings.Contains(out, "Makefile: make") || !strings.Contains(out, "--edit FILE") ||
		!strings.Contains(out, "perhaps db.c, util.c)") {
		t.Errorf("exit code %d\n%s", code, out)
	}

	if strings.Contains(out, "--run") {
		t.Errorf("the tests can be run, and yet --run is asked for\n%s", out)
	}
}

func TestInitOverwritesOnlyByForce(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()

	name := filepath.Join(dir, "program.md")
	if err := os.WriteFile(name, []byte("mine\n"), 0o644); err != nil {
		t.Fatal(err)
	}

	flags := []string{"--edit=a.c", "--run=./a", "--metric=score", "--yes"}
	if out, code := initIn(t, dir, flags...); code != 3 || !strings.Contains(out, "--force") {
		t.Errorf("exit code %d, want 3: %s", code, out)
	}

	if got, _ := os.ReadFile(name); string(got) != "mine\n" {
		t.Fatalf("program.md became %q", got)
	}

	if out, code := initIn(t, dir, append(flags, "--force")...); code != 0 {
		t.Fatalf("exit code %d: %s", code, out)
	}

	if got, _ := os.ReadFile(name); !strings.Contains(string(got), "name: score") {
		t.Errorf("program.md is %q", got)
	}
}

func TestInitRefusesNonsense(t *testing.T) {
	t.Parallel()

	for _, flags := range [][]string{
		{"--edit=../a.c", "--run=./a", "--metric=score", "--better=higher"},
		{"--edit=a.c", "--run=./a", "--metric=score", "--better=faster"},
		{"--edit=a.c", "--run=./a", "--metric=a b", "--better=lower"},
	} {
		dir := t.TempDir()

		out, code := initIn(t, dir, flags...)
		if code != 2 {
			t.Errorf("%q: exit code %d, want 2: %s", flags, code, out)
		}

		if _, err := os.Stat(filepath.Join(dir, "program.md")); err == nil {
			t.Errorf("%q: a program was written all the same", flags)
		}
	}
}

// init --from writes nothing over what is there, and says what it could not make out.
func TestInitFromRefuses(t *testing.T) {
	testform.SkipQuick(t, "internal/foreign: its tests read every format")
	t.Parallel()

	theirs := "# research\nThe file you edit is `train.py`. Run `uv run train.py`. The lowest val_bpb wins.\ngrep \"^val_bpb:\" run.log\n"
	for name, tt := range map[string]struct {
		files map[string]string
		flags []string
		code  int
		want  string
	}{
		"karpathy's own name": {map[string]string{"program.md": theirs, "train.py": ""}, []string{"--from", "."}, 3,
			"git mv program.md direction.md"},
		"with force": {map[string]string{"direction.md": theirs},
			[]string{"--from", "direction.md", "--force"}, 2, "from"},
		"nothing there": {nil, []string{"--from", "."}, 3, "no .auto/measure.sh"},
		"no such file":  {nil, []string{"--from", "x.md"}, 3, "weco run"},
		"ours already": {map[string]string{"ours.md": "---\nedit: a\n---\n"}, []string{"--from", "ours.md"}, 2,
			"front matter already"},
		"open quote":      {nil, []string{"--from", "weco run -s a.py -c 'python"}, 2, "quote is not closed"},
		"another command": {nil, []string{"--from", "weco resume 1"}, 2, "only `weco run`"},
		"no value":        {nil, []string{"--from", "weco run -s"}, 2, "--source has no value"},
		"too little":      {nil, []string{"--from", "weco run -s a.py"}, 2, "--metric"},
		"the file is missing": {map[string]string{"direction.md": theirs}, []string{"--from", "direction.md"}, 2,
			"--edit"},
	} {
		dir := t.TempDir()
		for file, text := range tt.files {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}

		out, code := initIn(t, dir, tt.flags...)
		if code != tt.code || !strings.Contains(out, tt.want) {
			t.Errorf("%s: exit code %d, want %d with %q: %s", name, code, tt.code, tt.want, out)
		}

		b, err := os.ReadFile(filepath.Join(dir, "program.md"))
		if string(b) != tt.files["program.md"] || (err == nil) != (tt.files["program.md"] != "") {
			t.Errorf("%s: program.md was written: %s", name, b)
		}
	}
	// beside theirs, under another name
	dir := t.TempDir()
	for file, text := range map[string]string{"program.md": theirs, "train.py": ""} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	if out, code := initIn(t, dir, "--from", ".", "--program", "ratchet.md"); code != 0 {
		t.Errorf("exit code %d: %s", code, out)
	}
}
