package prompts_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"ratchet/prompts"
)

func TestInstructionsAreShortAndNameTheLoop(t *testing.T) {
	if n := len(prompts.Instructions); n > 1024 {
		t.Errorf("instructions have %d bytes, at most 1024 are allowed", n)
	}

	for _, tool := range []string{"start_campaign", "run_experiment", "wait_run", "keep{}", "revert{lesson}",
		"read_log"} {
		if !strings.Contains(prompts.Instructions, tool) {
			t.Errorf("instructions don't name %s", tool)
		}
	}
}

func TestPrompts(t *testing.T) {
	var names []string
	for _, p := range prompts.AllPrompts() {
		names = append(names, p.Name)
		if p.Title == "" || p.About == "" || !strings.HasPrefix(p.Text, "# ") || !utf8.ValidString(p.Text) {
			t.Errorf("%s lacks a title, an about text or a heading", p.Name)
		}

		for _, a := range p.Arguments {
			if a.Name == "" || a.About == "" {
				t.Errorf("%s: the argument %q has no description", p.Name, a.Name)
			}
		}

		got, ok := prompts.FindPrompt(p.Name)
		if !ok || got.Text != p.Text {
			t.Errorf("Get(%q) doesn't return that prompt", p.Name)
		}
	}

	want := []string{"setup", "loop", "resume", "stuck", "playbook", "finalize", "report"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}

	if _, ok := prompts.FindPrompt("nonsense"); ok {
		t.Error("Get found a prompt that doesn't exist")
	}
}

// Every prompt renders without arguments, with each one alone, and with all.
func TestRender(t *testing.T) {
	for _, p := range prompts.AllPrompts() {
		if got := p.Render(nil); !strings.HasPrefix(got, strings.TrimSpace(p.Text)) {
			t.Errorf("%s without arguments is not its text", p.Name)
		}

		if got := p.Render(map[string]string{"other": "x"}); got != p.Render(nil) {
			t.Errorf("%s shows an argument that it doesn't have", p.Name)
		}
		all := map[string]string{}

		for _, a := range p.Arguments {
			value := "some words"
			if a.Values != nil {
				value = a.Values[0]
			}

			all[a.Name] = value
			if p.Name == "playbook" {
				continue // see TestPlaybookPrompt
			}

			got := p.Render(map[string]string{a.Name: " " + value + "\n"})
			if !strings.Contains(got, "From the human, "+a.Name+": "+value) {
				t.Errorf("%s: %s is missing at the end of %q", p.Name, a.Name, got)
			}
		}

		if got := p.Render(all); !utf8.ValidString(got) || len(got) < 500 {
			t.Errorf("%s with all its arguments is %q", p.Name, got)
		}
	}

	p, _ := prompts.FindPrompt("setup")
	if got := p.Render(map[string]string{"domain": "latency"}); !strings.Contains(got,
		`read_log{view:"guide",query:"latency"}`) {
		t.Errorf("setup does not send to the playbook: %q", got)
	}
}

func TestPlaybookPrompt(t *testing.T) {
	p, _ := prompts.FindPrompt("playbook")

	tests := []struct{ domain, tier, first, last string }{
		{"", "", "# Playbooks\n", `Next: read_log{view:"guide",query:"DOMAIN"}`},
		{"", "2", "# Playbooks\n", `Next: read_log{view:"guide",query:"DOMAIN"}`},
		{"latency", "", "# Playbook: latency\n",
			`Next: read_log{view:"guide",query:"latency 1"}: the first tier of moves`},
		{"latency", "1", "# latency, tier 1: Do less\n",
			`read_log{view:"guide",query:"latency 2"} when three edits in a row of it did not improve`},
		{"latency", "5", "# latency, tier 5: ",
			`read_log{view:"guide",query:"stuck"} when three edits in a row of it did not improve`},
		{"latency", "6", `There is no playbook "latency" with a tier "6".`, `query:"DOMAIN"}`},
		{"latency", "-1", "There is no playbook", `query:"DOMAIN"}`},
		{"../setup", "", "There is no playbook", `query:"DOMAIN"}`},
	}
	for _, tt := range tests {
		got := p.Render(map[string]string{"domain": tt.domain, "tier": tt.tier})
		if !strings.HasPrefix(got, tt.first) || !strings.HasSuffix(got, tt.last) {
			t.Errorf("playbook %q %q:\n%s", tt.domain, tt.tier, got)
		}
	}
}

