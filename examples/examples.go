// Package examples holds three small repositories to run a campaign on, and
// for each the edits that the scripted agent of `ratchet demo` makes to it.
//
// It is data, plus the code that writes it out. A repository is written as
// plain files; making it a git repository is the caller's affair. Names that
// would mean something to the tools working on this module are stored under
// another one: go.mod as go.mod.txt, .gitignore as gitignore.txt.
package examples

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

//go:embed wordfreq artifact-size tiny-lm
var files embed.FS

// Example is one repository with its scripted agent.
type Example struct {
	Name  string
	About string   // the first paragraph of its README, one line
	Needs []string // programs that must be on the PATH
	Edits []Edit   // in the order of the script
}

// needs names, by example in the order of Names, the programs it can't do without.
var needs = []struct {
	name     string
	programs []string
}{
	{"wordfreq", []string{"git", "go"}},
	{"artifact-size", []string{"git", "sh", "sed", "awk", "tr", "gzip"}},
	{"tiny-lm", []string{"git", "python3"}},
}

// Names lists the examples; the first is the one to show by default.
func Names() []string {
	names := make([]string, len(needs))
	for i, n := range needs {
		names[i] = n.name
	}

	return names
}

// Load returns the example of that name; any other name is an error.
func Load(name string) (*Example, error) {
	for _, n := range needs {
		if n.name != name {
			continue
		}
		x := &Example{Name: name, Needs: n.programs}

		readme, err := files.ReadFile(name + "/README.md")
		if err != nil {
			return nil, fmt.Errorf("read the example's README: %w", err)
		}
		x.About = firstParagraph(string(readme))
		x.Edits, err = loadEdits(name)

		return x, err
	}

	return nil, fmt.Errorf("no example is called %q (there are %s)", name, strings.Join(Names(), ", "))
}

// Write creates the example's files below dir, which is made if it is absent.
// Files that exist already are not overwritten: they are an error.
func (x *Example) Write(dir string) error {
	return fs.WalkDir(files, x.Name, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}

		rel := strings.TrimPrefix(strings.TrimPrefix(name, x.Name), "/")
		if rel == "edits" {
			return fs.SkipDir
		}

		to := filepath.Join(dir, filepath.FromSlash(realName(rel)))
		if d.IsDir() {
			return os.MkdirAll(to, 0o755)
		}

		content, err := files.ReadFile(name)
		if err != nil {
			return err
		}

		return writeNew(to, content)
	})
}

func writeNew(to string, content []byte) error {
	file, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("write the example: %w", err)
	}

	if _, err := file.Write(content); err != nil {
		file.Close()
		return fmt.Errorf("write the example: %w", err)
	}

	return file.Close()
}

// realName undoes the disguise of names that tools act on.
func realName(rel string) string {
	switch rel {
	case "go.mod.txt":
		return "go.mod"
	case "gitignore.txt":
		return ".gitignore"
	}

	return rel
}

// firstParagraph is the text after the title up to the next blank line.
func firstParagraph(markdown string) string {
	for _, block := range strings.Split(markdown, "\n\n") {
		if block = strings.TrimSpace(block); block != "" && !strings.HasPrefix(block, "#") {
			return strings.Join(strings.Fields(block), " ")
		}
	}

	return ""
}
