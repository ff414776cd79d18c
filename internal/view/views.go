package view

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/job"
	"ratchet/internal/notify"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/wording"
	"ratchet/ledger"
)

const briefLooksAt = 64 // experiments, for what was tried of late

// ReadBrief is what a session needs to go on, from any client, after any crash.
func ReadBrief(ctx context.Context, co *checkout.Checkout) (*Brief, error) {
	campaign, err := job.CurrentReaped(ctx, co)
	if err != nil {
		return nil, err
	}
	brief := &Brief{Campaign: *campaign, Left: checkout.BudgetLeft(campaign),
		Changed: research.HasCode(co.RequireAcceptedContract(campaign), research.CodeContract)}
	var dropped []int

	err = co.Ledger.View(ctx, func(tx *ledger.Tx) (err error) {
		if dropped, err = readDropped(tx, campaign); err != nil {
			return err
		}

		if brief.Recent, _, err = tx.Experiments(campaign.Name, ledger.Query{Limit: briefLooksAt}); err != nil {
			return err
		}
		brief.Families = history.Families(brief.Recent)

		brief.Recent = brief.Recent[:min(len(brief.Recent), 8)]
		if brief.Lessons, err = tx.Lessons(campaign.Name, 5); err != nil {
			return err
		}

		if brief.Ideas, err = topIdeas(co, tx, campaign, 5); err != nil {
			return err
		}

		if brief.Notes, err = briefNotes(co, tx, campaign); err != nil {
			return err
		}

		for _, id := range campaign.Open {
			phase := co.ReadPhase(campaign.Name, id)

			since, err := readStartTime(tx, campaign.Name, id)
			if err != nil {
				return err
			}

			brief.Running = append(brief.Running, job.RunningJob{ID: id, Phase: phase,
				Elapsed: wording.Seconds(time.Since(since))})
		}

		return nil
	})
	if err != nil {
		return nil, err
	}

	for _, f := range checkout.EditedFiles(campaign.ProgramPath, campaign.Program) {
		brief.Edit = append(brief.Edit, filepath.Join(co.Repo.Root(), filepath.FromSlash(f)))
	}
	brief.Best, brief.Baseline = valueLevels(campaign)
	brief.Standing = campaign.Standing()
	markProofs(campaign, dropped, brief.Recent)
	brief.Merge = mergeAdvice(ctx, co, campaign)
	brief.Next = nextForBrief(co, brief)

	return brief, nil
}

// valueLevels are the incumbent's value and the start's, nil where they are unknown
// and for a noisy metric: no two raw numbers as if they could be compared.
func valueLevels(campaign *history.Campaign) (best, baseline *float64) {
	if !campaign.Calibrated || campaign.Rule.NoiseKind == research.Noisy {
		return nil, nil
	}

	value := campaign.Rule.Incumbent
	if campaign.BaselineClass == campaign.Class {
		baseline = campaign.Baseline
	}

	return &value, baseline
}

func readStartTime(tx *ledger.Tx, campaign string, id research.JobID) (time.Time, error) {
	if id.Kind() == research.ExperimentJob {
		experiment, err := tx.Experiment(campaign, id.N())
		if err != nil {
			return time.Time{}, err
		}

		return experiment.ProposedAt, nil
	}

	measurement, err := tx.Measurement(campaign, id)
	if err != nil {
		return time.Time{}, err
	}

	return measurement.At, nil
}

func nextForBrief(co *checkout.Checkout, brief *Brief) string {
	campaign := &brief.Campaign
	switch {
	case campaign.Ended != "":
		return "the campaign has ended (" + campaign.Ended + "); start_campaign with a new name starts another"
	case brief.Changed:
		return "tell the user: `ratchet accept` in a terminal accepts the changed contract"
	}

	return job.NextAfterDecision(campaign)
}

