package view

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/job"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/ledger"
)

const (
	runsDefault = 1000
	runsMost    = 20_000
	runsPage    = 50  // jobs whose runs are read while the ledger is locked
	otherJobs   = 100 // calibrations, measurements, certificates and audits that are looked at, of each
)

type (
	// NoiseSeries is what repeated runs of one version show of the metric's noise.
	// All deviations are on Scale: shares (log) or in the unit (linear).
	NoiseSeries struct {
		Campaign string             `json:"campaign"`
		Metric   ProgressMetric     `json:"metric"`
		Noise    research.NoiseKind `json:"noise"` // deterministic | noisy; "" before calibration
		Scale    string             `json:"scale"`
		// Spread is the standard deviation of one paired difference, as the rule
		// reckons with it; 0 where it is not known.
		Spread float64 `json:"spread,omitempty"`
		// Values are the last calibration's samples, raw; Calibration each against their median.
		Values      []float64 `json:"values"`
		Calibration []float64 `json:"calibration"`
		Residuals   []float64 `json:"residuals"` // of paired differences of late, at most 120, oldest first
		// Drift is the runs of incumbents, each against the median of the runs of the
		// same version; of versions that ran three times at least.
		Drift []DriftPoint `json:"drift"`
		Runs  int          `json:"runs"`  // that were looked at for it, the newest
		Total int          `json:"total"` // that the campaign made
	}
	// DriftPoint is a run of an incumbent.
	DriftPoint struct {
		At        time.Time      `json:"at"`
		Job       research.JobID `json:"job"`
		Deviation float64        `json:"deviation"`
		Contended bool           `json:"contended,omitempty"`
	}
	// Spending is what the campaign used of its budget over time.
	Spending struct {
		Campaign string          `json:"campaign"`
		Started  time.Time       `json:"started"`
		Limit    Spent           `json:"limit"` // 0: no limit
		Now      Spent           `json:"now"`
		Points   []SpendingPoint `json:"points"` // one a run, oldest first
		Total    int             `json:"total"`  // runs that the campaign made
	}
	// Spent is an amount of the budget.
	Spent struct {
		Experiments int     `json:"experiments"`
		Hours       float64 `json:"hours"`     // of runs
		GPUHours    float64 `json:"gpu_hours"` // leased devices × time
	}
	// SpendingPoint is what was spent when a run had ended.
	SpendingPoint struct {
		At time.Time `json:"at"`
		Spent
	}
	// GPUSeries is what runs did on their GPUs.
	GPUSeries struct {
		Campaign string     `json:"campaign"`
		Leases   int        `json:"gpus"` // whole GPUs that a run leases
		Points   []GPUPoint `json:"points"`
		Runs     int        `json:"runs"`  // that were looked at, the newest
		Total    int        `json:"total"` // that the campaign made
	}
	// GPUPoint is one run's evidence. What the driver did not tell is nil.
	GPUPoint struct {
		At         time.Time      `json:"at"`
		Job        research.JobID `json:"job"`
		MeanUtil   *float64       `json:"mean_util,omitempty"` // percent of time in which some kernel ran
		MaxUtil    *float64       `json:"max_util,omitempty"`  // the same at one look
		Joules     *float64       `json:"joules,omitempty"`    // of the whole devices
		PeakMemory int64          `json:"peak_memory,omitempty"`
		Seconds    float64        `json:"gpu_seconds"` // leased devices × wall
	}
)

// ReadNoise gives what is known of the metric's noise, from the newest limit runs
// (0: 1,000, at most 20,000).
func ReadNoise(ctx context.Context, co *checkout.Checkout, limit int) (*NoiseSeries, error) {
	campaign, runs, err := newestRuns(ctx, co, limit)
	if err != nil {
		return nil, err
	}
	metric, state := campaign.Program.Metric, campaign.Rule
	series := &NoiseSeries{Campaign: campaign.Name, Metric: describeMetric(metric), Noise: state.NoiseKind,
		Scale: state.Scale, Spread: state.S, Values: state.Values, Calibration: deviations(state.Values, state.Scale),
		Residuals: state.Residuals, Drift: []DriftPoint{}, Runs: len(runs), Total: campaign.Runs}
	of := map[string][]int{} // by version

	for i, run := range runs {
		if v, ok := run.Samples[metric.Name]; ok && run.Valid && !run.WarmUp && !math.IsNaN(v) &&
			(run.Side == rules.Incumbent || run.Side == rules.Start) {
			of[run.Commit] = append(of[run.Commit], i)
		}
	}

	for _, is := range of {
		if len(is) < 3 {
			continue
		}

		vs := make([]float64, len(is))
		for k, i := range is {
			vs[k] = runs[i].Samples[metric.Name]
		}

		for k, d := range deviations(vs, state.Scale) {
			run := runs[is[k]]
			series.Drift = append(series.Drift,
				DriftPoint{At: run.Started, Job: run.Job, Deviation: d, Contended: run.Contended})
		}
	}
	slices.SortFunc(series.Drift, func(a, b DriftPoint) int { return a.At.Compare(b.At) })

	return series, nil
}

// deviations are values against their median, on the scale; none where a value
// has no place on it.
func deviations(vs []float64, scale string) []float64 {
	out := make([]float64, len(vs))
	if len(vs) == 0 {
		return out
	}
	sorted := slices.Sorted(slices.Values(vs))

	mid := sorted[len(vs)/2]
	for i, v := range vs {
		out[i] = v - mid
		if scale == "log" {
			out[i] = v/mid - 1
		}

		if math.IsNaN(out[i]) || math.IsInf(out[i], 0) {
			return nil
		}
	}

	return out
}

