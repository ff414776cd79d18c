package main_test

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ratchet/internal/testform"
)

var allFaults = flag.Bool("faults", false,
	"inject every fault of the table and every mutant, not one of each point")

// moment is a fault point in a call of a story: in the call's own process, or
// with command "supervise" in the worker that it starts; nth counts from 1.
type moment struct {
	point, step, command string
	nth                  int
}

func (m moment) String() string {
	return fmt.Sprintf("%s in %s%s %d", m.point, m.step, strings.TrimSuffix("/"+m.command, "/"), m.nth)
}

// moments are the fault points, each in every call where its failing means
// something else. The first of each point is the one of the short form.
var moments = []moment{
	{"ledger.create", "start", "", 1},
	{"ledger.commit", "keep", "", 1},
	{"ledger.commit", "start", "", 1}, // campaign.started
	{"ledger.commit", "start", "", 2}, // calibration.started
	{"ledger.commit", "start", "supervise", 1},
	{"ledger.commit", "shorten", "", 1},          // experiment.proposed
	{"ledger.commit", "shorten", "supervise", 1}, // step.finished
	{"ledger.commit", "shorten", "supervise", 2}, // run.finished
	{"ledger.commit", "shorten", "supervise", 3}, // experiment.judged
	{"ledger.commit", "revert", "", 1},
	{"anchor.write", "revert", "", 1},
	{"anchor.write", "keep", "", 1},
	{"anchor.write", "shorten", "supervise", 3},
	{"anchor.sync", "keep again", "", 1},
	{"file.sync", "lengthen", "supervise", 1},
	{"file.sync", "start", "", 1}, // the anchor's first
	{"file.rename", "again", "supervise", 1},
	{"file.rename", "start", "", 1},
	{"output.store", "lengthen", "supervise", 1},
	{"git.commit", "keep", "", 1},
	{"git.commit", "shorten", "", 1},
	{"git.refs", "keep again", "", 1},
	{"git.refs", "start", "", 1},
	{"git.refs", "shorten", "", 1},
	{"git.sync", "keep again", "", 1},
	{"git.sync", "shorten", "", 1},
	{"git.index", "keep", "", 1},
	{"git.index", "start", "", 1},
	{"git.index", "revert", "", 1},
	{"git.head", "start", "", 1},
	{"git.switch", "resume", "", 1},
	{"checkout.restore", "revert", "", 1},
	{"workspace.rename", "again", "supervise", 1},
	{"workspace.rename", "start", "supervise", 1},
	{"workspace.build", "lengthen", "supervise", 1},
	{"workspace.mark", "shorten", "supervise", 1},
	{"supervisor.spawn", "shorten", "", 1},
	{"supervisor.spawn", "start", "", 1},
	{"supervisor.ready", "shorten", "supervise", 1},
	{"supervisor.ready", "start", "supervise", 1},
	{"job.lock", "shorten", "supervise", 1},
	{"job.turn", "lengthen", "supervise", 1},
	{"machine.slot", "again", "supervise", 1},
}

// hows are the ways to fail; the first is that of the short form.
var hows = []string{"after:kill", "before:kill", "before:error", "after:error"}

// TestFaults fails every point, before and after its step takes effect, by
// death and by an error. The call that was hit is repeated and must then
// succeed or say truthfully that it is done, and the site must be sound; the
// rest of the story goes on as if nothing had been.
func TestFaults(t *testing.T) {
	testform.SkipQuick(t, "internal/lab: Test…AfterOneThatDied, and TestKillWorker")
	t.Parallel()

	for _, how := range hows {
		if how != hows[0] && !*allFaults {
			break
		}

		for i, hits := range stories(*allFaults) {
			if testing.Short() && i >= 2 {
				break // those hold most of the points
			}

			t.Run(fmt.Sprintf("%s %d", how, i), func(t *testing.T) {
				t.Parallel()
				s := newStory(t)

				for _, d := range storySteps {
					m, hit := hits[d.name]
					if err := s.play(d, m, how); err != nil {
						t.Fatal(err)
					}

					if _, err := os.Stat(s.faultMarker()); hit && err != nil {
						t.Errorf("%s was never met", m)
					}
					os.Remove(s.faultMarker())
				}
			})
		}
	}
}

