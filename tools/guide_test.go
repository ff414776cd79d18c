package tools_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ratchet/internal/render"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/rules"
	"ratchet/prompts"
	"ratchet/tools"
)

// guideTexts is everything that package prompts tells an agent, by its name.
func guideTexts() map[string]string {
	texts := map[string]string{"instructions": prompts.Instructions}

	for _, name := range prompts.GuideNames() {
		g, _ := prompts.FindGuide(name)
		texts[name] = g.Text + "\n" + g.Next
	}

	for _, d := range prompts.Domains() {
		p, _ := prompts.OpenPlaybook(d)
		for i := range p.Tiers {
			name := fmt.Sprintf("%s %d", d, i+1)
			g, _ := prompts.FindGuide(name)
			texts[name] = g.Text + "\n" + g.Next
		}
	}

	return texts
}

// A guide that came in two pages would be followed by halves.
func TestEveryGuideIsOnePage(t *testing.T) {
	for name := range guideTexts() {
		args := `{"view":"guide","query":"` + name + `"}`
		if name == "instructions" {
			args = `{"view":"guide"}`
		}

		a, err := call(t, "read_log", args)
		if err != nil {
			t.Fatal(err)
		}

		m := fits(t, a, render.Limit)
		if m["cursor"] != nil {
			t.Errorf("guide %s does not fit one answer: %d bytes of JSON and a cursor", name, len(a.Structured))
		}
	}

	a, _ := call(t, "read_log", `{"view":"guide","query":"gpu-kernel 2"}`)
	if want := `read_log{view:"guide",query:"gpu-kernel 3"}`; !strings.Contains(a.Text, want) {
		t.Errorf("a tier does not name the next one:\n%s", a.Text)
	}

	a, _ = call(t, "read_log", `{"view":"guide"}`)
	for _, name := range prompts.GuideNames() {
		if !strings.Contains(a.Text, name) {
			t.Errorf("the list of guides lacks %s:\n%s", name, a.Text)
		}
	}
}

// object is as much of a JSON Schema as the texts are held to.
type object struct {
	Properties map[string]*object `json:"properties"`
	Items      *object            `json:"items"`
	Enum       []string           `json:"enum"`
}

func parseSchema(t *testing.T, raw json.RawMessage) *object {
	t.Helper()

	o := &object{}
	if err := json.Unmarshal(raw, o); err != nil {
		t.Fatal(err)
	}

	return o
}

// collect adds every name and enumerated value of a schema to words.
func (o *object) collect(words map[string]bool) {
	if o == nil {
		return
	}

	for _, e := range o.Enum {
		words[e] = true
	}

	for name, p := range o.Properties {
		words[name] = true
		p.collect(words)
	}
	o.Items.collect(words)
}

// vocabulary is every word that stands for something that exists: tools, their
// arguments and answers, verdicts and the like, the program's keys and values.
func vocabulary(t *testing.T) (words, keys map[string]bool) {
	words, keys = map[string]bool{}, map[string]bool{}
	for _, tool := range tools.All() {
		words[tool.Name] = true
		parseSchema(t, tool.Input()).collect(words)
		parseSchema(t, tool.Output()).collect(words)
	}

	for _, v := range []research.Verdict{research.Improved, research.Provisional, research.Equivalent,
		research.Regressed, research.Inconclusive, research.Invalid} {
		words[string(v)] = true
	}

	for _, o := range []rules.Outcome{rules.Certified, rules.RolledBack} {
		words[string(o)] = true
	}

	for _, w := range []string{"idle", "running", "done", "lower", "higher", "loop", "stuck", "finalize"} {
		words[w] = true
	}

	for _, d := range prompts.Domains() {
		words[d] = true
	}

	all, _ := contract.ListKeys()
	for _, k := range all {
		keys[k] = true
		keys[k[strings.LastIndexByte(k, '.')+1:]] = true
	}

	return words, keys
}

var (
	ticked   = regexp.MustCompile("`([^`\n]+)`")
	oneWord  = regexp.MustCompile(`^[a-z][a-z_-]*$`)
	dotted   = regexp.MustCompile(`^(budget|metric|campaign|guards)\.[a-z_]+$`)
	assigned = regexp.MustCompile(`^([a-z_]+): `)
	callForm = regexp.MustCompile(`\b([a-z]+_[a-z]+|keep|revert|share|plot)\{`)
	// what comes from the outside world, or from the text's own example
	foreign = regexp.MustCompile(`^(program\.md|cpu|peak_vram_mb|METRIC name=value|ratchet/NAME-final|--[a-z]+( \d+)?|RATCHET_SEED|kept \(provisional\)|-count=1|\.item\(\)|ratchet [a-z -]+.*)$`)
)

