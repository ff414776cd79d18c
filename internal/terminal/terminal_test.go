package terminal_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/checkout/checkouttest"
	"ratchet/internal/job"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/screen"
	"ratchet/internal/terminal"
	"ratchet/internal/view"
)

func TestMain(m *testing.M) { checkouttest.Main(m) }

func ptr[T any](v T) *T { return &v }

// colored is the layout where colours are asked for and nothing is a terminal.
func colored(t *testing.T, width int) terminal.Layout {
	t.Helper()
	t.Setenv("COLUMNS", strconv.Itoa(width))

	v, person, err := terminal.Options{Out: &bytes.Buffer{}, Color: terminal.ColorAlways}.Layout()
	if err != nil || !person {
		t.Fatalf("no layout for a person: %v", err)
	}

	return v
}

var colours = regexp.MustCompile(`\x1b\[[0-9]*m`)

// plain is what is left of lines without their colours, each with its newline.
func plain(lines []string) string {
	return colours.ReplaceAllString(strings.Join(lines, "\n"), "") + "\n"
}

func experiment(n int, status research.Status, hypothesis string, j *rules.Judgement) history.Experiment {
	return history.Experiment{Proposal: history.Proposal{N: n, Hypothesis: hypothesis, Candidate: "c0ffee0123456789"},
		Session: "quietotter", Status: status, Judgement: j}
}

// brief is a campaign of an exact metric with something in each part.
func brief() *view.Brief {
	gain := &research.Interval{Mid: .5, Lo: .5, Hi: .5}

	return &view.Brief{
		Campaign: history.Campaign{Name: "sort-speed", Experiments: 3, Kept: 1,
			Program: contract.Program{Name: "sort-speed",
				Metric: contract.Metric{Name: "size", Better: research.Lower, Unit: "bytes"}},
			Rule: rules.RuleState{NoiseKind: research.Deterministic, Scale: "linear"}},
		Edit: []string{"/src/sort.go"}, Best: ptr(20.), Baseline: ptr(81.),
		Running: []job.RunningJob{{ID: "x3", Phase: "run 2", Elapsed: 61.7}},
		Recent: []history.Experiment{
			experiment(3, research.Running, "unroll the \x1b[31minner loop\nof the sort, which branches too often",
				nil),
			experiment(2, research.Reverted, "longer",
				&rules.Judgement{N: 2, Verdict: research.Regressed, Value: ptr(44.)}),
			experiment(1, research.Kept, "drop the end",
				&rules.Judgement{N: 1, Verdict: research.Improved, Value: ptr(20.),
					Gain: gain, Scale: "log"})},
		Lessons: []history.Lesson{{N: 1, Text: "words cost bytes", Experiment: 2}},
		Notes:   []view.NoteView{{Note: history.Note{N: 1, Text: "mind the cache"}, Unheard: true}},
		Left:    checkout.Left{Experiments: 1, Hours: 1.5}, Changed: true, Merge: "git merge ratchet/done",
		Next: "wait_run{}",
	}
}

const wantStatus = `sort-speed
your next step: git merge ratchet/done
metric  size, lower is better, in bytes
start   81 bytes
best    20 bytes
so far  3 experiments, 1 kept
left    1 experiment, 1 h 30 min
edit    /src/sort.go
program.md's contract differs from the accepted one: no run until a person
  accepts it
> x3, run 2, 1 min 02 s

n  verdict      status    from → to     change  hypothesis
3  > running    running           -          -  unroll the inner loop of the so…
2  - regressed  reverted   44 bytes          -  longer
1  + improved   kept       20 bytes  50 % less  drop the end

note 1 (not told yet): mind the cache
lesson (x2): words cost bytes

the agent's next step: wait_run{}
`

func TestStatus(t *testing.T) {
	if got := plain(colored(t, 80).RenderStatus(brief())); got != wantStatus {
		t.Errorf("the status is\n%s\nwant\n%s", got, wantStatus)
	}

	b := brief()
	b.Campaign.Ended, b.Notes[0].Unheard = "budget", false

	got := colored(t, 80).RenderStatus(b)
	if got[0] != "\x1b[1msort-speed\x1b[0m\x1b[33m  ended: budget\x1b[0m" {
		t.Errorf("the title of an ended campaign is %q", got[0])
	}

	if !slices.Contains(got, "note 1 (told): mind the cache") {
		t.Errorf("the note that was told is not there:\n%s", plain(got))
	}
}

