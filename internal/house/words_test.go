package house_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ratchet/internal/house"
)

// notRead are files whose words are not said to Ratchet's readers: the list of the words
// itself, a library, and the page that an example measures.
var notRead = []string{"internal/house/words.go", "server/dashboard/assets/highlight-bash.js",
	"examples/artifact-size/src/app.js"}

// TestSentencesHaveNoPrivateWords: every sentence that a person or a model reads is in
// words that a stranger knows.
func TestSentencesHaveNoPrivateWords(t *testing.T) {
	read := 0

	for _, dir := range []string{"README.md", "cmd", "docs", "examples", "internal", "ledger", "prompts", "sandbox", "server",
		"tools"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, entry fs.DirEntry, err error) error {
			name, _ := filepath.Rel(root, path)
			isText := slices.Contains([]string{".go", ".js", ".html", ".md"}, filepath.Ext(path))

			if err != nil || entry.IsDir() || !isText || strings.HasSuffix(path, "_test.go") ||
				slices.Contains(notRead, filepath.ToSlash(name)) {
				return err
			}
			read++

			content, err := os.ReadFile(path)
			for _, fault := range house.CheckWords(name, content) {
				t.Error(fault)
			}

			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}

	if read < 500 {
		t.Errorf("only %d files were read", read)
	}
}

// Each word is noticed where a reader meets it, and left alone in code and comments.
func TestPrivateWordsAreNoticed(t *testing.T) {
	for name, c := range map[string]struct {
		path, text string
		want       string
	}{
		"an error's next step": {"p.go", "package p\n\nconst next = \"mend it, and call again\"\n", "p.go:3 says \"mend\"; say: fix"},
		"a house word":         {"p.go", "package p\n\nconst text = \"inconclusive (stopped by %s)\"\n", "stopped by %s"},
		"an exponent":          {"p.go", "package p\n\nconst text = \"by %.3g %%\"\n", "%.3g %%"},
		"an exponent alone":    {"p.go", "package p\n\nconst text = \"%.2g%%\"\n", "%.2g%%"},
		"a page":               {"docs/p.md", "# P\n\nThe next run calibrates anew.\n", "docs/p.md:3 says \"anew\"; say: again"},
		"the dashboard":        {"p.js", "const text = \"this token looks on\";\n", "looks on"},
		"a stored kind":        {"p.go", "package p\n\nconst kind = \"anew\"\n", ""},
		"a comment":            {"p.go", "package p\n\n// anew\nconst a = \"the text\"\n", ""},
		"plain words":          {"p.go", "package p\n\nconst next = \"fix it, and call again\"\n", ""},
	} {
		faults := strings.Join(house.CheckWords(c.path, []byte(c.text)), "\n")
		if c.want == "" && faults != "" || !strings.Contains(faults, c.want) {
			t.Errorf("%s: %q, want %q", name, faults, c.want)
		}
	}
}

// TestOneGlossary: docs/reading.md explains at most fifteen words, and no other page has a list.
func TestOneGlossary(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}

	const head = "| word | meaning |\n|---|---|\n"
	found := 0

	for _, page := range append(pages, filepath.Join(root, "README.md")) {
		content, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}

		_, after, ok := strings.Cut(string(content), head)
		if !ok {
			continue
		}
		found++

		list, _, _ := strings.Cut(after, "\n\n")
		if rows := strings.Count(list, "\n") + 1; filepath.Base(page) != "reading.md" || rows > 15 {
			t.Errorf("%s explains %d words; docs/reading.md has the glossary, of at most 15", page, rows)
		}
	}

	if found == 0 {
		t.Error("there is no glossary")
	}
}
