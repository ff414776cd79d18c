// Package testform says in which form the tests run: quick (make test), as CI
// runs them (make check), or long (make long and the targets that name a test).
package testform

import (
	"os"
	"testing"
)

// CI is the environment variable that is set, to anything, by make check.
const CI = "RATCHET_TEST_CI"

// IsQuick says whether the tests run in their quick form: go test -short, and
// not from make check.
func IsQuick() bool { return testing.Short() && os.Getenv(CI) == "" }

// HasTurn says whether a test that can be played in several ways is played in this one, from
// 0: in the quick form it has one of them, which its name decides.
func HasTurn(t testing.TB, way, ways int) bool {
	return !IsQuick() || len(t.Name())%ways == way
}

// SkipQuick skips a test in the quick form. The reason says what proves the
// same, or the like, in less time.
func SkipQuick(t testing.TB, reason string) {
	t.Helper()

	if IsQuick() {
		t.Skip("make check runs it; " + reason)
	}
}
