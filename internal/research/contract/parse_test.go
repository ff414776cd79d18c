package contract_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
)

const smallest = "---\nedit: sort.go\nmetric:\n  name: ns_per_op\n  better: lower\nrun: ./bench\n---\n"

func parse(t *testing.T, text string) *contract.Document {
	t.Helper()

	doc, err := contract.ParseProgram([]byte(text), "Sort Speed")
	if err != nil {
		t.Fatalf("parse:\n%s\n%v", text, err)
	}

	return doc
}

func defaults() contract.Program {
	return contract.Program{
		Name: "sort-speed",
		Edit: []string{"sort.go"},
		Metric: contract.Metric{
			Name: "ns_per_op", Better: research.Lower, From: contract.Source{Kind: "output"},
			Noise: research.NoiseAuto, MinGain: contract.Amount{Value: 0.005, Relative: true},
		},
		Run: "./bench",
		Budget: contract.Budget{
			Wall: contract.Duration(5 * time.Minute), Grace: contract.Duration(10 * time.Second),
			Processes: 512, Output: 4 << 20,
		},
		Campaign: contract.CampaignLimit{Experiments: 200, Hours: 10},
		Parallel: 1, Network: "loopback", Search: "auto", Assumptions: "model", Decide: "agent",
		Stall: contract.DefaultStall(),
	}
}

func TestParseProgramFillsInDefaults(t *testing.T) {
	doc := parse(t, smallest)
	if diff := cmp.Diff(defaults(), doc.Program); diff != "" {
		t.Error(diff)
	}
}

func TestParseProgramReadsEveryKey(t *testing.T) {
	text, err := os.ReadFile("testdata/every_key.md")
	if err != nil {
		t.Fatal(err)
	}
	zero := 0.0
	want := contract.Program{
		Name: "sort-speed", Edit: []string{"sort.go"},
		Metric: contract.Metric{
			Name: "ns_per_op", Better: research.Lower, Unit: "ns", From: contract.Source{Kind: "output"},
			Noise: research.NoiseAuto, MinGain: contract.Amount{Value: 0.005, Relative: true}, MinGainSet: true,
			Pick: "last",
		},
		Guards: []contract.Guard{
			{Name: "peak_vram_mb", MaxGrowth: &contract.Amount{Value: 0.1, Relative: true}},
			{Name: "errors", Max: &zero},
		},
		Setup: "npm ci", Build: "go build -o bench .", Run: "./bench", Measure: "./score out.json",
		Hands: []string{"out.json", "plots"},
		Check: "go test ./...", Budget: contract.Budget{
			Wall: contract.Duration(6 * time.Minute), Grace: contract.Duration(5 * time.Second),
			GPU: contract.Duration(5 * time.Minute), GPUClock: "first_use",
			Memory: 8 << 30, Processes: 64, Output: 512_000_000, CPU: contract.Duration(10 * time.Minute),
			Disk: 2 << 30,
		},
		Campaign: contract.CampaignLimit{Experiments: 100, Hours: 2.5, GPUHours: 2},
		GPUs:     1, Parallel: 2, Network: "off",
		Env: []string{"HF_HOME"}, Reads: []string{"~/.cache/autoresearch"}, Writes: []string{"results.json"},
		Carry: []string{"node_modules", ".venv"}, Search: "certify", Assumptions: "none", Decide: "auto",
		Notify: []contract.Target{
			{Command: "./tell.sh, twice", On: []contract.Event{contract.EventBest}},
			{Webhook: "https://example.org/x?y=z", SecretEnv: "HOOK_SECRET",
				On: []contract.Event{contract.EventBudget, contract.EventStall}},
			{Ntfy: "env:TOPIC", TokenEnv: "NTFY_TOKEN", Click: "http://localhost:7777"},
			{Desktop: true},
			{Hook: ".auto/hooks/after.sh", On: []contract.Event{contract.HookAfter}},
		},
		Stall: contract.Stall{Experiments: 12, Hours: .5},
	}

	doc := parse(t, string(text))
	if diff := cmp.Diff(want, doc.Program); diff != "" {
		t.Error(diff)
	}

	if want := "Body: what to try.\n\n---\nnot a fence any more\n"; doc.Body != want {
		t.Errorf("body %q, want %q", doc.Body, want)
	}
}

