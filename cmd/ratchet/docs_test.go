package main_test

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/research/contract"
	"ratchet/prompts"
)

func page(t *testing.T, name string) string {
	t.Helper()

	b, err := os.ReadFile(filepath.Join("../..", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}

	return string(b)
}

// pages are README.md and docs/*.md, by their paths from the root.
func pages(t *testing.T) map[string]string {
	t.Helper()

	files, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d pages: %v", len(files), err)
	}
	out := map[string]string{"README.md": page(t, "README.md")}

	for _, f := range files {
		name := "docs/" + filepath.Base(f)
		out[name] = page(t, name)
	}

	return out
}

// codes are the constants of type Code in internal/research, by their names.
func codes(t *testing.T) map[string]string {
	t.Helper()

	f, err := parser.ParseFile(token.NewFileSet(), "../../internal/research/error.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || len(v.Values) != 1 {
			return true
		}

		lit, ok := v.Values[0].(*ast.BasicLit)
		if kind, isIdent := v.Type.(*ast.Ident); ok && isIdent && kind.Name == "Code" {
			out[v.Names[0].Name], err = strconv.Unquote(lit.Value)
		}

		return true
	})

	if err != nil || len(out) < 15 {
		t.Fatalf("%d codes: %v", len(out), err)
	}

	return out
}

// exitsOf are the exit codes that function exitCode of app.go gives to codes, by
// the codes' names; "" is what it gives to all others.
func exitsOf(t *testing.T) map[string]string {
	t.Helper()

	f, err := parser.ParseFile(token.NewFileSet(), "app.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	numbers := map[string]string{"exitFailed": "1", "exitUsage": "2", "exitRefused": "3", "exitBudget": "4"}
	result := func(body []ast.Stmt) string {
		r, ok := body[len(body)-1].(*ast.ReturnStmt)
		if !ok {
			return ""
		}

		return numbers[r.Results[0].(*ast.Ident).Name]
	}
	out := map[string]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		fn, ok := n.(*ast.FuncDecl)
		if !ok || fn.Name.Name != "exitCode" {
			return true
		}
		out[""] = result(fn.Body.List)
		ast.Inspect(fn, func(n ast.Node) bool {
			if c, ok := n.(*ast.CaseClause); ok {
				for _, e := range c.List {
					out[e.(*ast.SelectorExpr).Sel.Name] = result(c.Body)
				}
			}

			return true
		})

		return false
	})

	return out
}

// TestTroubleshootingHasEveryCode: each code once, with its exit code, and no other.
func TestTroubleshootingHasEveryCode(t *testing.T) {
	want := map[string]string{}

	exits := exitsOf(t)
	for name, code := range codes(t) {
		want[code] = exits[name]
		if want[code] == "" {
			want[code] = exits[""]
		}
	}

	got := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (\\d) \\| .{10,} \\| .{10,} \\|$").FindAllStringSubmatch(page(t, "docs/troubleshooting.md"), -1) {
		if got[m[1]] != "" {
			t.Errorf("%s stands there twice", m[1])
		}
		got[m[1]] = m[2]
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/troubleshooting.md (-source +page):\n%s", diff)
	}
}

// TestProgramPageHasEveryKey: each key of the parser once, in its order, and
// the defaults that stand in backticks are what the parser takes.
func TestProgramPageHasEveryKey(t *testing.T) {
	want, required := contract.ListKeys()
	var got []string

	plain := parse(t, "", "")
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_.]+)` \\| ([^|]*) \\|").FindAllStringSubmatch(page(t,
		"docs/program.md"), -1) {
		key, def := m[1], strings.TrimSpace(m[2])

		got = append(got, key)
		if (def == "required") != required[key] {
			t.Errorf("%s: the default is %q, required is %t", key, def, required[key])
		}

		if strings.HasPrefix(def, "`") && !strings.HasPrefix(key, "guards.") {
			if diff := cmp.Diff(plain, parse(t, key, strings.Trim(def, "`"))); diff != "" {
				t.Errorf("%s is not %s by default (-default +given):\n%s", key, def, diff)
			}
		}
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/program.md (-parser +page):\n%s", diff)
	}
}

// parse reads the shortest program, with one key more.
func parse(t *testing.T, key, value string) contract.Program {
	t.Helper()
	sections := map[string]string{"metric": "name: n, better: lower"}
	rest := ""

	section, inner, nested := strings.Cut(key, ".")
	switch {
	case key == "":
	case nested:
		sections[section] = strings.TrimPrefix(sections[section]+", "+inner+": "+value, ", ")
	default:
		rest = key + ": " + value + "\n"
	}
	text := "---\nedit: f\nrun: r\n" + rest

	for _, name := range []string{"metric", "budget", "campaign", "stall"} {
		if sections[name] != "" {
			text += name + ": {" + sections[name] + "}\n"
		}
	}

	doc, err := contract.ParseProgram([]byte(text+"---\n"), "folder")
	if err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	doc.Program.Metric.MinGainSet = false

	return doc.Program
}

// TestCommandsExist: what pages and guides call `ratchet …` is a command.
func TestCommandsExist(t *testing.T) {
	out, err := exec.Command(ratchet, "--help").Output()
	if err != nil {
		t.Fatal(err)
	}

	known := []string{"supervise", "hook"} // hidden
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z]+)  +`).FindAllStringSubmatch(string(out), -1) {
		known = append(known, m[1])
	}
	texts := pages(t)

	for _, name := range prompts.GuideNames() {
		g, _ := prompts.FindGuide(name)
		texts["guide "+name] = g.Text + g.Next
	}
	named := regexp.MustCompile("(?m)(?:`|^\\$ |^)ratchet (?:-[-a-z]+ )*([a-z]+)")

	for name, text := range texts {
		if name == "docs/decisions.md" { // may speak of what is not there
			continue
		}

		for _, m := range named.FindAllStringSubmatch(text, -1) {
			if !slices.Contains(known, m[1]) {
				t.Errorf("%s: there is no command `ratchet %s`", name, m[1])
			}
		}
	}
}

// TestPagesHangTogether: links lead somewhere, and the index names every page.
func TestPagesHangTogether(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)

	all := pages(t)
	for name, text := range all {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			target := filepath.Join("../..", filepath.Dir(name), filepath.FromSlash(m[1]))
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s, which isn't there", name, m[1])
			}
		}
	}

	for name := range all {
		base := filepath.Base(name)
		if name != "README.md" && base != "README.md" && !strings.Contains(all["docs/README.md"], "]("+base+")") {
			t.Errorf("docs/README.md does not name %s", base)
		}
	}

	if n := strings.Count(all["README.md"], "\n"); n > 110 {
		t.Errorf("README.md has %d lines, at most 110 fit on two screens", n)
	}
}

var manualPages = flag.Bool("man", false, "build with the tag man, and write the manual pages")

// TestManualPages: a build with -tags man writes a page for each command; the
// one that is shipped does not have the command.
func TestManualPages(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command(ratchet, "man", dir).CombinedOutput(); err == nil {
		t.Errorf("the binary that is shipped has the command too: %s", out)
	}

	if !*manualPages {
		t.Skip("takes another link of the binary: make man")
	}

	if out, err := exec.Command("go", "run", "-tags", "man", ".", "man", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	for _, name := range []string{"ratchet", "ratchet-log", "ratchet-call", "ratchet-token-add"} {
		b, err := os.ReadFile(filepath.Join(dir, name+".1"))
		if err != nil || !strings.Contains(string(b), ".SH SYNOPSIS") {
			t.Errorf("%s.1: %v\n%.300s", name, err, b)
		}
	}
}
