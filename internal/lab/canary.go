package lab

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"ratchet/internal/research"
	"ratchet/internal/source"
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

// canaries are candidates that no gate may let through, made of the user's own
// program: the tree is the start's, only the measured command differs.
func (w *workspace) canaries() []Canary {
	p := w.c.Program
	slowed := fmt.Sprintf("its run begins with a sleep of 0.3 s, beside %d busy loops", 2*runtime.NumCPU())
	return []Canary{
		{Name: "identical", Planted: "an identical copy, built on its own"},
		{Name: "slowed", Planted: slowed},
		{Name: "evaluator", Planted: "its run rewrites " + w.frozenFile() + ", which no run may change"},
		{Name: "printed", Planted: "its run prints " + p.Metric.Name + " once more, far better"},
	}
}

// command is the measured command of a canary.
func (w *workspace) command(name string) string {
	p := w.c.Program
	switch name {
	case "slowed": // a sleep for what times from outside, busy loops for what times itself
		loop := "(while :; do :; done) >/dev/null 2>&1 & "
		return strings.Repeat(loop, 2*runtime.NumCPU()) + "sleep 0.3; " + p.Run
	case "evaluator":
		return "echo '# forged' >> " + shellQuote(filepath.Join(w.lab.repo.Root(), filepath.FromSlash(w.frozenFile()))) + "; " + p.Run
	case "printed":
		forged := "0.000001"
		if p.Metric.Better == research.Higher {
			forged = "1000000000"
		}
		return p.Run + "; echo 'METRIC " + p.Metric.Name + "=" + forged + "'"
	}
	return p.Run
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// frozenFile is a tracked file that no run may change: one that the program's
// commands name, if there is one.
func (w *workspace) frozenFile() string {
	edit := files(w.c.ProgramPath, w.c.Program)
	commands := w.c.Program.Measure + " " + w.c.Program.Run + " " + w.c.Program.Build + " " + w.c.Program.Check
	best := w.c.ProgramPath
	paths := make([]string, 0, len(w.tree))
	for path := range w.tree {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	for _, path := range paths {
		if slices.Contains(edit, path) || w.writable(path) {
			continue
		}
		if strings.Contains(commands, filepath.Base(path)) {
			return path
		}
	}
	return best
}

// plant judges one canary as if it were an experiment of the throw-away
// campaign that is calibrated already.
func (l *Lab) plant(ctx context.Context, space *workspace, n int, k *Canary, say func(string)) error {
	c := space.c
	commit, err := l.repo.Commit(ctx, source.CommitSpec{Tree: c.StartTree, Parents: []string{c.Start}, Message: "canary: " + k.Name + "\n"})
	if err != nil {
		return err
	}
	x := research.Proposal{N: n, Hypothesis: "canary: " + k.Planted, Parent: c.Start, Candidate: commit, Tree: c.StartTree,
		Paths: files(c.ProgramPath, c.Program), Checkout: l.repo.Root()}
	if _, err := l.ledger.Append(ctx, research.Entry{Campaign: c.Name, Kind: research.KindExperimentProposed, Body: x}); err != nil {
		return err
	}
	id := research.NewJobID(research.ExperimentJob, n)
	s := &supervisor{Lab: l, campaign: c.Name, id: id, space: space, versions: map[research.Side]*version{},
		tell: func(phase string) { say("canary " + k.Name + ": " + phase) }, planted: space.command(k.Name)}
	if err := s.judge(ctx, n); err != nil {
		return errors.Join(fmt.Errorf("judge the canary %s: %w", k.Name, err), ctx.Err())
	}
	return l.ledger.View(ctx, func(tx *ledger.Tx) error {
		x, err := tx.Experiment(c.Name, n)
		if err != nil {
			return err
		}
		k.Verdict, k.Finding = x.Judgement.Verdict, x.Judgement.Words(c.Program.Metric)
		k.Held = k.Verdict != research.Improved && k.Verdict != research.Provisional
		return nil
	})
}
