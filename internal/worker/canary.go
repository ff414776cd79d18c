package worker

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/source"
	"ratchet/internal/wording"
	"ratchet/ledger"
)

// Canary is a planted candidate, and what the gate said to it.
type Canary struct {
	Name    string           `json:"name"`
	Planted string           `json:"planted"` // what was done to it
	Verdict research.Verdict `json:"verdict"`
	Finding string           `json:"finding"`
	Held    bool             `json:"held"` // it was not called an improvement
}

// plannedCanary is a canary before it is judged, and its measured command.
type plannedCanary struct {
	Canary
	command string
}

// planCanaries are candidates that no gate may let through, made of the user's own
// program: the tree is the start's, only the measured command differs.
func (ws *workspace) planCanaries() []plannedCanary {
	run := ws.program().Run
	identical := plannedCanary{Canary{Name: "identical", Planted: "an identical copy, built on its own"}, run}

	return []plannedCanary{identical, ws.planSlowed(), ws.planEvaluatorForger(), ws.planMetricForger()}
}

// planSlowed is slower by a sleep, for what times from outside, and by busy loops, for
// what times itself.
func (ws *workspace) planSlowed() plannedCanary {
	loops := 2 * runtime.NumCPU()
	loop := "(while :; do :; done) >/dev/null 2>&1 & "

	return plannedCanary{
		Canary: Canary{
			Name:    "slowed",
			Planted: fmt.Sprintf("its run begins with a sleep of 0.3 s, beside %d busy loops", loops),
		},
		command: strings.Repeat(loop, loops) + "sleep 0.3; " + ws.program().Run,
	}
}

// planEvaluatorForger writes to a file that no run may change.
func (ws *workspace) planEvaluatorForger() plannedCanary {
	file := ws.pickFrozenFile()
	target := filepath.Join(ws.co.Repo.Root(), filepath.FromSlash(file))

	return plannedCanary{
		Canary: Canary{
			Name:    "evaluator",
			Planted: "its run rewrites " + file + ", which no run may change",
		},
		command: "echo '# forged' >> " + wording.ShellQuote(target) + "; " + ws.program().Run,
	}
}

// planMetricForger prints a better number, or, where the metric is what the kernel
// counted of the run and printing forges nothing, hides its work from a careless meter.
func (ws *workspace) planMetricForger() plannedCanary {
	program := ws.program()
	metric := program.Metric

	forged := "0.000001"
	if metric.Better == research.Higher {
		forged = "1000000000"
	}

	printed := plannedCanary{
		Canary: Canary{
			Name:    "printed",
			Planted: "its run prints " + metric.Name + " once more, far better",
		},
		command: program.Run + "; echo 'METRIC " + metric.Name + "=" + forged + "'",
	}

	switch from := metric.From.Kind; from {
	case "cpu", "max_rss":
		return ws.planHider()
	case "regex": // whatever it looks for, with another number in it
		printed.command = "{ " + program.Run +
			"\n} > \"$TMPDIR/said\"; cat \"$TMPDIR/said\"; sed -E 's/[0-9]+([.][0-9]+)?/" +
			forged + "/g' \"$TMPDIR/said\""
	case "wall", "file":
		if program.Measure == "" {
			printed.Planted += " (the metric is from " + from + ": nothing that is printed may count)"
		}
	}

	return printed
}

// planHider works in an orphan: the inner shell leaves at once, and what it began
// goes on without a parent.
func (ws *workspace) planHider() plannedCanary {
	program := ws.program()
	orphan := "( ( (" + program.Run + "\n); echo $? > \"$TMPDIR/left\" ) & )"
	wait := "while [ ! -s \"$TMPDIR/left\" ]; do sleep 0.01; done; exit \"$(cat \"$TMPDIR/left\")\""

	return plannedCanary{
		Canary: Canary{
			Name: "hidden",
			Planted: "its run works in a process that nobody waits for, to hide what " + program.Metric.Name +
				" counts",
		},
		command: orphan + "; " + wait,
	}
}

