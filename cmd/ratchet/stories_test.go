package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"ratchet/internal/testform"
)

// condition answers what scripts ask for beyond testscript's own conditions:
//
//	[root]     this process is root's
//	[mounts]   it may mount in a mount namespace of its own
//	[quick]    these are the few minutes of make test; make check tells the rest
func condition(name string) (bool, error) {
	switch name {
	case "root":
		return os.Getuid() == 0, nil
	case "quick":
		return testform.IsQuick(), nil
	case "mounts":
		return exec.Command("unshare", "--mount", "sh", "-c", "mount -t tmpfs none /mnt").Run() == nil, nil
	}

	return false, fmt.Errorf("unknown condition %q", name)
}

// json: the last command's output is one JSON document, or with ! it is not.
func isJSON(ts *testscript.TestScript, neg bool, _ []string) {
	out := ts.ReadFile("stdout")
	if json.Valid([]byte(out)) == neg {
		ts.Fatalf("the output is JSON: %t, want %t", !neg, neg)
	}
}

// faulty is the binary that can be told to fail: the tag `faults`. It has a
// version from the linker, for TestVersionIsWhatTheLinkerWasTold.
var faulty = sync.OnceValues(func() (string, error) {
	path := ratchet + "-faults"

	return path, buildBinary(path, "-tags", "faults", "-ldflags",
		"-s -w -X main.version=v1.2.3-dirty -X main.commit=abc -X main.date=2026-01-02T03:04:05Z")
})

// quiet is RATCHET_FAULT for runs that count as made on a quiet machine. Where
// others kept it busy a pair is made again, with another seed: of a story whose
// noise follows from the seeds that would make another story.
const quiet = "supervise/machine.quiet:before:skip"

// alone: from here on `ratchet` measures as on a quiet machine.
func alone(ts *testscript.TestScript, _ bool, _ []string) {
	bin, err := faulty()
	ts.Check(err)
	dir := filepath.Join(ts.Getenv("WORK"), ".alone")
	ts.Check(os.Mkdir(dir, 0o777))
	ts.Check(os.Symlink(bin, filepath.Join(dir, "ratchet")))
	ts.Setenv("PATH", dir+string(os.PathListSeparator)+ts.Getenv("PATH"))
	ts.Setenv("RATCHET_FAULT", quiet)
}

var unsettled = regexp.MustCompile(`^([a-z]\d+) running|"id":"([a-z]\d+)".*"status":"running"|"status":"running".*"id":"([a-z]\d+)"`)

// settled COMMAND…: runs a call of run_experiment, wait_run or measure_metric,
// and waits on while its job runs: on a busy machine one call's time may be too
// short. The output is then the last call's.
func settled(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Exec(args[0], args[1:]...))

	for range 10 {
		m := unsettled.FindStringSubmatch(ts.ReadFile("stdout"))
		if m == nil {
			return
		}

		wait := []string{"call", "wait_run", fmt.Sprintf(`{"id": %q, "wait_seconds": 50}`, m[1]+m[2]+m[3])}
		if args[1] == "--json" {
			wait = append([]string{"--json"}, wait...)
		}
		ts.Check(ts.Exec(args[0], wait...))
	}
}
