// Package prompts holds the texts that Ratchet gives to agents: the server's
// instructions and the guides that clients list as MCP prompts and that
// read_log view=guide shows.
//
// The texts advise; nothing depends on an agent following them. Contract,
// budget, scope and verdict are enforced elsewhere. Playbooks by domain are
// not part of this version.
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
	Name  string
	About string
}

// Prompt is one guide. Text is Markdown, at most 2,000 bytes, and complete
// without any argument.
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

// All returns every prompt, in the order in which a campaign meets them.
func All() []Prompt {
	return []Prompt{
		{Name: "setup", Title: "Set up a campaign", Text: setup,
			About:     "Interview the human, write program.md, prove that the command measures, start the campaign",
			Arguments: []Argument{{Name: "goal", About: "what should get better, in the human's words"}}},
		{Name: "loop", Title: "Run the research loop", Text: loop,
			About:     "Edit, run, read the verdict, keep or revert, repeat until the budget is spent",
			Arguments: []Argument{{Name: "focus", About: "what to try first, or to leave alone"}}},
		{Name: "resume", Title: "Take over a campaign", Text: resume,
			About: "Pick up a campaign that another session, client or night began"},
		{Name: "stuck", Title: "Get unstuck", Text: stuck,
			About: "What to do after a row of experiments without a keep"},
	}
}

// Get returns the prompt of that name.
func Get(name string) (Prompt, bool) {
	all := All()
	i := slices.IndexFunc(all, func(p Prompt) bool { return p.Name == name })
	if i < 0 {
		return Prompt{}, false
	}
	return all[i], true
}

// Render is the prompt's text, followed by a line for each of its arguments
// that is given. Arguments it does not have are left out.
func (p Prompt) Render(args map[string]string) string {
	text := strings.TrimSpace(p.Text)
	for _, a := range p.Arguments {
		if v := strings.TrimSpace(args[a.Name]); v != "" {
			text += "\n\nFrom the human, " + a.Name + ": " + v
		}
	}
	return text
}