// ReadSpending gives what was spent after each of the newest limit runs (0: 1,000,
// at most 20,000).
func ReadSpending(ctx context.Context, co *checkout.Checkout, limit int) (*Spending, error) {
	campaign, runs, err := newestRuns(ctx, co, limit)
	if err != nil {
		return nil, err
	}
	lim := campaign.Program.Campaign
	spending := &Spending{Campaign: campaign.Name, Started: campaign.StartedAt,
		Limit: Spent{lim.Experiments, lim.Hours, lim.GPUHours}, Now: Spent{campaign.Experiments,
			campaign.RunSeconds / 3600, campaign.GPUSeconds / 3600}, Points: make([]SpendingPoint, len(runs)),
		Total: campaign.Runs}
	now := spending.Now

	for i := len(runs) - 1; i >= 0; i-- { // back from the totals
		r := runs[i]
		spending.Points[i] = SpendingPoint{At: r.Started.Add(time.Duration(r.Wall * float64(time.Second))), Spent: now}
		now.Hours, now.GPUHours = max(0, now.Hours-r.Wall/3600), max(0, now.GPUHours-r.GPUSeconds/3600)
	}
	begun := 0

	for i, r := range runs {
		if r.Job.Kind() == research.ExperimentJob {
			begun = max(begun, r.Job.N())
		}
		spending.Points[i].Experiments = begun
	}

	for i := range spending.Points { // before the first experiment that is seen there was the one before it
		if spending.Points[i].Experiments > 0 {
			for k := range i {
				spending.Points[k].Experiments = spending.Points[i].Experiments - 1
			}

			break
		}
	}

	return spending, nil
}

// ReadGPUs gives what the newest limit runs (0: 1,000, at most 20,000) did on ReadGPUs.
func ReadGPUs(ctx context.Context, co *checkout.Checkout, limit int) (*GPUSeries, error) {
	campaign, runs, err := newestRuns(ctx, co, limit)
	if err != nil {
		return nil, err
	}

	s := &GPUSeries{Campaign: campaign.Name, Leases: campaign.Program.GPUs, Points: []GPUPoint{}, Runs: len(runs),
		Total: campaign.Runs}
	for _, run := range runs {
		if len(run.GPU) == 0 && run.GPUSeconds == 0 {
			continue
		}

		e := struct {
			Samples int     `json:"samples"`
			Mean    float64 `json:"mean_util"`
			Max     float64 `json:"max_util"`
			Joules  float64 `json:"joules"`
			Peak    int64   `json:"peak_memory"`
		}{Mean: -1, Max: -1, Joules: -1}
		if len(run.GPU) > 0 {
			if err := json.Unmarshal(run.GPU, &e); err != nil {
				continue // written by another version: nothing is known of it
			}
		}

		p := GPUPoint{At: run.Started, Job: run.Job, Seconds: run.GPUSeconds, PeakMemory: max(0, e.Peak)}
		if e.Samples > 0 {
			p.MeanUtil, p.MaxUtil, p.Joules = knownOrNil(e.Mean), knownOrNil(e.Max), knownOrNil(e.Joules)
		}

		s.Points = append(s.Points, p)
	}

	return s, nil
}

// knownOrNil is a figure of the driver's, nil where it told none (negative).
func knownOrNil(v float64) *float64 {
	if v < 0 {
		return nil
	}

	return &v
}

// newestRuns are the campaign and its newest runs in the order in which they began.
// Runs that began before the oldest experiment that is looked at are left out,
// so that what is there has no gap.
func newestRuns(ctx context.Context, co *checkout.Checkout, limit int) (*history.Campaign, []rules.Run, error) {
	if limit <= 0 {
		limit = runsDefault
	}
	limit = min(limit, runsMost)

	campaign, err := job.CurrentReaped(ctx, co)
	if err != nil {
		return nil, nil, err
	}
	var runs []rules.Run

	n := campaign.Experiments
	for n > 0 && len(runs) < limit {
		if n, err = addRunsBelow(ctx, co, campaign.Name, research.ExperimentJob, n, max(0, n-runsPage),
			&runs); err != nil {
			return nil, nil, err
		}
	}

	var from time.Time
	if n > 0 && len(runs) > 0 {
		from = runs[len(runs)-1].Started
		for _, r := range runs {
			if r.Started.Before(from) {
				from = r.Started
			}
		}
	}

	for kind, last := range map[byte]int{research.CalibrationJob: campaign.Calibrations,
		research.MeasurementJob: campaign.Measurements, research.CertificateJob: campaign.Certificates,
		research.AuditJob: campaign.Audits} {
		for n, end := last, max(0, last-otherJobs); n > end; {
			if n, err = addRunsBelow(ctx, co, campaign.Name, kind, n, max(end, n-runsPage), &runs); err != nil {
				return nil, nil, err
			}
		}
	}
	runs = slices.DeleteFunc(runs, func(r rules.Run) bool { return r.Started.Before(from) })
	slices.SortStableFunc(runs, func(a, b rules.Run) int { return a.Started.Compare(b.Started) })

	return campaign, runs[max(0, len(runs)-limit):], nil
}

// addRunsBelow adds the runs of the jobs of a kind from number n down to end, which
// it returns.
func addRunsBelow(
	ctx context.Context, co *checkout.Checkout, campaign string, kind byte, n, end int, runs *[]rules.Run,
) (int, error) {
	return end, co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		for ; n > end; n-- {
			rs, err := tx.Runs(campaign, research.NewJobID(kind, n))
			if err != nil {
				return err
			}

			*runs = append(*runs, rs...)
		}

		return nil
	})
}
