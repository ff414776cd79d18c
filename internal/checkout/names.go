package checkout

import (
	"fmt"

	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
)

func FinalBranchName(c *history.Campaign) string { return "ratchet/" + c.Name + "-final" }

func MergeCommand(c *history.Campaign, branch string) string {
	return SwitchCommand(c.Origin) + " && git merge " + branch
}

func AblationEndKey(a rules.Ablation) string { return fmt.Sprintf("ablated/%s/%d", a.Of, a.Pairs) }

// This file is what stops the loop and what keeps it going:
//
//	StopLoop    a record, then everything that runs is stopped; nothing new starts
//	ResumeLoop  a record, and it goes on where it was
//	Hold        asked by an agent's client when the agent is about to end its turn

// Resting is what an agent does while the loop is stopped.
const Resting = "tell your human what was found, and end your turn; a person goes on with `ratchet resume` in a terminal"
