//go:build !faults

// Package fault names the places where a step takes effect outside this
// process: a record, a ref, a file, a process. Built with the tag `faults`, and
// only then, such a step can be made to die, to fail, or to be left out and
// reported as done, in a process that is started with RATCHET_FAULT; see
// injected.go. In any other build At is a plain call and nothing of this package
// is in the binary: a test looks.
package fault

// At does the step that the point names. A point's name is a literal, so that a
// test can list them, and stands in one place of the code.
func At(_ string, step func() error) error { return step() }

// Hit says whether something that happens to a machine, which the point names,
// is to be made up here.
func Hit(string) bool { return false }
