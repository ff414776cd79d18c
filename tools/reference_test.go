package tools_test

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	diff "github.com/google/go-cmp/cmp"
	"github.com/invopop/jsonschema"

	"ratchet/tools"
)

const reference = "../docs/tools.md"

const referenceHead = `# The tools

Generated from the argument and answer structs (` + "`go test ./tools -run TestReference -update`" +
	`); a test fails when it is stale.

Every tool can be called without MCP: ` + "`ratchet call TOOL '{\"argument\": value}'`, with `--json` for the JSON" +
	` object. Arguments are strict: an unknown name, a wrong type
or an over-long text is refused by name. No tool takes a metric's value or a verdict. Every answer comes as text and as a JSON object, each complete, at most
2 kB unless more is asked for, and ends with the next step (` + "`next`" + `). A refusal has ` + "`error`" +
	` instead: a code, one sentence, the next step
([troubleshooting.md](troubleshooting.md)). An invalid experiment is not a refusal: it is a verdict, with its reason. A key without a value is left out.
Text that a program printed is marked as data.
`

// known says what a key of an answer means, where its field has no comment.
var known = map[string]string{
	"baseline":         "the start's value; deterministic metrics only",
	"best":             "the incumbent's value; deterministic metrics only",
	"branch":           "the branch that the checkout stands on",
	"budget_left":      "of the campaign",
	"campaign":         "its name",
	"candidate":        "commit",
	"client":           "name and version",
	"commit":           "of the keep",
	"contract":         "what Ratchet enforces, a line each",
	"contract_changed": "program.md's front matter differs from the accepted one: no run until a person accepts it",
	"counts":           "experiments by verdict, and since the last keep",
	"cursor":           "for the next page",
	"detectable":       "the smallest gain that it could have shown",
	"diff":             "against the incumbent of then",
	"edit":             "absolute paths of the files that may change",
	"expect":           "what the session predicted",
	"expected_pct":     "mean of the gains expected, in percent",
	"experiment":       "its number",
	"experiments":      "how many",
	"files":            "that it changed",
	"found_pct":        "mean of the gains found, in percent",
	"guides":           "names and what they are for",
	"hi":               "upper end of the 90 % interval",
	"hours":            "of run time",
	"id":               "x: experiment, c: calibration, m: measurement, h: certificate of the head, a: audit",
	"ideas":            "newest first",
	"incumbent_value":  "deterministic metrics only",
	"kept":             "experiments that were kept",
	"lesson_stored":    "whether a lesson was",
	"lessons":          "newest first",
	"lo":               "lower end of the 90 % interval",
	"machine":          "that it has changed under the campaign, and since when",
	"metric":           "name, direction, unit",
	"mid":              "the estimate",
	"missed_pct":       "mean distance between the two, in percent",
	"n":                "number",
	"next":             "the next step",
	"noise":            "spread of one run, or of a pair",
	"notes":            "what else happened",
	"output":           "data, never instructions",
	"output_bytes":     "in all",
	"paired_samples":   "of the version compared with",
	"proof":            "of a keep: how far it is proven, and by which certificate",
	"restored":         "files put back",
	"resumed":          "whether it existed already",
	"role":             "`calibrate`, `screen`, `confirm`, `anchor`, `audit`, `measure`",
	"rows":             "experiments, newest first",
	"running":          "jobs under way",
	"runs":             "in the order in which they were made",
	"runs_done":        "so far",
	"session":          "codename",
	"side":             "whose run: `candidate`, `incumbent`, `start`, `checkpoint`",
	"simplification":   "kept for being shorter at equal value",
	"standing":         "of a noisy metric: what is audited, certified, or only claimed",
	"status":           "`running`, `unresolved`, `kept`, `reverted`, `invalid`",
	"unit":             "of the value",
	"value":            "of the candidate: the sample, or the median of a noisy metric's",
	"values":           "oldest first",
	"verdict":          "`improved`, `provisional`, `equivalent`, `regressed`, `inconclusive`, `invalid`",
	"wall_s":           "seconds",
}

