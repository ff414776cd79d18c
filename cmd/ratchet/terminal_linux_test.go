package main_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ratchet/internal/testform"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"
)

var updateTerminal = flag.Bool("update-terminal", false, "write the goldens of TestTerminal")

// terminal is a command on a terminal of its own.
type terminal struct {
	t    *testing.T
	cmd  *exec.Cmd
	file *os.File
	mu   sync.Mutex
	seen bytes.Buffer
	over chan struct{}
}

// onTerminal starts the binary on a terminal of cols columns and 40 rows.
func (s *site) onTerminal(t *testing.T, cols int, env []string, args ...string) *terminal {
	t.Helper()
	w := &terminal{t: t, cmd: exec.CommandContext(t.Context(), ratchet, args...), over: make(chan struct{})}

	w.cmd.Dir, w.cmd.Env = s.dir, append(append(clean(s.env), "TERM=xterm"), env...)

	size := pty.Winsize{Rows: 40, Cols: uint16(cols)}
	if cols == 200 { // not every terminal knows its rows: the width counts all the same
		size.Rows = 0
	}

	var err error
	if w.file, err = pty.StartWithSize(w.cmd, &size); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.file.Close() })

	go func() {
		defer close(w.over)

		buf := make([]byte, 1<<12)
		for {
			n, err := w.file.Read(buf)
			w.mu.Lock()
			w.seen.Write(buf[:n])
			w.mu.Unlock()

			if err != nil { // EIO: nobody has the other end any more
				return
			}
		}
	}()

	return w
}

// clean is an environment that says nothing of colours.
func clean(env []string) (out []string) {
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		switch name {
		case "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "TERM":
		default:
			out = append(out, kv)
		}
	}

	return out
}

func (w *terminal) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()

	return w.seen.String()
}

// until waits for a text after the first n bytes, and says where it ends.
func (w *terminal) until(n int, text string) int {
	w.t.Helper()

	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if now := w.text(); len(now) > n && strings.Contains(now[n:], text) {
			return n + strings.Index(now[n:], text) + len(text)
		}
	}
	w.t.Fatalf("%q did not come:\n%q", text, w.text()[n:])

	return 0
}

// wait is what it showed in all, and its exit code.
func (w *terminal) wait() (string, int) {
	w.t.Helper()
	<-w.over
	err := w.cmd.Wait()

	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		w.t.Fatal(err)
	}

	return strings.ReplaceAll(w.text(), "\r\n", "\n"), w.cmd.ProcessState.ExitCode()
}

// campaigned is a small campaign that has every kind of line: kept, reverted, invalid
// and open experiments, wide characters, a lesson and an idea.
func campaigned(t *testing.T) *site {
	t.Helper()
	s := newSite(t)
	s.alone() // a run beside others' load is marked, where runs are listed
	s.sh("sed", "-i", "s/^budget:/parallel: 64\\nbudget:/", "program.md")
	s.sh("git", "commit", "-q", "-a", "-m", "no turns between tests")
	s.tool("start_campaign", "{}")
	s.tool("wait_run", `{"id": "c1"}`)
	s.try1("the quick brown fox jumps\n",
		"短い方が良い: drop the second line, and é as two characters: e\u0301, which 123456789 bytes in all do not need")
	s.tool("keep", `{"note": "simple"}`)
	s.try1("the quick brown fox jumps over\n", "longer")
	s.tool("revert",
		`{"lesson": "words are bytes; whoever adds words adds bytes, and whoever adds bytes does not shrink anything at all"}`)
	s.try1("crash\n", "crash it")
	s.tool("revert", "{}")
	s.tool("share", `{"ops": [{"op": "add", "idea": "abbreviate the dog"}]}`)
	s.try1("fox\n", "one word")

	return s
}

func (s *site) tool(name, args string) { s.t.Helper(); s.sh(s.binary(), "call", name, args) }

func (s *site) try1(text, hypothesis string) {
	s.t.Helper()
	s.write("work.txt", text)
	s.tool("run_experiment", fmt.Sprintf(`{"hypothesis": %q}`, hypothesis))
}

// steady puts constants in the place of what differs between two runs.
func steady(s string) string {
	for _, r := range [][2]string{
		{`/\S*/repo/`, "/REPO/"}, {`\b[0-9a-f]{12}\b`, strings.Repeat("c", 12)}, {`index [0-9a-f]+\.\.[0-9a-f]+`,
			"index aaa..bbb"},
		{`[a-z]+,\s+\d{4}-\d\d-\d\d\s+\d\d:\d\d`, "SESSION, TIME"}, {`(?m)^(\S*run.*?) +(\S*wall.*)$`, "$1 $2"},
		{`(candidate\s+\S+ ) +[0-9.]+ m?s\b`, "$1 WALL"}, {`(\d+ experiments, )\d+ h(?: \d\d min)?`, "${1}N h"},
	} {
		s = regexp.MustCompile(r[0]).ReplaceAllString(s, r[1])
	}

	return s
}

