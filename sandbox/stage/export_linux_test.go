package stage

import (
	"os"
	"runtime"
)

// TestName is the argv[0] that makes the test binary act as a stage. Unlike Name
// it does so after every package is initialised, because only then can a
// process write what it covered.
const TestName = "stage-under-test"

// As the init function of this package does, this one keeps the main goroutine
// on the first thread.
func init() {
	if os.Args[0] == TestName {
		runtime.LockOSThread()
	}
}

// ServeTest acts as a stage and never returns. os.Exit writes what was covered
// to GOCOVERDIR.
func ServeTest() {
	exit = os.Exit

	serve()
	exit(2)
}
