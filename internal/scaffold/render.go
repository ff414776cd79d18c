package scaffold

import (
	"cmp"
	"fmt"
	"strings"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/prompts"
)

// direction is the body that a new program.md begins with.
const direction = `What to try, what is known, what is forbidden: write it here. The agent reads this text; Ratchet enforces what stands above.

One focused change an experiment. Simpler code at the same value is an improvement too.
`

// renderProposal makes program.md and reads it back: what it says is what
// every later command will understand.
func renderProposal(proposal *Proposal, name, folder string) ([]byte, contract.Program, error) {
	if err := requireComplete(proposal); err != nil {
		return nil, contract.Program{}, err
	}

	defaults, err := contract.ParseProgram([]byte("---\nedit: x\nmetric: {name: x, better: lower}\nrun: x\n---\n"),
		folder)
	if err != nil {
		return nil, contract.Program{}, fmt.Errorf("make the default program: %w", err)
	}
	program := defaults.Program
	program.Edit, program.Setup, program.Build, program.Run, program.Check = proposal.Edit, proposal.Setup,
		proposal.Build, proposal.Run, proposal.Check
	metric := program.Metric

	metric.Name, metric.Better, metric.Unit = proposal.Metric.Name, proposal.Metric.Better, proposal.Metric.Unit
	if proposal.Metric.From.Kind != "" {
		metric.From = proposal.Metric.From
	}

	if proposal.Metric.Noise != "" {
		metric.Noise = proposal.Metric.Noise
	}

	metric.Pick = proposal.Metric.Pick
	program.Metric = metric
	program.Guards = proposal.Guards

	if proposal.Wall > 0 {
		program.Budget.Wall = contract.Duration(proposal.Wall)
	}

	if name != "" {
		program.Name = name
	}

	body := direction
	if domain := FittingPlaybook(program); domain != "" {
		body += fmt.Sprintf("\nPlaybook: read_log{view:\"guide\",query:%q}\n", domain)
	}
	text := contract.RenderProgram(program, body)

	doc, err := contract.ParseProgram(text, folder)
	if err != nil {
		return nil, contract.Program{}, err
	}

	return text, doc.Program, nil
}

// FittingPlaybook is the playbook that seems to fit, "" if none does.
func FittingPlaybook(p contract.Program) string {
	return prompts.GuessDomain(p.Metric.Name, p.Run, strings.Join(p.Edit, " "))
}

// requireComplete is the error of a proposal that lacks something: what was found,
// and each missing flag with what it wants. Nil if nothing is missing.
func requireComplete(proposal *Proposal) error {
	var wanted []string

	for _, flag := range proposal.Missing() {
		switch flag {
		case "--edit":
			flag += " FILE (the one file that the agent may change" + proposal.LikelyFiles() + ")"
		case "--run":
			flag += " 'COMMAND' (the command to measure)"
		case "--metric":
			flag += " NAME (that command prints METRIC NAME=value)"
		case "--better":
			flag += " lower (or higher)"
		}
		wanted = append(wanted, flag)
	}

	if len(wanted) == 0 {
		return nil
	}

	found := cmp.Or(strings.Join(proposal.Why, "; "), proposal.What, "nothing that is known")

	return research.Errorf(research.CodeBadArgument, "run it again with "+strings.Join(wanted, ", "),
		"the repository does not tell everything (found: %s)", found)
}
