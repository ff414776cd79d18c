package view

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/job"
	"ratchet/internal/notify"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/wording"
	"ratchet/ledger"
)

const briefLooksAt = 64 // experiments, for what was tried of late

// ReadBrief is what a session needs to go on, from any client, after any crash.
func ReadBrief(ctx context.Context, co *checkout.Checkout) (*Brief, error) {
	c, err := job.CurrentReaped(ctx, co)
	if err != nil {
		return nil, err
	}
	b := &Brief{Campaign: *c, Left: checkout.BudgetLeft(c),
		Changed: research.HasCode(co.RequireAcceptedContract(c), research.CodeContract)}

	err = co.Ledger.View(ctx, func(tx *ledger.Tx) (err error) {
		if b.Recent, _, err = tx.Experiments(c.Name, ledger.Query{Limit: briefLooksAt}); err != nil {
			return err
		}
		b.Families = history.Families(b.Recent)

		b.Recent = b.Recent[:min(len(b.Recent), 8)]
		if b.Lessons, err = tx.Lessons(c.Name, 5); err != nil {
			return err
		}

		if b.Ideas, err = topIdeas(co, tx, c, 5); err != nil {
			return err
		}

		if b.Notes, err = briefNotes(co, tx, c); err != nil {
			return err
		}

		for _, id := range c.Open {
			phase := co.ReadPhase(c.Name, id)

			since, err := readStartTime(tx, c.Name, id)
			if err != nil {
				return err
			}

			b.Running = append(b.Running, job.RunningJob{ID: id, Phase: phase,
				Elapsed: wording.Seconds(time.Since(since))})
		}

		return nil
	})
	if err != nil {
		return nil, err
	}

	for _, f := range checkout.EditedFiles(c.ProgramPath, c.Program) {
		b.Edit = append(b.Edit, filepath.Join(co.Repo.Root(), filepath.FromSlash(f)))
	}
	b.Best, b.Baseline = valueLevels(c)
	b.Standing = c.Standing()
	markProofs(c, b.Recent)
	b.Merge = mergeAdvice(ctx, co, c)
	b.Next = nextForBrief(co, b)

	return b, nil
}

// valueLevels are the incumbent's value and the start's, nil where they are unknown
// and for a noisy metric: no two raw numbers as if they could be compared.
func valueLevels(c *history.Campaign) (best, baseline *float64) {
	if !c.Calibrated || c.Rule.NoiseKind == research.Noisy {
		return nil, nil
	}

	value := c.Rule.Incumbent
	if c.BaselineClass == c.Class {
		baseline = c.Baseline
	}

	return &value, baseline
}

func readStartTime(tx *ledger.Tx, campaign string, id research.JobID) (time.Time, error) {
	if id.Kind() == research.ExperimentJob {
		x, err := tx.Experiment(campaign, id.N())
		if err != nil {
			return time.Time{}, err
		}

		return x.ProposedAt, nil
	}

	m, err := tx.Measurement(campaign, id)
	if err != nil {
		return time.Time{}, err
	}

	return m.At, nil
}

func nextForBrief(co *checkout.Checkout, b *Brief) string {
	c := &b.Campaign
	switch {
	case c.Ended != "":
		return "the campaign has ended (" + c.Ended + "); start_campaign with a new name starts another"
	case b.Changed:
		return "tell the user: `ratchet accept` in a terminal accepts the changed contract"
	case c.Broken != "":
		return job.NextAfterDecision(c)
	}

	for _, id := range c.Open {
		if id.Kind() == research.ExperimentJob {
			return "wait_run{id: \"" + string(id) + "\"}"
		}
	}

	return job.NextAfterDecision(c)
}

// ListExperiments is a page of experiments, newest first.
func ListExperiments(ctx context.Context, co *checkout.Checkout, q Query) (*Page, error) {
	c, err := job.CurrentReaped(ctx, co)
	if err != nil {
		return nil, err
	}
	p := &Page{}
	err = co.Ledger.View(ctx, func(tx *ledger.Tx) (err error) {
		p.Experiments, p.Next, err = tx.Experiments(c.Name,
			ledger.Query{Text: q.Text, Status: q.Status, Verdict: q.Verdict, Cursor: q.Cursor, Limit: q.Limit})
		if err != nil || q.Text == "" || q.Cursor != "" || c.Imported == 0 {
			return err
		}
		p.Imported, _, err = tx.Imports(c.Name, ledger.Query{Text: q.Text, Limit: 3})

		return err
	})
	markProofs(c, p.Experiments)

	return p, err
}

const (
	detailDiff = 16 << 10
	diffCut    = "… cut after " // what source.Repo.Diff ends a diff with that is too long
)

// ReadExperiment is one experiment with its runs and at most 16 KiB of its diff; the latest by default.
func ReadExperiment(ctx context.Context, co *checkout.Checkout, id string) (*Detail, error) {
	return ReadDetail(ctx, co, id, detailDiff)
}

