// Package scaffold makes a new program.md: it finds a repository's own commands
// (detect), or translates another program's files (from), and renders the
// contract, which is read back before it is written.
//
// Detection reads names and texts only and runs nothing. It is bounded: see
// maxTreeFiles, maxTreeDepth, maxTreeRead.
package scaffold

import (
	"cmp"
	"os"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
)

// Request is what a person said; what is empty is found.
type Request struct {
	Edit                                          []string
	Name, Metric, Better, Unit, Run, Build, Check string
	From                                          string // another program's files, or its command line
}

// Nothing says whether a person said nothing of what is measured.
func (r Request) Nothing() bool {
	return r.From == "" && len(r.Edit) == 0 && r.Metric == "" && r.Run == "" && r.Build == "" && r.Check == ""
}

// Renderer makes program.md of a proposal.
type Renderer func(p *Proposal, name, folder string) ([]byte, contract.Program, error)

// Propose finds what there is to say: in the repository, or in what --from names.
func (r Request) Propose(dir string) (*Proposal, Renderer, error) {
	if r.From != "" {
		read, err := readSource(r.From, dir)
		if err != nil {
			return nil, nil, err
		}

		return &read.Proposal, read.render, nil
	}

	proposal, err := Detect(os.DirFS(dir))
	if err != nil {
		return nil, nil, research.Errorf(research.CodeRepository, "name the repository's folder with -C",
			"the folder %s can't be read: %w", dir, err)
	}

	return proposal, renderProposal, nil
}

// Override puts the flags over what was detected. A command of the user's own
// prints its own metric: the detected one and its build go, and tests that were
// to be measured become the check.
func (r Request) Override(proposal *Proposal) {
	if r.Run != "" && r.Run != proposal.Run {
		proposal.Run, proposal.Build, proposal.Metric, proposal.Why, proposal.Check = r.Run, "", contract.Metric{}, nil,
			cmp.Or(proposal.Check, proposal.Tests)
	}

	if r.Metric != "" && r.Metric != proposal.Metric.Name {
		proposal.Metric = contract.Metric{Name: r.Metric, Better: guessDirection(r.Metric)}
	}

	if r.Better != "" {
		proposal.Metric.Better = research.Direction(r.Better)
	}

	if r.Unit != "" {
		proposal.Metric.Unit = r.Unit
	}

	if r.Build != "" {
		proposal.Build = r.Build
	}

	if r.Check != "" {
		proposal.Check = r.Check
	}

	if len(r.Edit) > 0 {
		proposal.Edit = r.Edit
	}
}

// Write writes program.md, over one that is there only by force.
func Write(path string, text []byte, force bool) error {
	mode := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		mode = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}

	file, err := os.OpenFile(path, mode, 0o644)
	if err != nil {
		return research.Errorf(research.CodeStorage, "check the folder's permissions",
			"program.md can't be written: %w", err)
	}

	if _, err := file.Write(text); err != nil {
		file.Close()
		return research.Errorf(research.CodeStorage, "free some space", "program.md can't be written: %w", err)
	}

	return file.Close()
}
