package main_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"ratchet/sandbox"
)

// ratchet is the real binary, built once; every test of this package drives it.
var ratchet string

func TestMain(m *testing.M) { os.Exit(withBinary(m)) }

func withBinary(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ratchet-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)

	ratchet = filepath.Join(dir, "ratchet")
	if err := buildBinary(ratchet, "-ldflags", "-s -w"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}

	// The tests wait for runs and for other processes more than they compute.
	flag.Parse()

	if !isFlagGiven("test.parallel") {
		_ = flag.Set("test.parallel", strconv.Itoa(3*runtime.GOMAXPROCS(0)))
	}

	return m.Run()
}

// isFlagGiven says whether the command line sets the flag.
func isFlagGiven(name string) (given bool) {
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	return given
}

// buildBinary makes the binary path, with these flags of go build. What was
// linked stays in bin/test, and the go command links it again only after a change:
// linking costs more than most tests.
func buildBinary(path string, flags ...string) error {
	dir, err := filepath.Abs(filepath.Join("..", "..", "bin", "test"))
	if err != nil {
		return err
	}

	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}

	// Another run of the tests may build the same.
	linked := filepath.Join(dir, filepath.Base(path))

	lock, err := sandbox.AcquireLock(context.Background(), linked+".lock", 0)
	if err != nil {
		return err
	}
	defer lock.Release()

	args := append(append([]string{"build", "-o", linked}, flags...), ".")
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("build the binary: %w\n%s", err, out)
	}

	binary, err := os.ReadFile(linked)
	if err != nil {
		return err
	}

	return os.WriteFile(path, binary, 0o777)
}

// The scripts of testdata/script are whole stories, told to the real binary.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:       "testdata/script",
		Condition: condition,
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", filepath.Dir(ratchet)+string(os.PathListSeparator)+os.Getenv("PATH"))

			for _, kv := range isolated(filepath.Join(e.WorkDir, ".home")) {
				k, v, _ := strings.Cut(kv, "=")
				e.Setenv(k, v)
			}

			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"mkrepo": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(makeRepo(ts.MkAbs(args[0]), ts.Getenv))
			},
			"alone":   alone,
			"exits":   exits,
			"json":    isJSON,
			"settled": settled,
		},
	})
}

// isolated is an environment in which git and Ratchet see nothing of the
// machine's user.
func isolated(home string) []string {
	return []string{"HOME=" + home, "XDG_CACHE_HOME=" + filepath.Join(home, ".cache"),
		"XDG_CONFIG_HOME=" + filepath.Join(home, ".config"), "RATCHET_LOCKS=" + filepath.Join(home,
			".locks"), // tests run side by side; their timings decide nothing
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.org", "GIT_COMMITTER_NAME=Ada",
		"GIT_COMMITTER_EMAIL=ada@example.org"}
}

// exits CODE COMMAND…: runs the command, which must end with that exit code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0

	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}

	if got != want {
		ts.Fatalf("%s ended with exit code %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// The files of a small repository whose metric is deterministic: the size of
// work.txt, unless a line of work.txt asks for trouble. The benchmark starts one
// process, since it is run thousands of times.
var repoFiles = map[string]string{
	"work.txt":  "the quick brown fox jumps over the lazy dog\nand then some more words follow here\n",
	"other.txt": "not in scope\n",
	"bench.sh": `set -e
while read -r line || [ -n "$line" ]; do
  case $line in
  crash*) echo "boom: it crashed"; exit 7 ;;
  hang*) sleep 600 ;;
  slow*) sleep 2 ;;
  silent*) exit 0 ;;
  nan*) echo "METRIC size=nan"; exit 0 ;;
  twice*) echo "METRIC size=1" ;;
  cheat*) echo 'echo METRIC size=1' > bench.sh ;;
  plant*) echo '# planted' > conftest.py ;;
  esac
done < work.txt
echo "METRIC size=$(wc -c < work.txt)"
`,
	".gitignore": "ignored.txt\n",
	"program.md": `---
name: shrink
edit: work.txt
metric: {name: size, better: lower, unit: bytes, noise: deterministic}
run: sh bench.sh
budget: {wall: 120s, grace: 1s}
---
Make work.txt smaller without losing meaning.
`,
}

func makeRepo(dir string, getenv func(string) string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}

	for name, text := range repoFiles {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			return err
		}
	}

	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "."}, {"commit", "-q", "-m", "start"}} {
		cmd := exec.Command("git", args...)

		cmd.Dir, cmd.Env = dir, append(os.Environ(), "HOME="+getenv("HOME"))
		for _, k := range []string{"GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_GLOBAL", "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL",
			"GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"} {
			cmd.Env = append(cmd.Env, k+"="+getenv(k))
		}

		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("git %s: %w: %s", args[0], err, out)
		}
	}

	return nil
}
