package lab

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ratchet/internal/checkout"
	"ratchet/internal/job"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/source"
	"ratchet/internal/wording"
	"ratchet/ledger"
)

// requireDecidable is the experiment that keep is about: judged and not yet decided, or
// kept as the incumbent by a call whose end nobody saw.
func requireDecidable(
	ctx context.Context, co *checkout.Checkout, id string,
) (*history.Campaign, *history.Experiment, error) {
	c, err := job.CurrentReaped(ctx, co)
	if err != nil {
		return nil, nil, err
	}

	x, err := resolveExperiment(ctx, co, c, id)
	if err != nil {
		return nil, nil, err
	}

	switch {
	case x == nil || x.Status == research.Reverted && id == "":
		return nil, nil, research.Errorf(research.CodeNotFound, "run_experiment{hypothesis: \"…\"} first",
			"no experiment waits for a decision")
	case x.Status == research.Running:
		return nil, nil, research.Errorf(research.CodeBusy, "wait_run{}", "experiment %d is still running", x.N)
	case x.Status == research.Kept && x.Commit != c.Incumbent:
		return nil, nil, research.Errorf(research.CodeVerdict, "go on with the next idea",
			"experiment %d is kept already, as %s", x.N, wording.ShortCommit(x.Commit))
	case x.Status == research.Reverted:
		return nil, nil, research.Errorf(research.CodeVerdict, "propose it again with run_experiment if it is worth it",
			"experiment %d was reverted", x.N)
	}

	return c, x, nil
}

// resolveExperiment resolves id to an experiment: by default the one that resolveJob gives,
// else this checkout's latest; nil when there is none.
func resolveExperiment(
	ctx context.Context, co *checkout.Checkout, c *history.Campaign, id string,
) (x *history.Experiment, err error) {
	err = co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		job, err := co.ResolveJob(tx, c, id)
		if err != nil {
			return err
		}

		if job.Kind() != research.ExperimentJob && id != "" {
			return research.Errorf(research.CodeBadArgument, "name an experiment, such as x7",
				"%s is not an experiment", job)
		}

		n := job.N()
		if job.Kind() != research.ExperimentJob {
			var ok bool
			if n, ok = tx.Latest(c.Name, co.Repo.Root()); !ok {
				return nil
			}
		}
		x, err = tx.Experiment(c.Name, n)

		return err
	})

	return x, err
}

// experimentToRevert is the experiment that revert closes; nil when there is none.
func experimentToRevert(
	ctx context.Context, co *checkout.Checkout, c *history.Campaign, id string,
) (*history.Experiment, error) {
	x, err := resolveExperiment(ctx, co, c, id)
	if err != nil || x == nil {
		return nil, err
	}

	switch {
	case x.Status == research.Running:
		return nil, research.Errorf(research.CodeBusy, "wait_run{} or stop_run{}", "experiment %d is still running",
			x.N)
	case id == "" && (x.Status == research.Kept || x.Closed):
		return nil, nil // nothing is open: the file is put back, no more
	case x.Status == research.Kept:
		return nil, research.Errorf(research.CodeVerdict, "a person runs `ratchet undo`",
			"experiment %d is kept; revert does not undo a keep", x.N)
	}

	return x, nil
}

// recordRevert appends the reversion of x (if it is still open) and the lesson.
func recordRevert(
	ctx context.Context, co *checkout.Checkout, c *history.Campaign, x *history.Experiment, lesson string,
) error {
	if x == nil && lesson == "" {
		return nil
	}

	return co.UpdateCampaign(ctx, c.Name, func(tx *ledger.Tx, now *history.Campaign, session string) error {
		n := 0
		if x != nil {
			n = x.N
			if err := requireOpen(tx, c, now, n); err != nil {
				return err
			}

			if _, err := tx.Append(history.Entry{Campaign: c.Name, Session: session,
				Kind: history.KindExperimentReverted, Key: fmt.Sprintf("reverted/%d/%s", n, lesson),
				Body: history.Reversion{N: n, Lesson: lesson, By: "agent"}}); err != nil {
				return err
			}
		}

		if lesson == "" {
			return nil
		}
		_, err := appendLesson(co, tx, c, session, lesson, n)

		return err
	})
}

