package checkout

import (
	"math"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
)

// HooksWithin is how long the hooks of one call may take together: clients give
// up on a call after a minute.
const HooksWithin = 50 * time.Second

// CommandLimit is how long a person's own command or hook may take.
const CommandLimit = 30 * time.Second

// Left is what remains of the campaign's budget.
type Left struct {
	Experiments int     `json:"experiments"`
	Hours       float64 `json:"hours"`
	// of the run time, spent on repeats of runs that others disturbed
	Repeats float64 `json:"repeats_share,omitempty"`
}

// BudgetLeft is what remains of the campaign's budget.
func BudgetLeft(campaign *history.Campaign) Left {
	lim := campaign.Program.Campaign

	left := Left{
		Experiments: max(0, lim.Experiments-campaign.Experiments),
		Hours:       float64(int(campaign.SecondsLeft()/3600*1000)) / 1000,
	}
	if campaign.RunSeconds > 0 {
		left.Repeats = math.Round(1000*campaign.RepeatSeconds/campaign.RunSeconds) / 1000
	}

	return left
}

// RaiseBudget is what is left to do when there is nothing left to spend.
const RaiseBudget = "follow read_log{view: \"guide\", query: \"finalize\"} and tell the user the result; a person may raise `campaign:` in program.md and run `ratchet accept`"

// RequireBudget returns an error when the campaign has ended, rests, or its budget is used up.
func RequireBudget(campaign *history.Campaign) error {
	if campaign.Ended != "" {
		return research.Errorf(research.CodeEnded, "start another one: start_campaign with a new name",
			"the campaign %q has ended: %s", campaign.Name, campaign.Ended)
	}

	if campaign.Rests != nil {
		return research.Errorf(research.CodeStopped, Resting, "%s: no experiment starts", campaign.Rests.Words())
	}

	if b := BudgetLeft(campaign); b.Experiments == 0 || campaign.SecondsLeft() <= 0 {
		return research.Errorf(research.CodeBudget, RaiseBudget,
			"the budget is spent: %d of %d experiments, %.2f of %g run hours (a run begins only while its longest time, %s, is left)",
			campaign.Experiments, campaign.Program.Campaign.Experiments, campaign.RunSeconds/3600,
			campaign.Program.Campaign.Hours, contract.LongestRunTime(campaign.Program))
	}

	return nil
}

// Resting is what an agent does while the loop is stopped.
const Resting = "tell your human what was found, and end your turn; a person goes on with `ratchet resume` in a terminal"

// BoundWait bounds how long a call may take.
func BoundWait(d time.Duration) time.Duration { return min(max(d, 0), 50*time.Second) }
