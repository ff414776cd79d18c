// Command ratchet is the research loop's server, its supervisors and its
// command line, in one binary.
package main

import (
	"os"

	_ "ratchet/sandbox/stage" // first: a process that is a run's PID 1 goes no further than this package's init
)

// version is set by the build: -ldflags "-X main.version=…".
var version = "devel"

func main() {
	os.Exit(run(os.Args[1:], &app{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Version: version}))
}