// TestTerminal: what people see, at three widths, with and without colours; and
// then what one sees who watches.
func TestTerminal(t *testing.T) {
	testform.SkipQuick(t, "internal/terminal has every page at each width")
	t.Parallel()
	s := campaigned(t)
	pages := map[string]string{}

	for _, view := range []struct {
		args  []string
		sizes []int
	}{
		{[]string{"status"}, []int{40, 80, 200}}, {[]string{"log"}, []int{40, 80, 200}}, {[]string{"show", "1"},
			[]int{40, 80, 200}},
		{[]string{"log", "-n", "2"}, []int{80}}, {[]string{"log", "nothing"}, []int{40}}, {[]string{"show", "3"},
			[]int{80}}, {[]string{"show", "--output", "3"}, []int{80}},
	} {
		for _, cols := range view.sizes {
			pages[fmt.Sprint(cols)] += s.shown(t, cols, append([]string{"--color", "never"}, view.args...))
		}

		if len(view.sizes) == 3 {
			pages["80-colour"] += s.shown(t, 80, view.args)
		}
	}

	for _, name := range []string{"40", "80", "200", "80-colour"} {
		samePage(t, name, pages[name])
	}

	for env, coloured := range map[string]bool{"NO_COLOR=1": false, "NO_COLOR=": true, "CLICOLOR=0": false,
		"TERM=dumb": false, "CLICOLOR_FORCE=1": true} {
		if got, _ := s.onTerminal(t, 80, []string{env}, "status").wait(); strings.Contains(got, "\x1b") != coloured {
			t.Errorf("with %s the colours are %t: %q", env, !coloured, got)
		}
	}
	s.onPipes(t)
	t.Run("watch", func(t *testing.T) { isWatched(t, s) })
}

// shown is what a command shows on a terminal of cols columns, escapes as ^.
func (s *site) shown(t *testing.T, cols int, args []string) string {
	t.Helper()

	got, code := s.onTerminal(t, cols, nil, args...).wait()
	if code != 0 {
		t.Fatalf("%v at %d: exit code %d: %s", args, cols, code, got)
	}

	return "$ ratchet " + strings.Join(args, " ") + "\n" + strings.ReplaceAll(steady(got), "\x1b", "^") + "\n"
}

// onPipes: without a terminal the answer is an agent's, byte for byte, unless colours are asked for.
func (s *site) onPipes(t *testing.T) {
	t.Helper()

	agent := s.sh(ratchet, "call", "read_log", `{"view": "brief"}`)
	for _, c := range []struct {
		env    string
		args   []string
		people bool
	}{
		{"", []string{"status"}, false}, {"NO_COLOR=1", []string{"status"}, false}, {"",
			[]string{"--color", "never", "status"}, false},
		{"CLICOLOR_FORCE=0", []string{"status"}, false}, {"CLICOLOR_FORCE=1", []string{"status"}, true},
		{"CLICOLOR_FORCE=1", []string{"--color", "never", "status"}, false}, {"NO_COLOR=1",
			[]string{"--color", "always", "status"}, true},
	} {
		cmd := exec.CommandContext(t.Context(), ratchet, c.args...)
		cmd.Dir, cmd.Env = s.dir, append(clean(s.env), c.env, "COLUMNS=70")

		out, err := cmd.Output()
		if err != nil || (string(out) == agent) == c.people || strings.Contains(string(out), "\x1b") != c.people {
			t.Errorf("%s %v: %v\n%s", c.env, c.args, err, out)
		}
	}
}

func samePage(t *testing.T, name, got string) {
	t.Helper()

	file := filepath.Join("testdata", "terminal", name+".txt")
	if *updateTerminal {
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}

		if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}

	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; -update-terminal writes them):\n%s", file, diff)
	}
}

