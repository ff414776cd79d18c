// Package scaffold makes a new program.md: it finds a repository's own commands
// (detect), or translates another program's files (from), and renders the
// contract, which is read back before it is written.
//
// Detection reads names and texts only and runs nothing. It is bounded: see
// maxTreeFiles, maxTreeDepth, maxTreeRead. What a run of the proposal prints can settle
// the metric afterwards (settle).
package scaffold

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
)

// Request is what a person said; what is empty is found.
type Request struct {
	Edit                                          []string
	Name, Metric, Better, Unit, Run, Build, Check string
	Use                                           string // which of the things found, see Proposal.Use
	From                                          string // where the metric comes from, or another tool's set-up
}

// Nothing says whether a person said nothing of what is measured.
func (r Request) Nothing() bool {
	return r.From == "" && len(r.Edit) == 0 && r.Metric == "" && r.Run == "" && r.Build == "" && r.Check == "" &&
		r.Use == ""
}

// IsOpen says whether a person left it to detection what is run.
func (r Request) IsOpen() bool { return r.Run == "" && r.Use == "" && !r.TakesOver() }

// TakesOver says whether From names another program's set-up.
func (r Request) TakesOver() bool { return r.From != "" && !r.saysSource() }

// saysSource says whether From is where the metric comes from, as program.md has it.
func (r Request) saysSource() bool {
	kind, _, _ := strings.Cut(r.From, ":")
	return slices.Contains([]string{"output", "wall", "cpu", "max_rss", "file", "regex"}, kind)
}

// Renderer makes program.md of a proposal.
type Renderer func(p *Proposal, name, folder string) ([]byte, contract.Program, error)

// Propose finds what there is to say, the best proposal first: in the repository, or in
// what --from names.
func (r Request) Propose(dir string) ([]*Proposal, Renderer, error) {
	if r.TakesOver() {
		read, err := readSource(r.From, dir)
		if err != nil {
			return nil, nil, err
		}

		return []*Proposal{&read.Proposal}, read.render, nil
	}

	all, err := Detect(os.DirFS(dir), listManifestsAbove(dir)...)
	if err != nil {
		return nil, nil, research.Errorf(research.CodeRepository, "name the repository's folder with -C",
			"the folder %s can't be read: %w", dir, err)
	}

	if r.Use == "" {
		return all, renderProposal, nil
	}

	i := slices.IndexFunc(all, func(p *Proposal) bool { return p.Use == r.Use })
	if i < 0 {
		return nil, nil, research.Errorf(research.CodeNotFound,
			"choose one of them: "+strings.Join(listNames(all), ", "),
			"nothing that is called %s can be measured here", r.Use)
	}

	return append([]*Proposal{all[i]}, slices.Delete(slices.Clone(all), i, i+1)...), renderProposal, nil
}

func listNames(all []*Proposal) []string {
	names := make([]string, len(all))
	for i, p := range all {
		names[i] = p.Use
	}

	return names
}

// listManifestsAbove are the manifests in the folders above dir, up to its repository's root.
func listManifestsAbove(dir string) (above []string) {
	for !isThere(filepath.Join(dir, ".git")) && filepath.Dir(dir) != dir {
		dir = filepath.Dir(dir)

		for _, name := range manifests {
			if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
				above = append(above, name)
			}
		}
	}

	if !isThere(filepath.Join(dir, ".git")) { // no repository
		return nil
	}

	return above
}

func isThere(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// Override puts the flags over what was found, and leaves the rest of it. With a command
// of the user's own, tests that were to be measured become the check, and the metric is
// what that command prints.
func (r Request) Override(proposal *Proposal) {
	if r.Run != "" && r.Run != proposal.Run {
		proposal.Check = cmp.Or(proposal.Check, proposal.Tests)
		proposal.Run, proposal.What, proposal.Guards, proposal.Why = r.Run, "the command", nil, nil
		proposal.setUsage()

		if strings.Contains(r.Run, "vitest bench") && !strings.Contains(r.Run, "outputJson") {
			proposal.setVitest(r.Run)
		}

		if len(r.Edit) == 0 && len(proposal.Edit) > 0 {
			proposal.addReasonf("%s: from what was found here; name another with --edit if the command does not run it", proposal.Edit[0])
		}
	}

	if r.Metric != "" && r.Metric != proposal.Metric.Name {
		proposal.Metric, proposal.unsure = contract.Metric{Name: r.Metric, Better: guessDirection(r.Metric)}, true
	}

	if r.saysSource() {
		kind, rest, _ := strings.Cut(r.From, ":")
		proposal.Metric.From, proposal.unsure = contract.Source{Kind: kind, Expr: rest}, false

		if kind == "file" {
			path, pointer, _ := strings.Cut(rest, "#")
			proposal.Metric.From = contract.Source{Kind: kind, Path: path, Expr: pointer}
		}
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
