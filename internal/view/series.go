package view

import (
	"context"
	"slices"
	"strings"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/job"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/ledger"
)

// This file gives the campaign as plain series, for whoever draws or counts.
// Every series is flat in the ledger's size: the newest so many, and how many
// there are.

const (
	progressDefault = 500
	progressMost    = 10_000
	progressPage    = 200 // experiments read while the ledger is locked
	certificateMost = 500 // certificates read for the running gain
	hypothesisRunes = 80
)

type (
	// Progress is how a campaign went, experiment by experiment, oldest first.
	// Of a deterministic metric (Exact) points have values; of a noisy one they have
	// gains, which InUnit puts over the start's value.
	Progress struct {
		Campaign string         `json:"campaign"`
		Metric   ProgressMetric `json:"metric"`
		Exact    bool           `json:"exact"` // deterministic so far
		// of gains: log (a share, .01 is 1 %) | linear (in the unit); "" before calibration
		Scale    string   `json:"scale"`
		Baseline *float64 `json:"baseline,omitempty"` // the start's value; of a deterministic metric only
		Best     *float64 `json:"best,omitempty"`     // the incumbent's, likewise
		// Start is the start's value, of a noisy metric whose start was measured on this machine.
		Start *float64 `json:"start,omitempty"`
		// what is claimed over the start now; of a noisy metric only
		Gain *TotalGain `json:"gain,omitempty"`
		// the last audit, or that of the branch that finalize made of the incumbent: the one figure
		// that nothing was selected for
		Audit    *ProgressAudit  `json:"audit,omitempty"`
		Standing string          `json:"standing,omitempty"` // the same in words
		Class    int             `json:"class,omitempty"`    // of comparable runs, the present one
		Points   []ProgressPoint `json:"points"`
		// The points are the newest ones, From to To without a gap, and before them
		// those kept ones that are still in the incumbent. Total is how many
		// experiments the campaign has.
		From  int `json:"from"`
		To    int `json:"to"`
		Total int `json:"total"`
		// Earlier is how many experiments were measured by another metric: the first ones,
		// which have no point.
		Earlier int `json:"earlier,omitempty"`
	}
	// ProgressMetric is what is measured.
	ProgressMetric struct {
		Name   string             `json:"name"`
		Unit   string             `json:"unit,omitempty"`
		Better research.Direction `json:"better"`
	}
	// TotalGain is a gain over the start with its 90 % interval; positive is better.
	TotalGain struct {
		research.Interval
		// the part of it that is proven; its interval leaves out what was proven before the first
		// point
		Certified *research.Interval `json:"certified,omitempty"`
	}
	// ProgressAudit is an audited gain over the start.
	ProgressAudit struct {
		After int               `json:"after"` // experiments made by then
		Gain  research.Interval `json:"gain"`
		Pairs int               `json:"pairs"`
		// Branch is the one that finalize made and that was audited; "" for an incumbent.
		Branch string `json:"branch,omitempty"`
	}
	// ProgressPoint is one experiment.
	ProgressPoint struct {
		N       int              `json:"n"`
		Status  research.Status  `json:"status"`
		Verdict research.Verdict `json:"verdict,omitempty"` // "" while it runs
		// Value is of a deterministic metric only, in its unit.
		Value *float64 `json:"value,omitempty"`
		// Gain is over the incumbent that it was compared with, OverStart the same
		// on top of what had been gained by then; positive is better.
		Gain      *research.Interval `json:"gain,omitempty"`
		OverStart *research.Interval `json:"over_start,omitempty"`
		// Best is the incumbent after this experiment, as it was known then: its value
		// (deterministic, an interval of no width), else the gain over the start that
		// certificates and claims add up to.
		Best       *research.Interval `json:"best,omitempty"`
		Result     string             `json:"result,omitempty"` // in words
		Hypothesis string             `json:"hypothesis"`       // its first line, at most 80 characters
		Kept       bool               `json:"kept"`             // and stands: neither undone nor rolled back
		RolledBack bool               `json:"rolled_back,omitempty"`
		Class      int                `json:"class,omitempty"` // of comparable runs
		At         time.Time          `json:"at"`              // of the verdict; of the proposal while there is none
	}
)

// InUnit is a gain over the start in the metric's unit; false where the start's value is
// not known.
func (p *Progress) InUnit(gain research.Interval) (value research.Interval, ok bool) {
	if p.Start == nil {
		return gain, false
	}
	words := contract.Metric{Better: p.Metric.Better}.Words(p.Scale)
	mid, lo, hi := words.ValueAfter(*p.Start, gain.Mid), words.ValueAfter(*p.Start, gain.Lo),
		words.ValueAfter(*p.Start, gain.Hi)

	return research.Interval{Mid: mid, Lo: min(lo, hi), Hi: max(lo, hi)}, true
}

