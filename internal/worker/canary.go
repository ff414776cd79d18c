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
	"ratchet/internal/research/rules"
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

// listCanaries are candidates that no gate may let through, made of the user's own
// program: the tree is the start's, only the measured command differs.
func (w *workspace) listCanaries() []Canary {
	p := w.c.Program
	slowed := fmt.Sprintf("its run begins with a sleep of 0.3 s, beside %d busy loops", 2*runtime.NumCPU())

	forged := Canary{Name: "printed", Planted: "its run prints " + p.Metric.Name + " once more, far better"}
	switch from := p.Metric.From.Kind; {
	case w.isMetered():
		forged = Canary{Name: "hidden",
			Planted: "its run works in a process that nobody waits for, to hide what " + p.Metric.Name + " counts"}
	case p.Measure == "" && (from == "wall" || from == "file"):
		forged.Planted += " (the metric is from " + from + ": nothing that is printed may count)"
	}

	return []Canary{
		{Name: "identical", Planted: "an identical copy, built on its own"},
		{Name: "slowed", Planted: slowed},
		{Name: "evaluator", Planted: "its run rewrites " + w.pickFrozenFile() + ", which no run may change"},
		forged,
	}
}

// isMetered says that the metric is what the kernel counted of the run: printing
// forges nothing then, but work can be hidden from a careless meter.
func (w *workspace) isMetered() bool {
	from := w.c.Program.Metric.From.Kind
	return from == "cpu" || from == "max_rss"
}

// canaryCommand is the measured command of a canary.
func (w *workspace) canaryCommand(name string) string {
	p := w.c.Program

	switch name {
	case "slowed": // a sleep for what times from outside, busy loops for what times itself
		loop := "(while :; do :; done) >/dev/null 2>&1 & "
		return strings.Repeat(loop, 2*runtime.NumCPU()) + "sleep 0.3; " + p.Run
	case "evaluator":
		return "echo '# forged' >> " + wording.ShellQuote(filepath.Join(w.lab.Repo.Root(),
			filepath.FromSlash(w.pickFrozenFile()))) + "; " + p.Run
	case "printed":
		forged := "0.000001"
		if p.Metric.Better == research.Higher {
			forged = "1000000000"
		}

		if p.Metric.From.Kind == "regex" { // whatever it looks for, with another number in it
			return "{ " + p.Run + "\n} > \"$TMPDIR/said\"; cat \"$TMPDIR/said\"; sed -E 's/[0-9]+([.][0-9]+)?/" +
				forged + "/g' \"$TMPDIR/said\""
		}

		return p.Run + "; echo 'METRIC " + p.Metric.Name + "=" + forged + "'"
	case "hidden": // the inner shell leaves at once, and what it began becomes an orphan
		return "( ( (" + p.Run +
			"\n); echo $? > \"$TMPDIR/left\" ) & ); while [ ! -s \"$TMPDIR/left\" ]; do sleep 0.01; done; exit \"$(cat \"$TMPDIR/left\")\""
	}

	return p.Run
}

// pickFrozenFile is a tracked file that no run may change, as near to the
// evaluator as can be told: one that a command names (what measures before what
// builds and checks), else code beside the edited file, of its language, main
// before others; else any file but the program, which is the last resort.
func (w *workspace) pickFrozenFile() string {
	p, edit := w.c.Program, checkout.EditedFiles(w.c.ProgramPath, w.c.Program)
	var frozen []string

	for path := range w.tree {
		if path != w.c.ProgramPath && !slices.Contains(edit, path) && !w.isWritable(path) {
			frozen = append(frozen, path)
		}
	}
	slices.Sort(frozen)

	for _, command := range []string{p.Measure, p.Run, p.Build, p.Check} {
		named := strings.FieldsFunc(command, func(r rune) bool { return strings.ContainsRune(" \t\n;&|()<>'\"=", r) })
		for _, file := range frozen {
			if slices.ContainsFunc(named, func(word string) bool { return path.Base(word) == path.Base(file) }) {
				return file
			}
		}
	}

	return w.fileBesideEdit(frozen, strings.Contains(p.Measure+p.Run, "test"))
}

// fileBesideEdit is the file that most looks like what drives the edited one; tests
// says that tests do.
func (w *workspace) fileBesideEdit(frozen []string, tests bool) string {
	edit := checkout.EditedFiles(w.c.ProgramPath, w.c.Program)
	beside := func(file string) bool {
		return slices.ContainsFunc(edit, func(e string) bool {
			return path.Dir(e) == path.Dir(file) && path.Ext(e) == path.Ext(file)
		})
	}

	stem := func(file string) string { return strings.TrimSuffix(path.Base(file), path.Ext(file)) }
	for _, fits := range []func(string) bool{
		func(file string) bool { return tests && beside(file) && strings.Contains(stem(file), "test") },
		func(file string) bool { return beside(file) && stem(file) == "main" },
		func(file string) bool { return beside(file) && !strings.Contains(stem(file), "test") },
		beside,
		func(file string) bool { return !strings.HasPrefix(path.Base(file), ".") },
	} {
		if i := slices.IndexFunc(frozen, fits); i >= 0 {
			return frozen[i]
		}
	}

	return w.c.ProgramPath
}

// plantCanary judges one canary as if it were an experiment of the throw-away
// campaign that is calibrated already.
func plantCanary(
	ctx context.Context, co *checkout.Checkout, space *workspace, n int, k *Canary, say func(string),
) error {
	c := space.c

	commit, err := co.Repo.Commit(ctx, source.CommitSpec{Tree: c.StartTree, Parents: []string{c.Start},
		Message: "canary: " + k.Name + "\n"})
	if err != nil {
		return err
	}

	x := history.Proposal{N: n, Hypothesis: "canary: " + k.Planted, Parent: c.Start, Candidate: commit,
		Tree: c.StartTree, Paths: checkout.EditedFiles(c.ProgramPath, c.Program), Checkout: co.Repo.Root()}
	if _, err := co.Ledger.Append(ctx, history.Entry{Campaign: c.Name, Kind: history.KindExperimentProposed,
		Body: x}); err != nil {
		return err
	}
	id := research.NewJobID(research.ExperimentJob, n)

	s := &worker{Checkout: co, campaign: c.Name, id: id, space: space, versions: map[rules.Side]*version{},
		tell: func(phase string) { say("canary " + k.Name + ": " + phase) }, planted: space.canaryCommand(k.Name)}
	if err := s.judgeExperiment(ctx, n); err != nil {
		return errors.Join(fmt.Errorf("judge the canary %s: %w", k.Name, err), ctx.Err())
	}

	return co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		x, err := tx.Experiment(c.Name, n)
		if err != nil {
			return err
		}
		k.Verdict, k.Finding = x.Judgement.Verdict, x.Judgement.Describe(c.Program.Metric)
		k.Held = k.Verdict != research.Improved && k.Verdict != research.Provisional

		return nil
	})
}