func TestParseProgramAccepts(t *testing.T) {
	with := func(change func(*contract.Program)) contract.Program {
		p := defaults()
		change(&p)

		return p
	}
	front := "---\nedit: sort.go\nmetric: {name: ns_per_op, better: lower%s}\nrun: ./bench\n%s---\n"

	for _, c := range []struct {
		name, metric, rest string
		want               contract.Program
	}{
		{"deterministic", ", noise: deterministic", "", with(func(p *contract.Program) {
			p.Metric.Noise, p.Metric.MinGain = research.Deterministic, contract.Amount{}
		})},
		{"min_gain in the unit", ", min_gain: 1.5e-3", "", with(func(p *contract.Program) {
			p.Metric.MinGain, p.Metric.MinGainSet = contract.Amount{Value: 0.0015}, true
		})},
		{"file", `, from: "file:out/r.json#/a/0/~0b~1"`, "", with(func(p *contract.Program) {
			p.Metric.From = contract.Source{Kind: "file", Path: "out/r.json", Expr: "/a/0/~0b~1"}
		})},
		{"regex", `, from: 'regex: took ([0-9.]+) ms'`, "", with(func(p *contract.Program) {
			p.Metric.From = contract.Source{Kind: "regex", Expr: "took ([0-9.]+) ms"}
		})},
		{"cpu", ", from: cpu, unit: ms", "", with(func(p *contract.Program) {
			p.Metric.From, p.Metric.Unit = contract.Source{Kind: "cpu"}, "ms"
		})},
		{"empty carry is no absent one", "", "carry: []\n", with(func(p *contract.Program) { p.Carry = []string{} })},
		{"folders and dots are cleaned", "", "carry: [./a//b/]\nwrites: ./out.json\n", with(func(p *contract.Program) {
			p.Carry, p.Writes = []string{"a/b"}, []string{"out.json"}
		})},
		{"switches are words", "", "network: on\n", with(func(p *contract.Program) { p.Network = "on" })},
		{"sizes", "", "budget: {memory: 1.5GiB, output: 4096}\n", with(func(p *contract.Program) {
			p.Budget.Memory, p.Budget.Output = 3<<29, 4096
		})},
		{"durations", "", "budget: {wall: 1h30m, grace: 0s}\n", with(func(p *contract.Program) {
			p.Budget.Wall, p.Budget.Grace = contract.Duration(90*time.Minute), 0
		})},
		{"a command of several lines", "", "check: |\n  set -e\n\n  go vet\n\n", with(func(p *contract.Program) {
			p.Check = "set -e\n\ngo vet"
		})},
		{"a command that YAML takes for a number", "", "check: 1\n", with(func(p *contract.Program) { p.Check = "1" })},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc := parse(t, fmt.Sprintf(front, c.metric, c.rest))
			if diff := cmp.Diff(c.want, doc.Program); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseProgramAcceptsWindowsText(t *testing.T) {
	doc := parse(t, "\xef\xbb\xbf"+strings.ReplaceAll(smallest, "\n", "\r\n")+"Try\r\nthis")
	if diff := cmp.Diff(defaults(), doc.Program); diff != "" {
		t.Error(diff)
	}

	if doc.Body != "Try\r\nthis" {
		t.Errorf("body %q", doc.Body)
	}
}

func TestParseProgramNamesTheCampaign(t *testing.T) {
	for folder, want := range map[string]string{
		"Sort Speed": "sort-speed", "__x__": "x", "": "campaign", "/": "campaign", "日本": "campaign", "a.b": "a-b",
		strings.Repeat("ab", 40): strings.Repeat("ab", 24),
	} {
		doc, err := contract.ParseProgram([]byte(smallest), folder)
		if err != nil || doc.Program.Name != want {
			t.Errorf("folder %q: name %q, %v; want %q", folder, doc.Program.Name, err, want)
		}
	}
}

// Each case is the smallest program with one line changed or lines added at
// its end (line 7 on), and the whole text of the error.
func TestParseProgramRefuses(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"metric:", "metrc:", `program.md:3: unknown key "metrc"; did you mean "metric"?`},
		{"", "guard: []", `program.md:7: unknown key "guard"; did you mean "guards"?`},
		{"", "wall: 5m", `program.md:7: unknown key "wall"; did you mean "budget.wall"?`},
		{"", "frobnicate: 1",
			`program.md:7: unknown key "frobnicate"; valid: name, edit, metric, guards, setup, build, run, measure, hands, check, budget, campaign, gpus, parallel, network, env, reads, writes, carry, search, assumptions, decide, notify, stall`},
		{"  better: lower", "  better: lower\n  nois: auto",
			`program.md:6: unknown key "metric.nois"; did you mean "metric.noise"?`},
		{"", "guards:\n  - {name: a, max: 1}\n  - {name: b, max_grwth: 1%}",
			"program.md:9: unknown key \"guards[2].max_grwth\"; did you mean \"guards[2].max_growth\"?"},
		{"", "run: again", `program.md:7: the key "run" is given twice, first on line 6`},
		{"  better: lower", "", `program.md:3: the required key "metric.better" is missing`},
		{"run: ./bench", "", `program.md:1: the required key "run" is missing`},
		{"edit: sort.go\n", "", `program.md:1: the required key "edit" is missing`},
		{"", "guards: [{max: 1}]", `program.md:7: the required key "guards[1].name" is missing`},
		{"", "? [a]\n: b", `program.md:7: a key must be plain text`},

		{"metric:\n  name: ns_per_op\n  better: lower", "metric: ns",
			"program.md:3: metric must be a mapping of name, better, unit, from, noise, min_gain, scale, pick"},
		{"run: ./bench", "run: [a]", "program.md:6: run takes one value, not a list"},
		{"run: ./bench", "run: {a: b}",
			"program.md:6: run takes one value, not a mapping; quote a text that holds `: ` or starts with {"},
		{"run: ./bench", "run:", "program.md:6: run is empty; give a value or leave the key out"},
		{"run: ./bench", "run: \"a\\0b\"",
			`program.md:6: run can't be "a\x00b"; a command can hold neither NUL nor broken UTF-8`},
		{"", "guards: 3", "program.md:7: guards must be a list such as [{name: errors, max: 0}]"},
		{"", "guards: [3]", "program.md:7: guards[1] must be a mapping of name, from, max_growth, max, min"},
		{"", "guards: [{name: a, from: cpu, max: 1}]",
			`program.md:7: guards[1].from can't be "cpu": a guard comes from the output; write output or regex:EXPR`},
		{"", "guards: [{name: a, from: 'regex:(x', max: 1}]", "program.md:7: guards[1].from can't be \"regex:(x\"; the expression doesn't compile: missing closing ): `(x`"},

		{"better: lower", "better: lowr",
			`program.md:5: metric.better can't be "lowr"; did you mean "lower"? valid: lower, higher`},
		{"", "network: sometimes", `program.md:7: network can't be "sometimes"; valid: off, loopback, on`},
		{"", "network: false", `program.md:7: network can't be "false"; valid: off, loopback, on`},
		{"", "search: x", `program.md:7: search can't be "x"; valid: auto, certify`},
		{"", "decide: human", `program.md:7: decide can't be "human"; valid: agent, auto`},
		{"", "name: Sort", `program.md:7: name can't be "Sort"; use up to 48 of a-z, 0-9 and -, not starting with -`},
		{"name: ns_per_op", "name: a b",
			`program.md:4: metric.name can't be "a b"; use up to 100 characters without blanks and = : , " { }`},
		{"name: ns_per_op", "name: a=b",
			`program.md:4: metric.name can't be "a=b"; use up to 100 characters without blanks and = : , " { }`},
		{"better: lower", "better: lower\n  unit: 3s",
			`program.md:6: metric.unit can't be "3s"; use up to 32 printable characters, not starting with a digit or sign`},
		{"better: lower", "better: lower\n  min_gain: -1%",
			`program.md:6: metric.min_gain can't be "-1%"; give a share such as 0.5% or a bare number, not below 0`},
		{"better: lower", "better: lower\n  min_gain: 100%",
			`program.md:6: metric.min_gain of 100% can't be reached where lower is better; give a share below 100%`},
		{"better: lower", "better: lower\n  min_gain: 1e400",
			`program.md:6: metric.min_gain can't be "1e400"; give a share such as 0.5% or a bare number, not below 0`},

		{"better: lower", "better: lower\n  from: walls",
			`program.md:6: metric.from can't be "walls"; did you mean "wall"? valid: output, wall, cpu, max_rss, file:PATH#/json/pointer, regex:EXPR`},
		{"better: lower", "better: lower\n  from: file:r.json",
			`program.md:6: metric.from can't be "file:r.json"; write file:PATH#/json/pointer; the part after # says where the number is`},
		{"better: lower", "better: lower\n  from: file:r.json#a",
			`program.md:6: metric.from can't be "file:r.json#a"; the JSON pointer after # must start with /`},
		{"better: lower", "better: lower\n  from: file:r.json#/a~2",
			`program.md:6: metric.from can't be "file:r.json#/a~2"; in a JSON pointer ~ is written ~0, and / inside a key ~1`},
		{"better: lower", "better: lower\n  from: regex:[0-9]+",
			`program.md:6: metric.from can't be "regex:[0-9]+"; the expression has 0 groups; give exactly one, around the number: regex:time ([0-9.]+) ms`},
		{"better: lower", "better: lower\n  from: 'regex:('",
			"program.md:6: metric.from can't be \"regex:(\"; the expression doesn't compile: missing closing ): `(`"},
		{"better: lower", "better: lower\n  from: cpu\n  unit: MB",
			`program.md:7: metric.unit can't be "MB" where metric.from is cpu; valid: s, ms, us, µs, ns, min`},
		{"better: lower", "better: lower\n  from: file:sort.go#/x",
			`program.md:6: metric.from reads the edited file "sort.go"; the agent would write its own metric`},

		{"", "budget: {wall: 300}", `program.md:7: budget.wall can't be "300"; a duration needs a unit: 300s or 300m`},
		{"", "budget: {wall: soon}",
			`program.md:7: budget.wall can't be "soon"; give a duration such as 5m, 90s or 1h30m`},
		{"", "budget: {wall: 0s}", `program.md:7: budget.wall can't be "0s"; give a duration from 1ms to 168h`},
		{"", "budget: {memory: 8}", `program.md:7: budget.memory can't be "8"; give a size from 1MiB to 1024TiB`},
		{"", "budget: {memory: 8Gigs}",
			`program.md:7: budget.memory can't be "8Gigs"; give a size such as 8GiB, 512MB, 4MiB or plain bytes`},
		{"", "budget: {processes: 1.5}",
			`program.md:7: budget.processes can't be "1.5"; give a whole number from 1 to 4194304`},
		{"", "budget: {gpu_clock: x}", `program.md:7: budget.gpu_clock can't be "x"; valid: first_use`},
		{"", "campaign: {experiments: many}",
			`program.md:7: campaign.experiments can't be "many"; give a whole number from 1 to 1000000`},
		{"", "campaign: {hours: 0.05}",
			`program.md:7: campaign.hours of 0.05 are less than the longest that one run may take, 5m10s; raise it, or lower budget.wall`},
		{"", "campaign: {hours: 10h}",
			`program.md:7: campaign.hours can't be "10h"; give a number of hours above 0, such as 10 or 0.5`},
		{"", "guards: [{name: a, max: 1 MB}]",
			`program.md:7: guards[1].max can't be "1 MB"; give a number in the guard's own unit`},
		{"", "gpus: -1", `program.md:7: gpus can't be "-1"; give a whole number from 0 to 1024`},
		{"", "env: [A=b]",
			`program.md:7: env can't be "A=b"; list names of variables only, such as HF_HOME; their values come from the environment`},
		{"", "env: [A, A]", `program.md:7: env names "A" twice`},
		{"", "reads: [data]",
			`program.md:7: reads can't be "data"; give an absolute path or one that starts with ~/; what is in the repository is read anyway`},
		{"", "reads: [/a/../b]", `program.md:7: reads can't be "/a/../b"; write the path without ..`},

		{"edit: sort.go", "edit: []", "program.md:2: edit is empty; name at least one"},
		{"edit: sort.go", "edit: [a.go, ./a.go]", `program.md:2: edit names "a.go" twice`},
		{"edit: sort.go", "edit: [a, a/b]",
			`program.md:2: edit names "a" and "a/b", one inside the other; name files only`},
		{"edit: sort.go", "edit: src/", `program.md:2: edit can't be "src/"; name a file, not a folder`},
		{"edit: sort.go", "edit: '*.go'",
			`program.md:2: edit can't be "*.go"; name each file; patterns are not accepted`},
		{"edit: sort.go", "edit: /etc/passwd",
			`program.md:2: edit can't be "/etc/passwd"; give a path relative to program.md's folder`},
		{"edit: sort.go", "edit: a/../../b",
			`program.md:2: edit can't be "a/../../b"; the path must stay below program.md's folder, without ..`},
		{"edit: sort.go", "edit: .", `program.md:2: edit can't be "."; name something below program.md's folder`},
		{"edit: sort.go", "edit: .git/config",
			`program.md:2: edit can't be ".git/config"; git's own files are out of bounds`},
		{"edit: sort.go", "edit: program.md",
			"program.md:2: edit names program.md; the agent can't change its own contract"},
		{"", "writes: [sort.go]",
			`program.md:7: writes names "sort.go", but "sort.go" is the edited file; a run may not change it`},
		{"", "hands: [out.txt]",
			"program.md:7: hands is what `measure` sees of a run, and there is no `measure`; add it, or drop this line"},
		{"", "measure: ./score\nhands: [program.md]",
			"program.md:8: hands names program.md, which no run may change; drop it"},
		{"", "measure: ./score\nhands: ['*.txt']",
			`program.md:8: hands can't be "*.txt"; name each file; patterns are not accepted`},
		{"", "measure: ./score\nhands: [out, out/a]",
			`program.md:8: hands names "out" and "out/a", one inside the other; keep one of them`},
		{"", "measure: ./score\nhands: [out/score, score]",
			`program.md:8: hands names "score", and measure runs "score": the candidate would choose the evaluator; ` +
				"let build make it, and take it off hands"},
		{"", "measure: ./score sort.go\nhands: [sort.go]",
			`program.md:8: hands names "sort.go", the edited file, which measure names; let run copy it to a new file, ` +
				"and hand that"},
		{"", "measure: ./score\ncheck: gofmt -l sort.go\nhands: [sort.go]",
			`program.md:9: hands names "sort.go", the edited file, which check names; let run copy it to a new file, ` +
				"and hand that"},
		{"edit: sort.go", "edit: lib/a.js\nmeasure: ./score\nhands: [lib]",
			`program.md:4: hands names the folder "lib", in which the edited file "lib/a.js" lies; name what run leaves there`},
		{"edit: sort.go", "edit: lib/a.js\ncarry: [lib]",
			`program.md:3: carry names "lib", but "lib/a.js" is the edited file, which must be tracked`},

		{"", "guards: [{name: a}]", `program.md:7: the guard "a" has no limit; give max_growth, max or min`},
		{"", "guards:\n  - {name: a, max: 1}\n  - {name: ns_per_op, max: 1}",
			`program.md:9: the guard "ns_per_op" is the metric itself; guard other numbers`},
		{"", "guards: [{name: a, max: 1}, {name: a, min: 1}]",
			`program.md:7: the guard "a" is given twice; put its limits into one`},
		{"", "guards: [{name: a, max: 1, min: 2}]", `program.md:7: the guard "a" has min above max; nothing can pass`},

		{"", "notify: ./tell.sh",
			"program.md:7: notify[1] must be a mapping such as {command: ./tell.sh}; one of command, webhook, ntfy, desktop or hook"},
		{"", "notify: [{comand: ./tell.sh}]",
			`program.md:7: unknown key "notify[1].comand"; did you mean "notify[1].command"?`},
		{"", "notify: [{on: best}]",
			"program.md:7: notify[1] needs exactly one of command, webhook, ntfy, desktop or hook"},
		{"", "notify:\n  - {command: x}\n  - {command: x, desktop: true}",
			"program.md:9: notify[2] needs exactly one of command, webhook, ntfy, desktop or hook"},
		{"", "notify: [{command: x, on: [bests]}]",
			`program.md:7: notify[1].on can't be "bests"; did you mean "best"? valid: best, certified, rolled_back, stall, crash_loop, budget_end, needs_you, before, after`},
		{"", "notify: [{command: x, on: [after]}]",
			"program.md:7: notify[1].on: before and after are for hooks; valid: best, certified, rolled_back, stall, crash_loop, budget_end, needs_you"},
		{"", "notify: [{hook: h.sh}]", "program.md:7: notify[1] is a hook: say on: before or on: after"},
		{"", "notify: [{hook: h.sh, on: best}]", "program.md:7: notify[1] is a hook: say on: before or on: after"},
		{"", "notify: [{hook: ../h.sh, on: after}]",
			`program.md:7: notify[1].hook can't be "../h.sh"; the path must stay below program.md's folder, without ..`},
		{"", "notify: [{desktop: yes}]",
			`program.md:7: notify[1].desktop can't be "yes"; write true, or leave the entry out`},
		{"", "notify: [{webhook: example.org}]",
			`program.md:7: notify[1].webhook can't be "example.org"; give an address such as https://example.org/path, or env:NAME for the variable that holds it`},
		{"", "notify: [{webhook: https://u:p@example.org}]",
			`program.md:7: notify[1].webhook can't be "https://u:p@example.org"; an address with a password in it belongs into a variable: env:NAME`},
		{"", "notify: [{webhook: 'env:A B'}]",
			`program.md:7: notify[1].webhook can't be "env:A B"; write env:NAME with the name of a variable, such as env:TEAM_WEBHOOK`},
		{"", "notify: [{ntfy: https://ntfy.sh/}]",
			`program.md:7: notify[1].ntfy can't be "https://ntfy.sh/"; name the topic: https://ntfy.sh/TOPIC`},
		{"", "notify: [{webhook: https://a.b/c, secret: s3cret}]",
			`program.md:7: unknown key "notify[1].secret"; did you mean "notify[1].secret_env"?`},
		{"", "notify: [{ntfy: https://a.b/c, secret_env: A}]",
			"program.md:7: notify[1].secret_env signs a webhook; this target is none"},
		{"", "notify: [{command: x, token_env: A}]",
			"program.md:7: notify[1] has token_env or click, which belong to ntfy"},
		{"", "notify: [{ntfy: http://a.b/c, token_env: A}]",
			"program.md:7: notify[1].token_env can't go to this address: a token is sent by https only"},
		{"", "env: [A]\nnotify: [{webhook: https://a.b/c, secret_env: A}]",
			"program.md:7: env lets runs read A, which is a secret of notify[1]"},
		{"", "stall: {experiments: 1}",
			`program.md:7: stall.experiments can't be "1"; give a whole number from 2 to 1000000`},
		{"", "stall: 3", "program.md:7: stall must be a mapping of experiments, hours"},

		{"run: ./bench", "run: &x ./bench\ncheck: *x",
			"program.md:6: the anchor &x is not accepted; write the value out\nprogram.md:7: the alias *x is not accepted; write the value out"},
		{"run: ./bench", "run: !!str ./bench", "program.md:6: the tag !!str is not accepted; write the bare value"},
		{"run: ./bench", "run: ./bench: x",
			"program.md:6: not valid YAML: mapping values are not allowed in this context"},
		{"edit: sort.go", "edit: [sort.go", "program.md:2: not valid YAML: did not find expected ',' or ']'"},
		{"run: ./bench", "run: a\x01", "program.md:6: the line holds the control character 0x01"},
		{"run: ./bench", "run: \xff", "program.md:6: the line is not valid UTF-8"},
		{"run: ./bench", "run: a\n...\nb: c", "program.md:2: the front matter is not one YAML document"},
	} {
		text := strings.Replace(smallest, c.old, c.new, 1)
		if c.old == "" {
			text = strings.TrimSuffix(smallest, "---\n") + c.new + "\n---\n"
		}
		t.Run(c.new, func(t *testing.T) { refused(t, text, c.want) })
	}
}

