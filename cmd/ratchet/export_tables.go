package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"ratchet/internal/notify"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/wording"
	"ratchet/ledger"
)

// tablePage is how many experiments are read while the ledger is locked.
const tablePage = 20

// row is an experiment with what of its runs a table shows.
type row struct {
	history.Experiment
	peak    float64            // bytes of memory, GPU's where the program says so, else resident
	samples map[string]float64 // of the candidate's last valid run
}

// status is the word that results.tsv and pi have for it; "" while it is undecided.
func (r row) status() string { return notify.PiStatus(&r.Experiment) }

func (r row) commit() string {
	if r.Status == research.Kept {
		return shortHash(r.Commit)
	}

	return shortHash(r.Candidate)
}

// value is the metric's, nil of a crash.
func (r row) value() *float64 {
	if r.Judgement == nil || r.Status == research.Voided {
		return nil
	}

	return r.Judgement.Value
}

func (r row) ended() time.Time {
	if r.JudgedAt.IsZero() {
		return r.ProposedAt
	}

	return r.JudgedAt
}

func shortHash(s string) string { return s[:min(len(s), 7)] }

// oneLine is a text without tabs, line breaks and control characters.
func oneLine(s string) string { return wording.PlainLine(s) }

// campaigns are the selected ones, in the order in which they began.
func (x *export) campaigns(ctx context.Context) ([]history.Campaign, error) {
	var all []history.Campaign
	err := x.ledger.View(ctx, func(tx *ledger.Tx) (err error) {
		all, err = tx.Campaigns()
		return err
	})
	all = slices.DeleteFunc(all, func(c history.Campaign) bool { return x.campaign != "" && c.Name != x.campaign })
	slices.SortStableFunc(all, func(a, b history.Campaign) int { return a.StartedAt.Compare(b.StartedAt) })

	return all, err
}

// touched are the experiments that a record of the selection concerns, by
// campaign; nil when nothing was left out.
func (x *export) touched(ctx context.Context) (map[string]map[int]bool, error) {
	if x.from == 0 && x.since.IsZero() {
		return nil, nil
	}
	all := map[string]map[int]bool{}
	err := x.records(ctx, func(rec history.Record, _ []byte) error {
		job, err := history.Touches(rec)
		if err != nil || job.Kind() != research.ExperimentJob {
			return err
		}

		if all[rec.Campaign] == nil {
			all[rec.Campaign] = map[int]bool{}
		}
		all[rec.Campaign][job.N()] = true

		return nil
	})

	return all, err
}

// selection is both.
func (x *export) selection(ctx context.Context) (all []history.Campaign, touched map[string]map[int]bool, err error) {
	if all, err = x.campaigns(ctx); err == nil {
		touched, err = x.touched(ctx)
	}

	return all, touched, err
}

// rows calls f with the decided experiments of a campaign, in order.
func (x *export) rows(
	ctx context.Context, c history.Campaign, touched map[string]map[int]bool, f func(row) error,
) error {
	for n := 1; n <= c.Experiments; {
		var page []row

		err := x.ledger.View(ctx, func(tx *ledger.Tx) error {
			for ; n <= c.Experiments && len(page) < tablePage; n++ {
				if touched != nil && !touched[c.Name][n] {
					continue
				}

				r, err := readRow(tx, c, n)
				if err != nil {
					return err
				}

				page = append(page, r)
			}

			return nil
		})
		if err != nil {
			return err
		}

		for _, r := range page {
			if r.status() == "" {
				continue
			}

			if err := f(r); err != nil {
				return err
			}
		}
	}

	return nil
}

func readRow(tx *ledger.Tx, c history.Campaign, n int) (row, error) {
	e, err := tx.Experiment(c.Name, n)
	if err != nil {
		return row{}, err
	}
	r := row{Experiment: *e}

	runs, err := tx.Runs(c.Name, e.Job())
	for _, run := range runs {
		if run.Side != rules.Candidate || !run.Valid {
			continue
		}
		r.samples = run.Samples
		r.peak = max(r.peak, float64(run.MaxRSS))
	}

	if mb, ok := r.samples["peak_vram_mb"]; ok {
		r.peak = mb * (1 << 20)
	}

	return r, err
}

