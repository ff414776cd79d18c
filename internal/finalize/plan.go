package finalize

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/wording"
)

// planStep is a part of finalize that makes runs.
type planStep struct {
	name         string
	likely, most int    // runs
	about        string // more of it, "" for nothing
}

// plan is what finalize is going to do.
type plan struct {
	steps      []planStep
	runSeconds float64 // that a run took so far, 0 where none was made
}

// overhead is how much longer a run takes than its command: versions are made, built and
// checked between runs.
const overhead = 1.5

// makePlan finds out what finalize is going to do.
func makePlan(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, req FinalizeRequest,
) (*plan, error) {
	made := &plan{}
	if campaign.Runs > 0 {
		made.runSeconds = campaign.RunSeconds / float64(campaign.Runs)
	}

	if auto := campaign.Rule.Auto; auto != nil && auto.Chain > 0 {
		outlook := campaign.Outlook()
		made.steps = append(made.steps, planStep{"certificate of " + wording.Count(auto.Chain, "edit"),
			2 * campaign.Rule.ReservePairs(outlook), 2 * outlook.MostCertificatePairs(), ""})
	}

	ablation, err := decompose(ctx, co, campaign, req)
	if err != nil {
		return nil, err
	}

	if !req.NoAblation {
		made.steps = append(made.steps, ablation.planRuns())
	}
	audit := 2 * auditPairs(campaign)
	made.steps = append(made.steps, planStep{"audit", audit, audit, ""})

	if req.Stack {
		made.steps = append(made.steps, planStep{"stack of " + wording.Count(len(ablation.kept), "commit"),
			audit * len(ablation.kept), audit * len(ablation.kept), "each is measured against the one before"})
	}

	return made, nil
}

// planRuns is how many runs the ablation makes: those of a clear case, and at most every
// pair of as many comparisons as there can be, groups and single changes.
func (a *ablator) planRuns() planStep {
	comparisons, runs := a.plan.ForecastRuns(a.runs.ResultOf)
	step := planStep{name: "ablation of " + wording.Count(len(a.plan.Changes), "change"), likely: runs,
		most: max(runs, 2*comparisons, 2*len(a.plan.Changes))}

	if a.plan.NoiseKind == research.Noisy {
		step.most = max(runs, 2*a.plan.Pairs*max(comparisons, 2*len(a.plan.Changes)))
		step.about = fmt.Sprintf("at most %d pairs each, enough to show a gain of %s or more", a.plan.Pairs,
			a.campaign.Program.Metric.Words(a.plan.Scale).FormatSize(
				a.plan.MetricScale().Gain(-a.plan.DetectableGain())))
	}

	return step
}

// String is the plan in one line: time and runs of all, then of each step.
func (p *plan) String() string {
	total := planStep{name: "finalize"}
	parts := make([]string, len(p.steps))

	for i, step := range p.steps {
		total.likely += step.likely
		total.most += step.most
		parts[i] = step.name + " " + strconv.Itoa(step.likely)
	}

	return p.describeStep(total) + ": " + strings.Join(parts, ", ")
}

// describe is the plan with a line for each step.
func (p *plan) describe() string {
	lines := []string{p.String()}
	if len(p.steps) == 1 {
		return lines[0]
	}

	for _, step := range p.steps {
		line := p.describeStep(step)
		if step.about != "" {
			line += "; " + step.about
		}
		lines = append(lines, line)
	}

	return strings.Join(lines, "\n")
}

// describeStep is a step with the runs and the time that it is likely to take, and at most.
func (p *plan) describeStep(step planStep) string {
	words := fmt.Sprintf("%s: %s%s", step.name, wording.Count(step.likely, "run"), p.formatTime(step.likely))
	if step.most > step.likely {
		words = strings.Replace(words, ": ", ": about ", 1) + fmt.Sprintf(" (at most %d%s)", step.most,
			p.formatTime(step.most))
	}

	return words
}

// formatTime is how long so many runs take, ", 2 min"; "" where that is not known.
func (p *plan) formatTime(runs int) string {
	seconds := math.Ceil(float64(runs) * p.runSeconds * overhead)
	if seconds < 2 {
		return ""
	}

	return ", " + wording.FormatDuration(seconds)
}
