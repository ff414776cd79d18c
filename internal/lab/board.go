package lab

import (
	"context"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
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
	Left     Left
	Merge    string // as in Brief
	Next     string // the agent's
	Running  []BoardJob
	Sessions []SessionView
	Ideas    []IdeaView // newest first, as lessons and notes are
	Lessons  []history.Lesson
	Notes    []NoteView
}

// BoardJob is a job under way.
type BoardJob struct {
	RunningJob
	Session string // that started it, "" for a person
}

// ReadBoard reads the campaign in one transaction, so that it is of one moment.
func (l *Lab) ReadBoard(ctx context.Context) (*Board, error) {
	if _, err := l.currentReaped(ctx); err != nil {
		return nil, err
	}
	b := &Board{}

	err := l.ledger.View(ctx, func(tx *ledger.Tx) (err error) {
		if b.Campaign, err = l.findCampaign(ctx, tx); err != nil {
			return err
		}
		name := b.Campaign.Name

		b.Seq, _ = tx.Head()
		if b.Sessions, err = l.readSessions(tx, b.Campaign); err != nil {
			return err
		}

		if b.Running, err = l.runningJobs(tx, b.Campaign); err != nil {
			return err
		}

		if b.Lessons, err = tx.Lessons(name, boardRows); err != nil {
			return err
		}

		if b.Notes, err = newestNotes(tx, b.Campaign, boardRows); err != nil {
			return err
		}
		is, err := tx.Ideas(name, "", boardRows)

		b.Ideas = make([]IdeaView, len(is))
		for i := range is {
			if b.Ideas[i], err = l.viewIdea(tx, b.Campaign, &is[i], ""); err != nil {
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
	b.Standing, b.Left, b.Changed = c.Standing(), budgetLeft(c), hasCode(l.requireAcceptedContract(c),
		research.CodeContract)
	b.Merge = l.mergeAdvice(ctx, c)
	b.Next = l.nextForBrief(&Brief{Campaign: *c, Changed: b.Changed})

	return b, nil
}

// runningJobs are the campaign's jobs under way, oldest first.
func (l *Lab) runningJobs(tx *ledger.Tx, c *history.Campaign) (out []BoardJob, err error) {
	for _, id := range c.Open {
		j := BoardJob{RunningJob: RunningJob{ID: id}}
		if j.Session, err = sessionOfJob(tx, c.Name, id); err != nil {
			return nil, err
		}

		since, err := readStartTime(tx, c.Name, id)
		if err != nil {
			return nil, err
		}
		_, j.Phase = l.readPhase(c.Name, id)
		j.Elapsed = seconds(time.Since(since))

		if id.Kind() == research.ExperimentJob {
			x, err := tx.Experiment(c.Name, id.N())
			if err != nil {
				return nil, err
			}
			j.About = firstLine(x.Hypothesis)
		}

		out = append(out, j)
	}

	return out, nil
}
