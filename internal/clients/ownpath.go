package clients

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// FindOwnPath is the path of this program that a client's configuration should
// name: a link that stays (on PATH, or in ~/.local/bin) before the file that it
// points to now. The notes say where that path will not last.
func FindOwnPath(home string) (string, []string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, fmt.Errorf("find the program's own file: %w", err)
	}

	selfInfo, err := os.Stat(self)
	if err != nil {
		return "", nil, fmt.Errorf("find the program's own file: %w", err)
	}

	// The paths that stay when the program is installed again, the best first.
	var lasting []string
	if strings.ContainsRune(os.Args[0], filepath.Separator) {
		lasting = []string{os.Args[0]}
	}

	lasting = append([]string{filepath.Join(home, ".local", "bin", filepath.Base(self))}, lasting...)
	if onPath, err := exec.LookPath("ratchet"); err == nil {
		lasting = append([]string{onPath}, lasting...)
	}

	for _, path := range lasting {
		abs, err := filepath.Abs(path)
		if err != nil {
			continue
		}

		if info, err := os.Stat(abs); err == nil && os.SameFile(info, selfInfo) {
			return abs, warnOfPath(abs), nil
		}
	}

	return self, warnOfPath(self), nil
}

// warnOfPath returns a note if path lies where files come and go.
func warnOfPath(path string) []string {
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

// FindRepositoryTop is the top of the repository that dir (default: the current
// folder) lies in, absolute, or "".
func FindRepositoryTop(dir string) string {
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
