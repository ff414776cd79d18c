package prompts_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"ratchet/prompts"
)

func TestInstructionsAreShortAndNameTheLoop(t *testing.T) {
	if n := len(prompts.Instructions); n > 1024 {
		t.Errorf("instructions have %d bytes, at most 1024 are allowed", n)
	}
	for _, tool := range []string{"start_campaign", "run_experiment", "wait_run", "keep{}", "revert{lesson}", "read_log"} {
		if !strings.Contains(prompts.Instructions, tool) {
			t.Errorf("instructions don't name %s", tool)
		}
	}
}

func TestPrompts(t *testing.T) {
	var names []string
	for _, p := range prompts.All() {
		names = append(names, p.Name)
		if p.Title == "" || p.About == "" || !strings.HasPrefix(p.Text, "# ") {
			t.Errorf("%s lacks a title, an about text or a heading", p.Name)
		}
		if n := len(p.Text); n > 2000 || !utf8.ValidString(p.Text) {
			t.Errorf("%s has %d bytes, at most 2000 are allowed", p.Name, n)
		}
		got, ok := prompts.Get(p.Name)
		if !ok || got.Text != p.Text {
			t.Errorf("Get(%q) doesn't return that prompt", p.Name)
		}
	}
	if want := "setup loop resume stuck"; strings.Join(names, " ") != want {
		t.Errorf("prompts are %v, want %s", names, want)
	}
	if _, ok := prompts.Get("nonsense"); ok {
		t.Error("Get found a prompt that doesn't exist")
	}
}

func TestRenderAddsGivenArguments(t *testing.T) {
	p, _ := prompts.Get("setup")
	if got := p.Render(nil); got != strings.TrimSpace(p.Text) {
		t.Error("without arguments the text must stay as it is")
	}
	got := p.Render(map[string]string{"goal": "faster sorting", "other": "x"})
	if !strings.HasSuffix(got, "From the human, goal: faster sorting") {
		t.Errorf("goal is missing at the end of %q", got)
	}
}
