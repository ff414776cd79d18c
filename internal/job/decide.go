package job

import (
	"fmt"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
)

// mendBroken is the way out of a failed calibration: what was missing outside the
// repository may be there now; a commit is another start, a changed contract is a person's to accept.
const mendBroken = "mend it and call start_campaign; with a new name if the mend is a commit, after `ratchet accept` if it is the front matter"

// NextAfterDecision is the next step once an experiment is closed.
func NextAfterDecision(c *history.Campaign) string {
	if c.Broken != "" {
		return "the incumbent gives no usable metric (" + c.Broken + "): " + mendBroken
	}

	if err := checkout.RequireBudget(c); err != nil {
		return research.Describe(err).Next
	}

	if c.Mine > 0 {
		return fmt.Sprintf("experiment %d waits: wait_run{id: \"x%d\"} shows it, then keep or revert", c.Mine, c.Mine)
	}

	if c.Streak >= 8 {
		return fmt.Sprintf("%d experiments since the last keep: read_log view=guide query=stuck, then edit and run_experiment", c.Streak)
	}

	return "edit the file for the next idea, then run_experiment{hypothesis}"
}
