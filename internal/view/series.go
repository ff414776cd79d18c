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
	// Of a deterministic metric (Exact) points have values; of a noisy one they
	// have gains only, since two raw numbers would only look comparable.
	Progress struct {
		Campaign string         `json:"campaign"`
		Metric   ProgressMetric `json:"metric"`
		Exact    bool           `json:"exact"` // deterministic so far
		// of gains: log (a share, .01 is 1 %) | linear (in the unit); "" before calibration
		Scale    string   `json:"scale"`
		Baseline *float64 `json:"baseline,omitempty"` // the start's value; of a deterministic metric only
		Best     *float64 `json:"best,omitempty"`     // the incumbent's, likewise
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
		Hypothesis string             `json:"hypothesis"` // its first line, at most 80 characters
		Kept       bool               `json:"kept"`       // and stands: neither undone nor rolled back
		RolledBack bool               `json:"rolled_back,omitempty"`
		Class      int                `json:"class,omitempty"` // of comparable runs
		At         time.Time          `json:"at"`              // of the verdict; of the proposal while there is none
	}
)

// ReadProgress gives the newest limit experiments (0: 500, at most 10,000), and
// those kept ones before them that are still in the incumbent, at most 64.
func ReadProgress(ctx context.Context, co *checkout.Checkout, limit int) (*Progress, error) {
	c, xs, err := newestExperiments(ctx, co, limit)
	if err != nil {
		return nil, err
	}

	p := progressOf(c)
	if len(xs) > 0 {
		p.From, p.To = xs[0].N, xs[len(xs)-1].N
		p.Total = max(p.Total, p.To)
	}
	var proofs []history.CertificateEnd

	err = co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		var older []history.Experiment

		for _, n := range c.KeptStack {
			if n >= p.From {
				break
			}

			x, err := tx.Experiment(c.Name, n)
			if err != nil {
				return err
			}

			older = append(older, *x)
		}

		if xs = append(older, xs...); len(xs) == 0 {
			return nil
		}
		proofs, err = certificatesFrom(tx, c, xs[0].N)

		return err
	})
	if err != nil {
		return nil, err
	}

	if p.Exact {
		p.foldExact(xs)
	} else {
		p.foldNoisy(c, xs, proofs)
	}

	return p, nil
}

func progressOf(c *history.Campaign) *Progress {
	m := c.Program.Metric

	p := &Progress{Campaign: c.Name, Metric: describeMetric(m), Exact: c.Rule.NoiseKind != research.Noisy,
		Scale: c.Rule.Scale, Standing: c.Standing(), Class: c.Class, Total: c.Experiments, Points: []ProgressPoint{}}
	if f := c.Finalized(); f != nil && f.Scale == c.Rule.Scale {
		p.Audit = &ProgressAudit{After: f.Experiments, Gain: f.Gain, Pairs: f.Pairs,
			Branch: strings.TrimPrefix(f.Branch, "refs/heads/")}
	} else if a := c.Audit; a != nil && a.Scale == c.Rule.Scale {
		p.Audit = &ProgressAudit{After: a.Experiments, Gain: a.Gain, Pairs: a.Pairs}
	}

	if p.Exact && c.Calibrated {
		best := c.Rule.Incumbent

		p.Best = &best
		if c.BaselineClass == c.Class {
			p.Baseline = c.Baseline
		}
	}

	return p
}

func describeMetric(m contract.Metric) ProgressMetric {
	return ProgressMetric{m.Name, m.Unit, m.Better}
}

// newestExperiments are the campaign and its last experiments, oldest first. They are read
// a page at a time, so that nobody waits long for the ledger.
func newestExperiments(
	ctx context.Context, co *checkout.Checkout, limit int,
) (*history.Campaign, []history.Experiment, error) {
	if limit <= 0 {
		limit = progressDefault
	}
	limit = min(limit, progressMost)

	c, err := job.CurrentReaped(ctx, co)
	if err != nil {
		return nil, nil, err
	}

	var all []history.Experiment
	for cursor := ""; len(all) < limit; {
		var page []history.Experiment

		err := co.Ledger.View(ctx, func(tx *ledger.Tx) (err error) {
			page, cursor, err = tx.Experiments(c.Name,
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

	return c, all, nil
}

// certificatesFrom are those that ended with experiment from or a later one, oldest first.
func certificatesFrom(tx *ledger.Tx, c *history.Campaign, from int) (out []history.CertificateEnd, err error) {
	for n := c.Certificates; n > max(0, c.Certificates-certificateMost); n-- {
		m, err := tx.Measurement(c.Name, research.NewJobID(research.CertificateJob, n))
		if err != nil {
			return nil, err
		}

		if m.Proof == nil {
			continue
		}

		if m.Proof.To < from {
			break
		}
		out = append(out, *m.Proof)
	}
	slices.Reverse(out)

	return out, nil
}
