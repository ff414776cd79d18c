// Command cover reads what `go test -cover ./...` printed from standard input, and
// exits with 1 when the own tests of a package cover too little of it.
package main

import (
	"fmt"
	"os"

	"ratchet/internal/house"
)

// excused are packages whose tests say more than their own coverage does.
var excused = map[string]string{
	"ratchet/cmd/ratchet":          "its tests run the binary that they build",
	"ratchet/internal/release/run": "a command of the build, run by make snapshot",
	"ratchet/internal/house/style": "prints what package house measures",
	"ratchet/internal/house/cover": "this command",
	"ratchet/examples":             "programs that the tests run",
	"ratchet/examples/wordfreq":    "a program that the tests run",
	"ratchet/internal/fault":       "its points are run by the tests of those that have them",

	"ratchet/internal/checkout/checkouttest": "helpers of tests",
	"ratchet/internal/host/hosttest":         "helpers of tests",
	"ratchet/internal/plots/plotstest":       "helpers of tests",
	"ratchet/internal/research/rulestest":    "helpers of tests",
	"ratchet/ledger/logtest":                 "helpers of tests",

	"ratchet/cmd/ratchet/testdata/emptyserver": "a program that the benchmarks run",
	"ratchet/sandbox/stage/testdata/heavy":     "a program that the tests run",
}

func main() {
	faults, err := house.CheckCoverage(os.Stdin, excused)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}

	for _, fault := range faults {
		fmt.Fprintln(os.Stderr, fault)
	}

	if len(faults) > 0 {
		os.Exit(1)
	}
}
