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
		scale: metricScale{a.Scale, a.Better}}
}

// AddJob folds in a job that has ended; end is nil where it was lost. Jobs of
// anything else are left out. They must come in the order of their numbers.
func (r *AblationRuns) AddJob(start JobStart, obs []Observation, end *MeasurementEnd) {
	if start.Ablates == "" || start.Ablates != r.of {
		return
	}

	j := ablationJob{start: start, obs: obs}
	if end != nil {
		j.unfit, j.done = end.Unfit, end.Failed == ""
	}

	r.jobs = append(r.jobs, j)
}

// ResultOf is what is known of the head without besides, against the same without
// out too.
func (r *AblationRuns) ResultOf(besides, out []int) ComparisonResult {
	without := union(besides, out)
	if r.exact {
		return r.compareExactly(besides, without)
	}
	var e ComparisonResult
	var with, less []Observation

	for _, j := range r.jobs {
		if !slices.Equal(j.start.Without, without) {
			continue
		}

		if e.Unfit = j.unfit; e.Unfit != "" {
			return e
		}

		less = append(less, validRuns(j.obs, Candidate)...)
		if j.start.Paired == "" || !slices.Equal(j.start.Besides, besides) {
			continue
		}

		with = append(with, validRuns(j.obs, Incumbent)...)
		if ds := r.pairDiffs(j.obs); len(ds) > 0 {
			e.Diffs, e.Jobs = append(e.Diffs, ds...), append(e.Jobs, j.start.Job)
		}
	}
	e.Unfit = r.brokenGuard(with, less)

	return e
}

// pairDiffs are those of a job's complete pairs, without minus with.
func (r *AblationRuns) pairDiffs(obs []Observation) (ds []float64) {
	pairs := map[int][2]*float64{}

	for _, o := range ResolveRepeats(obs) {
		if o.Pair == 0 || !o.Valid || !research.IsFinite(o.Value) || r.scale.Name == LogScale && o.Value <= 0 {
			continue
		}

		p, y := pairs[o.Pair], r.scale.Height(o.Value)
		if o.Side == Candidate {
			p[1] = &y
		} else {
			p[0] = &y
		}
		pairs[o.Pair] = p
	}

	for n := 1; n <= len(obs); n++ {
		if p := pairs[n]; p[0] != nil && p[1] != nil {
			ds = append(ds, *p[1]-*p[0])
		}
	}

	return ds
}

// compareExactly compares the values of two versions, one run of each, whichever job it is of.
func (r *AblationRuns) compareExactly(besides, without []int) (e ComparisonResult) {
	with, _, _ := r.findRun(besides)

	less, jobs, unfit := r.findRun(without)
	switch {
	case unfit != "":
		e.Unfit = unfit
	case with != nil && less != nil:
		e.Unfit = r.brokenGuard([]Observation{*with}, []Observation{*less})
		e.Diffs, e.Jobs = []float64{r.scale.Height(less.Value) - r.scale.Height(with.Value)}, jobs
	}

	return e
}

// findRun is a run of the head without these changes, nil when there is none.
func (r *AblationRuns) findRun(without []int) (o *Observation, jobs []research.JobID, unfit string) {
	for _, j := range r.jobs {
		side := Candidate

		switch {
		case slices.Equal(j.start.Without, without):
			if j.unfit != "" {
				return nil, nil, j.unfit
			}
		case j.start.Paired != "" && slices.Equal(j.start.Besides, without):
			side = Incumbent
		default:
			continue
		}

		if all := validRuns(j.obs, side); len(all) > 0 {
			return &all[len(all)-1], []research.JobID{j.start.Job}, ""
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

// brokenGuard says which guard the version without breaks that the other one does
// not break as far, "" for none: by the median of its runs.
func (r *AblationRuns) brokenGuard(with, without []Observation) string {
	ref := NewAuto(r.program).baseRule()
	for _, o := range without {
		if reason := ref.brokenBound(o); reason != "" {
			return reason
		}
	}
	before, now := ref.guardMedians(with), ref.guardMedians(without)

	for _, g := range r.program.Guards {
		start, known := r.start[g.Name]

		x, measured := now[g.Name]
		if g.MaxGrowth == nil || !known || !measured || !g.IsExceeded(x, start) {
			continue
		}

		if was, ok := before[g.Name]; !ok || x > was {
			return g.DescribeExcess(x, start)
		}
	}

	return ""
}

// validRuns are a side's runs that count.
func validRuns(obs []Observation, s Side) []Observation {
	return slices.DeleteFunc(runsOfSide(ResolveRepeats(obs), s), func(o Observation) bool { return !o.Valid || !research.IsFinite(o.Value) })
}

// union of two sets of experiments, sorted.
func union(a, b []int) []int {
	all := slices.Concat(a, b)
	slices.Sort(all)

	return slices.Compact(all)
}

func setKey(besides, out []int) string { return fmt.Sprint(besides, out) }
