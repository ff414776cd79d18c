package worker_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/testform"
)

// cachedText is a program whose number goes through everything that is cached: the
// start's files, what the setup made of them, and what the build made.
const cachedText = `---
name: tiny
edit: candidate.sh
metric: {name: score, better: lower, noise: deterministic}
setup: "cp value.txt setup.txt"
build: "cp value.txt built.txt"
run: "sh candidate.sh; echo METRIC score=$(cat value.txt)$(cat setup.txt)$(cat built.txt)"
budget: {wall: 20s, grace: 1s}
---
`

func cachedFiles(value string) map[string]string {
	return map[string]string{"program.md": cachedText, "candidate.sh": "#\n", "value.txt": value + "\n"}
}

// incumbentValue is what the calibration found.
func (c *campaign) incumbentValue() float64 { return c.state().Rule.Incumbent }

// workspaceDir is the folder of the campaign's workspace.
func (c *campaign) workspaceDir() string {
	c.t.Helper()
	dir, err := c.CacheDir()
	c.must(err)

	return filepath.Join(dir, "tiny")
}

// one is the only path that a pattern in the workspace finds.
func (c *campaign) one(pattern string) string {
	c.t.Helper()

	found, err := filepath.Glob(filepath.Join(c.workspaceDir(), pattern))
	c.must(err)

	if len(found) != 1 {
		c.t.Fatalf("%s: %v, want one", pattern, found)
	}

	return found[0]
}

// TestRepositoryMadeAnew makes another repository at the path of one that was measured.
func TestRepositoryMadeAnew(t *testing.T) {
	t.Parallel()

	c := newCalibrated(t, cachedFiles("1"))
	if got := c.incumbentValue(); got != 111 {
		t.Fatalf("the first repository gives %v", got)
	}

	c.must(checkout.RemoveTree(c.Root()))
	c.must(os.Mkdir(c.Root(), 0o777))
	again := newCheckoutIn(t, c.Root(), cachedFiles("2"))
	again.start()
	again.startCalibration()
	again.must(again.work("c1"))

	if got := again.incumbentValue(); got != 222 {
		t.Errorf("another repository at the same path gives %v", got)
	}
}

// TestLedgerRemoved begins a campaign of the same name in the same repository on
// another start, after its ledger was removed.
func TestLedgerRemoved(t *testing.T) {
	t.Parallel()

	c := newCalibrated(t, cachedFiles("1"))
	writeFile(t, filepath.Join(c.Root(), "value.txt"), "3\n")
	runGit(t, c.Root(), "commit", "-qam", "another start")
	c.must(os.Remove(filepath.Join(c.Repo.CommonDir(), "ratchet", "ledger.db")))
	c.must(os.Remove(filepath.Join(c.Repo.CommonDir(), "ratchet", "ledger.head")))
	runGit(t, c.Root(), "update-ref", "-d", "refs/ratchet/tiny/incumbent")

	again := openCheckout(t, c.Root())
	again.start()
	again.startCalibration()
	again.must(again.work("c1"))

	if got := again.incumbentValue(); got != 333 {
		t.Errorf("another start of the same name gives %v", got)
	}
}

// TestWrongStamp puts other files, with the stamp of something else, where the
// workspace looks for its own.
func TestWrongStamp(t *testing.T) {
	t.Parallel()

	c := newCalibrated(t, cachedFiles("1"))
	for _, pattern := range []string{"base.*/stamp", "setup.*/stamp", "v/*/stamp"} {
		stamp := c.one(pattern)
		text, err := os.ReadFile(stamp)
		c.must(err)
		writeFile(t, stamp, string(text)+"tree \"another\"\n")

		value := filepath.Join(filepath.Dir(stamp), map[string]string{"base.*/stamp": "tree/value.txt",
			"setup.*/stamp": "tree/setup.txt", "v/*/stamp": "build/built.txt"}[pattern])
		writeFile(t, value, "7\n")
	}

	c.append(history.KindMeasurementStarted, rules.JobStart{Job: "m1", Commit: c.state().Incumbent, Runs: 1})
	c.must(c.work("m1"))

	if end := c.measurement("m1").End; !slices.Equal(end.Samples, []float64{111}) {
		t.Errorf("with stamps of something else: %v %s", end.Samples, end.Failed)
	}
}

