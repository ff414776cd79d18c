package tools_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/checkout"
	"ratchet/internal/render"
	"ratchet/internal/research"
	"ratchet/tools"
)

var update = flag.Bool("update", false, "write goldens")

// golden compares got with testdata/name.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)

	if *update {
		if err := os.MkdirAll("testdata", 0o777); err != nil {
			t.Fatal(err)
		}

		if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}

	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got); if that is meant, run with -update:\n%s", path, diff)
	}
}

// TestListAsAModelSeesIt holds what every session pays for before its first thought.
func TestListAsAModelSeesIt(t *testing.T) {
	type seen struct {
		Name        string          `json:"name"`
		Description string          `json:"description"`
		InputSchema json.RawMessage `json:"inputSchema"`
	}
	var list []seen
	var names []string

	for _, tool := range tools.All() {
		list = append(list, seen{tool.Name, tool.About, tool.Input()})
		names = append(names, tool.Name)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)

	if err := enc.Encode(list); err != nil {
		t.Fatal(err)
	}
	compact := bytes.TrimSpace(b.Bytes())
	t.Logf("%d bytes", len(compact))

	if len(compact) > 4800 {
		t.Errorf("the tools have %d bytes as a model sees them, at most 4800 are allowed", len(compact))
	}

	want := []string{"start_campaign", "run_experiment", "wait_run", "stop_run", "measure_metric", "keep", "revert",
		"read_log", "share", "plot"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}

	var pretty bytes.Buffer
	if err := json.Indent(&pretty, compact, "", " "); err != nil {
		t.Fatal(err)
	}
	golden(t, "list.json", pretty.String()+"\n")
}

func TestOutputSchemasRequireNothing(t *testing.T) {
	for _, tool := range tools.All() {
		var s struct {
			Type       string         `json:"type"`
			Properties map[string]any `json:"properties"`
		}

		raw := tool.Output()
		if err := json.Unmarshal(raw, &s); err != nil {
			t.Fatal(err)
		}

		if s.Type != "object" || s.Properties["error"] == nil || s.Properties["next"] == nil {
			t.Errorf("%s: output schema is not an object with error and next: %s", tool.Name, raw)
		}

		if strings.Contains(string(raw), `"required"`) || strings.Contains(string(raw),
			`"additionalProperties":false`) {
			t.Errorf("%s: a refusal would not fit its output schema: %s", tool.Name, raw)
		}
	}
}

var errClosed = research.Errorf(research.CodeRepository, "call it inside a git repository", "no repository here")

func closed(context.Context) (*checkout.Checkout, error) { return nil, errClosed }

func call(t *testing.T, tool, args string) (render.Answer, error) {
	t.Helper()

	tl, ok := tools.Get(tool)
	if !ok {
		t.Fatalf("no tool %s", tool)
	}

	return tl.Call(context.Background(), tools.Env{Open: closed}, json.RawMessage(args))
}

