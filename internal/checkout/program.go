package checkout

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
)

// ReadProgram reads and parses the program at path, or the nearest one.
func (co *Checkout) ReadProgram(path string) (*ProgramDocument, error) {
	abs, err := co.FindProgram(path)
	if err != nil {
		return nil, err
	}

	rel, err := programPath(co, path)
	if err != nil {
		return nil, err
	}

	info, err := os.Lstat(abs)
	if err != nil {
		return nil, research.Errorf(research.CodeProgram,
			"run `ratchet init`, or follow read_log{view: \"guide\", query: \"setup\"}, to write one",
			"no program at %s", abs)
	}

	if !info.Mode().IsRegular() {
		return nil, research.Errorf(research.CodeProgram, "make it a plain file", "%s is not a plain file", rel)
	}

	text, err := os.ReadFile(abs)
	if err != nil {
		return nil, research.Errorf(research.CodeProgram, "check its permissions", "read %s: %w", rel, err)
	}

	doc, err := contract.ParseProgram(text, filepath.Base(filepath.Dir(abs)))
	if err != nil {
		return nil, err
	}

	return &ProgramDocument{Document: *doc, Path: rel, Digest: doc.Program.Digest()}, nil
}

// NewProgramDocument is a program that lies at path, or will.
func NewProgramDocument(co *Checkout, path string, doc *contract.Document) (*ProgramDocument, error) {
	rel, err := programPath(co, path)
	if err != nil {
		return nil, err
	}

	return &ProgramDocument{Document: *doc, Path: rel, Digest: doc.Program.Digest()}, nil
}

// programPath is the path of the wanted program relative to the repository's root,
// slash-separated. CodeProgram where it lies outside.
func programPath(co *Checkout, path string) (string, error) {
	abs, err := co.FindProgram(path)
	if err != nil {
		return "", err
	}

	rel, err := filepath.Rel(co.Repo.Root(), abs)
	if err != nil || strings.HasPrefix(rel, "..") {
		return "", research.Errorf(research.CodeProgram, "put program.md into the repository",
			"%s is outside the repository %s", abs, co.Repo.Root())
	}

	return filepath.ToSlash(rel), nil
}

// FindProgram is the absolute path of the wanted program, or of the nearest
// program.md at or above the lab's folder, up to the repository's root.
func (co *Checkout) FindProgram(path string) (string, error) {
	dir, err := filepath.Abs(co.Opt.Dir)
	if err != nil {
		return "", fmt.Errorf("find the current folder: %w", err)
	}

	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", fmt.Errorf("resolve the current folder: %w", err)
	}

	if path == "" {
		path = co.Opt.Program
	}

	if path != "" {
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}

		if real, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
			path = filepath.Join(real, filepath.Base(path))
		}

		return path, nil
	}

	for d := dir; ; d = filepath.Dir(d) {
		p := filepath.Join(d, "program.md")
		if _, err := os.Lstat(p); err == nil {
			return p, nil
		}

		if d == co.Repo.Root() || d == filepath.Dir(d) {
			return "", research.Errorf(research.CodeProgram,
				"run `ratchet init`, or follow read_log{view: \"guide\", query: \"setup\"}, to write one; or name its path (program)",
				"no program.md in %s or above it in the repository", dir)
		}
	}
}

// ProgramFile is the campaign's program on disk.
func (co *Checkout) ProgramFile(c *history.Campaign) string {
	return filepath.Join(co.Repo.Root(), filepath.FromSlash(c.ProgramPath))
}

// RequireAcceptedContract returns an error unless the contract on disk is the accepted one.
func (co *Checkout) RequireAcceptedContract(campaign *history.Campaign) error {
	doc, err := co.ReadProgram(co.ProgramFile(campaign))
	if err != nil {
		return err
	}

	if doc.Digest == campaign.Digest {
		return nil
	}

	return research.Errorf(research.CodeContract,
		"a person runs `ratchet accept` in a terminal, or puts the old front matter back",
		"the front matter of %s differs from the accepted contract: runs stop until a person accepts it",
		campaign.ProgramPath)
}

// ProgramDocument is program.md as it is on disk now.
type ProgramDocument struct {
	contract.Document
	Path   string // relative to the repository's root, slash-separated
	Digest string
	// AcceptedBy is how a person was asked whether a new campaign may start on this
	// contract, "" where nobody was, see RequireAcceptedStart.
	AcceptedBy history.Way
}

// EditedFiles are the edited files, relative to the repository's root.
func EditedFiles(programPath string, p contract.Program) []string {
	out := make([]string, len(p.Edit))
	for i, e := range p.Edit {
		out[i] = JoinSlash(SlashDir(programPath), e)
	}

	return out
}

func JoinSlash(dir, name string) string {
	return filepath.ToSlash(filepath.Join(filepath.FromSlash(dir), filepath.FromSlash(name)))
}

func SlashDir(path string) string { return filepath.ToSlash(filepath.Dir(filepath.FromSlash(path))) }