// A playbook has its parts, and the parts have their sizes.
func TestPlaybooks(t *testing.T) {
	for _, d := range prompts.Domains() {
		p, ok := prompts.OpenPlaybook(d)
		if !ok {
			t.Errorf("no playbook %s", d)
			continue
		}

		if len(p.Whose) < 20 || strings.ContainsAny(p.Whose, "#*") || !strings.Contains(p.Intro, "**Set up.**") ||
			!strings.Contains(p.Intro, "**Traps.**") {
			t.Errorf("%s: whose it is (%q), set-up or traps are missing", d, p.Whose)
		}

		if n := len(p.Tiers); n < 3 || n > 5 {
			t.Errorf("%s has %d tiers, want 3 to 5", d, n)
		}

		for i, tier := range p.Tiers {
			if !strings.HasPrefix(tier, fmt.Sprintf("# %s, tier %d: ", d, i+1)) || len(tier) < 300 || len(tier) > 900 {
				t.Errorf("%s, tier %d has %d bytes, want 300 to 900: %.60q", d, i+1, len(tier), tier)
			}
		}
	}

	for _, d := range []string{"", "nonsense", "../loop", "latency.md"} {
		if _, ok := prompts.OpenPlaybook(d); ok {
			t.Errorf("a playbook %q was found", d)
		}
	}
}

func TestFind(t *testing.T) {
	tests := []struct{ query, first string }{ // first line; "" when there is none
		{"loop", "# The loop"},
		{" Stuck ", "# Stuck: no keep for a while"},
		{"playbook", "# Playbooks"},
		{"gpu-kernel", "# Playbook: GPU kernels"},
		{"gpu-kernel 0", "# Playbook: GPU kernels"},
		{"gpu-kernel 2", "# gpu-kernel, tier 2: Move fewer bytes"},
		{"gpu-kernel/2", "# gpu-kernel, tier 2: Move fewer bytes"},
		{"GPU-kernel tier 2", "# gpu-kernel, tier 2: Move fewer bytes"},
		{"playbook gpu-kernel", "# Playbook: GPU kernels"},
		{"playbook: gpu-kernel, tier 3", "# gpu-kernel, tier 3: Hide the waiting"},
		{"gpu-kernel 6", ""}, {"gpu-kernel two", ""}, {"gpu-kernel 1 2", ""}, {"loop 2", ""}, {"gpu", ""}, {"", ""},
		{"playbook tier", ""},
	}
	for _, tt := range tests {
		g, ok := prompts.FindGuide(tt.query)

		first, _, _ := strings.Cut(g.Text, "\n")
		if first != tt.first || ok != (tt.first != "") || ok != (g.Next != "") {
			t.Errorf("Find(%q) = %q, %q, %t; want %q", tt.query, first, g.Next, ok, tt.first)
		}
	}

	for _, name := range prompts.GuideNames() {
		if _, ok := prompts.FindGuide(name); !ok {
			t.Errorf("Find doesn't know %q, which Names gives", name)
		}
	}
}

func TestComplete(t *testing.T) {
	tests := []struct {
		prompt, argument, prefix string
		want                     []string
	}{
		{"playbook", "domain", "", prompts.Domains()},
		{"playbook", "domain", "B", []string{"build-time", "bundle-size"}},
		{"playbook", "domain", "zz", nil},
		{"playbook", "tier", "", []string{"1", "2", "3", "4", "5"}},
		{"setup", "domain", "gpu", []string{"gpu-kernel"}},
		{"report", "audience", "", []string{"reviewer", "team", "manager"}},
		{"setup", "goal", "", nil},
		{"setup", "tier", "", nil},
		{"stuck", "domain", "", nil},
		{"nonsense", "domain", "", nil},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, prompts.CompleteArgument(tt.prompt, tt.argument, tt.prefix)); diff != "" {
			t.Errorf("%s, %s, %q: %s", tt.prompt, tt.argument, tt.prefix, diff)
		}
	}
	longest := 0

	for _, d := range prompts.Domains() {
		p, _ := prompts.OpenPlaybook(d)
		longest = max(longest, len(p.Tiers))
	}

	if n := len(prompts.CompleteArgument("playbook", "tier", "")); n != longest {
		t.Errorf("%d tiers are offered, the longest playbook has %d", n, longest)
	}
}

func TestFitting(t *testing.T) {
	tests := []struct{ metric, run, edit, want string }{
		{"ns_per_op", "./bench -test.bench=Sort", "sort.go", "latency"},
		{"cpu_s", "go test -count=1 ./...", "heap.go", "test-speed"},
		{"wall_s", "npm run build", "webpack.config.js", "build-time"},
		{"bytes", "sh size.sh", "build.sh", "bundle-size"},
		{"val_bpb", "python3 train.py", "train.py", "llm-training"},
		{"tflops", "python bench.py", "matmul.py", "gpu-kernel"},
		{"accuracy", "python eval.py", "prompt.txt", "prompt-eval"},
		{"accuracy", "python eval.py", "model.py", ""},
		{"tokens", "./run", "actions.go", ""},
		{"", "", "", ""},
	}
	for _, tt := range tests {
		got := prompts.GuessDomain(tt.metric, tt.run, tt.edit)
		if got != tt.want {
			t.Errorf("Fitting(%q, %q, %q) = %q, want %q", tt.metric, tt.run, tt.edit, got, tt.want)
		}

		if got != "" && !slices.Contains(prompts.Domains(), got) {
			t.Errorf("%q is not a domain", got)
		}
	}
}