// keptTexts are programs whose build keeps copies of the edited file in HOME, and goes
// by what tools go by to tell whether a copy is current.
func keptTexts() map[string]string {
	const head = "---\nname: tiny\nedit: candidate.sh\nmetric: {name: score, better: lower, noise: deterministic}\n"
	const tail = "run: \"sh built.sh\"\nbudget: {wall: 20s, grace: 1s}\n---\n"

	return map[string]string{
		"as Python: size and whole second": head + "build: 'k=$HOME/$(stat -c %s.%Y candidate.sh); " +
			"[ -e $k ] || cp candidate.sh $k; cp $k built.sh'\n" + tail,
		"as make: newer": head + "build: '[ $HOME/kept.sh -nt candidate.sh ] || cat candidate.sh > $HOME/kept.sh; " +
			"cp $HOME/kept.sh built.sh'\n" + tail,
		"as ninja: exact time, known by path": head + "build: 'stat -c %Y candidate.sh > now; " +
			"cmp -s now $HOME/log || { cat candidate.sh > $HOME/kept.sh; cp now $HOME/log; }; cp $HOME/kept.sh built.sh'\n" +
			tail,
	}
}

// TestKeptBuilds judges edits of one size as fast as they come, keeps them, and
// measures the start again at the end: each gives its own number.
func TestKeptBuilds(t *testing.T) {
	testform.SkipQuick(t, "TestVersionsAreNewerThanStart")
	t.Parallel()

	for name, text := range keptTexts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			score := func(n int) string { return fmt.Sprintf("echo METRIC score=%3d\n", n) }
			c := newCalibrated(t, map[string]string{"program.md": text, "candidate.sh": score(900)})

			for n := 899; n > 895; n-- {
				x := c.judge(score(n))
				if x.Judgement.Value == nil || *x.Judgement.Value != float64(n) {
					t.Fatalf("an edit that prints %d: %+v", n, x.Judgement)
				}
				c.keep(x)
			}

			c.append(history.KindMeasurementStarted, rules.JobStart{Job: "a1", Commit: c.state().Incumbent,
				Paired: c.state().Start, Runs: 1})
			c.must(c.work("a1"))

			end := c.measurement("a1").End
			if !slices.Equal(end.Samples, []float64{896}) || !slices.Equal(end.Paired, []float64{900}) {
				t.Errorf("the audit: %v against %v, %s", end.Samples, end.Paired, end.Failed)
			}
		})
	}
}

// TestChecksSeeStartsCheck has checks that look at what checks left in HOME: they find the
// start's, no other edit's, and a run finds nothing of them.
func TestChecksSeeStartsCheck(t *testing.T) {
	testform.SkipQuick(t, "TestBuildsSeeStartsCaches, of builds")
	t.Parallel()

	const text = "---\nname: tiny\nedit: candidate.sh\nmetric: {name: score, better: lower, noise: deterministic}\n" +
		"check: 'k=$(sed -n 1p candidate.sh | tr -cd a-z0-9); [ $k = edit9 ] || { [ -e $HOME/by-edit9 ] && " +
		"[ ! -e $HOME/by-edit8 ]; } && touch $HOME/by-$k'\n" +
		"run: '[ ! -e $HOME/by-edit9 ] && sh candidate.sh'\nbudget: {wall: 20s, grace: 1s}\n---\n"

	edit := func(n int) string { return fmt.Sprintf("# edit%d\necho METRIC score=%d\n", n, n) }
	c := newCalibrated(t, map[string]string{"program.md": text, "candidate.sh": edit(9)})

	for _, n := range []int{8, 7} {
		if x := c.judge(edit(n)); x.Judgement.Value == nil || *x.Judgement.Value != float64(n) {
			t.Fatalf("edit %d: %+v", n, x.Judgement)
		}
	}
}

