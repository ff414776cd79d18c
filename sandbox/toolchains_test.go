//go:build linux

package sandbox_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratchet/sandbox"
)

// Each kind of installation in a home is found by PATH, and what lies beside it is not.
func TestFindToolchains(t *testing.T) {
	dir, err := os.MkdirTemp("/dev/shm", "sandbox-test-") // not in /tmp, of which runs have their own
	if err != nil {
		t.Skip(err)
	}
	defer os.RemoveAll(dir)

	home := filepath.Join(dir, "home")
	repo := filepath.Join(home, "repo")
	writeFiles(t, home, map[string]string{
		".ssh/id": "key", ".netrc": "password", ".local/share/keyrings/x": "", "project/secret": "",
		".nvm/versions/node/v20/bin/node": "", ".nvm/versions/node/v20/lib/x": "",
		".pyenv/shims/python": "#!/usr/bin/env bash\n", ".pyenv/versions/3.11/bin/python3": "",
		"go/bin/tool": "", "go/src/private/x.go": "", "go/pkg/mod/m/x.go": "",
		".local/bin/own": "#!" + home + "/tools/py/bin/python\n", "tools/py/bin/python": "",
		".local/share/pipx/venvs/black/bin/black": "", "project/run.sh": "",
		".local/share/fnm/v22/installation/bin/node": "", "bin/plain": "",
		"repo/.venv/lib/x": "", "repo/.venv/bin/y": "", "ca/cert.pem": "", "libs/l.so": "",
	})

	makeExecutable(t, home)

	if err := os.Chmod(home+"/.netrc", 0o600); err != nil {
		t.Fatal(err)
	}

	for link, target := range map[string]string{
		".local/bin/black": "../share/pipx/venvs/black/bin/black", ".local/bin/run": home + "/project/run.sh",
		"multishell":            home + "/.local/share/fnm/v22/installation",
		"repo/.venv/bin/python": home + "/.pyenv/versions/3.11/bin/python3",
	} {
		at := filepath.Join(home, link)
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.Symlink(target, at)); err != nil {
			t.Fatal(err)
		}
	}

	for _, c := range []struct {
		name string
		env  []string
		want []string // relative to home
	}{
		{"the system's", []string{"PATH=/usr/bin:/bin:/nowhere:relative"}, nil},
		{"nvm", []string{"PATH=" + home + "/.nvm/versions/node/v20/bin"},
			[]string{".nvm/versions/node/v20"}},
		{"pyenv", []string{"PATH=" + home + "/.pyenv/shims"}, []string{".pyenv"}},
		{"a GOPATH", []string{"PATH=" + home + "/go/bin", "GOMODCACHE=" + home + "/go/pkg/mod"},
			[]string{"go/bin", "go/pkg/mod"}},
		{"links of ~/.local/bin", []string{"PATH=" + home + "/.local/bin"},
			[]string{".local/bin", ".local/share/pipx/venvs/black", "project/run.sh", "tools/py"}},
		{"fnm", []string{"PATH=" + home + "/multishell/bin"},
			[]string{".local/share/fnm/v22/installation", "multishell/bin"}},
		{"~/bin", []string{"PATH=" + home + "/bin"}, []string{"bin"}},
		{"home itself", []string{"PATH=" + home + ":" + home + "/.local", "JAVA_HOME=" + home, "NVM_DIR=/"}, nil},
		{"a venv of the repository", []string{"PATH=" + repo + "/.venv/bin"}, []string{".pyenv/versions/3.11"}},
		{"variables", []string{"SSL_CERT_FILE=" + home + "/ca/cert.pem", "LD_LIBRARY_PATH=/usr/lib::" + home + "/libs",
			"CC=" + home + "/tools/py/bin/python -O2"}, []string{"ca/cert.pem", "libs", "tools/py"}},
	} {
		var got []string

		for _, path := range sandbox.Toolchains(c.env, home, nil, []string{repo}) {
			rel, err := filepath.Rel(home, path)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, rel)
		}

		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}

// A search finds what is there at its time, not what an earlier one of the process found.
func TestToolchainsChange(t *testing.T) {
	dir, err := os.MkdirTemp("/dev/shm", "sandbox-test-")
	if err != nil {
		t.Skip(err)
	}
	defer os.RemoveAll(dir)

	env := []string{"PATH=" + dir + "/path"}
	find := func() []string { return sandbox.Toolchains(env, "/nowhere", nil, nil) }

	for _, step := range []struct {
		name   string
		change func() error
		want   []string
	}{
		{"no folder", func() error { return nil }, nil},
		{"a folder", func() error { return os.Mkdir(dir+"/path", 0o755) }, []string{dir + "/path"}},
		{"a script in it", func() error {
			return errors.Join(os.MkdirAll(dir+"/one/bin", 0o755), os.MkdirAll(dir+"/two/bin", 0o755),
				os.WriteFile(dir+"/one/bin/run", nil, 0o755), os.WriteFile(dir+"/two/bin/run", nil, 0o755),
				os.WriteFile(dir+"/path/command", []byte("#!"+dir+"/one/bin/run\n"), 0o755))
		}, []string{dir + "/one", dir + "/path"}},
		{"the script written again", func() error {
			return os.WriteFile(dir+"/path/command", []byte("#!"+dir+"/two/bin/run\n"), 0o755)
		}, []string{dir + "/path", dir + "/two"}},
		{"a link in its place", func() error {
			return errors.Join(os.Remove(dir+"/path/command"), os.Symlink("../one/bin/run", dir+"/path/command"))
		}, []string{dir + "/one", dir + "/path"}},
	} {
		if err := step.change(); err != nil {
			t.Fatal(err)
		}

		if d := cmp.Diff(step.want, find()); d != "" {
			t.Errorf("%s: %s", step.name, d)
		}
	}
}

// makeExecutable gives every file in dir the right to be executed.
func makeExecutable(t *testing.T, dir string) {
	t.Helper()

	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		return errors.Join(err, os.Chmod(path, 0o755))
	})
	if err != nil {
		t.Fatal(err)
	}
}
