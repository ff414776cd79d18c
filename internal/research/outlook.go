package research

import (
	"math"
	"time"
)

// Outlook is what a campaign has left when an experiment or a certificate
// begins; it stays the same for every call about that one.
type Outlook struct {
	Budget    int `json:"budget"`    // runs of the whole campaign
	Left      int `json:"left"`      // of them, before this experiment or certificate
	Proposals int `json:"proposals"` // still expected, the next one included; Unlimited when unknown
	// Shorter says that the edit removes more lines than it adds: it may be kept
	// for that, if it is shown not to be worse.
	Shorter bool `json:"shorter,omitempty"`
	// LostTests counts the campaign's tests that saw a run and were lost. Those
	// that no test has paid for yet are counted in t before this one.
	LostTests int `json:"lost_tests,omitempty"`
}

// Unlimited says in Outlook that the number of proposals to come is not known.
const Unlimited = -1

const (
	mostRuns     = 1_000_000 // more are as good as unlimited
	thinkWeight  = 1. / 8    // of the newest pause in the mean
	longestPause = time.Hour // a longer one is a person's absence, not thought
)

// Outlook says what is left of the campaign, from its own pace: the hours left
// as runs, at the mean length of its runs, and the proposals that would come if
// each took one such run and the campaign's mean time from a verdict to the
// next proposal; never more than the experiments left.
func (c *Campaign) Outlook() Outlook {
	run := 1.
	if c.Runs > 0 && c.RunSeconds > 0 {
		run = c.RunSeconds / float64(c.Runs)
	}
	seconds := c.SecondsLeft()
	left := int(math.Min(seconds/run, mostRuns))
	pace := int(math.Min(math.Ceil(seconds/(run+c.Thinking)), mostRuns))

	return Outlook{Budget: c.Runs + left, Left: left,
		Proposals: max(0, min(c.Program.Campaign.Experiments-c.Experiments, pace)), LostTests: c.LostTests}
}

// LongestRun is the longest that one run may take, its evaluator included.
func LongestRun(p Program) time.Duration {
	longest := time.Duration(p.Budget.Wall) + time.Duration(p.Budget.Grace)
	if p.Measure != "" { // the evaluator has the same limits
		longest *= 2
	}

	return longest
}

// SecondsLeft is how long runs may still take: a run is only begun when the
// longest that it can take is left, so that the hours are never overspent.
func (c *Campaign) SecondsLeft() float64 {
	longest := LongestRun(c.Program).Seconds()

	left := c.Program.Campaign.Hours*3600 - c.RunSeconds
	if limit := c.Program.Campaign.GPUHours; limit > 0 && c.Program.GPUs > 0 {
		left = min(left, (limit*3600-c.GPUSeconds)/float64(c.Program.GPUs))
	}

	if left < longest {
		return 0
	}

	return left
}

// paid is the state with the lost tests counted that nobody has paid for.
func (s RuleState) paid(o Outlook) RuleState {
	if n := o.LostTests - s.LostTests; n > 0 {
		s.Tests, s.LostTests = s.Tests+n, o.LostTests
		s.SimpleTests += n // whichever stream they were in
	}

	return s
}

// thought notes the pause between the last verdict and a proposal.
func (c *Campaign) thought(at time.Time) {
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
func (c *Campaign) Plan() Plan {
	o := c.Outlook()
	if c.Program.Search == SearchCertify || c.Rule.Class != Noisy || c.Rule.Auto == nil {
		if o.Proposals == 0 || o.Left < 1 {
			return PlanEnd
		}

		return PlanPropose
	}

	return NewAuto(c.Program).Plan(c.Rule, o)
}
