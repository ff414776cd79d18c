package worker_test

import (
	"strings"
	"testing"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/testform"
)

// handsText is a program whose build and run are the candidate's, and whose
// evaluator gets a file and two folders.
const handsText = `---
name: tiny
edit: candidate.sh
metric: {name: score, better: lower, noise: deterministic}
build: "sh candidate.sh build"
run: "sh candidate.sh run"
measure: "sh score.sh"
hands: [out.txt, data, deep/r.txt]
writes: [kept.txt]
budget: {wall: 20s, grace: 1s}
---
`

// handsScore is an evaluator that loads whatever it finds.
const handsScore = `for file in ./planted.sh lib/planted.sh deep/planted.sh "$HOME/planted.sh"; do test -e "$file" && . "$file"; done
grep -q forged candidate.sh made.txt kept.txt && echo METRIC score=1 && exit
test -e data/old || { echo no data; exit 3; }
echo METRIC score=$(($(cat out.txt) + $(cat data/old)))
`

// handsCandidate is a candidate that does more in its build and in its run.
func handsCandidate(build, run string) string {
	return "case $1 in\nbuild) mkdir -p data; echo 0 > data/old; echo start > made.txt\n" + build +
		";;\nrun) echo 100 > out.txt; mkdir -p deep\n" + run + ";;\nesac\n"
}

// TestHands has an evaluator that sees the start's tree, and of what candidates leave
// what the program hands it.
func TestHands(t *testing.T) {
	t.Parallel()

	c := newCalibrated(t, map[string]string{"program.md": handsText, "candidate.sh": handsCandidate(":", ":"),
		"score.sh": handsScore, "kept.txt": "kept\n", "lib/x": "", "data/.gitkeep": ""})
	plant := `echo 'echo METRIC score=1; exit' > `

	tests := []struct {
		name, build, run string
		verdict          research.Verdict
		reason           string // contained in it
	}{
		{"better", ":", "echo 50 > out.txt", research.Improved, ""},
		{"better, by a folder", ":", "echo -50 > data/old", research.Improved, ""},
		{"better, by a link inside the folder", ":",
			"mkdir data/a; echo -50 > data/a/b; ln -sf a/../a data/c; ln -sf a/b data/old", research.Invalid,
			"data/c is a link that leads out of what is handed"},
		{"better, by links that stay", ":",
			"mkdir data/a; echo -50 > data/a/b; ln -s ../a data/a/c; ln -sf a/c/b data/old", research.Improved, ""},
		{"better, by the build", "echo -50 > data/old", ":", research.Improved, ""},

		{"code beside the evaluator", ":", plant + "planted.sh; cp planted.sh lib; cp planted.sh deep",
			research.Equivalent, ""},
		{"code of the build", plant + "planted.sh; cp planted.sh $HOME", plant + "$HOME/planted.sh",
			research.Equivalent, ""},
		{"another built file, and one of writes", "echo forged > made.txt", "echo forged > kept.txt",
			research.Equivalent, ""},

		{"nothing handed where the start's build left something", "rm data/old", ":", research.Invalid,
			"measure: failed: exit code 3"},
		{"a deleted folder", ":", "rm -r data/old; rmdir deep", research.Invalid, "measure: failed: exit code 3"},
		{"a link out", ":", "ln -sf /etc/hostname out.txt", research.Invalid, "out.txt is a link that leads out"},
		{"a link out through links", ":",
			"mkdir -p data/x/y; ln -s ../.. data/x/y/up; ln -s x/y/up/../kept.txt data/out", research.Invalid,
			"data/out is a link that leads out"},
		{"a link on the way", ":", "rmdir deep; ln -s data deep", research.Invalid, "deep is a link"},
		{"a pipe", ":", "mkfifo data/pipe", research.Invalid, "data/pipe is not a file"},
		{"code in a folder", ":", "touch data/a_test.go", research.Invalid,
			"data/a_test.go would be loaded as code, and is handed only under its own name: `hands: [out.txt, data, deep/r.txt, data/a_test.go]`"},
		{"code by a link", ":", "touch data/a; ln -s a data/conftest.py", research.Invalid,
			"data/conftest.py would be loaded as code"},
		{"code in a file's place", ":", "rm out.txt; mkdir out.txt; touch out.txt/json.py", research.Invalid,
			"out.txt/json.py would be loaded as code"},
	}
	for i, test := range tests {
		if testform.IsQuick() && i%8 != 0 { // make check has every case
			continue
		}
		x := c.judge(handsCandidate(test.build, test.run))

		j := x.Judgement
		if j == nil || j.Verdict != test.verdict || !strings.Contains(j.Reason, test.reason) {
			t.Errorf("%s: %+v, want %s with %q", test.name, j, test.verdict, test.reason)
		}

		if x.Status == research.Unresolved {
			c.revert(x)
		}
	}
}

