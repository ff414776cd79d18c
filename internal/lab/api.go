package lab

import (
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/job"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
)

// The requests and answers of every call, as plain values. The JSON names are
// what agents and scripts see (design, section 4); package tools renders them.

type (

	// StartRequest asks for a campaign: the one of the program, new or resumed.
	StartRequest struct {
		Program string // path of program.md, "" for the one nearest the checkout's folder
		Name    string // overrides the program's name, "" for the program's
	}
	// Started is the answer to start_campaign.
	Started struct {
		Campaign  string           `json:"campaign"`
		Resumed   bool             `json:"resumed"`
		Contract  contract.Program `json:"-"`
		Direction string           `json:"direction,omitempty"` // the beginning of the program's body
		Metric    string           `json:"metric"`              // "ns_per_op (lower is better, ns)"
		Edit      []string         `json:"edit"`                // absolute paths in this checkout
		Branch    string           `json:"branch"`
		Incumbent string           `json:"incumbent"` // short commit
		Codename  string           `json:"session"`
		ID        research.JobID   `json:"id,omitempty"`    // of the calibration, while one runs
		Value     *float64         `json:"value,omitempty"` // the incumbent's, once calibrated
		Notes     []string         `json:"notes,omitempty"` // announcements: a dirty edited file, untracked files, …
		Back      string           `json:"way_back"`        // the command that leaves the campaign
		Left      checkout.Left    `json:"budget_left"`
		Hooks     string           `json:"hook_output,omitempty"` // what the program's hooks printed for the agent: data
		Next      string           `json:"next"`
	}
	// ExperimentRequest proposes what the checkout's edited file holds.
	ExperimentRequest struct {
		Hypothesis string
		Expect     string
		Idea       string
		Wait       time.Duration
	}
	// LoopAnswer is the answer to stopping or resuming the loop.
	LoopAnswer struct {
		Campaign string        `json:"campaign"`
		Status   string        `json:"status"`  // rests | goes on
		Changed  bool          `json:"changed"` // false: it was so already
		Stopped  []job.Stopped `json:"stopped,omitempty"`
		Next     string        `json:"next"`
	}
	// MeasureRequest asks for runs that change no verdict.
	MeasureRequest struct {
		Target string // incumbent | start | an experiment's number | a commit
		With   string // the same, "" for none
		Runs   int    // of each; 0 makes none, and tells what more of them could show
		Wait   time.Duration
	}
	// KeepRequest makes the candidate the incumbent.
	KeepRequest struct {
		ID   string
		Note string
		// Override is how a person said to keep it whatever the verdict, "" without
		// a person. No tool can set it.
		Override history.Way
		until    time.Time // when its hooks must have ended; zero: hooksWithin from now
	}
	// KeptAnswer is the answer to keep.
	KeptAnswer struct {
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
	RevertRequest struct {
		ID     string
		Lesson string
		until  time.Time // as of KeepRequest
	}
	// RevertedAnswer is the answer to revert.
	RevertedAnswer struct {
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
	// ShareOp is one operation of share.
	ShareOp struct {
		Op     string // add | claim | release | drop | lesson
		Idea   string // text to add, else an id or the text of one
		Lesson string // with drop: why
	}
	// Shared is the answer to share.
	Shared struct {
		Done  []string     `json:"done"` // one line an operation, with its id
		Ideas []SharedIdea `json:"ideas,omitempty"`
		Next  string       `json:"next"`
	}
	// SharedIdea is an idea that share was about, as it is then.
	SharedIdea struct {
		N      int                `json:"idea"`
		Status history.IdeaStatus `json:"status"`
		Fence  int                `json:"fence,omitempty"` // of a claim
		Until  string             `json:"until,omitempty"` // RFC 3339: when the claim lapses, if its holder does nothing until then
		Like   []string           `json:"like,omitempty"`  // near-duplicates: x12, or idea 3
	}
	// Undone is the answer to undo.
	Undone struct {
		Experiment int      `json:"experiment"`
		Commit     string   `json:"commit"`
		Notes      []string `json:"notes,omitempty"`
	}
)