// ListExperiments is a page of experiments, newest first.
func ListExperiments(ctx context.Context, co *checkout.Checkout, query Query) (*Page, error) {
	campaign, err := job.CurrentReaped(ctx, co)
	if err != nil {
		return nil, err
	}
	page := &Page{Metric: campaign.Program.Metric}
	var dropped []int
	err = co.Ledger.View(ctx, func(tx *ledger.Tx) (err error) {
		if dropped, err = readDropped(tx, campaign); err != nil {
			return err
		}
		page.Experiments, page.Next, err = tx.Experiments(campaign.Name,
			ledger.Query{Text: query.Text, Status: query.Status, Verdict: query.Verdict, Cursor: query.Cursor,
				Limit: query.Limit})
		if err == nil {
			err = readGuards(tx, campaign, page.Experiments)
		}

		if err != nil || query.Text == "" || query.Cursor != "" || campaign.Imported == 0 {
			return err
		}
		page.Imported, _, err = tx.Imports(campaign.Name, ledger.Query{Text: query.Text, Limit: 3})

		return err
	})
	markProofs(campaign, dropped, page.Experiments)

	return page, err
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
	campaign, err := job.CurrentReaped(ctx, co)
	if err != nil {
		return nil, err
	}

	if id == "" {
		id = strconv.Itoa(campaign.Experiments)
	}

	job, err := research.ParseJobID(id)
	if err != nil {
		return nil, err
	}

	if job.Kind() != research.ExperimentJob || job.N() > campaign.Experiments {
		return nil, research.Errorf(research.CodeNotFound, "read_log{view: \"table\"} lists them",
			"no experiment %s in %q", id, campaign.Name)
	}
	detail := &Detail{Metric: campaign.MetricOf(job.N())}

	err = co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		experiment, err := tx.Experiment(campaign.Name, job.N())
		if err != nil {
			return err
		}
		dropped, err := readDropped(tx, campaign)
		if err != nil {
			return err
		}
		experiment.Proof = describeProof(campaign, dropped, experiment)

		detail.Experiment, detail.Files, detail.Exact = *experiment, experiment.Paths,
			campaign.Rule.NoiseKind == research.Deterministic
		if detail.Proof, err = proofOfKeep(tx, campaign, experiment); err != nil {
			return err
		}

		if detail.Runs, err = tx.Runs(campaign.Name, job); err != nil {
			return err
		}
		detail.Experiment.Under = campaign.EarlierMetricOf(experiment.N)
		detail.Experiment.Guards = rules.GuardValues(campaign.Program, detail.Runs)
		detail.Evidence, err = evidencePath(tx, campaign, experiment, detail.Runs)

		return err
	})
	if err != nil {
		return nil, err
	}
	detail.Diff, err = co.Repo.Diff(ctx, detail.Experiment.Parent, detail.Experiment.Candidate, detail.Files, diff)
	detail.Cut = strings.HasPrefix(detail.Diff[strings.LastIndexByte(strings.TrimSuffix(detail.Diff, "\n"), '\n')+1:],
		diffCut)

	return detail, err
}

// markProofs fills in how far each keep is proven, or that it was dropped, and which
// metric its values are of.
func markProofs(c *history.Campaign, dropped []int, xs []history.Experiment) {
	for i := range xs {
		xs[i].Proof, xs[i].Under = describeProof(c, dropped, &xs[i]), c.EarlierMetricOf(xs[i].N)
	}
}

// describeProof says how far a keep is proven, or that finalize left it out.
func describeProof(c *history.Campaign, dropped []int, experiment *history.Experiment) string {
	if experiment.Status == research.Kept && slices.Contains(dropped, experiment.N) {
		return "left out by finalize"
	}

	return c.Proof(experiment)
}

// readDropped reads which experiments the last finalize of the present incumbent left out.
func readDropped(tx *ledger.Tx, campaign *history.Campaign) ([]int, error) {
	final := campaign.Final
	if final == nil || final.Head != campaign.Incumbent || final.Dropped == 0 || final.Seq == 0 {
		return nil, nil
	}

	_, made, err := readFinalization(tx, final)

	return made.Dropped, err
}

// readFinalization reads the record that a finalize left, whole.
func readFinalization(tx *ledger.Tx, final *history.Final) (history.Record, history.Finalization, error) {
	var made history.Finalization

	record, err := tx.Record(final.Seq)
	if err != nil {
		return record, made, err
	}

	if err := json.Unmarshal(record.Body, &made); err != nil {
		return record, made, fmt.Errorf("decode record %d: %w", record.Seq, err)
	}

	return record, made, nil
}

