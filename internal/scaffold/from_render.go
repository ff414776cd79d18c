package scaffold

import (
	"fmt"
	"regexp"
	"strings"
	"sync"

	"ratchet/internal/research/contract"
)

// render makes program.md of what was taken over, and reads it back.
func (t *taken) render(p *Proposal, name, folder string) ([]byte, contract.Program, error) {
	if name == "" {
		name = t.name
	}

	text, program, err := renderProposal(p, name, folder)
	if err != nil && p.Metric.Unit != "" { // as another program writes units
		t.addNote("the unit %s", p.Metric.Unit)
		p.Metric.Unit = ""
		text, program, err = renderProposal(p, name, folder)
	}

	if err != nil {
		return text, program, err
	}

	if t.wall > 0 {
		program.Budget.Wall = contract.Duration(t.wall)
	}

	if t.trials > 0 {
		program.Campaign.Experiments = t.trials
	}
	program.GPUs = t.gpus
	program.Reads = append(program.Reads, t.reads...)
	program.Notify = t.notify
	text = contract.RenderProgram(program, t.body(program))

	doc, err := contract.ParseProgram(text, folder)
	if err != nil {
		return nil, contract.Program{}, err
	}

	return text, doc.Program, nil
}

// body is the direction: the other program's text, and what the keys above don't say of it.
func (t *taken) body(program contract.Program) string {
	var b strings.Builder

	for _, file := range t.untraced {
		t.addNote("%s: runs see committed files only; `git add -f %s` if git does not have it", file, file)
	}

	if len(t.untaken) > 0 {
		b.WriteString("## Taken over, and not translated\n\n")

		for _, n := range t.untaken {
			fmt.Fprintf(&b, "- %s\n", n)
		}
		b.WriteString("\n")
	}

	if strings.TrimSpace(t.text) == "" {
		b.WriteString(direction)
	} else {
		b.WriteString("## The direction\n\nRatchet makes the runs, the commits, the verdicts and the log. Where the text below says to do these by hand, use its tools instead.\n\n")
		b.WriteString(strings.TrimRight(t.text, "\n") + "\n")
	}

	if domain := FittingPlaybook(program); domain != "" {
		fmt.Fprintf(&b, "\nPlaybook: read_log{view:\"guide\",query:%q}\n", domain)
	}

	return b.String()
}

// compileLazily compiles an expression when it is first used, since most starts of
// the program don't.
func compileLazily(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
