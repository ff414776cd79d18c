package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ratchet/internal/testform"
)

// asked is one call of a command with --json: what it is given, and how it ends.
type asked struct {
	args string
	exit int
	not  bool // stdout is what another program reads, and no single document
	in   string
}

// TestEveryCommandSpeaksJSON: stdout is one JSON document and nothing else, and
// an error one on stderr. A new command must be added here.
func TestEveryCommandSpeaksJSON(t *testing.T) {
	testform.SkipQuick(t, "the stories ask some of them for JSON")
	t.Parallel()
	s := campaigned(t)
	dir := t.TempDir()
	s.write("../seen.tsv", "commit\tsize\tmemory_gb\tstatus\tdescription\nabc1234\t7\t0.0\tkeep\tbaseline\n")
	all := map[string][]asked{
		"abandon": {{args: "extra", exit: 2}, {args: ""}},
		"accept":  {{args: ""}},
		"audit":   {{args: "--pairs 2"}, {args: "--pairs 1000", exit: 2}},
		"backup": {{args: filepath.Join(dir, "b.db")}, {args: filepath.Join(dir, "b.db"), exit: 3},
			{args: "", exit: 2}},
		"call":       {{args: "read_log"}, {args: "revert"}},
		"completion": {{args: "bash", not: true}},
		"demo":       {{args: "--list"}, {args: "--example none", exit: 2}}, // a whole one: TestDemoInJSON
		"doctor":     {{args: ""}, {args: "--clients"}},
		"export": {{args: "", not: true}, {args: "--format pi", not: true}, {args: "--format tsv", exit: 2},
			{args: "--format nonsense", exit: 2}, {args: "--format wandb", exit: 2},
			{args: "--format mlflow --out " + filepath.Join(dir, "mlruns")}},
		"finalize": {{args: "extra", exit: 2}, {args: ""}},
		"gc":       {{args: ""}},
		"help":     {{args: "", not: true}},
		"hook":     {{args: "stop", in: "{}"}, {args: "nonsense"}},
		"import":   {{args: "../seen.tsv"}, {args: "nowhere.tsv", exit: 3}},
		"init": {{args: "", exit: 3},
			{args: "--yes --edit work.txt --run true --metric n --better lower --program " + filepath.Join(dir,
				"p.md")}},
		"install": {{args: ""}, {args: "codex --dry-run"}, {args: "codex --print"}, {args: "--print"},
			{args: "nobody", exit: 2}},
		"lock":     {{args: "", exit: 3}, {args: "--off", exit: 3}},
		"log":      {{args: ""}, {args: "fox"}, {args: "--imported"}, {args: "--limit=-1", exit: 2}},
		"mcp":      {{args: "", not: true, in: `{"jsonrpc":"2.0","id":1,"method":"ping"}` + "\n"}},
		"measure":  {{args: "--runs 2"}, {args: "--runs 101", exit: 2}},
		"note":     {{args: "be quick", exit: 2}, {args: "", exit: 2}},
		"notify":   {{args: ""}, {args: "test", exit: 3}, {args: "allow", exit: 3}, {args: "test nonsense", exit: 2}},
		"override": {{args: "", exit: 3}},
		"plot":     {{args: ""}, {args: "noise"}, {args: "nonsense", exit: 2}},
		"report": {{args: ""}, {args: "--format html -o " + filepath.Join(dir, "r.html")},
			{args: "--format tsv", exit: 2}},
		"resume":    {{args: "", exit: 3}},
		"serve":     {{args: "--listen nowhere", exit: 2}}, // its greeting: TestServe
		"show":      {{args: "1"}, {args: "1 --output"}, {args: "99", exit: 3}, {args: "", exit: 2}},
		"simulate":  {{args: "--nights 1 --cell late-stage"}, {args: "--nights 0", exit: 2}},
		"status":    {{args: ""}, {args: "--color maybe", exit: 2}},
		"stop":      {{args: "x1"}, {args: ""}},
		"supervise": {{args: "extra", exit: 2}},
		"token":     {{args: "add ada"}, {args: "list"}, {args: "revoke ada"}, {args: "revoke ada", exit: 3}},
		"ui":        {{args: "--listen nowhere", exit: 2}}, // its greeting: TestUI
		"undo":      {{args: ""}, {args: "--nonsense", exit: 2}},
		"uninstall": {{args: "codex --dry-run"}, {args: "nobody", exit: 2}},
		"verify":    {{args: ""}, {args: "--recompute"}, {args: "--file nowhere", exit: 2}},
		"version":   {{args: ""}},
	}

	names := commandNames(t)
	for name := range all {
		if !slices.Contains(names, name) && name != "hook" && name != "supervise" {
			t.Errorf("there is no command %s", name)
		}
	}
	last := []string{"stop", "undo", "abandon"} // they change what the others read
	slices.SortFunc(names, func(a, b string) int {
		if c := slices.Index(last, a) - slices.Index(last, b); c != 0 {
			return c
		}

		return strings.Compare(a, b)
	})

	for _, name := range append([]string{"hook", "supervise"}, names...) {
		if len(all[name]) == 0 {
			t.Errorf("the command %s is not tried", name)
		}

		for _, c := range all[name] {
			s.asksJSON(t, name, c)
		}
	}
}

// commandNames are the commands that --help lists.
func commandNames(t *testing.T) (names []string) {
	t.Helper()

	out, err := exec.Command(ratchet, "--help").Output()
	if err != nil {
		t.Fatal(err)
	}

	for _, m := range regexp.MustCompile(`(?m)^  ([a-z]+)  +`).FindAllStringSubmatch(string(out), -1) {
		names = append(names, m[1])
	}

	if len(names) < 25 {
		t.Fatalf("only %q", names)
	}

	return names
}

func (s *site) asksJSON(t *testing.T, name string, c asked) {
	t.Helper()

	cmd := exec.CommandContext(t.Context(), ratchet, append([]string{name, "--json"}, strings.Fields(c.args)...)...)
	if name == "hook" { // which takes any flag for itself
		cmd = exec.CommandContext(t.Context(), ratchet, append([]string{"--json", name}, strings.Fields(c.args)...)...)
	}
	var out, said bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = s.dir, s.env, strings.NewReader(c.in), &out, &said
	err := cmd.Run()

	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}

	if got := cmd.ProcessState.ExitCode(); got != c.exit {
		t.Errorf("%s %s: exit code %d, want %d\n%s%s", name, c.args, got, c.exit, out.String(), said.String())
	}

	if c.exit == 0 {
		if !c.not && !json.Valid(out.Bytes()) {
			t.Errorf("%s %s: stdout is not a JSON document:\n%s", name, c.args, out.String())
		}

		return
	}

	var e struct {
		Error struct{ Code, Message string }
	}
	if err := json.Unmarshal(said.Bytes(), &e); err != nil || e.Error.Code == "" || e.Error.Message == "" ||
		strings.Count(said.String(), "\n") != 1 {
		t.Errorf("%s %s: the error is not a JSON document of one line: %v\n%s", name, c.args, err, said.String())
	}

	if out.Len() > 0 {
		t.Errorf("%s %s: an error, and stdout has\n%s", name, c.args, out.String())
	}
}
