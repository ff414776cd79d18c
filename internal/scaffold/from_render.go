package scaffold

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"ratchet/internal/research/contract"
)

// render makes program.md of what was taken over, and reads it back.
func (t *taken) render(proposal *Proposal, name, folder string) ([]byte, contract.Program, error) {
	if name == "" {
		name = t.name
	}

	if len(proposal.Missing()) > 0 { // what was left out may be why
		proposal.Why = append(proposal.Why, t.untaken...)
	}

	text, program, err := renderProposal(proposal, name, folder)
	if err != nil && proposal.Metric.Unit != "" { // as another program writes units
		t.addNote("the unit %s", proposal.Metric.Unit)
		proposal.Metric.Unit = ""
		text, program, err = renderProposal(proposal, name, folder)
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
	program.Guards = append(slices.Clip(program.Guards), t.guards...)
	program.Notify = t.notify
	text = contract.RenderProgram(program, t.writeDirection(program))

	doc, err := contract.ParseProgram(text, folder)
	if err != nil {
		return nil, contract.Program{}, err
	}

	return text, doc.Program, nil
}

// writeDirection is the direction: the other program's text with its objective first, and
// what the keys above don't say of it.
func (t *taken) writeDirection(program contract.Program) string {
	var text strings.Builder

	untaken := slices.Clone(t.untaken)
	for _, file := range t.untraced {
		untaken = append(untaken,
			fmt.Sprintf("%s: runs see committed files only; `git add -f %s` if git does not have it", file, file))
	}

	if strings.TrimSpace(t.text) == "" {
		text.WriteString(direction)
	} else {
		text.WriteString(strings.TrimRight(objectiveFirst(t.text), "\n") + "\n")
		text.WriteString("\n## With Ratchet\n\nRatchet makes the runs, the commits, the verdicts and the log. Where the text above says to do these by hand, use its tools instead.\n")
	}

	if len(untaken) > 0 {
		text.WriteString("\n## Not taken over\n\n")

		for _, n := range untaken {
			fmt.Fprintf(&text, "- %s\n", n)
		}
	}

	if domain := FittingPlaybook(program); domain != "" {
		fmt.Fprintf(&text, "\nPlaybook: read_log{view:\"guide\",query:%q}\n", domain)
	}

	return text.String()
}

// objectiveFirst puts the section "Objective" before everything else; a text without one stays.
func objectiveFirst(text string) string {
	section := readSection(text, "Objective")
	if strings.TrimSpace(section) == "" {
		return text
	}
	heading := ""

	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") &&
			strings.HasPrefix(strings.ToLower(strings.Trim(line, "# \n")), "objective") {
			heading = line
			break
		}
	}
	before, after, ok := strings.Cut(text, heading+section)

	if !ok {
		return text
	}

	return heading + strings.TrimRight(section, "\n") + "\n\n" + strings.TrimLeft(before, "\n") + after
}

// compileLazily compiles an expression when it is first used, since most starts of
// the program don't.
func compileLazily(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
