package rules

import (
	"fmt"
	"slices"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
)

// AblationRuns are the runs of a head's ablation, as the ledger has them: of
// every job that was made for it, also of those that were lost in the middle.
type AblationRuns struct {
	program contract.Program
	start   map[string]float64 // the guards at the campaign's start
	exact   bool
	of      string
	scale   metricScale
	jobs    []ablationJob
}

type ablationJob struct {
	start JobStart
	obs   []Observation
	unfit string
	done  bool // to its end, without a failure
}

// NewAblationRuns is empty; st has the guards' values at the campaign's start.
func NewAblationRuns(a Ablation, p contract.Program, st RuleState) *AblationRuns {
	return &AblationRuns{program: p, start: st.Start, exact: a.NoiseKind == research.Deterministic, of: a.Of,
		scale: a.MetricScale()}
}

// AddJob folds in a job that has ended; end is nil where it was lost. Jobs of
// anything else are left out. They must come in the order of their numbers.
func (r *AblationRuns) AddJob(start JobStart, obs []Observation, end *MeasurementEnd) {
	if start.Ablates == "" || start.Ablates != r.of {
		return
	}

	job := ablationJob{start: start, obs: obs}
	if end != nil {
		job.unfit, job.done = end.Unfit, end.Failed == ""
	}

	r.jobs = append(r.jobs, job)
}

// ResultOf is what is known of the head without besides, against the same
// without out too.
func (r *AblationRuns) ResultOf(besides, out []int) ComparisonResult {
	without := union(besides, out)
	if r.exact {
		return r.compareExactly(besides, without)
	}

	var result ComparisonResult
	var withRuns, withoutRuns []Observation

	for _, job := range r.jobs {
		if !slices.Equal(job.start.Without, without) {
			continue
		}

		if job.unfit != "" {
			result.Unfit = job.unfit
			return result
		}

		withoutRuns = append(withoutRuns, validRuns(job.obs, Candidate)...)
		if job.start.Paired == "" || !slices.Equal(job.start.Besides, besides) {
			continue
		}

		withRuns = append(withRuns, validRuns(job.obs, Incumbent)...)
		if diffs := r.pairDiffs(job.obs); len(diffs) > 0 {
			result.Diffs = append(result.Diffs, diffs...)
			result.Jobs = append(result.Jobs, job.start.Job)
		}
	}

	result.Unfit = r.brokenGuard(withRuns, withoutRuns)

	return result
}

// pairDiffs are the differences of a job's complete pairs, without minus with.
func (r *AblationRuns) pairDiffs(obs []Observation) (diffs []float64) {
	pairs := map[int]runPair{}

	for _, observation := range countedRuns(obs) {
		if observation.Pair == 0 || !observation.Valid || !research.IsFinite(observation.Value) ||
			!r.scale.fits(observation.Value) {
			continue
		}

		height := r.scale.Height(observation.Value)
		pair := pairs[observation.Pair]
		if observation.Side == Candidate {
			pair.c = &height
		} else {
			pair.b = &height
		}

		pairs[observation.Pair] = pair
	}

	for n := 1; n <= len(obs); n++ {
		if pair := pairs[n]; pair.isComplete() {
			diffs = append(diffs, *pair.c-*pair.b)
		}
	}

	return diffs
}

// compareExactly compares the values of two versions by one run of each, of whichever job.
func (r *AblationRuns) compareExactly(besides, without []int) (result ComparisonResult) {
	withRun, _, _ := r.findRun(besides)
	withoutRun, jobs, unfit := r.findRun(without)

	switch {
	case unfit != "":
		result.Unfit = unfit
	case withRun != nil && withoutRun != nil:
		result.Unfit = r.brokenGuard([]Observation{*withRun}, []Observation{*withoutRun})
		result.Diffs = []float64{r.scale.Height(withoutRun.Value) - r.scale.Height(withRun.Value)}
		result.Jobs = jobs
	}

	return result
}

// findRun is the last run of the first job that ran the head without these
// changes, nil when there is none; unfit says why that version can't be.
func (r *AblationRuns) findRun(without []int) (run *Observation, jobs []research.JobID, unfit string) {
	for _, job := range r.jobs {
		side := Candidate

		switch {
		case slices.Equal(job.start.Without, without):
			if job.unfit != "" {
				return nil, nil, job.unfit
			}
		case job.start.Paired != "" && slices.Equal(job.start.Besides, without):
			side = Incumbent
		default:
			continue
		}

		if runs := validRuns(job.obs, side); len(runs) > 0 {
			return &runs[len(runs)-1], []research.JobID{job.start.Job}, ""
		}
	}

	return nil, nil, ""
}

// HasValue says whether the head without these changes has a value: of a
// deterministic metric it need not be run again.
func (r *AblationRuns) HasValue(without []int) bool {
	o, _, _ := r.findRun(without)
	return r.exact && o != nil
}

// IsChecked says whether the head without these changes has been built, checked
// and run to a job's end.
func (r *AblationRuns) IsChecked(without []int) bool {
	return slices.ContainsFunc(r.jobs, func(j ablationJob) bool {
		return j.done && slices.Equal(j.start.Without, without)
	})
}

// brokenGuard says which guard the version without breaks and the other one does
// not break as far, by the median of its runs; "" for none.
func (r *AblationRuns) brokenGuard(with, without []Observation) string {
	rule := NewAuto(r.program).baseRule()
	for _, o := range without {
		if reason := rule.brokenBound(o); reason != "" {
			return reason
		}
	}

	before, now := rule.guardMedians(with), rule.guardMedians(without)

	for _, guard := range r.program.Guards {
		start, known := r.start[guard.Name]
		value, measured := now[guard.Name]
		if guard.MaxGrowth == nil || !known || !measured || !guard.IsExceeded(value, start) {
			continue
		}

		if was, ok := before[guard.Name]; !ok || value > was {
			return guard.DescribeExcess(value, start)
		}
	}

	return ""
}

// validRuns are a side's runs that count.
func validRuns(obs []Observation, s Side) []Observation {
	return slices.DeleteFunc(runsOfSide(countedRuns(obs), s),
		func(o Observation) bool { return !o.Valid || !research.IsFinite(o.Value) })
}

// union of two sets of experiments, sorted.
func union(a, b []int) []int {
	all := slices.Concat(a, b)
	slices.Sort(all)

	return slices.Compact(all)
}

func setKey(besides, out []int) string { return fmt.Sprint(besides, out) }
