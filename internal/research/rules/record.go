package rules

import (
	"encoding/json"
	"time"

	"ratchet/internal/research"
)

type (

	// JobStart is the body of calibration.started, measurement.started (an audit
	// is a measurement too) and certificate.started.
	JobStart struct {
		Job    research.JobID `json:"job"`
		Commit string         `json:"commit"`
		// measurement: the commit it is compared with; certificate: the checkpoint
		Paired string `json:"paired_with,omitempty"`
		Target string `json:"target,omitempty"` // as the caller named it
		With   string `json:"with,omitempty"`
		Runs   int    `json:"runs,omitempty"`
		// Ablates is set on a comparison of an ablation, see Ablation.Of: Commit is
		// the head without the experiments Without, Paired the head without Besides.
		Ablates string `json:"ablates,omitempty"`
		Without []int  `json:"without,omitempty"`
		Besides []int  `json:"besides,omitempty"`
		Check   bool   `json:"check,omitempty"` // Commit must pass the program's check first
		// Control is set on an audit that also compares runs of the start with each other,
		// see Control. Older audits have none.
		Control bool `json:"control,omitempty"`
	}
	// Judgement is the body of experiment.judged, and what a rule returns.
	Judgement struct {
		N       int              `json:"n"`
		Verdict research.Verdict `json:"verdict"`
		// screen | futility | cap | budget | threshold | unequal | one_run | invalid
		StoppedBy string `json:"stopped_by,omitempty"`
		Reason    string `json:"reason,omitempty"` // for invalid: what went wrong
		// Value is the candidate's sample, or the median of its samples, in the metric's unit.
		Value *float64 `json:"value,omitempty"`
		// Baseline is the incumbent's in the same comparison.
		Baseline *float64 `json:"baseline,omitempty"`
		// Gain is the estimated relative (log scale) or absolute (linear scale) gain; positive is better.
		Gain   *research.Interval `json:"gain,omitempty"`
		Scale  string             `json:"scale,omitempty"` // log | linear | count | share
		Pairs  int                `json:"pairs,omitempty"`
		Wins   int                `json:"wins,omitempty"`
		Losses int                `json:"losses,omitempty"`
		// Unequal is how many pairs were made besides that do not count, see Run.Unequal.
		Unequal int     `json:"unequal_pairs,omitempty"`
		E       float64 `json:"e,omitempty"`    // e-value reached
		Need    float64 `json:"need,omitempty"` // 1/alpha_t
		Test    int     `json:"test,omitempty"` // t of the campaign's confirmations
		// Detectable is the smallest gain that this comparison could have shown, on the same scale as Gain.
		Detectable float64 `json:"detectable,omitempty"`
		// Noise is the standard deviation of one run that the comparison reckoned with, as a gain.
		Noise float64 `json:"noise,omitempty"`
		Runs  int     `json:"runs"`
		// ValueRuns and BaselineRuns are how many runs of the candidate and of the incumbent a
		// comparison without pairs made; Baseline rests on earlier ones besides. 0 in older records.
		ValueRuns    int `json:"value_runs,omitempty"`
		BaselineRuns int `json:"baseline_runs,omitempty"`
		// Growth is what each guard with max_growth has grown by over the incumbent, on its scale.
		Growth map[string]Growth `json:"growth,omitempty"`
		// Claim is what search auto expects of the edit, on the scale of the state.
		Claim *Claim `json:"claim,omitempty"`
		// Outlook is what was left when the experiment began: the rule's other input.
		Outlook Outlook `json:"outlook"`
		// State is the rule's state after this experiment.
		State RuleState `json:"state"`
	}
	// MeasurementEnd is the body of measurement.finished.
	MeasurementEnd struct {
		Job     research.JobID     `json:"job"`
		Samples []float64          `json:"samples"`
		Paired  []float64          `json:"paired,omitempty"`
		Median  *float64           `json:"median,omitempty"`
		Noise   *float64           `json:"noise,omitempty"` // sd of one run, on Scale
		Gain    *research.Interval `json:"gain,omitempty"`  // of target over paired_with; positive is better
		Scale   string             `json:"scale,omitempty"`
		Failed  string             `json:"failed,omitempty"`
		Unfit   string             `json:"unfit,omitempty"` // of an ablation: why the version can't be, by itself
		// Control is what an audit found of the start's runs among themselves; nil where
		// none was asked for, or too few runs count.
		Control *Control `json:"control,omitempty"`
	}
	// Run is the body of run.finished.
	Run struct {
		Job    research.JobID `json:"job"`
		Number int            `json:"run"` // within its job, from 1
		Role   research.Role  `json:"role"`
		Side   Side           `json:"side"`
		Commit string         `json:"commit"`
		Pair   int            `json:"pair,omitempty"`
		Order  string         `json:"order,omitempty"` // BC | CB
		Seed   uint64         `json:"seed"`
		WarmUp bool           `json:"warm_up,omitempty"` // measured, not counted
		Valid  bool           `json:"valid"`
		// the machine's fault: not valid, made again, and seen by no rule
		Void    bool               `json:"void,omitempty"`
		Reason  string             `json:"reason,omitempty"`
		Samples map[string]float64 `json:"samples,omitempty"` // metric and guards
		// Of is how many items the metric is a share of, Items their outcomes; absent where
		// it is not a share, or they are not known.
		Of    int               `json:"of,omitempty"`
		Items research.Outcomes `json:"items,omitempty"`
		// Unit is what followed the number that regex: took of the output, "none" for a number
		// without; absent where the metric is found otherwise, and in older records.
		Unit string `json:"printed_unit,omitempty"`
		// BrokenGuard says which guard's bound a head broke, in a certificate or an audit; then
		// the run is not valid. Older records have none: there no bound was looked at.
		BrokenGuard string    `json:"broken_guard,omitempty"`
		Exit        int       `json:"exit"`
		Signal      string    `json:"signal,omitempty"`
		Wall        float64   `json:"wall_s"`
		CPU         float64   `json:"cpu_s"`
		MaxRSS      int64     `json:"max_rss_bytes"`
		Started     time.Time `json:"started"`
		Output      string    `json:"output,omitempty"` // digest of the stored output
		Bytes       int64     `json:"output_bytes"`     // all that was printed
		Again       bool      `json:"again,omitempty"`  // repeats the half of a contended pair
		// Outside is the mean number of CPUs that others kept busy meanwhile; nil when it can't be known.
		Outside   *float64 `json:"outside_cpus,omitempty"`
		Load      float64  `json:"load,omitempty"` // the machine's load average over one minute, before the run
		Contended bool     `json:"contended,omitempty"`
		// DiskRead is how many bytes the run's processes read from disk, MajorFaults how
		// often they waited for a page of a mapped file; nil when it is not known.
		DiskRead    *int64 `json:"disk_read_bytes,omitempty"`
		MajorFaults *int64 `json:"major_faults,omitempty"`
		// Unequal says why this run and the one before it, the other half of its pair, can't
		// be compared. Without it they can, as all pairs of older records.
		Unequal string `json:"unequal,omitempty"`
		// GPU is what was seen on the leased GPUs, GPUSeconds leased devices × wall.
		GPU        json.RawMessage   `json:"gpu,omitempty"`
		GPUSeconds float64           `json:"gpu_seconds,omitempty"`
		Enforced   map[string]string `json:"enforced,omitempty"`
		// EnforcedAs is an earlier run of the same job that was enforced alike; then
		// Enforced is left out of the record, and readers fill it in.
		EnforcedAs int `json:"enforced_as,omitempty"`
	}
)