// requireOpen refuses when another session decided experiment n, or moved the
// incumbent, since this call looked.
func requireOpen(tx *ledger.Tx, c, now *history.Campaign, n int) error {
	x, err := tx.Experiment(c.Name, n)
	if err != nil {
		return err
	}

	if x.Status == research.Kept {
		return research.Errorf(research.CodeConflict, "read_log{} shows where it stands",
			"another session decided meanwhile: experiment %d is %s, the incumbent is %s", n, x.Status,
			wording.ShortCommit(now.Incumbent))
	}

	return nil
}

func appendLesson(
	co *checkout.Checkout, tx *ledger.Tx, c *history.Campaign, session, text string, experiment int,
) (int, error) {
	now, err := tx.Campaign(c.Name)
	if err != nil {
		return 0, err
	}
	n := now.Lessons + 1
	_, err = tx.Append(history.Entry{Campaign: c.Name, Session: session, Kind: history.KindLessonAdded,
		Key: fmt.Sprintf("lesson/%d/%s", experiment, text), Body: history.Lesson{N: n, Text: text,
			Experiment: experiment}})

	return n, err
}

// stashEdit stores the edited files under refs/ratchet/<name>/saved/<n> when
// their content is neither the candidate's nor the incumbent's, and returns
// the ref. as is the incumbent's commit when they hold that already.
func stashEdit(
	ctx context.Context, co *checkout.Checkout, c *history.Campaign, x *history.Experiment, why string,
) (saved, as string, err error) {
	edit := checkout.EditedFiles(c.ProgramPath, c.Program)

	known := []string{c.Incumbent}
	if x != nil {
		known = append(known, x.Candidate)
		if x.Edited != "" {
			known = append(known, x.Edited)
		}
	}

	as, err = co.Repo.FirstMatching(ctx, known, edit)
	if err != nil || as != "" {
		return "", as, err
	}

	there := slices.DeleteFunc(slices.Clone(edit), func(f string) bool {
		_, err := os.Lstat(filepath.Join(co.Repo.Root(), filepath.FromSlash(f)))
		return err != nil
	})
	if len(there) == 0 { // deleted: there is nothing to save
		return "", "", nil
	}

	tree, err := co.Repo.Snapshot(ctx, c.Incumbent, there)
	if err != nil {
		return "", "", err
	}
	saved, err = saveFiles(ctx, co, c, tree, there, why)

	return saved, "", err
}

func saveFiles(
	ctx context.Context, co *checkout.Checkout, c *history.Campaign, tree string, paths []string, why string,
) (string, error) {
	commit, err := co.Repo.Commit(ctx, source.CommitSpec{Tree: tree, Parents: []string{c.Incumbent},
		Message: fmt.Sprintf("saved before %s\n\nRatchet-Campaign: %s\n", why, c.Name)})
	if err != nil {
		return "", err
	}
	var name string

	err = co.UpdateCampaign(ctx, c.Name, func(tx *ledger.Tx, now *history.Campaign, session string) error {
		name = checkout.RefName(c.Name, "saved", fmt.Sprint(now.Saved+1))
		_, err := tx.Append(history.Entry{Campaign: c.Name, Session: session, Kind: history.KindFileSaved,
			Body: history.Saving{Number: now.Saved + 1, Ref: name, Commit: commit, Paths: paths,
				Checkout: co.Repo.Root(), Why: why}})

		return err
	})
	if err != nil {
		return "", err
	}

	return name, co.Repo.UpdateRefs(ctx, []source.RefUpdate{{Name: name, New: commit}}, "ratchet: saved before "+why)
}

// advanceRefs lets the incumbent's ref and this checkout's branch follow the ledger
// to commit, and refreshes the index entries of paths: first, for a call that
// dies then still shows that it is not done, by the branch. The branch moves only
// if it belongs to the campaign and stood where the checkout was known to be.
func advanceRefs(
	ctx context.Context, co *checkout.Checkout, c *history.Campaign, head source.Head, was, commit string, paths []string,
) (notes []string, err error) {
	updates := []source.RefUpdate{}
	incumbent := checkout.RefName(c.Name, "incumbent")

	at, err := co.Repo.Ref(ctx, incumbent)
	if err != nil {
		return nil, err
	}

	behind := at == was
	if at != "" && at != was && at != commit { // it is newer than what this call knows, or a keep before this one died
		if behind, err = co.Repo.IsAncestor(ctx, at, commit); err != nil {
			return nil, err
		}
	}

	if behind {
		updates = append(updates, source.RefUpdate{Name: incumbent, New: commit, Old: at})
	}

	moves := co.IsCampaignBranch(c, head.Branch) && head.Commit == was
	if moves {
		updates = append(updates, source.RefUpdate{Name: head.Branch, New: commit, Old: was})
		if notes, err = refreshIndex(ctx, co, commit, paths); err != nil {
			return nil, err
		}
	} else {
		notes = append(notes, fmt.Sprintf("%s stays at %s: it is not where the campaign left it; the incumbent is %s",
			cmp.Or(strings.TrimPrefix(head.Branch, "refs/heads/"), "HEAD"), wording.ShortCommit(head.Commit),
			wording.ShortCommit(commit)))
	}

	return notes, co.Repo.UpdateRefs(ctx, updates, "ratchet: "+c.Name)
}

