package checkout

import (
	"fmt"

	"ratchet/internal/research/rules"
)

func AblationEndKey(a rules.Ablation) string { return fmt.Sprintf("ablated/%s/%d", a.Of, a.Pairs) }

// This file is what stops the loop and what keeps it going:
//
//	StopLoop    a record, then everything that runs is stopped; nothing new starts
//	ResumeLoop  a record, and it goes on where it was
//	Hold        asked by an agent's client when the agent is about to end its turn
