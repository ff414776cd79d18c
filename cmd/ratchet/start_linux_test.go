package main_test

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var starts = flag.Int("starts", 2, "starts of each server that TestStartCost compares")

// TestStartCost is the time from a process's start to its tools, against an
// empty mcp-go server with an open bbolt file, in turns, and the memory then. It
// asserts no figure; `make bench` prints them.
func TestStartCost(t *testing.T) {
	if testing.Short() {
		t.Skip("it asserts nothing; make bench prints it")
	}

	s := newSite(t)

	empty := filepath.Join(t.TempDir(), "empty")
	if out, err := exec.Command("go", "build", "-o", empty, "./testdata/emptyserver").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var ours, theirs []time.Duration
	var mine, its memory

	for range *starts {
		d, m := listed(t, s, exec.Command(empty, filepath.Join(t.TempDir(), "db")))
		theirs, its = append(theirs, d), m
		d, m = listed(t, s, exec.Command(ratchet, "mcp"))
		ours, mine = append(ours, d), m
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	a, b := ours[len(ours)/2], theirs[len(theirs)/2]
	fmt.Printf("start to tools/list, median of %d: %.1f ms, an empty server %.1f ms, ratio %.2f (bar 1.6); memory %v (bar 20), an empty server %v\n",
		*starts, a.Seconds()*1e3, b.Seconds()*1e3, float64(a)/float64(b), mine, its)
}

// memory is what a process holds, in KiB: in all, and without the pages of its
// binary, which all processes of one binary share.
type memory struct{ all, own int }

func (m memory) String() string {
	return fmt.Sprintf("%.1f MiB, %.1f of it its own", float64(m.all)/1024, float64(m.own)/1024)
}

// listed starts a server, asks for its tools, and returns how long that took
// and what memory it has then.
func listed(t *testing.T, s *site, cmd *exec.Cmd) (took time.Duration, m memory) {
	t.Helper()
	cmd.Dir, cmd.Env = s.dir, s.env

	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}

	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()

	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}

	defer func() { in.Close(); _ = cmd.Wait() }()
	fmt.Fprintln(in,
		`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"starts","version":"1"}}}`)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	lines.Scan()
	fmt.Fprintln(in, `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	fmt.Fprintln(in, `{"jsonrpc":"2.0","id":2,"method":"tools/list"}`)

	if !lines.Scan() || !strings.Contains(lines.Text(), `"tools"`) {
		t.Fatalf("no tools: %q", lines.Text())
	}
	took = time.Since(began)

	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}

	for line := range strings.Lines(string(status)) {
		_, _ = fmt.Sscanf(line, "VmRSS: %d kB", &m.all)
		_, _ = fmt.Sscanf(line, "RssAnon: %d kB", &m.own)
	}

	return took, m
}