// pickFrozenFile is a tracked file that no run may change, as near to the
// evaluator as can be told: one that a command names (what measures before what
// builds and checks), else code beside the edited file, of its language, main
// before others; else any file but the program, which is the last resort.
func (ws *workspace) pickFrozenFile() string {
	program, edited := ws.program(), ws.editedFiles()
	var frozen []string

	for file := range ws.tracked {
		if file != ws.campaign.ProgramPath && !slices.Contains(edited, file) && !ws.isWritable(file) {
			frozen = append(frozen, file)
		}
	}
	slices.Sort(frozen)

	isSeparator := func(r rune) bool { return strings.ContainsRune(" \t\n;&|()<>'\"=", r) }

	for _, command := range []string{program.Measure, program.Run, program.Build, program.Check} {
		words := strings.FieldsFunc(command, isSeparator)
		isNamed := func(file string) bool {
			return slices.ContainsFunc(words, func(word string) bool { return path.Base(word) == path.Base(file) })
		}

		if i := slices.IndexFunc(frozen, isNamed); i >= 0 {
			return frozen[i]
		}
	}

	return ws.fileBesideEdit(frozen, strings.Contains(program.Measure+program.Run, "test"))
}

// fileBesideEdit is the file that most looks like what drives the edited one; tests
// says that tests do.
func (ws *workspace) fileBesideEdit(frozen []string, tests bool) string {
	edited := ws.editedFiles()
	isBeside := func(file string) bool {
		return slices.ContainsFunc(edited, func(e string) bool {
			return path.Dir(e) == path.Dir(file) && path.Ext(e) == path.Ext(file)
		})
	}
	stem := func(file string) string { return strings.TrimSuffix(path.Base(file), path.Ext(file)) }
	isTest := func(file string) bool { return strings.Contains(stem(file), "test") }

	for _, fits := range []func(string) bool{
		func(file string) bool { return tests && isBeside(file) && isTest(file) },
		func(file string) bool { return isBeside(file) && stem(file) == "main" },
		func(file string) bool { return isBeside(file) && !isTest(file) },
		isBeside,
		func(file string) bool { return !strings.HasPrefix(path.Base(file), ".") },
	} {
		if i := slices.IndexFunc(frozen, fits); i >= 0 {
			return frozen[i]
		}
	}

	return ws.campaign.ProgramPath
}

func (ws *workspace) editedFiles() []string {
	return checkout.EditedFiles(ws.campaign.ProgramPath, ws.campaign.Program)
}

// plantCanary judges one canary as if it were the nth experiment of the throw-away
// campaign, which is calibrated already. canary gets the verdict.
func plantCanary(
	ctx context.Context, co *checkout.Checkout, space *workspace, n int, command string, canary *Canary,
	say func(string),
) error {
	campaign := space.campaign

	commit, err := co.Repo.Commit(ctx, source.CommitSpec{Tree: campaign.StartTree, Parents: []string{campaign.Start},
		Message: "canary: " + canary.Name + "\n"})
	if err != nil {
		return err
	}

	proposal := history.Proposal{N: n, Hypothesis: "canary: " + canary.Planted, Parent: campaign.Start,
		Candidate: commit, Tree: campaign.StartTree, Paths: space.editedFiles(), Checkout: co.Repo.Root()}
	if _, err := co.Ledger.Append(ctx, history.Entry{Campaign: campaign.Name, Kind: history.KindExperimentProposed,
		Body: proposal}); err != nil {
		return err
	}

	t := newTrial(co, space, research.NewJobID(research.ExperimentJob, n), endless,
		func(phase string) { say("canary " + canary.Name + ": " + phase) })
	defer t.gpus.close()
	t.candidateRun = command

	if err := t.judgeExperiment(ctx, n); err != nil {
		return errors.Join(fmt.Errorf("judge the canary %s: %w", canary.Name, err), ctx.Err())
	}

	return co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		experiment, err := tx.Experiment(campaign.Name, n)
		if err != nil {
			return err
		}

		canary.Verdict, canary.Finding = experiment.Judgement.Verdict,
			experiment.Judgement.Describe(campaign.Program.Metric)
		canary.Held = canary.Verdict != research.Improved && canary.Verdict != research.Provisional

		return nil
	})
}
