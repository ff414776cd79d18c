package view

import (
	"context"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/job"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/wording"
	"ratchet/ledger"
)

const boardRows = 100 // of ideas, lessons and notes each

// Board is what a person sees of a campaign at once; its size does not grow with
// the ledger's.
type Board struct {
	Seq      uint64 // of the ledger's newest record
	Campaign *history.Campaign
	Best     *float64 // as in Brief
	Baseline *float64
	Standing string
	Changed  bool // the contract on disk differs from the accepted one
	Left     checkout.Left
	Merge    string // as in Brief
	Next     string // the agent's
	Running  []BoardJob
	Sessions []SessionView
	Ideas    []checkout.IdeaView // newest first, as lessons and notes are
	Lessons  []history.Lesson
	Notes    []NoteView
}

// BoardJob is a job under way.
type BoardJob struct {
	job.RunningJob
	Session string // that started it, "" for a person
}

// ReadBoard reads the campaign in one transaction, so that it is of one moment.
func ReadBoard(ctx context.Context, co *checkout.Checkout) (*Board, error) {
	if _, err := job.CurrentReaped(ctx, co); err != nil {
		return nil, err
	}
	b := &Board{}

	err := co.Ledger.View(ctx, func(tx *ledger.Tx) (err error) {
		if b.Campaign, err = co.FindCampaign(ctx, tx); err != nil {
			return err
		}
		name := b.Campaign.Name

		b.Seq, _ = tx.Head()
		if b.Sessions, err = readSessions(co, tx, b.Campaign); err != nil {
			return err
		}

		if b.Running, err = runningJobs(co, tx, b.Campaign); err != nil {
			return err
		}

		if b.Lessons, err = tx.Lessons(name, boardRows); err != nil {
			return err
		}

		if b.Notes, err = newestNotes(tx, b.Campaign, boardRows); err != nil {
			return err
		}
		is, err := tx.Ideas(name, "", boardRows)

		b.Ideas = make([]checkout.IdeaView, len(is))
		for i := range is {
			if b.Ideas[i], err = co.ViewIdea(tx, b.Campaign, &is[i], ""); err != nil {
				return err
			}
		}

		return err
	})
	if err != nil {
		return nil, err
	}
	c := b.Campaign

	b.Best, b.Baseline = valueLevels(c)
	b.Standing = c.Standing()
	b.Left = checkout.BudgetLeft(c)
	b.Changed = research.HasCode(co.RequireAcceptedContract(c), research.CodeContract)
	b.Merge = mergeAdvice(ctx, co, c)
	b.Next = nextForBrief(co, &Brief{Campaign: *c, Changed: b.Changed})

	return b, nil
}

// runningJobs are the campaign's jobs under way, oldest first.
func runningJobs(co *checkout.Checkout, tx *ledger.Tx, c *history.Campaign) (out []BoardJob, err error) {
	for _, id := range c.Open {
		j := BoardJob{RunningJob: job.RunningJob{ID: id}}
		if j.Session, err = checkout.SessionOfJob(tx, c.Name, id); err != nil {
			return nil, err
		}

		since, err := readStartTime(tx, c.Name, id)
		if err != nil {
			return nil, err
		}
		j.Phase = co.ReadPhase(c.Name, id)
		j.Elapsed = wording.Seconds(time.Since(since))

		if id.Kind() == research.ExperimentJob {
			x, err := tx.Experiment(c.Name, id.N())
			if err != nil {
				return nil, err
			}
			j.About = wording.FirstLine(x.Hypothesis)
		}

		out = append(out, j)
	}

	return out, nil
}