// TestGuidesNameWhatExists keeps the texts from going stale: a call has the
// tool's arguments and values, and a word in backticks means something here.
func TestGuidesNameWhatExists(t *testing.T) {
	words, keys := vocabulary(t)
	calls := 0

	for name, text := range guideTexts() {
		for _, m := range callForm.FindAllStringSubmatchIndex(text, -1) {
			calls++

			tool, ok := tools.Get(text[m[2]:m[3]])
			if !ok {
				t.Errorf("%s: no tool %s", name, text[m[2]:m[3]])
				continue
			}

			if problem := checkCall(parseSchema(t, tool.Input()), text[m[1]-1:]); problem != "" {
				t.Errorf("%s: %.60q: %s", name, text[m[2]:], problem)
			}
		}

		for _, m := range ticked.FindAllStringSubmatch(text, -1) {
			s := m[1]

			known := words[s] || keys[s] || foreign.MatchString(s) || callForm.MatchString(s)
			if a := assigned.FindStringSubmatch(s); a != nil {
				known = known || keys[a[1]]
			}

			if !known && (oneWord.MatchString(s) || dotted.MatchString(s) || assigned.MatchString(s)) {
				t.Errorf("%s: `%s` is nothing that exists", name, s)
			}
		}
	}

	if calls < 60 {
		t.Errorf("only %d calls were found in the texts", calls)
	}

	for _, bad := range []string{"{nmae}", `{view:"guides"}`, `{view:"guide",query:"nothing"}`,
		`{ops:[{op:"steal",idea}]}`, `{ops:[{ida}]}`, `{view:"guide"`} {
		schema := map[string]json.RawMessage{}
		for _, tool := range tools.All() {
			schema[tool.Name] = tool.Input()
		}

		tool := "read_log"
		if strings.HasPrefix(bad, "{ops") {
			tool = "share"
		}

		if checkCall(parseSchema(t, schema[tool]), bad) == "" {
			t.Errorf("%s%s passes", tool, bad)
		}
	}
}

// checkCall holds "{key:value,key}" at the beginning of text to a schema, and
// says what is wrong.
func checkCall(o *object, text string) string {
	inside, ok := bracketed(text)
	if !ok {
		return "the call has no end"
	}
	given := map[string]string{}

	for _, part := range split(inside) {
		key, value, _ := strings.Cut(part, ":")

		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if key == "" {
			continue
		}

		p := o.Properties[key]
		if p == nil {
			return "no argument " + key
		}
		literal := strings.Trim(value, `"`)

		given[key] = literal
		switch {
		case strings.HasPrefix(value, "["):
			if inner := strings.TrimPrefix(value, "["); p.Items == nil {
				return key + " is not a list"
			} else if problem := checkCall(p.Items, inner); problem != "" {
				return problem
			}
		case p.Enum != nil && literal != "" && !slices.Contains(p.Enum, literal):
			return key + " can't be " + literal
		}
	}

	if q := given["query"]; given["view"] == "guide" && q != "" && q != "DOMAIN" {
		if _, ok := prompts.FindGuide(q); !ok {
			return "no guide " + q
		}
	}

	return ""
}

// bracketed is what stands between the first brace of text and its match.
func bracketed(text string) (string, bool) {
	depth := 0

	for i, r := range text {
		switch r {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return text[1:i], true
			}
		}
	}

	return "", false
}

// split cuts at the commas that no bracket or quote encloses.
func split(s string) (parts []string) {
	depth, quoted, from := 0, false, 0

	for i, r := range s {
		switch {
		case r == '"':
			quoted = !quoted
		case quoted:
		case r == '{' || r == '[':
			depth++
		case r == '}' || r == ']':
			depth--
		case r == ',' && depth == 0:
			parts, from = append(parts, s[from:i]), i+1
		}
	}

	return append(parts, s[from:])
}

// One word for one thing: what the design's vocabulary has a word for is not
// called otherwise.
func TestGuidesKeepTheVocabulary(t *testing.T) {
	banned := regexp.MustCompile(`(?i)\b(trials?|champion|winner|baseline commit|base commit|hill.?climb\w*|leaderboard|discard(ed)?|accepted edit|evaluation budget|golden branch|journal)\b`)
	for name, text := range guideTexts() {
		if m := banned.FindString(text); m != "" {
			t.Errorf("%s says %q: take the word of the vocabulary (experiment, incumbent, start, reverted, ledger)",
				name, m)
		}
	}

	if !banned.MatchString("the Champion of this trial") {
		t.Error("the list bans nothing")
	}
}
