package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ownPath is the path of this program that a client's configuration should
// name: a link that stays (on PATH, or in ~/.local/bin) before the file that it
// points to now. The notes say where that path will not last.
func ownPath(home string) (string, []string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, fmt.Errorf("find the program's own file: %w", err)
	}

	is, err := os.Stat(self)
	if err != nil {
		return "", nil, fmt.Errorf("find the program's own file: %w", err)
	}

	tries := []string{filepath.Join(home, ".local", "bin", filepath.Base(self))}
	if p, err := exec.LookPath("ratchet"); err == nil {
		tries = append([]string{p}, tries...)
	}

	if strings.ContainsRune(os.Args[0], filepath.Separator) {
		tries = append(tries, os.Args[0])
	}
	at := self

	for _, t := range tries {
		abs, err := filepath.Abs(t)
		if err != nil {
			continue
		}

		if info, err := os.Stat(abs); err == nil && os.SameFile(info, is) {
			at = abs
			break
		}
	}

	return at, fleeting(at), nil
}

// fleeting is a note if path lies where files come and go.
func fleeting(path string) []string {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		real = path
	}
	const advice = ": `make install`, and install with that one"

	for _, tmp := range []string{os.TempDir(), "/tmp", "/var/tmp"} {
		if rel, err := filepath.Rel(tmp, real); err == nil && !strings.HasPrefix(rel, "..") {
			return []string{real + " lies in a temporary folder" + advice}
		}
	}

	if strings.Contains(real, string(filepath.Separator)+"go-build") {
		return []string{real + " lies in Go's build cache" + advice}
	}

	for dir := filepath.Dir(real); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return []string{real + " lies in a source folder, where the next build replaces it" + advice}
		}
	}

	return nil
}

// repositoryTop is the top of the repository that dir (default: the current
// folder) lies in, absolute, or "".
func repositoryTop(dir string) string {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}

	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil {
			return dir
		}

		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}