func TestArguments(t *testing.T) {
	long := strings.Repeat("x", 2049)

	tests := []struct {
		tool, args string
		msg, next  string // "" when the arguments are good
	}{
		{"start_campaign", ``, "", ""},
		{"start_campaign", `null`, "", ""},
		{"start_campaign", `{"name":null}`, "", ""},
		{"start_campaign", `{"program":"p.md","name":"n"}`, "", ""},
		{"start_campaign", `{"nmae":"n"}`, `unknown argument "nmae"`, "write name; the arguments are program, name"},
		{"start_campaign", `[1]`, "arguments must be a JSON object", `call it with {"name": value, …}`},
		{"start_campaign", `{"name":3}`, `the argument "name" must be a string`, "correct its type"},
		{"run_experiment", `{}`, `the argument "hypothesis" is missing`, "add hypothesis"},
		{"run_experiment", `{"hypothesis":" \n"}`, "the hypothesis is empty",
			"say in one sentence what you changed and why it should help"},
		{"run_experiment", `{"hypothesis":"h","value":0.9}`, `unknown argument "value"`,
			"the arguments are hypothesis, expect, idea, wait_seconds"},
		{"run_experiment", `{"hypothesis":"h","Expect":"e"}`, `unknown argument "Expect"`,
			"write expect; the arguments are hypothesis, expect, idea, wait_seconds"},
		{"run_experiment", `{"hypothesis":"h","wait":1}`, `unknown argument "wait"`,
			"write wait_seconds; the arguments are hypothesis, expect, idea, wait_seconds"},
		{"run_experiment", `{"hypothesis":"` + long + `"}`, "hypothesis has 2049 bytes, at most 2048 are allowed",
			"shorten it"},
		{"run_experiment", `{"hypothesis":"h","wait_seconds":-1}`, "wait_seconds can't be negative", "give 0 to 50"},
		{"run_experiment", `{"hypothesis":"h","wait_seconds":"45"}`, `the argument "wait_seconds" must be a number`,
			"correct its type"},
		{"run_experiment", `{"hypothesis":"h","wait_seconds":600}`, "", ""},
		{"run_experiment", `{"hypothesis":"h","wait_seconds":0}`, "", ""},
		{"wait_run", `{"id":7}`, "", ""},
		{"wait_run", `{"id":"x7","wait_seconds":1.5}`, "", ""},
		{"wait_run", `{"id":true}`, `the argument "id" must be a string`, "correct its type"},
		{"stop_run", `{"id":-1}`, `the argument "id" must be a string`, "correct its type"},
		{"measure_metric", `{}`, `the argument "target" is missing`, "add target"},
		{"measure_metric", `{"target":""}`, "the target is empty",
			"name incumbent, start, an experiment's number or a commit"},
		{"measure_metric", `{"target":"start","runs":1000}`, "runs can't be 1000", "give 0 to 100"},
		{"measure_metric", `{"target":"start","runs":1.5}`, `the argument "runs" must be a whole number`,
			"correct its type"},
		{"measure_metric", `{"target":3,"paired_with":"incumbent"}`, "", ""},
		{"keep", `{"verdict":"improved"}`, `unknown argument "verdict"`, "the arguments are id, note"},
		{"revert", `{"lesson":"` + long + `"}`, "lesson has 2049 bytes, at most 2048 are allowed", "shorten it"},
		{"read_log", `{"view":"tables"}`, `view can't be "tables"`,
			"write table; use one of brief, table, experiment, output, ideas, sessions, program, report, guide"},
		{"read_log", `{"view":"table","limit":-1}`, "limit can't be negative", "leave it out"},
		{"read_log", `{"view":"guide","query":"lop"}`, `query can't be "lop"`,
			"write loop; use one of setup, loop, resume, stuck, playbook, finalize, report, llm-training, gpu-kernel, test-speed, build-time, bundle-size, latency, prompt-eval"},
		{"read_log", `{"view":"guide","query":"latency 9"}`,
			`query can't be "latency 9": the playbook has the tiers 1 to 5`,
			`read_log{view:"guide",query:"latency 1"}`},
		{"read_log", `{}`, "", ""},
		{"share", `{}`, `the argument "ops" is missing`, "add ops"},
		{"share", `{"ops":[]}`, "ops has 0 entries", `give 1 to 20, such as [{op: "add", idea: "…"}]`},
		{"share", `{"ops":"add"}`, `the argument "ops" must be a list of objects`, "give a list of objects"},
		{"share", `{"ops":[{"op":"clam","idea":"1"}]}`, `ops[0].op can't be "clam"`,
			"write claim; use one of add, claim, release, drop, lesson"},
		{"share", `{"ops":[{"op":"claim"}]}`, "ops[0] has no idea", "put the text into idea"},
		{"share", `{"ops":[{"op":"claim","idea":1,"lesson":"l"}]}`, "ops[0] has both an idea and a lesson",
			"make two operations of it"},
		{"share", `{"ops":[{"op":"claim","idea":1},{"op":"drop","idea":"2","lesson":"l"}]}`, "", ""},
		{"share", `{"ops":[{"op":"add","ida":"1"}]}`, `unknown argument "ops[0].ida"`,
			"write idea; the arguments are op, idea, lesson"},
		{"share", `{"ops":[{"op":"add"}]}`, "ops[0] has no idea", "put the text into idea"},
		{"share", `{"ops":[{"op":"lesson","lesson":"l","idea":"i"}]}`, "ops[0] has both an idea and a lesson",
			"make two operations of it"},
		{"share", `{"ops":[{"op":"lesson","lesson":"l"}]}`, "", ""},
		{"plot", `{"kind":"progres"}`, `kind can't be "progres"`,
			"write progress; use one of progress, noise, budget, gpu, families"},
		{"plot", `{"kind":"noise","size":5000}`, "size can't be 5000", "give 1 to 1000"},
		{"plot", `{"kind":"progress"}`, "", ""},
	}
	for _, tt := range tests {
		_, err := call(t, tt.tool, tt.args)

		want := research.Errorf(research.CodeBadArgument, tt.next, "%s", tt.msg)
		if tt.msg == "" {
			want = errClosed
		}

		var got *research.Error
		if !errors.As(err, &got) {
			t.Errorf("%s%s: error %v, want %v", tt.tool, tt.args, err, want)
			continue
		}

		if got.Code != want.Code || got.Msg != want.Msg || got.Next != want.Next {
			t.Errorf("%s%s:\n got %s: %s / %s\nwant %s: %s / %s", tt.tool, head(tt.args), got.Code, got.Msg, got.Next,
				want.Code, want.Msg, want.Next)
		}
	}
}

