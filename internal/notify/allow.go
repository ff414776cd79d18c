package notify

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"ratchet/internal/atomicfile"
	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/wording"
)

// What `notify:` names runs as the person, unconfined, and may send the value of a
// variable to any address. An agent may write a program and start it, so nothing of
// `notify:` happens before a person has allowed just these targets, in this
// repository, with just this content of the files that they name. The allowance is
// a file in the person's own configuration, outside of any agent's workspace.

// Allowance is what a person is asked to allow.
type Allowance struct {
	Name  string   `json:"campaign"` // of the program
	Lines []string `json:"targets"`  // each target, and each file of the repository that one names
	Given bool     `json:"allowed"`  // a person said yes to exactly this before
	key   string
	text  string
}

// PendingAllowance is what the program on disk asks for. Errors: CodeProgram,
// CodeNotFound when it has no targets.
func PendingAllowance(_ context.Context, co *checkout.Checkout) (*Allowance, error) {
	doc, err := co.ReadProgram("")
	if err != nil {
		return nil, err
	}

	if len(doc.Program.Notify) == 0 {
		return nil, research.Errorf(research.CodeNotFound, "add `notify:` to it; docs/notifications.md has examples",
			"%s has no notify", doc.Path)
	}

	a, err := newAllowance(co, doc.Path, doc.Program)
	if err == nil {
		a.Given = hasAllowance(a.key)
	}

	return a, err
}

// StoreAllowance stores a person's yes. Only a command that has asked the person may
// call it.
func StoreAllowance(co *checkout.Checkout, a *Allowance) error {
	dir, err := allowanceDir()
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}

	if err == nil {
		text := time.Now().UTC().Format(time.RFC3339) + "\n" + a.text
		err = atomicfile.Write(filepath.Join(dir, a.key), []byte(text), atomicfile.Options{Perm: 0o600})
	}

	if err != nil {
		return research.Errorf(research.CodeStorage, "check the folder of your configuration",
			"store what you allow: %w", err)
	}

	return nil
}

// allowanceDir is the folder of allowances, in the person's configuration.
func allowanceDir() (string, error) {
	dir, err := os.UserConfigDir()
	return filepath.Join(dir, "ratchet", "allowed"), err
}

func hasAllowance(key string) bool {
	dir, err := allowanceDir()
	if err != nil {
		return false
	}
	_, err = os.Stat(filepath.Join(dir, key))

	return err == nil
}

// MissingAllowance says why nothing of the program's notify may happen yet: no person
// has allowed it as it is now. "" when one has.
func MissingAllowance(co *checkout.Checkout, programPath string, p contract.Program) string {
	a, err := newAllowance(co, programPath, p)
	if err != nil {
		return wording.ErrorLine(err)
	}

	if hasAllowance(a.key) {
		return ""
	}

	return "it waits until a person types `ratchet notify allow` in a terminal"
}

// newAllowance lists what p asks for, and makes the key of a yes to it.
func newAllowance(co *checkout.Checkout, programPath string, program contract.Program) (*Allowance, error) {
	a := &Allowance{Name: program.Name}
	dir := programDir(co, programPath)

	whole, err := json.Marshal(program.Notify)
	if err != nil {
		return nil, fmt.Errorf("encode the targets: %w", err)
	}

	for _, target := range program.Notify {
		var one bytes.Buffer
		e := json.NewEncoder(&one)
		e.SetEscapeHTML(false) // a person reads it

		if err := e.Encode(target); err != nil {
			return nil, fmt.Errorf("encode a target: %w", err)
		}

		a.Lines = append(a.Lines, Visible(strings.TrimSpace(one.String())))
	}

	for _, path := range namedFiles(co, dir, program.Notify) {
		content, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil {
			return nil, research.Errorf(research.CodeStorage, "check its permissions", "read %s: %w", path, err)
		}

		a.Lines = append(a.Lines, fmt.Sprintf("%s %x", Visible(path), sha256.Sum256(content)))
	}
	a.text = strings.Join(append([]string{co.Repo.CommonDir(), programPath, string(whole)}, a.Lines...), "\n") + "\n"
	a.key = fmt.Sprintf("%x", sha256.Sum256([]byte(a.text)))

	return a, nil
}

// Visible is a text for a person who decides about it: characters that a terminal
// does not show, or that reorder others, are written as \u{number}.
func Visible(s string) string {
	var text strings.Builder

	for _, r := range s {
		if r != ' ' && !unicode.IsGraphic(r) || r != ' ' && unicode.IsSpace(r) {
			fmt.Fprintf(&text, "\\u{%04x}", r)
			continue
		}
		text.WriteRune(r)
	}

	return text.String()
}

// namedFiles are the files of the repository that hooks and commands name, by
// their paths from dir: what an agent could rewrite. A command's words are looked
// at without a shell, so a file behind a variable is not seen.
func namedFiles(co *checkout.Checkout, dir string, targets []contract.Target) (paths []string) {
	for _, target := range targets {
		words := []string{target.Hook}
		if target.Command != "" {
			words = strings.FieldsFunc(target.Command, func(r rune) bool {
				return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_./-+@%", r)
			})
		}

		for _, w := range words {
			path := w
			if rel, err := filepath.Rel(dir, w); err == nil && filepath.IsAbs(w) {
				path = rel
			}
			up, err := filepath.Rel(co.Repo.Root(), filepath.Join(dir, path))

			info, statErr := os.Stat(filepath.Join(dir, path))
			if err == nil && statErr == nil && info.Mode().IsRegular() && filepath.IsLocal(up) &&
				!slices.Contains(paths, path) {
				paths = append(paths, path)
			}
		}
	}

	return paths
}
