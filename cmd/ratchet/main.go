// Command ratchet is the research loop's server, its workers and its
// command line, in one binary.
package main

import (
	"os"

	_ "ratchet/sandbox/stage" // first: a process that is a run's PID 1 goes no further than this package's init
)

// Set by the build: -ldflags "-X main.version=… -X main.commit=… -X main.date=…".
// Without that, what the Go toolchain knows is told.
var version, commit, date string

func main() {
	os.Exit(run(os.Args[1:], &app{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Version: versionOf(version), Commit: commit, Date: date}))
}
