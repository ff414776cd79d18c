package sandbox

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"strings"

	"ratchet/internal/research"
)

// carryReadLimit is how much of a file is searched for a path.
const carryReadLimit = 64 << 10

// pathHolders are patterns, in a carried folder, of files that may hold the
// path of the repository.
func pathHolders() []string {
	return []string{"pyvenv.cfg", "bin/*", "lib*/python*/site-packages/*.pth",
		"lib*/python*/site-packages/*.egg-link", ".bin/*", "node_modules/.bin/*"}
}

// CopiesRefuse says, for tier Copies, whether a carried folder only works at
// its place in the repository root: a Python environment whose pyvenv.cfg,
// scripts or path files name it, or a node_modules whose commands link to it.
// From a copy, such a folder would silently lead back to the user's own files.
// It looks at the usual places only.
func CopiesRefuse(binds []Bind, root string) error {
	for _, bind := range binds {
		for _, pattern := range pathHolders() {
			files, err := filepath.Glob(filepath.Join(escapeGlob(bind.From), pattern))
			if err != nil {
				return err
			}

			for _, file := range files {
				isScript := strings.HasPrefix(pattern, "bin/")
				if pointsInto(file, root, isScript) {
					return research.Errorf(research.CodeUnsupported,
						"remove it from carry and make it with setup, or run where user namespaces are allowed",
						"%s can't be carried on this machine: %s holds the path of the repository", bind.From, file)
				}
			}
		}
	}

	return nil
}

// pointsInto says whether a link's target, a script's first line or any other
// file's text holds root.
func pointsInto(file, root string, isScript bool) bool {
	if target, err := os.Readlink(file); err == nil {
		return filepath.IsAbs(target) && holdsPath(target, root)
	}

	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()

	reader := bufio.NewReader(io.LimitReader(f, carryReadLimit))

	if !isScript {
		text, _ := io.ReadAll(reader)
		return holdsPath(string(text), root)
	}

	line, _ := reader.ReadString('\n')

	return strings.HasPrefix(line, "#!") && holdsPath(line, root)
}

// holdsPath says whether text names root or something in it, and not only a
// path that begins with the same letters.
func holdsPath(text, root string) bool {
	for {
		_, after, found := strings.Cut(text, root)
		if !found {
			return false
		}

		if after == "" || strings.ContainsRune("/ \t\r\n\"':;", rune(after[0])) {
			return true
		}

		text = after
	}
}

// escapeGlob makes a path mean itself in a pattern.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