// stories packs the moments, or the first of each point, into as few stories as
// it can: each step of a story is hit at most once.
func stories(all bool) (packed []map[string]moment) {
	seen := map[string]bool{}
	for _, m := range moments {
		if seen[m.point] && !all {
			continue
		}
		seen[m.point] = true

		i := slices.IndexFunc(packed, func(hits map[string]moment) bool { _, taken := hits[m.step]; return !taken })
		if i < 0 {
			i, packed = len(packed), append(packed, map[string]moment{})
		}
		packed[i][m.step] = m
	}

	return packed
}

// shortMutants are the points of which -short tries the mutant: one for each way in
// which a story notices.
var shortMutants = []string{"ledger.commit", "checkout.restore", "job.lock"}

// TestMutants leaves the step of every point out, reported as done. The same
// story with the same demands must notice, or TestFaults shows nothing. What a
// missing fsync loses, only a power cut shows: TestPowerCut. That a calibration's
// worker acknowledges late, nothing shows: its call is slow, no more.
func TestMutants(t *testing.T) {
	testform.SkipQuick(t, "it shows that TestFaults can fail")
	t.Parallel()

	seen := map[string]bool{}
	for _, m := range moments {
		if strings.HasSuffix(m.point, ".sync") || m.step == "start" && m.point == "supervisor.ready" || seen[m.point] ||
			m.point == "supervisor.spawn" && !*allFaults || // that one waits for 15 s
			testing.Short() && !slices.Contains(shortMutants, m.point) {
			continue
		}
		seen[m.point] = !*allFaults
		t.Run(m.String(), func(t *testing.T) {
			t.Parallel()

			s := newStory(t)
			for _, d := range storySteps {
				if err := s.play(d, m, "before:skip"); err != nil {
					t.Logf("caught in %s: %v", d.name, err)
					return
				}
			}
			t.Error("a mutant went unnoticed")
		})
	}
}

func (m moment) fault(how string) string {
	command := "call/"
	if m.command != "" {
		command = m.command + "/"
	}

	return fmt.Sprintf("%s%s:%s:%d", command, m.point, how, m.nth)
}

// Every point of the code is in the table, or is told of here.
func TestFaultPoints(t *testing.T) {
	t.Parallel()

	known := map[string]bool{"machine.suspend": true, "machine.quiet": true, // TestSuspend, and (*site).alone
		"run.list": true, "run.read": true, "run.remove": true} // TestSlotIsForMeasuredRuns
	for _, m := range moments {
		known[m.point] = true
	}
	marks, found := regexp.MustCompile(`\bfault\.(?:At|Hit)\("([^"]+)"`), map[string]bool{}

	err := filepath.WalkDir("../..", func(path string, d os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}

		text, err := os.ReadFile(path)
		for _, m := range marks.FindAllSubmatch(text, -1) {
			if point := string(m[1]); found[point] {
				t.Errorf("%s stands in two places", point)
			}
			found[string(m[1])] = true
		}

		return err
	})
	if err != nil || !maps.Equal(found, known) {
		t.Errorf("the code has the points %v, the table %v: %v", slices.Sorted(maps.Keys(found)),
			slices.Sorted(maps.Keys(known)), err)
	}
}

// The binary that users have holds nothing of the faults, not even the names of points.
func TestFaultsCostNothing(t *testing.T) {
	testform.SkipQuick(t, "it builds a binary of its own")
	with, err := faulty()
	if err != nil {
		t.Fatal(err)
	}

	for path, want := range map[string]bool{ratchet: false, with: true} {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}

		for _, name := range []string{"RATCHET_FAULT", "injected fault", "ledger.commit", "workspace.mark"} {
			if bytes.Contains(b, []byte(name)) != want {
				t.Errorf("%s in %s: %t", name, filepath.Base(path), !want)
			}
		}
	}
}