// refuseForeignCommits refuses to go on when the checkout's branch of the campaign holds commits
// that Ratchet did not make: moving it would lose them.
func refuseForeignCommits(ctx context.Context, co *checkout.Checkout, c *history.Campaign, head source.Head) error {
	if !co.IsCampaignBranch(c, head.Branch) || head.Commit == c.Incumbent {
		return nil
	}

	behind, err := co.Repo.IsAncestor(ctx, head.Commit, c.Incumbent)
	if err != nil || behind {
		return err
	}
	branch := strings.TrimPrefix(head.Branch, "refs/heads/")

	return research.Errorf(research.CodeConflict,
		fmt.Sprintf("give them a branch of their own: git branch my-%s && git reset --soft %s", c.Name,
			wording.ShortCommit(c.Incumbent)),
		"%s holds commits that are not the campaign's (at %s): the incumbent is %s", branch,
		wording.ShortCommit(head.Commit), wording.ShortCommit(c.Incumbent))
}

// restoreFiles writes commit's content of paths into the work tree and the index. The
// index entry goes too: it may hold a staged edit, and git takes a file whose
// size is not the entry's for changed, even where line endings are converted.
func restoreFiles(
	ctx context.Context, co *checkout.Checkout, commit string, paths []string,
) (notes []string, err error) {
	for _, f := range paths {
		if err := co.Repo.Restore(ctx, commit, f); err != nil {
			return nil, err
		}
	}

	return refreshIndex(ctx, co, commit, paths)
}

// refreshIndex makes the index hold what commit has at paths; a held index is told, not an error.
func refreshIndex(
	ctx context.Context, co *checkout.Checkout, commit string, paths []string,
) (notes []string, err error) {
	held, err := co.Repo.RefreshIndex(ctx, commit, paths)
	if held {
		notes = append(notes, "the index is locked by another git process: `git status` may show "+strings.Join(paths,
			", ")+" as changed until you `git add` it")
	}

	return notes, err
}

// finishKeep completes a keep that was recorded by this checkout but whose refs
// were not moved: its process died between the two.
func finishKeep(ctx context.Context, co *checkout.Checkout, c *history.Campaign, head source.Head) (bool, error) {
	if c.IncumbentOf == 0 {
		return false, nil
	}
	var x *history.Experiment

	err := co.Ledger.View(ctx, func(tx *ledger.Tx) (err error) {
		x, err = tx.Experiment(c.Name, c.IncumbentOf)
		return err
	})
	if err != nil || x.Parent != head.Commit || x.KeptOn != head.Branch {
		return false, err
	}
	_, err = advanceRefs(ctx, co, c, head, head.Commit, c.Incumbent, x.Paths)

	return err == nil, err
}

// keepCommitMessage is the keep commit's message; its trailers bind it to the ledger.
func keepCommitMessage(c *history.Campaign, x *history.Experiment, overridden history.Way) string {
	subject, rest, _ := strings.Cut(wording.StripControls(x.Hypothesis), "\n")
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", subject)

	if rest = strings.TrimSpace(rest); rest != "" {
		b.WriteString(wording.StripTrailers(rest) + "\n\n")
	}
	fmt.Fprintf(&b, "Ratchet-Experiment: %s/%d\n", c.Name, x.N)
	fmt.Fprintf(&b, "Ratchet-Verdict: %s\n", x.Judgement.Verdict)

	if overridden != "" {
		fmt.Fprintf(&b, "Ratchet-Overridden: by a person (%s)\n", overridden)
	}
	fmt.Fprintf(&b, "Ratchet-Metric: %s %s\n", c.Program.Metric.Name, x.Judgement.Describe(c.Program.Metric))
	fmt.Fprintf(&b, "Ratchet-Ledger: %d:%s\n", x.JudgedSeq, x.JudgedHash)

	return b.String()
}
