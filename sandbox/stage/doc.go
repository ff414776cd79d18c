// Package stage is the first process of a run: PID 1 of the run's own PID and
// mount namespace, or, where a machine has no namespaces, a subreaper. It is
// the same binary executed again: init acts, and never returns, when argv[0]
// is Name, so that a run costs one start of the Go runtime and not the
// initialisation of everything that is linked in. That is why this package
// imports nothing beyond os, syscall and a few that these need anyway: Go initialises
// packages in the order of their paths as soon as their imports are ready, and
// any heavier import would let the heavy packages come first (a test holds it).
//
// What holds:
//   - The control socket (descriptor 3) brings the plan and is the lease: when
//     its other end closes, however the caller died, the run is killed.
//   - The deadline is measured here, on the monotonic clock. The caller has
//     a timer of its own, so neither of the two alone can extend a run.
//   - The command's outcome travels over the control socket, which no process
//     of the run inherits; the exit status of the stage means nothing.
//   - When the command itself ends, everything that it left behind dies.
//   - The command has none of the capabilities that the stage needs, can't get
//     any, and can't look into the stage: its memory is closed. Only the thread
//     that starts the command gives its own up; the others keep them, for the
//     deadline and for looking at the tree.
//
// Limits: without namespaces a process of the run may kill the stage itself.
package stage
