package export

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

// listCampaigns are the selected ones, in the order in which they began.
func (w *writer) listCampaigns(ctx context.Context) ([]history.Campaign, error) {
	var all []history.Campaign
	err := w.ledger.View(ctx, func(tx *ledger.Tx) (err error) {
		all, err = tx.Campaigns()
		return err
	})
	all = slices.DeleteFunc(all, func(c history.Campaign) bool { return w.Campaign != "" && c.Name != w.Campaign })
	slices.SortStableFunc(all, func(a, b history.Campaign) int { return a.StartedAt.Compare(b.StartedAt) })

	return all, err
}

// listTouched are the experiments that a record of the selection concerns, by
// campaign; nil when nothing was left out.
func (w *writer) listTouched(ctx context.Context) (map[string]map[int]bool, error) {
	if w.From == 0 && w.Since.IsZero() {
		return nil, nil
	}
	all := map[string]map[int]bool{}
	err := w.eachRecord(ctx, func(rec history.Record, _ []byte) error {
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

// readSelection returns the selected campaigns, and what listTouched does.
func (w *writer) readSelection(
	ctx context.Context,
) (all []history.Campaign, touched map[string]map[int]bool, err error) {
	if all, err = w.listCampaigns(ctx); err == nil {
		touched, err = w.listTouched(ctx)
	}

	return all, touched, err
}

// eachRow calls f with the decided experiments of a campaign, in order.
func (w *writer) eachRow(
	ctx context.Context, c history.Campaign, touched map[string]map[int]bool, f func(row) error,
) error {
	for n := 1; n <= c.Experiments; {
		var page []row

		err := w.ledger.View(ctx, func(tx *ledger.Tx) error {
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

// writeTSV writes the columns of results.tsv; the first row is the start's.
func (w *writer) writeTSV(ctx context.Context) error {
	all, touched, err := w.readSelection(ctx)
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
		fmt.Fprintf(w.out, "commit\t%s\tmemory_gb\tstatus\tdescription\n", c.Program.Metric.Name)

		if c.Baseline != nil && touched == nil {
			fmt.Fprintf(w.out, "%s\t%s\t0.0\tkeep\tbaseline\n", shortHash(c.Start), tsvNumber(*c.Baseline))
		}

		err := w.eachRow(ctx, c, touched, func(r row) error {
			value, memory := 0., 0.
			if v := r.value(); v != nil {
				value, memory = *v, r.peak/(1<<30)
			}
			_, err := fmt.Fprintf(w.out, "%s\t%s\t%.1f\t%s\t%s\n", r.commit(), tsvNumber(value), memory, r.status(),
				wording.PlainLine(r.Hypothesis))

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

// writeCSV writes every selected campaign's decided experiments.
func (w *writer) writeCSV(ctx context.Context) error {
	all, touched, err := w.readSelection(ctx)
	if err != nil {
		return err
	}

	table := csv.NewWriter(w.out)
	if err := table.Write([]string{"campaign", "n", "status", "verdict", "metric", "unit", "value", "baseline", "gain",
		"gain_lo", "gain_hi", "scale", "runs", "run_seconds", "session", "proposed_at", "judged_at", "parent",
		"candidate", "commit", "hypothesis", "expect", "lesson", "note", "reason"}); err != nil {
		return err
	}

	for _, c := range all {
		if err := w.eachRow(ctx, c, touched, func(r row) error { return table.Write(csvRow(c, r)) }); err != nil {
			return err
		}
	}
	table.Flush()

	return table.Error()
}

func csvRow(c history.Campaign, r row) []string {
	j := rules.Judgement{}
	if r.Judgement != nil {
		j = *r.Judgement
	}

	gain := [3]string{}
	if j.Gain != nil {
		gain = [3]string{exactNumber(&j.Gain.Mid), exactNumber(&j.Gain.Lo), exactNumber(&j.Gain.Hi)}
	}

	return []string{c.Name, strconv.Itoa(r.N), string(r.Status), string(j.Verdict), c.Program.Metric.Name,
		c.Program.Metric.Unit, exactNumber(j.Value), exactNumber(j.Baseline), gain[0], gain[1], gain[2], j.Scale,
		strconv.Itoa(r.Runs), exactNumber(&r.RunSeconds), r.Session, timeText(r.ProposedAt), timeText(r.JudgedAt),
		r.Parent, r.Candidate, r.Commit, r.Hypothesis, r.Expect, r.Lesson, r.Note, j.Reason}
}

func exactNumber(v *float64) string {
	if v == nil {
		return ""
	}

	return strconv.FormatFloat(*v, 'g', -1, 64)
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}

	return t.Format(time.RFC3339Nano)
}

// piConfig is the first line of each segment of pi's log.jsonl.
type piConfig struct {
	Type      string `json:"type"`
	Name      string `json:"name"`
	Metric    string `json:"metricName"`
	Unit      string `json:"metricUnit"`
	Direction string `json:"bestDirection"`
}

// writePi writes a log.jsonl: a config line and the runs of each campaign, which is
// a segment. Runs are numbered over the whole file, whatever --since leaves out.
func (w *writer) writePi(ctx context.Context) error {
	all, touched, err := w.readSelection(ctx)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(w.out)
	enc.SetEscapeHTML(false)
	before := 0 // runs of the campaigns written so far

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

		err := w.eachRow(ctx, c, touched, func(r row) error {
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
