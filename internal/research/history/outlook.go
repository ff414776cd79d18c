package history

import (
	"math"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/rules"
)

const (
	maxRuns      = 1_000_000 // more are as good as unlimited
	thinkWeight  = 1. / 8    // of the newest pause in the mean
	longestPause = time.Hour // a longer one is a person's absence, not thought
)

// Outlook says what is left of the campaign, from its own pace: the hours left
// as runs, at the mean length of its runs, and the proposals that would come if
// each took one such run and the campaign's mean time from a verdict to the
// next proposal; never more than the experiments left.
func (c *Campaign) Outlook() rules.Outlook {
	length := c.MeanRun()
	run := length
	if run == 0 {
		run = 1
	}

	seconds := c.SecondsLeft()
	left := int(math.Min(seconds/run, maxRuns))
	pace := int(math.Min(math.Ceil(seconds/(run+c.Thinking)), maxRuns))

	outlook := rules.Outlook{Budget: c.Runs + left, Left: left,
		Proposals: max(0, min(c.Program.Campaign.Experiments-c.Experiments, pace)), LostTests: c.LostTests}
	if c.Rule.Version > rules.FirstVersion {
		outlook.RunSeconds = length
	}

	return outlook
}

// MeanRun is the mean length of the campaign's runs in seconds, or of those that its
// calibration took over from a doctor; 0 while there are none.
func (c *Campaign) MeanRun() float64 {
	if c.Runs > 0 && c.RunSeconds > 0 {
		return c.RunSeconds / float64(c.Runs)
	}

	return c.DoctorRun
}

// SecondsLeft is how long runs may still take: a run is only begun when the
// longest that it can take is left, so that the hours are never overspent.
func (c *Campaign) SecondsLeft() float64 {
	longest := contract.LongestRunTime(c.Program).Seconds()

	left := c.Program.Campaign.Hours*3600 - c.RunSeconds
	if limit := c.Program.Campaign.GPUHours; limit > 0 && c.Program.GPUs > 0 {
		left = min(left, (limit*3600-c.GPUSeconds)/float64(c.Program.GPUs))
	}

	if left < longest {
		return 0
	}

	return left
}

// recordPause notes the pause between the last verdict and a proposal.
func (c *Campaign) recordPause(at time.Time) {
	pause := at.Sub(c.JudgedAt)
	switch {
	case c.JudgedAt.IsZero() || pause < 0 || pause > longestPause:
	case c.Thinking == 0:
		c.Thinking = pause.Seconds()
	default:
		c.Thinking += thinkWeight * (pause.Seconds() - c.Thinking)
	}
	c.JudgedAt = time.Time{}
}

// Plan says what the campaign does next: propose, certify or end.
func (c *Campaign) Plan() rules.Plan {
	outlook := c.Outlook()
	if c.Program.Search == rules.SearchCertify || c.Rule.NoiseKind != research.Noisy || c.Rule.Auto == nil {
		if outlook.Proposals == 0 || outlook.Left < 1 {
			return rules.PlanEnd
		}

		return rules.PlanPropose
	}

	return rules.NewAuto(c.Program).Plan(c.Rule, outlook)
}