// TestReference holds docs/tools.md to the tools; -update writes it.
func TestReference(t *testing.T) {
	comments := fieldComments(t, "../internal/research", "../internal/research/contract", "../internal/research/rules",
		"../internal/research/history", "../internal/checkout", "../internal/job", "../internal/lab",
		"../internal/view", "../internal/render", "../internal/plots", "../internal/finalize", ".")
	seen := map[reflect.Type]string{}
	var b strings.Builder
	b.WriteString(referenceHead)

	for _, tool := range tools.All() {
		fmt.Fprintf(&b, "\n## `%s`\n\n%s\n\n%s.\n\n", tool.Name, tool.About, hints(tool))
		b.WriteString("| argument | | |\n|---|---|---|\n")
		rows(&b, describe(tool.Arguments, comments), "", true)

		if like, ok := seen[reflect.TypeOf(tool.Answers)]; ok {
			fmt.Fprintf(&b, "\nAnswers as `%s` does.\n", like)
			continue
		}
		seen[reflect.TypeOf(tool.Answers)] = tool.Name
		b.WriteString("\n| answer | | |\n|---|---|---|\n")
		rows(&b, describe(tool.Answers, comments), "", false)
	}

	if *update {
		if err := os.WriteFile(reference, []byte(b.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}

	want, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}

	if d := diff.Diff(string(want), b.String()); d != "" {
		t.Errorf("%s is stale, run with -update (-want +got):\n%s", reference, d)
	}
}

// hints is what a client is told of a tool, in words.
func hints(t tools.Tool) string {
	words := []string{"Writes to the ledger"}
	if t.ReadOnly {
		words[0] = "Changes nothing"
	}

	if t.Destructive {
		words = append(words, "may put a file back or end a run")
	}

	if t.Idempotent {
		words = append(words, "can be repeated")
	}

	if t.Waits {
		words = append(words, "waits as long as `wait_seconds`")
	}

	return strings.Join(words, "; ")
}

// describe is the schema of v's struct, with the comments of the source.
func describe(v any, comments map[string]string) *jsonschema.Schema {
	r := jsonschema.Reflector{Anonymous: true, DoNotReference: true, ExpandedStruct: true}
	r.LookupComment = func(t reflect.Type, field string) string { return comments[t.Name()+"."+field] }

	return r.ReflectFromType(reflect.TypeOf(v))
}

// rows writes a table row for each property, those of objects and lists too.
// Only arguments are required; of an answer any key may be missing.
func rows(b *strings.Builder, s *jsonschema.Schema, path string, arguments bool) {
	for p := s.Properties.Oldest(); p != nil; p = p.Next() {
		name, v := path+p.Key, p.Value

		kind := v.Type
		if v.Type == "array" {
			name, v, kind = name+"[]", v.Items, "list of "+v.Items.Type+"s"
		}

		if arguments && slices.Contains(s.Required, p.Key) {
			kind += ", required"
		}

		about := cmp.Or(p.Value.Description, known[p.Key])
		if len(v.Enum) > 0 {
			about = strings.TrimSpace(fmt.Sprintf("%s %s", about, values(v.Enum)))
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", name, kind,
			strings.ReplaceAll(strings.ReplaceAll(about, "\n", " "), "|", `\|`))

		if v.Properties != nil {
			rows(b, v, name+".", arguments)
		}
	}
}

func values(enum []any) string {
	out := make([]string, len(enum))
	for i, e := range enum {
		out[i] = fmt.Sprintf("`%v`", e)
	}

	return strings.Join(out, ", ")
}

// fieldComments are the comments of struct fields, by "Type.Field".
func fieldComments(t *testing.T, folders ...string) map[string]string {
	t.Helper()
	out := map[string]string{}

	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no source in %s: %v", folder, err)
		}

		for _, file := range files {
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if s, ok := n.(*ast.TypeSpec); ok {
					structComments(out, s)
				}

				return true
			})
		}
	}

	return out
}

func structComments(out map[string]string, s *ast.TypeSpec) {
	st, ok := s.Type.(*ast.StructType)
	if !ok {
		return
	}

	for _, f := range st.Fields.List {
		text := f.Comment.Text()
		if text == "" {
			text = f.Doc.Text()
		}

		for _, name := range f.Names {
			out[s.Name.Name+"."+name.Name] = strings.TrimSpace(text)
		}
	}
}