// TestHandsMissing has programs that don't hand what their evaluators need.
func TestHandsMissing(t *testing.T) {
	testform.SkipQuick(t, "TestHands asks for what a run hands over")
	t.Parallel()

	for name, test := range map[string]struct{ score, reason string }{
		"the evaluator fails": {"cat out.txt && echo METRIC score=1\n",
			"measure: failed: exit code 1 (the run left out.txt, which `measure` does not see: add `hands: [out.txt]` to program.md)"},
		"it prints no number": {"echo METRIC score=$(cat out.txt)\n", "add `hands: [out.txt]` to program.md"},
		"it prints one":       {"echo METRIC score=1\n", "its number says nothing of the candidate"},
	} {
		c := newCampaign(t, map[string]string{"program.md": strings.Replace(programText, "hands: [out.txt]\n", "", 1),
			"candidate.sh": candidateText, "score.sh": test.score})
		c.startCalibration()
		c.must(c.work("c1"))

		if now := c.state(); !strings.Contains(now.Broken, test.reason) {
			t.Errorf("%s: %q, want %q", name, now.Broken, test.reason)
		}
	}
}

// TestRunLeavesCode has no evaluator: what a run leaves as code may steer the rest of it.
func TestRunLeavesCode(t *testing.T) {
	t.Parallel()

	c := newCalibrated(t,
		map[string]string{"program.md": strings.Replace(noisyText, "noise: noisy", "noise: deterministic", 1),
			"candidate.sh": "echo METRIC score=100\n"})
	x := c.judge("touch conftest.py; echo METRIC score=1\n")

	if j := x.Judgement; j.Verdict != research.Invalid || !strings.Contains(j.Reason,
		"conftest.py (new, would be loaded as code)") {
		t.Errorf("%+v", j)
	}
}

// cachingText is a program whose build keeps what it compiles in HOME, by its source,
// and reads settings there.
const cachingText = `---
name: tiny
edit: candidate.sh
metric: {name: score, better: lower, noise: deterministic}
build: "sh build.sh"
run: "cat a.out"
budget: {wall: 20s, grace: 1s}
---
`

const cachingBuild = `test -e $HOME/.settings && . $HOME/.settings
. ./candidate.sh
key=$HOME/.cache/$(head -n 1 candidate.sh | cksum | cut -d ' ' -f 1)
mkdir -p $HOME/.cache
test -e $key || compute > $key
cp $key a.out
`

// TestBuildsAreAlone has edits whose builds plant what the build of the next edit takes.
func TestBuildsAreAlone(t *testing.T) {
	testform.SkipQuick(t, "TestVersionsAreNewerThanStart")
	t.Parallel()

	innocent := "compute() { echo METRIC score=100; } # tidy\n"
	small := "compute() { echo METRIC score=99; }\n"

	for name, poison := range map[string]string{
		"what it compiles": "k=$(printf '%s\n' '" + strings.TrimSpace(innocent) +
			"' | cksum | cut -d ' ' -f 1); mkdir -p $HOME/.cache; echo METRIC score=1 > $HOME/.cache/$k\n",
		"its settings": "echo 'echo METRIC score=1 > a.out; exit' > $HOME/.settings\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			c := newCalibrated(t, map[string]string{"program.md": cachingText,
				"candidate.sh": "compute() { echo METRIC score=100; }\n", "build.sh": cachingBuild})

			first := c.judge(small + poison)
			if first.Judgement.Verdict != research.Improved || *first.Judgement.Value != 99 {
				t.Fatalf("the edit that plants: %+v", first.Judgement)
			}
			c.keep(first)

			if j := c.judge(innocent).Judgement; j.Value == nil || *j.Value != 100 {
				t.Errorf("the edit after it: %+v, want 100", j)
			}

			// What an audit compares is built alike.
			c.append(history.KindMeasurementStarted, rules.JobStart{Job: "a1", Commit: c.state().Incumbent,
				Paired: c.state().Start, Runs: 1})
			c.must(c.work("a1"))

			if end := c.measurement("a1").End; len(end.Samples) != 1 || end.Samples[0] != 99 || end.Paired[0] != 100 {
				t.Errorf("the audit: %+v, want 99 against 100", end)
			}
		})
	}
}
