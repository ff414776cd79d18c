// Package prompts holds the texts that Ratchet gives to agents: the server's
// instructions, the guides that clients list as MCP prompts and that read_log
// view=guide shows, and the playbooks by domain, which are given one tier at a
// time.
//
// The texts advise; nothing depends on an agent following them. Contract,
// budget, scope and verdict are enforced elsewhere. Everything here is pure:
// the same arguments always give the same text.
package prompts

import (
	_ "embed"
	"slices"
	"strings"
)

// Instructions is what the server says of itself when a client connects. It
// suffices to run the loop; at most 1,024 bytes.
//
//go:embed instructions.md
var Instructions string

// Argument is something that a prompt can be told. All are optional.
type Argument struct {
	Name   string
	About  string
	Values []string // what it may be, for completion; nil where anything may
}

// Prompt is one guide. Text is Markdown that fits one answer of read_log, and
// is complete without any argument.
type Prompt struct {
	Name      string
	Title     string
	About     string
	Arguments []Argument
	Text      string
}

//go:embed setup.md
var setup string

//go:embed loop.md
var loop string

//go:embed resume.md
var resume string

//go:embed stuck.md
var stuck string

//go:embed finalize.md
var finalize string

//go:embed report.md
var report string

// AllPrompts returns every prompt, in the order in which a campaign meets them.
func AllPrompts() []Prompt {
	return []Prompt{
		{Name: "setup", Title: "Set up a campaign", Text: setup,
			About: "Interview the human, write program.md, prove that the command measures, start the campaign",
			Arguments: []Argument{
				{Name: "goal", About: "what should get better, in the human's words"},
				{Name: "domain", About: "whose playbook to begin with", Values: Domains()}}},
		{Name: "loop", Title: "Run the research loop", Text: loop,
			About:     "Edit, run, read the verdict, keep or revert, repeat until the budget is spent",
			Arguments: []Argument{{Name: "focus", About: "what to try first, or to leave alone"}}},
		{Name: "resume", Title: "Take over a campaign", Text: resume,
			About:     "Pick up a campaign that another session, client or night began",
			Arguments: []Argument{{Name: "campaign", About: "which one, where there are several"}}},
		{Name: "stuck", Title: "Get unstuck", Text: stuck,
			About: "What to do after a row of experiments without a keep"},
		{Name: playbook, Title: "Open a playbook", Text: listPlaybooks(),
			About: "What to set up and what to try in a domain, one tier at a time",
			Arguments: []Argument{
				{Name: "domain", About: "what is made better", Values: Domains()},
				{Name: "tier", About: "which tier of moves, from 1; without it set-up and traps",
					Values: tierNumbers()}}},
		{Name: "finalize", Title: "Finish a campaign", Text: finalize,
			About: "Leave nothing open, certify, audit the gain, hand the result to the human"},
		{Name: "report", Title: "Report to a person", Text: report,
			About: "What was gained, tried, learnt and not seen, on one page",
			Arguments: []Argument{
				{Name: "audience", About: "who reads it", Values: []string{"reviewer", "team", "manager"}}}},
	}
}

// FindPrompt returns the prompt of that name.
func FindPrompt(name string) (Prompt, bool) {
	all := AllPrompts()

	i := slices.IndexFunc(all, func(p Prompt) bool { return p.Name == name })
	if i < 0 {
		return Prompt{}, false
	}

	return all[i], true
}

// Render is the prompt's text, followed by a line for each of its arguments
// that is given. Arguments it does not have are left out. The playbook prompt
// is the tier that its arguments name, with the step that follows it; where
// they name none, the text says so and lists what there is.
func (p Prompt) Render(args map[string]string) string {
	if p.Name == playbook {
		return renderPlaybook(args)
	}

	text := strings.TrimSpace(p.Text)
	for _, a := range p.Arguments {
		v := strings.TrimSpace(args[a.Name])
		if v == "" {
			continue
		}

		text += "\n\nFrom the human, " + a.Name + ": " + v
		if a.Name == "domain" && slices.Contains(a.Values, v) {
			text += `. Read read_log{view:"guide",query:"` + v + `"} before you write the program.`
		}
	}

	return text
}

// CompleteArgument returns the values that begin with prefix, for a prompt's argument,
// in the order in which they are best shown: none for an unknown prompt or
// argument, and for one that takes any text. Case does not matter.
func CompleteArgument(prompt, argument, prefix string) []string {
	p, _ := FindPrompt(prompt)
	var out []string

	for _, a := range p.Arguments {
		if a.Name != argument {
			continue
		}

		for _, v := range a.Values {
			if strings.HasPrefix(v, strings.ToLower(strings.TrimSpace(prefix))) {
				out = append(out, v)
			}
		}
	}

	return out
}

// Guide is a text for an agent and the step that comes after it.
type Guide struct{ Text, Next string }

// FindGuide returns the guide that a query of read_log view=guide names: a prompt's
// name, a domain, or a domain and a tier ("gpu-kernel 2"). Words that only
// introduce ("playbook", "tier") and separators don't matter.
func FindGuide(query string) (Guide, bool) {
	words := strings.FieldsFunc(strings.ToLower(query), func(r rune) bool { return strings.ContainsRune(" \t/:,#", r) })
	if len(words) > 1 {
		words = slices.DeleteFunc(words, func(w string) bool { return w == playbook || w == "tier" })
	}

	switch len(words) {
	case 1:
		if p, ok := FindPrompt(words[0]); ok {
			return Guide{strings.TrimSpace(p.Text), nextStep(p.Name)}, true
		}

		return findTier(words[0], "")
	case 2:
		return findTier(words[0], words[1])
	}

	return Guide{}, false
}

// GuideNames returns the queries that Find knows, without the tiers.
func GuideNames() []string {
	var names []string
	for _, p := range AllPrompts() {
		names = append(names, p.Name)
	}

	return append(names, Domains()...)
}

// nextStep returns the step that follows a prompt's text.
func nextStep(name string) string {
	switch name {
	case "setup":
		return "write program.md, show it to the human, then start_campaign{}"
	case "loop":
		return "read_log{}, then edit the file and run_experiment{hypothesis}"
	case "resume":
		return "start_campaign{}"
	case "stuck":
		return "step 1 of the ladder, then run_experiment{hypothesis}"
	case playbook:
		return `read_log{view:"guide",query:"DOMAIN"}`
	case "finalize":
		return "wait_run{} until status is idle, then `ratchet finalize` in a shell"
	}

	return "read_log{}, and write the page"
}