func TestParseProgramRefusesOtherFiles(t *testing.T) {
	for text, want := range map[string]string{
		"":          "program.md:1: the file must start with a line of --- and the front matter",
		"# Speed\n": "program.md:1: the file must start with a line of --- and the front matter",
		"\n" +
			smallest: "program.md:1: the file must start with a line of --- and the front matter",
		"---\nedit: a\n":                        "program.md:1: the front matter has no end; close it with a line of ---",
		"---\n- a\n---\n":                       "program.md:2: the front matter must be lines of `key: value`",
		"---\n--- x\n---\n":                     "program.md:2: the front matter must be lines of `key: value`",
		"---\n# nothing yet\n---":               "program.md:1: the required key \"edit\" is missing\nprogram.md:1: the required key \"metric\" is missing\nprogram.md:1: the required key \"run\" is missing",
		smallest + strings.Repeat("x", 256<<10): "program.md:1: the file has 262221 bytes; at most 262144 are read",
	} {
		refused(t, text, want)
	}
}

func TestParseProgramReportsFiveFaultsInOrder(t *testing.T) {
	refused(t, "---\nrun: []\nmetric: {name: a, better: x, noise: y, pick: z}\nedti: a\ngpus: x\ndecide: x\n---\n",
		`program.md:2: run takes one value, not a list
program.md:3: metric.better can't be "x"; valid: lower, higher
program.md:3: metric.noise can't be "y"; valid: auto, deterministic, noisy
program.md:3: metric.pick can't be "z"; valid: last, first, min, max, median
program.md:4: unknown key "edti"; did you mean "edit"?
and 2 more`)
}

func TestParseProgramBoundsAliasBombs(t *testing.T) {
	bomb := "---\na: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", c, c,
			strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", c-1), 9), ","))
	}

	_, err := contract.ParseProgram([]byte(bomb+"---\n"), "x") // in full it would be 3 billion values
	if err == nil || !strings.Contains(err.Error(), "alias") {
		t.Error(err)
	}

	deep := "---\nrun: " + strings.Repeat("[", 200_000) + "\n---\n"
	if _, err := contract.ParseProgram([]byte(deep), "x"); err == nil {
		t.Error("200,000 levels were accepted")
	}
}

func refused(t *testing.T, text, want string) {
	t.Helper()
	doc, err := contract.ParseProgram([]byte(text), "x")

	var e *research.Error
	if !errors.As(err, &e) || e.Code != research.CodeProgram || e.Next == "" || doc != nil {
		t.Fatalf("got %v, %#v; want a refusal:\n%s", doc, err, want)
	}

	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
}