// ReadProgress gives the newest limit experiments (0: 500, at most 10,000), and
// those kept ones before them that are still in the incumbent, at most 64.
func ReadProgress(ctx context.Context, co *checkout.Checkout, limit int) (*Progress, error) {
	campaign, xs, err := newestExperiments(ctx, co, limit)
	if err != nil {
		return nil, err
	}

	progress := progressOf(campaign)
	if len(xs) > 0 {
		progress.From, progress.To = xs[0].N, xs[len(xs)-1].N
		progress.Total = max(progress.Total, progress.To)
	}
	var proofs []history.CertificateEnd

	err = co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		var older []history.Experiment

		for _, n := range campaign.KeptStack {
			if n >= progress.From {
				break
			}

			if n < campaign.MeasuredFrom() {
				continue
			}

			experiment, err := tx.Experiment(campaign.Name, n)
			if err != nil {
				return err
			}

			older = append(older, *experiment)
		}

		if xs = append(older, xs...); len(xs) == 0 {
			return nil
		}
		proofs, err = certificatesFrom(tx, campaign, xs[0].N)

		return err
	})
	if err != nil {
		return nil, err
	}

	if progress.Exact {
		progress.foldExact(campaign, xs)
	} else {
		progress.foldNoisy(campaign, xs, proofs)
	}

	return progress, nil
}

func progressOf(campaign *history.Campaign) *Progress {
	m := campaign.Program.Metric

	progress := &Progress{Campaign: campaign.Name, Metric: describeMetric(m),
		Exact: campaign.Rule.NoiseKind != research.Noisy, Scale: campaign.Rule.Scale, Standing: campaign.Standing(),
		Class: campaign.Class, Total: campaign.Experiments, Earlier: campaign.MeasuredFrom() - 1,
		Points: []ProgressPoint{}}
	if f := campaign.Finalized(); f != nil && f.Scale == campaign.Rule.Scale {
		progress.Audit = &ProgressAudit{After: f.Experiments, Gain: f.Gain, Pairs: f.Pairs,
			Branch: strings.TrimPrefix(f.Branch, "refs/heads/")}
	} else if a := campaign.Audit; a != nil && a.Scale == campaign.Rule.Scale {
		progress.Audit = &ProgressAudit{After: a.Experiments, Gain: a.Gain, Pairs: a.Pairs}
	}

	if !progress.Exact {
		progress.Start = campaign.ComparableStart()
	}

	if progress.Exact && campaign.Calibrated {
		best := campaign.Rule.Incumbent

		progress.Best = &best
		if campaign.BaselineClass == campaign.Class {
			progress.Baseline = campaign.Baseline
		}
	}

	return progress
}

func describeMetric(m contract.Metric) ProgressMetric {
	return ProgressMetric{m.Name, m.Unit, m.Better}
}

// newestExperiments are the campaign and its last experiments that were measured by the
// present metric, oldest first. They are read a page at a time, so that nobody waits long
// for the ledger.
func newestExperiments(
	ctx context.Context, co *checkout.Checkout, limit int,
) (*history.Campaign, []history.Experiment, error) {
	if limit <= 0 {
		limit = progressDefault
	}
	limit = min(limit, progressMost)

	campaign, err := job.CurrentReaped(ctx, co)
	if err != nil {
		return nil, nil, err
	}

	var all []history.Experiment
	for cursor := ""; len(all) < limit; {
		var page []history.Experiment

		err := co.Ledger.View(ctx, func(tx *ledger.Tx) (err error) {
			page, cursor, err = tx.Experiments(campaign.Name,
				ledger.Query{Cursor: cursor, Limit: min(progressPage, limit-len(all))})
			return err
		})
		if err != nil {
			return nil, nil, err
		}

		if all = append(all, page...); cursor == "" {
			break
		}
	}
	slices.Reverse(all)

	isEarlier := func(experiment history.Experiment) bool { return experiment.N < campaign.MeasuredFrom() }

	return campaign, slices.DeleteFunc(all, isEarlier), nil
}

// certificatesFrom are those that ended with experiment from or a later one, oldest first.
func certificatesFrom(tx *ledger.Tx, c *history.Campaign, from int) (out []history.CertificateEnd, err error) {
	for n := c.Certificates; n > max(0, c.Certificates-certificateMost); n-- {
		measurement, err := tx.Measurement(c.Name, research.NewJobID(research.CertificateJob, n))
		if err != nil {
			return nil, err
		}

		if measurement.Proof == nil {
			continue
		}

		if measurement.Proof.To < from {
			break
		}
		out = append(out, *measurement.Proof)
	}
	slices.Reverse(out)

	return out, nil
}
