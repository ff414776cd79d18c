package main_test

import (
	"strings"
	"testing"
)

// Two sessions in one checkout would measure each other's edits: the second is
// told, with the line that gives it a checkout of its own, until the first has left.
func TestTwoSessionsInOneCheckout(t *testing.T) {
	t.Parallel()

	s := newSite(t)

	first := s.connect()
	if a := first.call("start_campaign", nil); strings.Contains(a.text, "another session") {
		t.Fatalf("alone, and told: %s", a.text)
	}
	first.calibrated()
	second := s.connect()
	a := second.call("start_campaign", nil)

	line := "git worktree add --detach " + s.dir + "-2 ratchet/shrink"
	if !strings.Contains(a.text, "another session works in this checkout") || !strings.Contains(a.text, line) {
		t.Errorf("the second is not told: %s", a.text)
	}
	s.sh("sh", "-c", line)
	first.close()

	if a := second.call("start_campaign", nil); strings.Contains(a.text, "another session") {
		t.Errorf("the first has left: %s", a.text)
	}
	second.close()
}
