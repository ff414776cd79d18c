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
	"ratchet/internal/research/contract"
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
	ctx context.Context, campaign history.Campaign, touched map[string]map[int]bool, f func(row) error,
) error {
	for n := 1; n <= campaign.Experiments; {
		var page []row

		err := w.ledger.View(ctx, func(tx *ledger.Tx) error {
			for ; n <= campaign.Experiments && len(page) < tablePage; n++ {
				if touched != nil && !touched[campaign.Name][n] {
					continue
				}

				r, err := readRow(tx, campaign, n)
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

func readRow(tx *ledger.Tx, campaign history.Campaign, n int) (row, error) {
	experiment, err := tx.Experiment(campaign.Name, n)
	if err != nil {
		return row{}, err
	}
	r := row{Experiment: *experiment}
	r.Under = campaign.EarlierMetricOf(n)

	runs, err := tx.Runs(campaign.Name, experiment.Job())
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

	for _, campaign := range all {
		fmt.Fprintf(w.out, "commit\t%s\tmemory_gb\tstatus\tdescription\n", campaign.Program.Metric.Name)

		if campaign.Baseline != nil && touched == nil {
			fmt.Fprintf(w.out, "%s\t%s\t0.0\tkeep\tbaseline\n", shortHash(campaign.Start),
				tsvNumber(*campaign.Baseline))
		}

		err := w.eachRow(ctx, campaign, touched, func(r row) error {
			if r.Under != nil { // a results.tsv has one metric
				return nil
			}
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

func csvRow(campaign history.Campaign, r row) []string {
	judgement := rules.Judgement{}
	if r.Judgement != nil {
		judgement = *r.Judgement
	}

	gain := [3]string{}
	if judgement.Gain != nil {
		gain = [3]string{exactNumber(&judgement.Gain.Mid), exactNumber(&judgement.Gain.Lo),
			exactNumber(&judgement.Gain.Hi)}
	} else if expected := judgement.ExpectedGain(); expected != nil { // of one run, which states no interval
		gain[0] = exactNumber(&expected.Mid)
	}

	return []string{campaign.Name, strconv.Itoa(r.N), string(r.Status), string(judgement.Verdict),
		campaign.MetricOf(r.N).Name, campaign.MetricOf(r.N).Unit, exactNumber(judgement.Value),
		exactNumber(judgement.Baseline), gain[0], gain[1], gain[2], judgement.Scale, strconv.Itoa(r.Runs),
		exactNumber(&r.RunSeconds), r.Session, timeText(r.ProposedAt), timeText(r.JudgedAt), r.Parent, r.Candidate,
		r.Commit, r.Hypothesis, r.Expect, r.Lesson, r.Note, judgement.Reason}
}

func exactNumber(v *float64) string {
	if v == nil {
		return ""
	}

	return strconv.FormatFloat(*v, 'g', -1, 64)
}

func timeText(at time.Time) string {
	if at.IsZero() {
		return ""
	}

	return at.Format(time.RFC3339Nano)
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
// a segment, one more for each time that its metric changed. Runs are numbered over the
// whole file, whatever --since leaves out.
func (w *writer) writePi(ctx context.Context) error {
	all, touched, err := w.readSelection(ctx)
	if err != nil {
		return err
	}
	p := piWriter{enc: json.NewEncoder(w.out), segment: -1}
	p.enc.SetEscapeHTML(false)

	for _, campaign := range all {
		if err := p.begin(campaign, campaign.MetricOf(1)); err != nil {
			return err
		}

		// The baseline on record is the present metric's.
		baseline := campaign.Baseline != nil && touched == nil
		if baseline && campaign.EarlierMetricOf(1) == nil {
			if err := p.writeBaseline(campaign); err != nil {
				return err
			}
			baseline = false
		}

		err := w.eachRow(ctx, campaign, touched, func(r row) error {
			metric := campaign.MetricOf(r.N)
			if metric.Name != p.metric.Name || metric.Unit != p.metric.Unit || metric.Better != p.metric.Better {
				if err := p.begin(campaign, metric); err != nil {
					return err
				}
			}

			if baseline && r.Under == nil {
				if err := p.writeBaseline(campaign); err != nil {
					return err
				}
				baseline = false
			}
			line := notify.NewPiRun(metric, &r.Experiment, r.samples)
			line.Run, line.Segment = p.before+1+r.N, p.segment

			return p.enc.Encode(line)
		})
		if err != nil {
			return err
		}

		// The last segment has the present metric, also before a run has it.
		if now := campaign.Program.Metric; p.metric.Name != now.Name || p.metric.Unit != now.Unit ||
			p.metric.Better != now.Better {
			if err := p.begin(campaign, now); err != nil {
				return err
			}
		}
		p.before += 1 + campaign.Experiments
	}

	return nil
}

// piWriter writes the lines of a log.jsonl.
type piWriter struct {
	enc     *json.Encoder
	segment int             // the number of the present one
	metric  contract.Metric // and its metric
	before  int             // runs of the campaigns written so far
}

// begin begins a segment.
func (p *piWriter) begin(campaign history.Campaign, metric contract.Metric) error {
	p.segment++
	p.metric = metric

	return p.enc.Encode(piConfig{"config", campaign.Name, metric.Name, metric.Unit, string(metric.Better)})
}

func (p *piWriter) writeBaseline(campaign history.Campaign) error {
	return p.enc.Encode(notify.PiRun{Run: p.before + 1, Commit: shortHash(campaign.Start), Metric: *campaign.Baseline,
		Metrics: map[string]float64{}, Status: "keep", Description: "baseline",
		Timestamp: campaign.StartedAt.UnixMilli(), Segment: p.segment})
}
