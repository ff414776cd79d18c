package view

import (
	"context"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
)

type (
	// FamilySeries is what came of experiments that have something in common.
	FamilySeries struct {
		Campaign string         `json:"campaign"`
		Metric   ProgressMetric `json:"metric"`
		Exact    bool           `json:"exact"`
		Scale    string         `json:"scale"`
		Families []FamilyYield  `json:"families"` // the largest first, those without one last
		From     int            `json:"from"`     // experiments that were looked at
		To       int            `json:"to"`
		Total    int            `json:"total"`
		Earlier  int            `json:"earlier,omitempty"` // the first ones, measured by another metric: left out
	}
	// FamilyYield is the yield of one family.
	FamilyYield struct {
		Word  string `json:"word"` // that their hypotheses share; "" for the rest
		Tried int    `json:"tried"`
		Kept  int    `json:"kept"`
		// Gain is what the kept ones claimed together, with its 90 % interval: too
		// high where the metric is noisy, since each was selected. nil without a keep.
		Gain    *research.Interval `json:"gain,omitempty"`
		Seconds float64            `json:"run_seconds"`
	}
)

// familiesMost is how many families are told apart.
const familiesMost = 9

// ReadFamilies groups the newest limit experiments (0: 500, at most 10,000) by the
// words of their hypotheses.
func ReadFamilies(ctx context.Context, co *checkout.Checkout, limit int) (*FamilySeries, error) {
	campaign, xs, err := newestExperiments(ctx, co, limit)
	if err != nil {
		return nil, err
	}
	m := campaign.Program.Metric

	series := &FamilySeries{Campaign: campaign.Name, Metric: describeMetric(m),
		Exact: campaign.Rule.NoiseKind != research.Noisy, Scale: campaign.Rule.Scale, Families: []FamilyYield{},
		Total: campaign.Experiments, Earlier: campaign.MeasuredFrom() - 1}
	if len(xs) == 0 {
		return series, nil
	}
	series.From, series.To = xs[0].N, xs[len(xs)-1].N
	fs, members := history.FamiliesOf(xs, familiesMost)

	alone := make([]bool, len(xs))
	for i, f := range fs {
		series.Families = append(series.Families, familyYield(campaign, xs, f.Word, members[i]))
		for _, k := range members[i] {
			alone[k] = true
		}
	}
	var rest []int

	for i := range xs {
		if !alone[i] {
			rest = append(rest, i)
		}
	}

	if len(rest) > 0 {
		series.Families = append(series.Families, familyYield(campaign, xs, "", rest))
	}

	return series, nil
}

func familyYield(campaign *history.Campaign, xs []history.Experiment, word string, of []int) FamilyYield {
	y := FamilyYield{Word: word, Tried: len(of)}
	sum := campaign.TallyOf()
	sum.Size = 0

	for _, i := range of {
		experiment := &xs[i]

		y.Seconds += experiment.RunSeconds
		if experiment.Status == research.Kept {
			y.Kept++

			if experiment.Overridden == "" {
				sum = addEdit(sum, campaign.Rule.Scale, experiment.Judgement)
			}
		}
	}

	if y.Kept > 0 && campaign.Rule.Scale != "" {
		g := sum.Interval()
		y.Gain = &g
	}

	return y
}