// TestNoisyValues: a table of a noisy metric has the values, the change, and its
// interval in a column of its own.
func TestNoisyValues(t *testing.T) {
	b := brief()
	b.Campaign.Rule.NoiseKind = research.Noisy
	b.Recent[2].Judgement = &rules.Judgement{N: 1, Verdict: research.Improved, Value: ptr(262.), Baseline: ptr(299.),
		Gain: &research.Interval{Mid: .12, Lo: .09, Hi: .15}, Scale: "log", Pairs: 6}

	got := plain(colored(t, 120).RenderLog(b, &view.Page{Experiments: b.Recent}, ""))
	for _, want := range []string{"from → to", "90 %", "299 → 262 bytes  12 % less  9..15  drop the end"} {
		if !strings.Contains(got, want) {
			t.Errorf("the table lacks %q:\n%s", want, got)
		}
	}
}

// TestLogAtEachWidth: columns are left out in their order before a number is cut.
func TestLogAtEachWidth(t *testing.T) {
	b := brief()
	page := &view.Page{Experiments: b.Recent, Next: "c7"}

	for width, want := range map[int]string{
		40: `n  verdict         change  hypothesis
3  > running            -  unroll the i…
2  - regressed          -  longer
1  + improved   50 % less  drop the end
of 3; older ones: ratchet log --cursor
  c7 "two words"
`,
		120: `n  verdict      status    from → to     change  hypothesis
3  > running    running           -          -  unroll the inner loop of the sort, which branches too often
2  - regressed  reverted   44 bytes          -  longer
1  + improved   kept       20 bytes  50 % less  drop the end
of 3; older ones: ratchet log --cursor c7 "two words"
`,
	} {
		if got := plain(colored(t, width).RenderLog(b, page, "two words")); got != want {
			t.Errorf("at %d columns the log is\n%s\nwant\n%s", width, got, want)
		}
	}
}

func TestNothingIsWiderThanTheTerminal(t *testing.T) {
	b, d := brief(), detail()
	imports := &view.ImportPage{Sources: importSources, Lines: importLines, Next: "i3"}

	for _, width := range []int{40, 80, 120} {
		v := colored(t, width)

		for name, lines := range map[string][]string{"status": v.RenderStatus(b), "experiment": v.RenderExperiment(d),
			"imports": v.RenderImportPage(imports), "log": v.RenderLog(b, &view.Page{Experiments: b.Recent, Next: "c7"}, "words")} {
			for _, line := range lines {
				if screen.TextWidth(line) > width {
					t.Errorf("%s at %d columns has %d: %q", name, width, screen.TextWidth(line), line)
				}
			}
		}
	}
}

func TestVerdictsHaveSignsAndColours(t *testing.T) {
	for verdict, want := range map[research.Verdict]string{
		research.Improved: "\x1b[32m+ improved\x1b[0m", research.Provisional: "\x1b[32m~ provisional\x1b[0m",
		research.Equivalent: "= equivalent", research.Regressed: "\x1b[31m- regressed\x1b[0m",
		research.Inconclusive: "\x1b[33m? inconclusive\x1b[0m", research.Invalid: "\x1b[31m! invalid\x1b[0m",
		"": "\x1b[36m> running\x1b[0m",
	} {
		d := &view.Detail{Experiment: experiment(7, research.Unresolved, "try", &rules.Judgement{Verdict: verdict})}
		if got := colored(t, 80).RenderExperiment(d)[0]; !strings.HasPrefix(got, "\x1b[1mx7\x1b[0m  "+want+"  ") {
			t.Errorf("%q is shown as %q", verdict, got)
		}
	}
}

func TestEmptyLog(t *testing.T) {
	for query, want := range map[string]string{"": "no experiments yet\n", "fast": "no experiment mentions fast\n"} {
		if got := plain(colored(t, 80).RenderLog(brief(), &view.Page{}, query)); got != want {
			t.Errorf("a search for %q shows %q, want %q", query, got, want)
		}
	}
}

var (
	importSources = []history.ImportSource{{Source: "results.tsv", Format: "tsv", Lines: 2, Runs: 1, Broken: 1}}
	importLines   = []history.Import{
		{Source: "results.tsv", LineNumber: 2, Kind: history.ImportRun, Status: "keep", Value: ptr(1.5),
			Description: "a \x1b[1mthing"},
		{Source: "results.tsv", LineNumber: 3, Kind: history.ImportBroken, Broken: "three columns"}}
)

func TestImportPage(t *testing.T) {
	p := &view.ImportPage{Sources: importSources, Lines: importLines, Next: "i3"}
	want := `results.tsv (tsv): lines 2, runs 1, not understood 1

from other programs' logs, no evidence:
imported       said            self-reported  text
results.tsv:2  keep                      1.5  a thing
results.tsv:3  not understood              -  three columns
older ones: ratchet log --imported --cursor i3
`

	if got := plain(colored(t, 80).RenderImportPage(p)); got != want {
		t.Errorf("the page is\n%s\nwant\n%s", got, want)
	}
}