func head(s string) string { return s[:min(len(s), 60)] }

func TestRefusal(t *testing.T) {
	tests := []struct {
		err        error
		text, json string
	}{
		{errClosed, "repository: no repository here\nnext: call it inside a git repository",
			`{"error":{"code":"repository","message":"no repository here","next":"call it inside a git repository"}}`},
		{errors.New("secret detail"),
			"internal: internal error\nnext: run `ratchet doctor`; the server's stderr has the details",
			"{\"error\":{\"code\":\"internal\",\"message\":\"internal error\",\"next\":\"run `ratchet doctor`; the server's stderr has the details\"}}"},
		{context.Canceled, "cancelled: the call was cancelled; a run that was started goes on\nnext: wait_run{}",
			`{"error":{"code":"cancelled","message":"the call was cancelled; a run that was started goes on","next":"wait_run{}"}}`},
	}
	for _, tt := range tests {
		a := render.Refusal(tt.err)
		if a.Text != tt.text || string(a.Structured) != tt.json {
			t.Errorf("refusal of %v:\n%s\n%s", tt.err, a.Text, a.Structured)
		}
	}

	a := render.Refusal(research.Errorf(research.CodeScope, strings.Repeat("n", 5000), "%s",
		strings.Repeat("path \x1b[31m<&>\n", 1000)))
	if len(a.Text) > render.Limit || len(a.Structured) > render.Limit || strings.ContainsRune(a.Text, 0x1b) {
		t.Errorf("a long refusal has %d and %d bytes: %s", len(a.Text), len(a.Structured), a.Text)
	}
}

func TestGuideNeedsNoRepository(t *testing.T) {
	for _, args := range []string{`{"view":"guide"}`, `{"view":"guide","query":"loop"}`,
		`{"view":"guide","query":"setup","limit":600}`} {
		a, err := call(t, "read_log", args)
		if err != nil {
			t.Fatal(err)
		}
		fits(t, a, render.Limit)
	}
	var whole string

	cursor := ""
	for range 10 {
		a, err := call(t, "read_log", `{"view":"guide","query":"loop","limit":600,"cursor":"`+cursor+`"}`)
		if err != nil {
			t.Fatal(err)
		}

		var s struct{ Text, Cursor string }
		if err := json.Unmarshal(a.Structured, &s); err != nil {
			t.Fatal(err)
		}

		whole += s.Text
		if cursor = s.Cursor; cursor == "" {
			break
		}
	}
	a, _ := call(t, "read_log", `{"view":"guide","query":"loop"}`)

	var s struct{ Text string }
	if err := json.Unmarshal(a.Structured, &s); err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(s.Text, whole); diff != "" || len(whole) < 1000 {
		t.Errorf("pages don't add up to the text: %s", diff)
	}
}

// fits fails unless both forms of a are within limit, valid and end with the next step.
func fits(t *testing.T, a render.Answer, limit int) map[string]any {
	t.Helper()

	if len(a.Text) > limit || len(a.Structured) > limit {
		t.Errorf("answer has %d bytes of text and %d of JSON, at most %d are allowed:\n%s\n%s", len(a.Text),
			len(a.Structured), limit, a.Text, a.Structured)
	}

	var m map[string]any
	if err := json.Unmarshal(a.Structured, &m); err != nil {
		t.Fatalf("%v in %s", err, a.Structured)
	}

	next, _ := m["next"].(string)
	if next == "" || !strings.HasSuffix(a.Text, "next: "+next) {
		t.Errorf("the answer doesn't end with the next step %q:\n%s", next, a.Text)
	}

	return m
}
