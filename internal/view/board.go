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
	board := &Board{}

	err := co.Ledger.View(ctx, func(tx *ledger.Tx) (err error) {
		if board.Campaign, err = co.FindCampaign(ctx, tx); err != nil {
			return err
		}
		name := board.Campaign.Name

		board.Seq, _ = tx.Head()
		if board.Sessions, err = readSessions(co, tx, board.Campaign); err != nil {
			return err
		}

		if board.Running, err = runningJobs(co, tx, board.Campaign); err != nil {
			return err
		}

		if board.Lessons, err = tx.Lessons(name, boardRows); err != nil {
			return err
		}

		if board.Notes, err = newestNotes(tx, board.Campaign, boardRows); err != nil {
			return err
		}
		is, err := tx.Ideas(name, "", boardRows)

		board.Ideas = make([]checkout.IdeaView, len(is))
		for i := range is {
			if board.Ideas[i], err = co.ViewIdea(tx, board.Campaign, &is[i], ""); err != nil {
				return err
			}
		}

		return err
	})
	if err != nil {
		return nil, err
	}
	campaign := board.Campaign

	board.Best, board.Baseline = valueLevels(campaign)
	board.Standing = campaign.Standing()
	board.Left = checkout.BudgetLeft(campaign)
	board.Changed = research.HasCode(co.RequireAcceptedContract(campaign), research.CodeContract)
	board.Merge = mergeAdvice(ctx, co, campaign)
	board.Next = nextForBrief(co, &Brief{Campaign: *campaign, Changed: board.Changed})

	return board, nil
}

// runningJobs are the campaign's jobs under way, oldest first.
func runningJobs(co *checkout.Checkout, tx *ledger.Tx, campaign *history.Campaign) (out []BoardJob, err error) {
	for _, id := range campaign.Open {
		j := BoardJob{RunningJob: job.RunningJob{ID: id}}
		if j.Session, err = checkout.SessionOfJob(tx, campaign.Name, id); err != nil {
			return nil, err
		}

		since, err := readStartTime(tx, campaign.Name, id)
		if err != nil {
			return nil, err
		}
		j.Phase = co.ReadPhase(campaign.Name, id)
		j.Elapsed = wording.Seconds(time.Since(since))

		if id.Kind() == research.ExperimentJob {
			experiment, err := tx.Experiment(campaign.Name, id.N())
			if err != nil {
				return nil, err
			}
			j.About = wording.FirstLine(experiment.Hypothesis)
		}

		out = append(out, j)
	}

	return out, nil
}
