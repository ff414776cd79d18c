package contract

import (
	"fmt"
	"math"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/wording"
)

// Program is the contract: program.md's front matter with its defaults filled
// in. The design's section 2 explains every key.
type Program struct {
	Name     string        `json:"name"`
	Edit     []string      `json:"edit"` // slash-separated, relative to the program's folder
	Metric   Metric        `json:"metric"`
	Guards   []Guard       `json:"guards,omitempty"`
	Setup    string        `json:"setup,omitempty"`
	Build    string        `json:"build,omitempty"`
	Run      string        `json:"run"`
	Measure  string        `json:"measure,omitempty"`
	Hands    []string      `json:"hands,omitempty"` // what Measure sees of what a run left; nil hands nothing
	Check    string        `json:"check,omitempty"`
	Budget   Budget        `json:"budget"`
	Campaign CampaignLimit `json:"campaign"`
	GPUs     int           `json:"gpus"`
	Parallel int           `json:"parallel"`
	Network  string        `json:"network"` // off | loopback | on
	Env      []string      `json:"env,omitempty"`
	Reads    []string      `json:"reads,omitempty"`
	Writes   []string      `json:"writes,omitempty"`
	// Carry is nil when the key is absent: then, without setup, the usual
	// dependency folders that exist are carried.
	Carry  []string `json:"carry"`
	Search string   `json:"search"` // auto | certify
	// Assumptions is what search certify takes for granted of the noise.
	Assumptions string `json:"assumptions,omitempty"` // model | none
	Decide      string `json:"decide"`                // agent | auto
	// Notify is who is told of events, and which scripts are asked around each
	// experiment. It is part of the contract: no agent can add a command to it.
	Notify []Target `json:"notify,omitempty"`
	Stall  Stall    `json:"stall,omitzero"`
}

// Metric is the number the campaign is about.
type Metric struct {
	Name    string             `json:"name"`
	Better  research.Direction `json:"better"`
	Unit    string             `json:"unit,omitempty"`
	From    Source             `json:"from"`
	Noise   research.NoiseKind `json:"noise"`
	MinGain Amount             `json:"min_gain"`
	// MinGainSet says that the program gives min_gain. Where it doesn't and noise
	// is auto, the default counts as 0 once the metric is found deterministic.
	MinGainSet bool `json:"min_gain_set,omitempty"`
	// Scale says how values are compared: log, linear, count or share; "" for auto.
	Scale string `json:"scale,omitempty"`
	Pick  string `json:"pick,omitempty"` // last | first | min | max | median, "" refuses unequal duplicates
}

// ScaleAuto is the value of metric.scale that lets the calibration choose.
const ScaleAuto = "auto"

// Source is where a sample comes from.
type Source struct {
	Kind string `json:"kind"`           // output | wall | cpu | max_rss | file | regex
	Path string `json:"path,omitempty"` // file
	Expr string `json:"expr,omitempty"` // file: a JSON pointer (RFC 6901); regex: the expression, one group
}

// Amount is a number in the metric's unit, or a share of the value compared with.
type Amount struct {
	Value    float64 `json:"value"` // 0.005 for 0.5%
	Relative bool    `json:"relative,omitempty"`
}

// Guard is another number that must not get worse.
type Guard struct {
	Name      string   `json:"name"`
	From      Source   `json:"from,omitzero"`        // output or regex; zero for output
	MaxGrowth *Amount  `json:"max_growth,omitempty"` // against the campaign's start
	Max       *float64 `json:"max,omitempty"`
	Min       *float64 `json:"min,omitempty"`
}

// Budget limits one run.
type Budget struct {
	Wall      Duration `json:"wall"`
	Grace     Duration `json:"grace"`
	GPU       Duration `json:"gpu,omitempty"`       // 0: off
	GPUClock  string   `json:"gpu_clock,omitempty"` // "" (process start) | first_use
	Memory    int64    `json:"memory,omitempty"`    // bytes, 0: off
	Processes int      `json:"processes"`
	Output    int64    `json:"output"`         // bytes kept; the rest is counted
	CPU       Duration `json:"cpu,omitempty"`  // 0: off
	Disk      int64    `json:"disk,omitempty"` // bytes that a run may write; 0: 10 GiB
	// Cache is whether a run begins with its files in memory: "" for warm, or cold.
	Cache string `json:"cache,omitempty"`
}

// The values of Budget.Cache.
const (
	CacheWarm = "warm"
	CacheCold = "cold"
)

// DefaultDisk is what a run may write where the program does not say.
const DefaultDisk = 10 << 30

// CampaignLimit is the campaign's total; either one reached ends it.
type CampaignLimit struct {
	Experiments int     `json:"experiments"`
	Hours       float64 `json:"hours"`               // summed run time
	GPUHours    float64 `json:"gpu_hours,omitempty"` // summed leased devices × wall; 0: off
}

// Duration is a time.Duration that reads and writes as Go's duration text.
type Duration time.Duration

func (d Duration) String() string { return time.Duration(d).String() }

func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)

	return err
}

// The values of Program.Assumptions.
const (
	AssumeModel = "model" // a pair's noise is a contaminated normal
	AssumeNone  = "none"  // a pair is as likely to fall either way, and nothing more
)

// LongestRunTime is the longest that one run may take, its evaluator included.
func LongestRunTime(p Program) time.Duration {
	longest := time.Duration(p.Budget.Wall) + time.Duration(p.Budget.Grace)
	if p.Measure != "" { // the evaluator has the same limits
		longest *= 2
	}

	return longest
}

// LargestAllowed is the largest value that max_growth lets a guard have, given its
// value at the campaign's start: against the start and not the incumbent, or
// forty keeps of +2 % each would all pass.
func (g Guard) LargestAllowed(start float64) float64 {
	if g.MaxGrowth.Relative {
		return start + g.MaxGrowth.Value*math.Abs(start)
	}

	return start + g.MaxGrowth.Value
}

// DescribeExcess says that x breaks max_growth.
func (g Guard) DescribeExcess(x, start float64) string {
	return fmt.Sprintf("guard %s = %s breaks max_growth: it was %s at the campaign's start, so at most %s is allowed",
		g.Name, wording.FormatValue(x, ""), wording.FormatValue(start, ""),
		wording.FormatValue(g.LargestAllowed(start), ""))
}

func (g Guard) IsExceeded(x, start float64) bool {
	allowed := g.LargestAllowed(start)
	return x > allowed+1e-12*math.Abs(allowed)
}