// readGuards fills in the guards' values of experiments.
func readGuards(tx *ledger.Tx, campaign *history.Campaign, xs []history.Experiment) error {
	if len(campaign.Program.Guards) == 0 {
		return nil
	}

	for i := range xs {
		runs, err := tx.Runs(campaign.Name, xs[i].Job())
		if err != nil {
			return err
		}
		xs[i].Guards = rules.GuardValues(campaign.Program, runs)
	}

	return nil
}

// proofOfKeep says which certificate judged the chain of a keep, "" if none did.
func proofOfKeep(tx *ledger.Tx, campaign *history.Campaign, experiment *history.Experiment) (string, error) {
	if experiment.Proof != "certified" && experiment.Proof != "rolled back" {
		return experiment.Proof, nil
	}

	for n := campaign.Certificates; n > 0; n-- {
		measurement, err := tx.Measurement(campaign.Name, research.NewJobID(research.CertificateJob, n))
		if err != nil {
			return "", err
		}

		if p := measurement.Proof; p != nil && p.From <= experiment.N && experiment.N <= p.To {
			return fmt.Sprintf("as part of a chain, %s: %s", measurement.Job, p.Describe(campaign.Program.Metric)), nil
		}
	}

	return experiment.Proof, nil
}

// ReadOutput is a slice of the last stored output of a job, from its end by
// default: cursor is a byte offset.
func ReadOutput(ctx context.Context, co *checkout.Checkout, id, cursor string, limit int) (*OutputPage, error) {
	campaign, err := job.CurrentReaped(ctx, co)
	if err != nil {
		return nil, err
	}
	page := &OutputPage{}

	if id == "hooks" {
		content, err := os.ReadFile(notify.NotifierFile(co, campaign.Name, "hooks"))
		if err != nil {
			return nil, research.Errorf(research.CodeNotFound, "read_log{}", "no hook has printed anything yet")
		}
		page.Job = "hooks"

		return cutPage(page, content, cursor, limit)
	}
	var digest string

	err = co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		if id == "" && campaign.Experiments > 0 {
			id = strconv.Itoa(campaign.Experiments)
		} else if id == "" && campaign.Calibrations > 0 {
			id = string(research.NewJobID(research.CalibrationJob, campaign.Calibrations))
		}

		if page.Job, err = research.ParseJobID(id); err != nil {
			return err
		}

		if page.Job.Kind() == research.ExperimentJob {
			x, err := tx.Experiment(campaign.Name, page.Job.N())
			if err == nil {
				digest = x.Output
			}

			return err
		}

		m, err := tx.Measurement(campaign.Name, page.Job)
		if err == nil {
			digest = m.Output
		}

		return err
	})
	if err != nil {
		return nil, err
	}

	if digest == "" {
		return nil, research.Errorf(research.CodeNotFound, "wait_run{}", "%s has stored no output yet", page.Job)
	}

	data, err := co.Ledger.Output(digest)
	if err != nil {
		return nil, err
	}

	return cutPage(page, data, cursor, limit)
}

func cutPage(page *OutputPage, content []byte, cursor string, limit int) (*OutputPage, error) {
	if limit <= 0 {
		limit = 1500
	}
	from := max(0, len(content)-limit)

	if cursor != "" {
		n, err := strconv.Atoi(cursor)
		if err != nil || n < 0 || n > len(content) {
			return nil, research.Errorf(research.CodeBadArgument,
				fmt.Sprintf("give a byte offset from 0 to %d", len(content)), "cursor %q is not one", cursor)
		}
		from = n
	}
	to := min(len(content), from+limit)

	page.Text, page.Total = string(content[from:to]), int64(len(content))
	if to < len(content) {
		page.Next = strconv.Itoa(to)
	}

	return page, nil
}

// ListLessons are the campaign's lessons, newest first.
func ListLessons(ctx context.Context, co *checkout.Checkout, limit int) (out []history.Lesson, err error) {
	campaign, err := co.CurrentCampaign(ctx)
	if err != nil {
		return nil, err
	}
	err = co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		out, err = tx.Lessons(campaign.Name, limit)
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

	content, err := os.ReadFile(path)
	if err != nil {
		return "", research.Errorf(research.CodeProgram,
			"run `ratchet init`, or follow read_log{view: \"guide\", query: \"setup\"}, to write one",
			"no program at %s", path)
	}

	return string(content), nil
}