// ReadDetail is Experiment with at most so many bytes of the diff.
func ReadDetail(ctx context.Context, co *checkout.Checkout, id string, diff int) (*Detail, error) {
	c, err := job.CurrentReaped(ctx, co)
	if err != nil {
		return nil, err
	}

	if id == "" {
		id = strconv.Itoa(c.Experiments)
	}

	job, err := research.ParseJobID(id)
	if err != nil {
		return nil, err
	}

	if job.Kind() != research.ExperimentJob || job.N() > c.Experiments {
		return nil, research.Errorf(research.CodeNotFound, "read_log{view: \"table\"} lists them",
			"no experiment %s in %q", id, c.Name)
	}
	d := &Detail{Metric: c.Program.Metric}

	err = co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		x, err := tx.Experiment(c.Name, job.N())
		if err != nil {
			return err
		}
		x.Proof = c.Proof(x)

		d.Experiment, d.Files, d.Exact = *x, x.Paths, c.Rule.NoiseKind == research.Deterministic
		if d.Proof, err = proofOfKeep(tx, c, x); err != nil {
			return err
		}

		if d.Runs, err = tx.Runs(c.Name, job); err != nil {
			return err
		}
		d.Evidence, err = evidencePath(tx, c, x, d.Runs)

		return err
	})
	if err != nil {
		return nil, err
	}
	d.Diff, err = co.Repo.Diff(ctx, d.Experiment.Parent, d.Experiment.Candidate, d.Files, diff)
	d.Cut = strings.HasPrefix(d.Diff[strings.LastIndexByte(strings.TrimSuffix(d.Diff, "\n"), '\n')+1:], diffCut)

	return d, err
}

// markProofs fills in how far each keep is proven.
func markProofs(c *history.Campaign, xs []history.Experiment) {
	for i := range xs {
		xs[i].Proof = c.Proof(&xs[i])
	}
}

// proofOfKeep says which certificate judged the chain of a keep, "" if none did.
func proofOfKeep(tx *ledger.Tx, c *history.Campaign, x *history.Experiment) (string, error) {
	if x.Proof != "certified" && x.Proof != "rolled back" {
		return x.Proof, nil
	}

	for n := c.Certificates; n > 0; n-- {
		m, err := tx.Measurement(c.Name, research.NewJobID(research.CertificateJob, n))
		if err != nil {
			return "", err
		}

		if p := m.Proof; p != nil && p.From <= x.N && x.N <= p.To {
			return fmt.Sprintf("as part of a chain, %s: %s", m.Job, p.Describe(c.Program.Metric)), nil
		}
	}

	return x.Proof, nil
}

// ReadOutput is a slice of the last stored output of a job, from its end by
// default: cursor is a byte offset.
func ReadOutput(ctx context.Context, co *checkout.Checkout, id, cursor string, limit int) (*OutputPage, error) {
	c, err := job.CurrentReaped(ctx, co)
	if err != nil {
		return nil, err
	}
	p := &OutputPage{}

	if id == "hooks" {
		b, err := os.ReadFile(notify.NotifierFile(co, c.Name, "hooks"))
		if err != nil {
			return nil, research.Errorf(research.CodeNotFound, "read_log{}", "no hook has printed anything yet")
		}
		p.Job = "hooks"

		return cutPage(p, b, cursor, limit)
	}
	var digest string

	err = co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		if id == "" && c.Experiments > 0 {
			id = strconv.Itoa(c.Experiments)
		} else if id == "" && c.Calibrations > 0 {
			id = string(research.NewJobID(research.CalibrationJob, c.Calibrations))
		}

		if p.Job, err = research.ParseJobID(id); err != nil {
			return err
		}

		if p.Job.Kind() == research.ExperimentJob {
			x, err := tx.Experiment(c.Name, p.Job.N())
			if err == nil {
				digest = x.Output
			}

			return err
		}

		m, err := tx.Measurement(c.Name, p.Job)
		if err == nil {
			digest = m.Output
		}

		return err
	})
	if err != nil {
		return nil, err
	}

	if digest == "" {
		return nil, research.Errorf(research.CodeNotFound, "wait_run{}", "%s has stored no output yet", p.Job)
	}

	b, err := co.Ledger.Output(digest)
	if err != nil {
		return nil, err
	}

	return cutPage(p, b, cursor, limit)
}

func cutPage(p *OutputPage, b []byte, cursor string, limit int) (*OutputPage, error) {
	if limit <= 0 {
		limit = 1500
	}
	from := max(0, len(b)-limit)

	if cursor != "" {
		n, err := strconv.Atoi(cursor)
		if err != nil || n < 0 || n > len(b) {
			return nil, research.Errorf(research.CodeBadArgument,
				fmt.Sprintf("give a byte offset from 0 to %d", len(b)), "cursor %q is not one", cursor)
		}
		from = n
	}
	to := min(len(b), from+limit)

	p.Text, p.Total = string(b[from:to]), int64(len(b))
	if to < len(b) {
		p.Next = strconv.Itoa(to)
	}

	return p, nil
}

// ListLessons are the campaign's lessons, newest first.
func ListLessons(ctx context.Context, co *checkout.Checkout, limit int) (out []history.Lesson, err error) {
	c, err := co.CurrentCampaign(ctx)
	if err != nil {
		return nil, err
	}
	err = co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		out, err = tx.Lessons(c.Name, limit)
		return err
	})

	return out, err
}

// ListCampaigns are the names of the repository's campaigns, in alphabetical order.
func ListCampaigns(ctx context.Context, co *checkout.Checkout) (names []string, err error) {
	err = co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		all, err := tx.Campaigns()
		for i := range all {
			names = append(names, all[i].Name)
		}

		return err
	})

	return names, err
}

// ReadProgramText is program.md as it is on disk.
func ReadProgramText(ctx context.Context, co *checkout.Checkout) (string, error) {
	path, err := co.FindProgram("")
	if c, cerr := co.CurrentCampaign(ctx); cerr == nil {
		path, err = co.ProgramFile(c), nil
	}

	if err != nil {
		return "", err
	}

	b, err := os.ReadFile(path)
	if err != nil {
		return "", research.Errorf(research.CodeProgram,
			"run `ratchet init`, or follow read_log{view: \"guide\", query: \"setup\"}, to write one",
			"no program at %s", path)
	}

	return string(b), nil
}
