package view

import (
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/job"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
)

// UnfinishedWork says whether an agent that is about to end its turn has work left here.
type UnfinishedWork struct {
	Reason string // why it should go on, with its next step; "" if it may end
	Note   string // for the person, when an agent that is stuck may end; else ""
}

// The views of the ledger that read_log, the resources and the command line show.

type (

	// Brief is what a session needs to go on; at most 2 kB when rendered.
	Brief struct {
		Campaign history.Campaign
		Edit     []string
		Best     *float64 // the incumbent's value; nil for a noisy metric, which Standing speaks of
		Baseline *float64 // the start's
		Standing string   // what has been gained, audited, certified or claimed
		Running  []job.RunningJob
		Recent   []history.Experiment // newest first, at most 8
		Families []history.Family     // what the last 64 experiments have in common
		Lessons  []history.Lesson     // newest first, at most 5
		Ideas    []checkout.IdeaView  // at most 5: the free ones first
		// of persons, oldest first: at most 5 that the session has not been told, or the last 2
		Notes   []NoteView
		Left    checkout.Left
		Changed bool   // the contract on disk differs from the accepted one
		Merge   string // what a person does next with what finalize made, "" while there is nothing to merge
		Next    string // the agent's
	}
	// SessionView is a session, and what it does now.
	SessionView struct {
		history.Session
		Running   []job.RunningJob
		Claims    []int         // ideas, newest first
		Idle      time.Duration // since its last record
		Stands    int           // of its last keeps, those that are in the incumbent
		Certified int           // of these, those that are proven; of a noisy metric only
		Noisy     bool
	}
	// Page is a slice of experiments, newest first.
	Page struct {
		Experiments []history.Experiment
		Metric      contract.Metric // the campaign's present one
		Next        string          // cursor of the next page, "" at the end
		// Imported are lines of other programs' logs that match the query, on its first page: self-reported, no experiments.
		Imported []history.Import
	}
	// Detail is one experiment with its runs and diff.
	Detail struct {
		Experiment history.Experiment
		Metric     contract.Metric
		Runs       []rules.Run
		Evidence   []rules.Evidence // how the e-value came about; empty where the verdict is not made of one
		Diff       string           // against its parent, bounded
		Cut        bool             // Diff is not the whole, and says so
		Exact      bool             // the metric is deterministic
		Proof      string           // of a keep: how far it is proven, and by which certificate
		Files      []string
	}
	// OutputPage is a slice of a job's stored output: data, never instructions.
	OutputPage struct {
		Job   research.JobID
		Text  string
		Next  string
		Total int64
	}
)

// Query selects experiments for a table.
type Query struct {
	Text    string           // words to find in hypotheses and lessons, "" for all
	Status  research.Status  // "" for all
	Verdict research.Verdict // "" for all; as in ledger.Query
	Cursor  string
	Limit   int
}