func detail() *view.Detail {
	x := experiment(2, research.Reverted, "longer", &rules.Judgement{N: 2, Verdict: research.Regressed, Value: ptr(44.),
		Baseline: ptr(20.), Gain: &research.Interval{Mid: -.5, Lo: -.625, Hi: -.25}, Scale: "linear",
		Reason: "it grew"})
	x.Lesson, x.Added, x.Removed = "words cost bytes", 3, 1
	x.ProposedAt = time.Date(2026, 11, 23, 12, 0, 0, 0, time.Local)

	run := rules.Run{Role: research.Confirm, Side: rules.Candidate, Valid: true, Wall: 2,
		Samples: map[string]float64{"size": 44}}
	again, busy, broken := run, run, run
	again.Again, busy.Contended, busy.Reason = true, true, "by two others"
	broken.Valid, broken.Samples, broken.Reason = false, nil, "exit 1"
	runs := []rules.Run{run, again, busy, broken}
	for i := range runs {
		runs[i].Number = i + 1
	}

	return &view.Detail{Experiment: x, Metric: contract.Metric{Name: "size", Unit: "bytes"}, Runs: runs, Exact: true,
		Files: []string{"sort.go"},
		Diff:  "diff --git a/sort.go b/sort.go\n--- a/sort.go\n+++ b/sort.go\n@@ -1 +1 @@\n-old\n+new \x1b[2Jx\n same\n"}
}

const wantExperiment = `x2  - regressed  reverted
hypothesis  longer
found       worse: size 20 → 44 bytes, 24 bytes more measured; estimated 0.5
            bytes more (90 %: 0.25..0.62)
reason      it grew
lesson      words cost bytes
by          quietotter, 2026-11-23 12:00
candidate   c0ffee012345
changed     +3 -1 sort.go

run  role     side       size  wall  note
  1  confirm  candidate    44   2 s
  2  confirm  candidate    44   2 s  made again
  3  confirm  candidate    44   2 s  contended by two others
  4  confirm  candidate     -   2 s  exit 1

diff --git a/sort.go b/sort.go
--- a/sort.go
+++ b/sort.go
@@ -1 +1 @@
-old
+new x
 same
`

func TestExperiment(t *testing.T) {
	lines := colored(t, 80).RenderExperiment(detail())
	if got := plain(lines); got != wantExperiment {
		t.Errorf("the experiment is\n%s\nwant\n%s", got, wantExperiment)
	}

	for _, want := range []string{"\x1b[2m+++ b/sort.go\x1b[0m", "\x1b[36m@@ -1 +1 @@\x1b[0m", "\x1b[31m-old\x1b[0m",
		"\x1b[32m+new x\x1b[0m", " same",
		"  3  confirm  candidate    44   2 s  \x1b[33mcontended by two others\x1b[0m",
		"  4  confirm  candidate     -   2 s  \x1b[31mexit 1\x1b[0m"} {
		if !slices.Contains(lines, want) {
			t.Errorf("the line %q is not there in these colours", want)
		}
	}
}

func TestOutput(t *testing.T) {
	for total, want := range map[int64]string{
		100: "x2 printed 100 bytes; the last 14\nnoise\nend\n", 14: "x2 printed 14 bytes\nnoise\nend\n",
	} {
		p := &view.OutputPage{Job: "x2", Text: "noise\x1b[2J\nend\n", Total: total}
		if got := plain(colored(t, 80).RenderOutput(p)); got != want {
			t.Errorf("output is shown as %q, want %q", got, want)
		}
	}
}

func TestWhoGetsALayout(t *testing.T) {
	for name, c := range map[string]struct {
		options terminal.Options
		environ [2]string
		person  bool
	}{
		"a pipe":                           {terminal.Options{}, [2]string{}, false},
		"a pipe, colours forced":           {terminal.Options{}, [2]string{"CLICOLOR_FORCE", "1"}, true},
		"a pipe, colours not forced":       {terminal.Options{}, [2]string{"CLICOLOR_FORCE", "0"}, false},
		"a pipe, forced, but never":        {terminal.Options{Color: "never"}, [2]string{"CLICOLOR_FORCE", "1"}, false},
		"a pipe, always against NO_COLOR":  {terminal.Options{Color: "always"}, [2]string{"NO_COLOR", "1"}, true},
		"a program, which asks for colour": {terminal.Options{Color: "always", JSON: true}, [2]string{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			for _, variable := range []string{"NO_COLOR", "CLICOLOR_FORCE", "CLICOLOR"} {
				t.Setenv(variable, "")
			}

			if c.environ[0] != "" {
				t.Setenv(c.environ[0], c.environ[1])
			}
			c.options.Out = &bytes.Buffer{}

			if _, person, err := c.options.Layout(); err != nil || person != c.person {
				t.Errorf("%v: a person reads it: %t", err, person)
			}
		})
	}

	_, _, err := terminal.Options{Out: &bytes.Buffer{}, Color: "red"}.Layout()
	if research.Describe(err).Code != research.CodeBadArgument {
		t.Errorf("--color red: %v", err)
	}
}