// isWatched: a picture for each append and each size, and a clean terminal after Ctrl-C.
func isWatched(t *testing.T, s *site) {
	t.Helper()
	s.tool("revert", "{}")
	w := s.onTerminal(t, 100, nil, "status", "--watch")

	at := w.until(0, "the agent's next step")
	if !strings.HasPrefix(w.text(), "\x1b[?1049h\x1b[?25l") {
		t.Errorf("it does not begin with the other screen: %q", w.text()[:40])
	}
	s.try1("slow\nfox\n", "another process appends")
	at = w.until(at, "another process appends")

	at = w.until(at, "\x1b[J")
	if err := pty.Setsize(w.file, &pty.Winsize{Rows: 12, Cols: 50}); err != nil {
		t.Fatal(err)
	}
	at = w.until(at, "Ctrl-C ends it,…") // the head is cut for 50 columns

	picture := w.text()[at:w.until(at, "\x1b[J")]
	if lines := strings.Split(picture, "\n"); len(lines) != 12 {
		t.Errorf("%d lines on a terminal of 12:\n%s", len(lines), picture)
	}

	if _, err := w.file.WriteString("\x03"); err != nil {
		t.Fatal(err)
	}
	all, code := w.wait()

	screen, after, left := strings.Cut(all, "\x1b[?25h\x1b[?1049l")
	if code != 0 || !left || strings.Contains(after, "\x1b[?") || strings.Count(screen, "\x1b[?1049h") != 1 {
		t.Errorf("exit code %d, left %t, after it: %q", code, left, after)
	}

	if !strings.Contains(after, "another process") {
		t.Errorf("the last picture is not on the terminal: %q", after)
	}
	s.watchedByPipe(t)
}

// watchedByPipe: where no terminal is, a line for each change, each whole.
func (s *site) watchedByPipe(t *testing.T) {
	t.Helper()
	s.tool("revert", "{}")
	cmd := exec.CommandContext(t.Context(), ratchet, "status", "--watch")
	cmd.Dir, cmd.Env = s.dir, s.env
	out, in := io.Pipe()

	cmd.Stdout = in
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}

	lines := make(chan string, 100)
	go func() {
		for buf := make([]byte, 1<<12); ; {
			n, err := out.Read(buf)
			if err != nil {
				return
			}

			lines <- string(buf[:n])
		}
	}()

	if first := <-lines; !strings.HasPrefix(first, "shrink · 5 experiments") || strings.Contains(first, "\x1b") ||
		strings.Count(first, "\n") != 1 {
		t.Errorf("first line: %q", first)
	}
	s.try1("a fox\n", "yet another")

	for all := ""; !strings.Contains(all, "6 experiments") || !strings.Contains(all, "last x6"); {
		select {
		case line := <-lines:
			all += line
		case <-time.After(patience):
			t.Fatalf("no line of the sixth experiment: %q", all)
		}
	}

	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}

	if err := cmd.Wait(); err != nil {
		t.Errorf("Ctrl-C: %v", err)
	}
	in.Close()
}

// TestProgress: on a terminal a line that goes away again, elsewhere nothing,
// or lines with --verbose.
func TestProgress(t *testing.T) {
	testform.SkipQuick(t, "internal/terminal: TestProgressOnATerminal")
	s := newSite(t)
	s.write("bench.sh", "sleep 0.3\necho METRIC size=$(wc -c < work.txt)\n")
	s.sh("git", "commit", "-q", "-a", "-m", "slower")

	got, code := s.onTerminal(t, 60, nil, "doctor").wait()
	if code != 0 || !strings.Contains(got, "\rtrying the program: ") || !strings.Contains(got, "\r\x1b[K") {
		t.Errorf("exit code %d: %q", code, got)
	}

	if last := got[strings.LastIndex(got, "\x1b[K")+len("\x1b[K"):]; !strings.HasPrefix(last, "repository ") {
		t.Errorf("the line was not taken away before the answer: %q", last)
	}
	s.tool("start_campaign", "{}")
	s.tool("wait_run", `{"id": "c1"}`)

	for _, c := range []struct {
		args []string
		said string
	}{
		{[]string{"verify"}, `^$`},
		{[]string{"verify", "--verbose"},
			`^(checking  .*\n)*checking  .*100%, \d+ of \d+ records, .*\n$`}, // more than one where it takes long
		{[]string{"backup", "--verbose", filepath.Join(t.TempDir(), "b.db")},
			`^(checking  .*\n)*checking  .*100%, (\d+) of \d+ records, .*\n$`},
		{[]string{"export", "--verbose"}, `^(reading  .*\n)*reading  .*100%, .*\n$`},
	} {
		cmd := exec.CommandContext(t.Context(), ratchet, c.args...)
		cmd.Dir, cmd.Env = s.dir, s.env
		var said bytes.Buffer

		cmd.Stderr = &said
		if err := cmd.Run(); err != nil || !regexp.MustCompile(c.said).MatchString(said.String()) {
			t.Errorf("%v: %v, stderr %q", c.args, err, said.String())
		}
	}
}
