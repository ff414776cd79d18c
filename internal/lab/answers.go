package lab

import (
	"time"

	"ratchet/internal/checkout"
)

// ExperimentRequest proposes what the checkout's edited file holds.
type ExperimentRequest struct {
	Hypothesis string
	Expect     string
	Idea       string
	Wait       time.Duration
}

// KeepRequest makes the candidate the incumbent.
type KeepRequest struct {
	ID   string
	Note string
	// Override is how a person said to keep it whatever the verdict, "" without
	// a person. No tool can set it.
	Override Word
	until    time.Time // when its hooks must have ended; zero: hooksWithin from now
}

// KeptAnswer is the answer to keep.
type KeptAnswer struct {
	Experiment int           `json:"experiment"`
	Commit     string        `json:"commit"`
	Branch     string        `json:"branch"`
	Value      *float64      `json:"value,omitempty"`
	Unit       string        `json:"unit,omitempty"`
	Simpler    bool          `json:"simplification,omitempty"`
	Overridden bool          `json:"overridden,omitempty"` // by a person, against the verdict
	Human      string        `json:"human_note,omitempty"` // as in Outcome
	Notes      []string      `json:"notes,omitempty"`
	Left       checkout.Left `json:"budget_left"`
	Hooks      string        `json:"hook_output,omitempty"` // what the program's hooks printed: data
	Next       string        `json:"next"`
}

// RevertRequest puts the edited file back to the incumbent's content.
type RevertRequest struct {
	ID     string
	Lesson string
	until  time.Time // as of KeepRequest
}

// RevertedAnswer is the answer to revert.
type RevertedAnswer struct {
	Experiment int           `json:"experiment,omitempty"`
	Restored   []string      `json:"restored"`
	SavedAs    string        `json:"saved_as,omitempty"` // ref that holds what was edited on
	Lesson     bool          `json:"lesson_stored"`
	Human      string        `json:"human_note,omitempty"` // as in Outcome
	Notes      []string      `json:"notes,omitempty"`
	Left       checkout.Left `json:"budget_left"`
	Hooks      string        `json:"hook_output,omitempty"` // what the program's hooks printed: data
	Next       string        `json:"next"`
}