// TestProgressLines: without a terminal, --verbose has a line each five seconds and
// one at the end, and without it there is none.
func TestProgressLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer

		p := terminal.StartProgress(&out, true, "export", "records")
		p.Step(30, 0)
		time.Sleep(4 * time.Second)
		synctest.Wait()

		if out.Len() > 0 {
			t.Errorf("after four seconds: %q", out.String())
		}

		time.Sleep(2 * time.Second)
		synctest.Wait()
		p.Say("x3 \x1b[1mbuilds")
		p.Advance("verify", 50, 200)
		time.Sleep(3 * time.Second)
		p.End()
		p.End()

		want := "export  30 records, 5 s\n" +
			"verify: x3 builds  [#######.......................]  25%, 50 of 200 records, 27 s left\n"
		if out.String() != want || !p.HasEnded() {
			t.Errorf("the lines are\n%s\nwant\n%s", out.String(), want)
		}
	})
}

func TestProgressOfAJobKeepsItsWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer

		p := terminal.StartProgress(&out, true, "calibrate", "runs")
		p.ShowJob(job.Outcome{Phase: "run 3", RunsDone: 2})
		p.Advance("read", 50, 200) // counts records, which this does not
		time.Sleep(time.Second)
		p.End()

		if want := "calibrate: run 3  2 runs, 1 s\n"; out.String() != want {
			t.Errorf("the line is %q, want %q", out.String(), want)
		}
	})
}

// Without a terminal and without --verbose, short work prints nothing, and long work a
// line every 15 seconds.
func TestProgressWithoutATerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer

		p := terminal.StartProgress(&out, false, "export", "records")
		p.Step(1, 2)
		time.Sleep(14 * time.Second)
		p.End()

		if !p.HasEnded() || out.Len() > 0 {
			t.Errorf("short work prints %q", out.String())
		}

		p = terminal.StartProgress(&out, false, "trying the program", "")
		p.Say("run 3")
		time.Sleep(31 * time.Second)
		p.End()

		want := "trying the program: run 3  15 s\ntrying the program: run 3  30 s\ntrying the program: run 3  31 s\n"
		if out.String() != want {
			t.Errorf("long work prints %q, want %q", out.String(), want)
		}
	})
}

func TestNoProgressOfNil(t *testing.T) {
	var p *terminal.Progress

	p.Step(1, 2)
	p.Say("on")
	p.Advance("read", 1, 2)
	p.End()

	if !p.HasEnded() {
		t.Error("a nil progress goes on")
	}
}

// watcherOutput calls each of its steps in turn, one for each line that is printed.
type watcherOutput struct {
	text  bytes.Buffer
	steps []func()
}

func (w *watcherOutput) Write(line []byte) (int, error) {
	n, err := w.text.Write(line)
	if len(w.steps) > 0 {
		w.steps[0]()
		w.steps = w.steps[1:]
	}

	return n, err
}

func TestWatchPrintsALineForEachChange(t *testing.T) {
	b := checkouttest.New(t, checkouttest.Program)
	b.Start()
	ctx, cancel := context.WithCancel(t.Context())

	out := &watcherOutput{steps: []func(){
		func() { b.Append(history.KindCampaignEnded, history.CampaignEnd{Reason: "abandoned"}) }, cancel}}
	if err := terminal.Watch(ctx, terminal.Options{Out: out},
		func(context.Context) (*checkout.Checkout, error) { return b.Checkout, nil }); err != nil {
		t.Fatal(err)
	}

	lines := slices.Collect(strings.Lines(out.text.String()))
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "sorting · 0 experiments") || strings.Contains(lines[0],
		"ended") ||
		!strings.HasSuffix(lines[1], " · ended: abandoned\n") {
		t.Errorf("the lines are\n%s", out.text.String())
	}

	ctx, cancel = context.WithCancel(t.Context())
	out = &watcherOutput{steps: []func(){cancel}}

	if err := terminal.Watch(ctx, terminal.Options{Out: out, JSON: true},
		func(context.Context) (*checkout.Checkout, error) { return b.Checkout, nil }); err != nil {
		t.Fatal(err)
	}

	if text := out.text.String(); !json.Valid([]byte(text)) || strings.Count(text, "\n") != 1 {
		t.Errorf("for a program the line is %q", text)
	}
}

func TestWatchFailsAsOpeningDoes(t *testing.T) {
	failed := errors.New("no repository")

	err := terminal.Watch(t.Context(), terminal.Options{Out: &bytes.Buffer{}},
		func(context.Context) (*checkout.Checkout, error) { return nil, failed })
	if !errors.Is(err, failed) {
		t.Errorf("%v", err)
	}
}
