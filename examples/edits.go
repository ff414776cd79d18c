package examples

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Edit is one step of the scripted agent: what it believes, what it changes,
// and how Ratchet must answer.
type Edit struct {
	Name       string
	Hypothesis string
	Expect     string // predicted effect, may be empty
	Lesson     string // what a revert records
	// Outcome lists the answers that are right: verdicts ("improved") or codes
	// of refusals ("out_of_scope"). Anything else is a defect.
	Outcome []string
	// Again says that the step proposes the tree of the step before once more,
	// which has no hunks of its own then.
	Again bool
	// Kill says that the server is killed while the experiment runs; a new one
	// must find the verdict.
	Kill  bool
	Hunks []Hunk
}

// Hunk replaces Old, which must occur exactly once in the file, by New.
type Hunk struct {
	File     string // slash-separated, relative to the repository
	Old, New string
}

// loadEdits reads every edit of an example in the order of the file names.
func loadEdits(example string) ([]Edit, error) {
	dir := example + "/edits"

	entries, err := files.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list the edits: %w", err)
	}
	var edits []Edit

	for _, entry := range entries {
		text, err := files.ReadFile(path.Join(dir, entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("read an edit: %w", err)
		}

		e, err := ParseEdit(string(text))
		if err != nil {
			return nil, fmt.Errorf("read the edit %s/%s: %w", dir, entry.Name(), err)
		}
		e.Name = strings.TrimSuffix(entry.Name(), ".edit")
		edits = append(edits, e)
	}

	return edits, nil
}

// ParseEdit reads an edit's text: "key: value" lines up to a blank one, then
// hunks. A hunk is a line "@@ FILE" and, as in a unified diff, lines that begin
// with a blank (kept), '-' (removed) or '+' (added).
func ParseEdit(text string) (Edit, error) {
	var e Edit

	head, body, _ := strings.Cut(text, "\n\n")
	for _, line := range strings.Split(strings.TrimSpace(head), "\n") {
		key, value, _ := strings.Cut(line, ":")
		if err := e.setField(key, strings.TrimSpace(value)); err != nil {
			return e, err
		}
	}

	if e.Hypothesis == "" || len(e.Outcome) == 0 {
		return e, errors.New("an edit needs a hypothesis and an outcome")
	}

	return e, e.addHunks(body)
}

func (e *Edit) setField(key, value string) error {
	switch key {
	case "hypothesis":
		e.Hypothesis = value
	case "expect":
		e.Expect = value
	case "lesson":
		e.Lesson = value
	case "outcome":
		e.Outcome = strings.Fields(value)
	case "again":
		e.Again = value == "yes"
	case "kill":
		e.Kill = value == "yes"
	default:
		return fmt.Errorf("unknown key %q", key)
	}

	return nil
}

func (e *Edit) addHunks(body string) error {
	var hunk *Hunk

	for _, line := range strings.SplitAfter(body, "\n") {
		if file, ok := strings.CutPrefix(line, "@@ "); ok {
			e.Hunks = append(e.Hunks, Hunk{File: strings.TrimSpace(file)})
			hunk = &e.Hunks[len(e.Hunks)-1]

			continue
		}

		if strings.TrimSpace(line) == "" && !strings.HasPrefix(line, " ") {
			line = " " + line // an empty context line, its blank lost to an editor
		}

		if line == " " {
			continue
		}

		if hunk == nil {
			return fmt.Errorf("the line %q stands before the first @@", strings.TrimSpace(line))
		}

		switch line[0] {
		case ' ':
			hunk.Old += line[1:]
			hunk.New += line[1:]
		case '-':
			hunk.Old += line[1:]
		case '+':
			hunk.New += line[1:]
		default:
			return fmt.Errorf("the line %q begins with none of ' ', '-', '+'", strings.TrimSpace(line))
		}
	}

	return nil
}

// Files lists the files the edit changes, each once.
func (e *Edit) Files() []string {
	var names []string
	for _, h := range e.Hunks {
		if !slices.Contains(names, h.File) {
			names = append(names, h.File)
		}
	}

	return names
}

// ErrNoPlace is Apply's error when the files are not the ones that the edit was
// written for.
var ErrNoPlace = errors.New("the edit has no place in the file")

// Apply makes the edit in the repository at dir: all of it, or none.
func (e *Edit) Apply(dir string) error {
	texts := map[string]string{}
	for _, h := range e.Hunks {
		text, read := texts[h.File]
		if !read {
			content, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(h.File)))
			if err != nil {
				return fmt.Errorf("apply %s: %w", e.Name, err)
			}
			text = string(content)
		}

		if h.Old == "" || strings.Count(text, h.Old) != 1 {
			return fmt.Errorf("apply %s: %w %s", e.Name, ErrNoPlace, h.File)
		}
		texts[h.File] = strings.Replace(text, h.Old, h.New, 1)
	}

	for name, text := range texts {
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), []byte(text), 0o644); err != nil {
			return fmt.Errorf("apply %s: %w", e.Name, err)
		}
	}

	return nil
}