// tsv writes the columns of results.tsv; the first row is the start's.
func (x *export) tsv(ctx context.Context) error {
	all, touched, err := x.selection(ctx)
	if err != nil {
		return err
	}

	if len(all) > 1 {
		names := make([]string, len(all))
		for i, c := range all {
			names[i] = c.Name
		}

		return research.Errorf(research.CodeBadArgument, "name one: --campaign "+all[len(all)-1].Name,
			"a results.tsv has one metric, and there are several campaigns: %s", strings.Join(names, ", "))
	}

	for _, c := range all {
		fmt.Fprintf(x.out, "commit\t%s\tmemory_gb\tstatus\tdescription\n", c.Program.Metric.Name)

		if c.Baseline != nil && touched == nil {
			fmt.Fprintf(x.out, "%s\t%s\t0.0\tkeep\tbaseline\n", shortHash(c.Start), tsvNumber(*c.Baseline))
		}

		err := x.rows(ctx, c, touched, func(r row) error {
			value, memory := 0., 0.
			if v := r.value(); v != nil {
				value, memory = *v, r.peak/(1<<30)
			}
			_, err := fmt.Fprintf(x.out, "%s\t%s\t%.1f\t%s\t%s\n", r.commit(), tsvNumber(value), memory, r.status(),
				oneLine(r.Hypothesis))

			return err
		})
		if err != nil {
			return err
		}
	}

	return nil
}

// tsvNumber has six decimals; more where those would say zero, which means a crash.
func tsvNumber(v float64) string {
	if v != 0 && math.Abs(v) < .001 {
		return strconv.FormatFloat(v, 'g', 9, 64)
	}

	return strconv.FormatFloat(v, 'f', 6, 64)
}

// csv writes every selected campaign's decided experiments.
func (x *export) csv(ctx context.Context) error {
	all, touched, err := x.selection(ctx)
	if err != nil {
		return err
	}

	w := csv.NewWriter(x.out)
	if err := w.Write([]string{"campaign", "n", "status", "verdict", "metric", "unit", "value", "baseline", "gain",
		"gain_lo", "gain_hi", "scale", "runs", "run_seconds", "session", "proposed_at", "judged_at", "parent",
		"candidate", "commit", "hypothesis", "expect", "lesson", "note", "reason"}); err != nil {
		return err
	}

	for _, c := range all {
		if err := x.rows(ctx, c, touched, func(r row) error { return w.Write(csvRow(c, r)) }); err != nil {
			return err
		}
	}
	w.Flush()

	return w.Error()
}

func csvRow(c history.Campaign, r row) []string {
	j := rules.Judgement{}
	if r.Judgement != nil {
		j = *r.Judgement
	}

	gain := [3]string{}
	if j.Gain != nil {
		gain = [3]string{exact(&j.Gain.Mid), exact(&j.Gain.Lo), exact(&j.Gain.Hi)}
	}

	return []string{c.Name, strconv.Itoa(r.N), string(r.Status), string(j.Verdict), c.Program.Metric.Name,
		c.Program.Metric.Unit, exact(j.Value), exact(j.Baseline), gain[0], gain[1], gain[2], j.Scale,
		strconv.Itoa(r.Runs), exact(&r.RunSeconds), r.Session, stamp(r.ProposedAt), stamp(r.JudgedAt), r.Parent,
		r.Candidate, r.Commit, r.Hypothesis, r.Expect, r.Lesson, r.Note, j.Reason}
}

func exact(v *float64) string {
	if v == nil {
		return ""
	}

	return strconv.FormatFloat(*v, 'g', -1, 64)
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}

	return t.Format(time.RFC3339Nano)
}

// piConfig is the first line of each segment of a log.jsonl, see pi writes.
type (
	piConfig struct {
		Type      string `json:"type"`
		Name      string `json:"name"`
		Metric    string `json:"metricName"`
		Unit      string `json:"metricUnit"`
		Direction string `json:"bestDirection"`
	}
)

// pi writes a log.jsonl: a config line and the runs of each campaign, which is
// a segment. Runs are numbered over the whole file, whatever --since leaves out.
func (x *export) pi(ctx context.Context) error {
	all, touched, err := x.selection(ctx)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(x.out)
	enc.SetEscapeHTML(false)
	before := 0 // runs of the campaigns before

	for segment, c := range all {
		m := c.Program.Metric
		if err := enc.Encode(piConfig{"config", c.Name, m.Name, m.Unit, string(m.Better)}); err != nil {
			return err
		}

		if c.Baseline != nil && touched == nil {
			if err := enc.Encode(notify.PiRun{Run: before + 1, Commit: shortHash(c.Start), Metric: *c.Baseline,
				Metrics: map[string]float64{}, Status: "keep", Description: "baseline",
				Timestamp: c.StartedAt.UnixMilli(), Segment: segment}); err != nil {
				return err
			}
		}

		err := x.rows(ctx, c, touched, func(r row) error {
			line := notify.NewPiRun(m, &r.Experiment, r.samples)
			line.Run, line.Segment = before+1+r.N, segment

			return enc.Encode(line)
		})
		if err != nil {
			return err
		}
		before += 1 + c.Experiments
	}

	return nil
}