// TestBuildsSeeStartsCaches has builds that list HOME: whatever was kept before, each finds
// what the start's build left there, and nothing else.
func TestBuildsSeeStartsCaches(t *testing.T) {
	testform.SkipQuick(t, "TestVersionsAreNewerThanStart")
	t.Parallel()

	const text = "---\nname: tiny\nedit: candidate.sh\nmetric: {name: score, better: lower, noise: deterministic}\n" +
		"build: 'ls $HOME > seen; touch $HOME/by-$(sed -n 1p candidate.sh | tr -cd a-z0-9)'\n" +
		"run: sh candidate.sh\nbudget: {wall: 20s, grace: 1s}\n---\n"

	edit := func(n int, expected string) string {
		return fmt.Sprintf("# edit%d\necho METRIC score=%d; test \"$(cat seen)\" = '%s'\n", n, n, expected)
	}
	c := newCalibrated(t, map[string]string{"program.md": text, "candidate.sh": edit(900, "")})

	for n := 899; n > 897; n-- {
		x := c.judge(edit(n, "by-edit900"))
		if x.Judgement.Value == nil || *x.Judgement.Value != float64(n) {
			t.Fatalf("edit %d: its build saw another cache than the start's: %+v", n, x.Judgement)
		}
		c.keep(x)
	}
}

// TestVersionsAreNewerThanStart has a build that goes by time alone, in whole seconds, and
// takes what the start's build kept where that is not older than the edited file. In a new
// workspace a version is made right after the start's build, so only its date tells them apart.
func TestVersionsAreNewerThanStart(t *testing.T) {
	t.Parallel()

	const text = "---\nname: tiny\nedit: candidate.sh\nmetric: {name: score, better: lower, noise: deterministic}\n" +
		"build: '[ \"$(stat -c %Y $HOME/kept.sh)\" -ge $(stat -c %Y candidate.sh) ] || cp candidate.sh $HOME/kept.sh; " +
		"cp $HOME/kept.sh built.sh'\nrun: \"sh built.sh\"\nbudget: {wall: 20s, grace: 1s}\n---\n"

	score := func(n int) string { return fmt.Sprintf("echo METRIC score=%3d\n", n) }
	c := newCalibrated(t, map[string]string{"program.md": text, "candidate.sh": score(900)})

	for n := 899; n > 897; n-- {
		c.must(checkout.RemoveTree(c.workspaceDir()))

		x := c.judge(score(n))
		if x.Judgement.Value == nil || *x.Judgement.Value != float64(n) {
			t.Fatalf("an edit that prints %d: %+v", n, x.Judgement)
		}
		c.revert(x)
	}
}

// TestTimesOfVersions has versions made one right after the other: their files'
// times are whole seconds, later than the start's build, and each its own.
func TestTimesOfVersions(t *testing.T) {
	testform.SkipQuick(t, "TestVersionsAreNewerThanStart")
	t.Parallel()

	c := newCalibrated(t, tinyFiles())

	built, err := os.Stat(c.one("v/*/built"))
	c.must(err)
	seen, last := map[time.Time]bool{}, built.ModTime()

	for n := range 3 {
		x := c.judge(edited("a=50", fmt.Sprintf("a=%d", 40-n)))
		c.keep(x)

		var newest time.Time
		found, err := filepath.Glob(filepath.Join(c.workspaceDir(), "v/*/delta/candidate.sh"))
		c.must(err)

		for _, file := range found {
			info, err := os.Stat(file)
			c.must(err)

			at := info.ModTime()
			if at.Nanosecond() != 0 || at.After(time.Now()) {
				t.Errorf("a version's file is dated %v", at)
			}
			seen[at] = true

			if at.After(newest) {
				newest = at
			}
		}

		if !newest.After(last) {
			t.Errorf("version %d is dated %v, not after %v", n, newest, last)
		}
		last = newest
	}

	if len(seen) != 3 {
		t.Errorf("three versions have the times %v", slices.Collect(maps.Keys(seen)))
	}
}

// TestSetupOfEachCheckout runs the setup, which writes the path it runs at, in a second
// checkout again.
func TestSetupOfEachCheckout(t *testing.T) {
	testform.SkipQuick(t, "TestRepositoryMadeAnew")
	t.Parallel()

	files := tinyFiles()
	files["program.md"] = strings.Replace(strings.Replace(programText, "echo dependency > dependency.txt",
		"pwd > dependency.txt", 1), "cat dependency.txt &&", "test $(cat dependency.txt) = $PWD &&", 1)
	c := newCalibrated(t, files)

	beside := filepath.Join(t.TempDir(), "beside")
	runGit(t, c.Root(), "worktree", "add", "-q", "--detach", beside, c.state().Incumbent)
	second := openCheckout(t, beside)

	x := second.judge(edited("a=50", "a=10"))
	if x.Judgement.Verdict != research.Improved {
		t.Errorf("in a second checkout: %+v", x.Judgement)
	}
}
