package job

import (
	"fmt"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
)

// fixBroken is the way out of a failed calibration: what was missing outside the
// repository may be there now; a commit is another start, a changed contract is a person's to accept.
const fixBroken = "fix it and call start_campaign{}; if the fix is a commit, start_campaign{name} with a new name; " +
	"if it changes the front matter, a person runs `ratchet accept` first"

// NextAfterDecision is the next step once an experiment is closed.
func NextAfterDecision(campaign *history.Campaign) string {
	if campaign.Broken != "" {
		return "the incumbent gives no usable metric (" + campaign.Broken + "): " + fixBroken
	}

	if err := checkout.RequireBudget(campaign); err != nil {
		return research.Describe(err).Next
	}

	if campaign.MineRuns > 0 {
		return fmt.Sprintf("wait_run{id: \"x%d\"}", campaign.MineRuns)
	}

	if campaign.Mine > 0 {
		return fmt.Sprintf("experiment %d waits: wait_run{id: \"x%d\"} shows it, then keep or revert", campaign.Mine,
			campaign.Mine)
	}

	if campaign.Streak >= 8 {
		return fmt.Sprintf("%d experiments since the last keep: read_log{view: \"guide\", query: \"stuck\"}, then edit and run_experiment{hypothesis}", campaign.Streak)
	}

	return "edit the file for the next idea, then run_experiment{hypothesis}"
}

// nextStep says what the verdict asks for.
func nextStep(campaign *history.Campaign, experiment *history.Experiment) string {
	if experiment.Status == research.Kept || experiment.Status == research.Reverted {
		return NextAfterDecision(campaign)
	}

	ok, simpler, _ := history.Keepable(*experiment)
	switch {
	case ok && simpler:
		return "keep{} if it is the simpler code, else revert{lesson: \"…\"}"
	case ok:
		return "keep{}"
	case campaign.Rests != nil:
		return "revert{}, then " + checkout.Resting
	case experiment.Judgement.StoppedBy == "lost" || experiment.Judgement.StoppedBy == "stopped":
		return "run_experiment again with the same edit, or revert{}"
	case experiment.Status == research.Voided:
		return "fix the edit and run_experiment again, or revert{lesson: \"…\"}"
	}

	return "revert{lesson: \"…\"}, then the next idea"
}

// RequireMeasurable refuses any run: the campaign is over or rests, its budget is
// spent, the contract changed, or the start version does not work.
// Errors: CodeEnded, CodeStopped, CodeBudget, CodeContract, CodeProgram.
func RequireMeasurable(co *checkout.Checkout, campaign *history.Campaign) error {
	if err := checkout.RequireBudget(campaign); err != nil {
		return err
	}

	if err := co.RequireAcceptedContract(campaign); err != nil {
		return err
	}

	if campaign.Broken != "" {
		return research.Errorf(research.CodeProgram, fixBroken,
			"the start version gives no usable metric: %s", campaign.Broken)
	}

	return nil
}
