package source_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ratchet/internal/research"
	"ratchet/internal/source"
)

// TestMain gives git a home of its own, so that no user's configuration is read.
func TestMain(m *testing.M) {
	home, err := os.MkdirTemp("", "source-test-")
	if err != nil {
		panic(err)
	}

	config := "[user]\n\tname = Ada\n\temail = ada@example.com\n[init]\n\tdefaultBranch = main\n[protocol \"file\"]\n\tallow = always\n[gc]\n\tauto = 0\n"
	if err := os.WriteFile(filepath.Join(home, ".gitconfig"), []byte(config), 0o600); err != nil {
		panic(err)
	}

	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "GIT_") {
			os.Unsetenv(name)
		}
	}

	for name, value := range map[string]string{"HOME": home, "XDG_CONFIG_HOME": home,
		"GIT_CONFIG_GLOBAL": filepath.Join(home, ".gitconfig"), "GIT_CONFIG_NOSYSTEM": "1", "TMPDIR": home} {
		os.Setenv(name, value)
	}
	code := m.Run()
	os.RemoveAll(home)
	os.Exit(code)
}

// git runs the real git and returns its trimmed output.
func git(t testing.TB, dir string, args ...string) string {
	t.Helper()
	return gitEnv(t, dir, nil, args...)
}

func gitEnv(t testing.TB, dir string, env []string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)

	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr

	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}

	return strings.TrimSpace(string(out))
}

func write(t testing.TB, dir, path, content string) {
	t.Helper()

	at := filepath.Join(dir, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}

	if err := os.WriteFile(at, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, dir, path string) string {
	t.Helper()

	b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}

	return string(b)
}

// repository makes a repository with these files committed.
func repository(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	git(t, dir, "init", "-q")
	commitFiles(t, dir, files)

	return dir
}

func commitFiles(t testing.TB, dir string, files map[string]string) {
	t.Helper()

	for path, content := range files {
		write(t, dir, path, content)
	}
	git(t, dir, "add", "-A")
	git(t, dir, "commit", "-qm", "files")
}

func open(t *testing.T, dir string) *source.Repo {
	t.Helper()

	r, err := source.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}

	return r
}

// must is for calls whose failure ends the test.
func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()

		if err != nil {
			t.Fatal(err)
		}

		return v
	}
}

// wantCode fails unless err has the code and its text or next step has the words.
func wantCode(t *testing.T, err error, code research.Code, words ...string) {
	t.Helper()

	if err == nil {
		t.Fatalf("no error, want %s", code)
	}

	e := research.Describe(err)
	if e.Code != code {
		t.Fatalf("code %s, want %s: %v (%v)", e.Code, code, err, e.Err)
	}

	for _, w := range words {
		if !strings.Contains(e.Msg+" | "+e.Next, w) {
			t.Errorf("%q | %q does not say %q", e.Msg, e.Next, w)
		}
	}
}

// fingerprint is all that belongs to the user in a checkout: every file of the
// work tree with its time and mode, the index, HEAD, and the refs outside refs/ratchet.
func fingerprint(t *testing.T, r *source.Repo) map[string]string {
	t.Helper()
	all := map[string]string{}

	err := filepath.WalkDir(r.Root(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == filepath.Join(r.Root(), ".git") && d.IsDir() {
			return cmpErr(err, fs.SkipDir)
		}

		info, err := d.Info()
		if err != nil {
			return err
		}
		content := ""

		switch {
		case info.Mode().IsRegular():
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			content = string(b)
		case info.Mode()&fs.ModeSymlink != 0:
			content, _ = os.Readlink(path)
		}
		all[path] = fmt.Sprint(info.Mode(), info.ModTime().UnixNano(), content)

		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	entries, err := os.ReadDir(r.GitDir())
	if err != nil {
		t.Fatal(err)
	}

	for _, e := range entries {
		if e.Type().IsRegular() {
			all["git/"+e.Name()] = read(t, r.GitDir(), e.Name())
		} else if strings.HasPrefix(e.Name(), "ratchet") {
			all["git/"+e.Name()] = "left behind"
		}
	}

	for line := range strings.Lines(git(t, r.Root(), "for-each-ref", "--format=%(refname) %(objectname)")) {
		if !strings.HasPrefix(line, "refs/ratchet/") {
			all["ref/"+line] = line
		}
	}

	return all
}

func cmpErr(err, other error) error {
	if err != nil {
		return err
	}

	return other
}
