package scaffold

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
)

// taken is a program made from another program's files: what they say in
// Ratchet's keys, what has no key as notes, and their text as the direction.
type taken struct {
	Proposal
	name     string
	wall     time.Duration
	trials   int // 0: not said
	gpus     int
	reads    []string
	guards   []contract.Guard
	notify   []contract.Target
	text     string   // the direction
	untaken  []string // what could not be translated, one sentence each
	untraced []string // paths that runs need, and that git may not have
}

func (t *taken) addNote(format string, args ...any) {
	t.untaken = append(t.untaken, fmt.Sprintf(format, args...))
}

// readSource finds out what the argument of --from is, and reads it. dir is the
// folder that program.md will lie in.
func readSource(arg, dir string) (*taken, error) {
	if rest := wecoLauncher().ReplaceAllString(arg, ""); strings.HasPrefix(rest, "weco ") {
		return readWeco(rest, dir)
	}

	where := arg
	if !filepath.IsAbs(where) {
		where = filepath.Join(dir, where)
	}

	info, err := os.Stat(where)
	if err != nil {
		return nil, research.Errorf(research.CodeNotFound,
			"give a folder with .auto/prompt.md or program.md, a Markdown file, or \"weco run …\" in quotes",
			"%s can't be read: %w", arg, err)
	}

	if !info.IsDir() {
		switch base := filepath.Base(where); base {
		case "prompt.md", "measure.sh":
			return readPi(filepath.Dir(where), dir, piNow)
		case "autoresearch.md", "autoresearch.sh":
			return readPi(filepath.Dir(where), dir, piLegacy)
		}

		return readKarpathy(where, dir)
	}

	for _, try := range []struct {
		has  string
		read func() (*taken, error)
	}{
		{".auto/measure.sh", func() (*taken, error) { return readPi(filepath.Join(where, ".auto"), dir, piNow) }},
		{"measure.sh", func() (*taken, error) { return readPi(where, dir, piNow) }},
		{"autoresearch.sh", func() (*taken, error) { return readPi(where, dir, piLegacy) }},
		{"program.md", func() (*taken, error) { return readKarpathy(filepath.Join(where, "program.md"), dir) }},
	} {
		if _, err := os.Stat(filepath.Join(where, filepath.FromSlash(try.has))); err == nil {
			return try.read()
		}
	}

	return nil, research.Errorf(research.CodeNotFound,
		"give a folder with one of them, a Markdown file, or \"weco run …\" in quotes",
		"%s has no .auto/measure.sh, autoresearch.sh or program.md", arg)
}

func readText(file string) (string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return "", research.Errorf(research.CodeNotFound, "check its name and permissions", "%s can't be read: %w",
			file, err)
	}

	return strings.ReplaceAll(strings.TrimPrefix(string(content), "\ufeff"), "\r\n", "\n"), nil
}

// relativeTo is a file's path below dir with slashes; "" if it is not below.
func relativeTo(dir, file string) string {
	rel, err := filepath.Rel(dir, file)
	if err != nil || !filepath.IsLocal(rel) {
		return ""
	}

	return filepath.ToSlash(rel)
}

// wecoLauncher is what may stand before weco in its command line.
var wecoLauncher = compileLazily(`^\s*(?:\$ +)?(?:(?:uvx|npx|pipx run|uv run|python3? -m) +)?`)

// OfferFrom is the command that takes over another program's set-up in dir, "" where
// there is none. program is the path of program.md: one that is a direction of
// karpathy's has to make room first.
func OfferFrom(dir, program string) string {
	if _, err := os.Stat(program); err == nil {
		if read, err := readKarpathy(program, dir); err == nil && read.Run != "" {
			return "git mv program.md direction.md && ratchet init --from direction.md"
		}

		return ""
	}

	for _, file := range []string{".auto/measure.sh", "autoresearch.sh"} {
		if _, err := os.Stat(filepath.Join(dir, filepath.FromSlash(file))); err == nil {
			return "ratchet init --from ."
		}
	}

	return ""
}
