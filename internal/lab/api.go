package lab

import (
	"time"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
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
		Left      Left             `json:"budget_left"`
		Hooks     string           `json:"hook_output,omitempty"` // what the program's hooks printed for the agent: data
		Next      string           `json:"next"`
	}
	// Left is what remains of the campaign's budget.
	Left struct {
		Experiments int     `json:"experiments"`
		Hours       float64 `json:"hours"`
	}
	// ExperimentRequest proposes what the checkout's edited file holds.
	ExperimentRequest struct {
		Hypothesis string
		Expect     string
		Idea       string
		Wait       time.Duration
	}
	// Outcome is what is known of a job: of an experiment, calibration or measurement.
	Outcome struct {
		Status      string             `json:"status"` // running | done | idle
		ID          research.JobID     `json:"id,omitempty"`
		Experiment  int                `json:"experiment,omitempty"`
		Verdict     research.Verdict   `json:"verdict,omitempty"`
		Value       *float64           `json:"value,omitempty"`
		Unit        string             `json:"unit,omitempty"`
		Gain        *research.Interval `json:"gain,omitempty"`           // share on log scale, else in the unit; positive is better
		Finding     string             `json:"finding,omitempty"`        // one line in words
		Reason      string             `json:"reason,omitempty"`         // of an invalid verdict, or of a failed job
		Excerpt     string             `json:"output_excerpt,omitempty"` // end of the program's output: data, never instructions
		Samples     []float64          `json:"samples,omitempty"`        // of a measurement
		Paired      []float64          `json:"paired_samples,omitempty"`
		Noise       *float64           `json:"noise,omitempty"`
		Phase       string             `json:"phase,omitempty"` // while running: what the supervisor does now
		Elapsed     float64            `json:"elapsed_s,omitempty"`
		RunsDone    int                `json:"runs_done,omitempty"`
		Certificate rules.Outcome      `json:"certificate,omitempty"` // certified | rolled_back, of a certificate of the head
		Decided     string             `json:"decided,omitempty"`     // kept | reverted, when the program says decide: auto
		Human       string             `json:"human_note,omitempty"`  // a note that the session has not been told, or its beginning
		Notes       []string           `json:"notes,omitempty"`
		Left        *Left              `json:"budget_left,omitempty"`
		Hooks       string             `json:"hook_output,omitempty"` // what the program's hooks printed: data
		Next        string             `json:"next"`
		Scale       string             `json:"-"` // of an audit's gain: log | linear
		Unfit       bool               `json:"-"` // of an ablation's comparison: the version without can't be
		decide      bool               // by the verdict, inside the call
		campaign    string
		unheard     *history.Note // of the session
		hooked      bool          // and then hooks run, for which the call must have time
	}
	// WaitRequest waits for a job.
	WaitRequest struct {
		ID   string // "" for the checkout's own latest
		Wait time.Duration
	}
	// Stopped is the answer to stop_run.
	Stopped struct {
		Status string         `json:"status"` // stopped | idle
		ID     research.JobID `json:"id,omitempty"`
		Text   string         `json:"text"`
		Next   string         `json:"next"`
	}
	// LoopAnswer is the answer to stopping or resuming the loop.
	LoopAnswer struct {
		Campaign string    `json:"campaign"`
		Status   string    `json:"status"`  // rests | goes on
		Changed  bool      `json:"changed"` // false: it was so already
		Stopped  []Stopped `json:"stopped,omitempty"`
		Next     string    `json:"next"`
	}
	// UnfinishedWork says whether an agent that is about to end its turn has work left here.
	UnfinishedWork struct {
		Reason string // why it should go on, with its next step; "" if it may end
		Note   string // for the person, when an agent that is stuck may end; else ""
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
		Experiment int      `json:"experiment"`
		Commit     string   `json:"commit"`
		Branch     string   `json:"branch"`
		Value      *float64 `json:"value,omitempty"`
		Unit       string   `json:"unit,omitempty"`
		Simpler    bool     `json:"simplification,omitempty"`
		Overridden bool     `json:"overridden,omitempty"` // by a person, against the verdict
		Human      string   `json:"human_note,omitempty"` // as in Outcome
		Notes      []string `json:"notes,omitempty"`
		Left       Left     `json:"budget_left"`
		Hooks      string   `json:"hook_output,omitempty"` // what the program's hooks printed: data
		Next       string   `json:"next"`
	}
	// RevertRequest puts the edited file back to the incumbent's content.
	RevertRequest struct {
		ID     string
		Lesson string
		until  time.Time // as of KeepRequest
	}
	// RevertedAnswer is the answer to revert.
	RevertedAnswer struct {
		Experiment int      `json:"experiment,omitempty"`
		Restored   []string `json:"restored"`
		SavedAs    string   `json:"saved_as,omitempty"` // ref that holds what was edited on
		Lesson     bool     `json:"lesson_stored"`
		Human      string   `json:"human_note,omitempty"` // as in Outcome
		Notes      []string `json:"notes,omitempty"`
		Left       Left     `json:"budget_left"`
		Hooks      string   `json:"hook_output,omitempty"` // what the program's hooks printed: data
		Next       string   `json:"next"`
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

// The views of the ledger that read_log, the resources and the command line show.
type (
	// Brief is what a session needs to go on; at most 2 kB when rendered.
	Brief struct {
		Campaign history.Campaign
		Edit     []string
		Best     *float64 // the incumbent's value; nil for a noisy metric, which Standing speaks of
		Baseline *float64 // the start's
		Standing string   // what has been gained, audited, certified or claimed
		Running  []RunningJob
		Recent   []history.Experiment // newest first, at most 8
		Families []history.Family     // what the last 64 experiments have in common
		Lessons  []history.Lesson     // newest first, at most 5
		Ideas    []IdeaView           // at most 5: the free ones first
		Notes    []NoteView           // of persons, oldest first: at most 5 that the session has not been told, or the last 2
		Left     Left
		Changed  bool   // the contract on disk differs from the accepted one
		Merge    string // what a person does next with what finalize made, "" while there is nothing to merge
		Next     string // the agent's
	}
	// RunningJob is a job under way.
	RunningJob struct {
		ID      research.JobID `json:"id"`
		Phase   string         `json:"phase"`
		Elapsed float64        `json:"elapsed_s"`
		About   string         `json:"hypothesis,omitempty"` // only in a SessionView
	}
	// IdeaView is an idea, and who works on it now.
	IdeaView struct {
		history.IdeaState
		Lapse history.Lapse  // why its claim has ended unreleased, "" while it holds
		Mine  bool           // this checkout's session holds it
		Idle  time.Duration  // since the holder's last record
		Works research.JobID // what the holder runs now
	}
	// SessionView is a session, and what it does now.
	SessionView struct {
		history.Session
		Running   []RunningJob
		Claims    []int         // ideas, newest first
		Idle      time.Duration // since its last record
		Stands    int           // of its last keeps, those that are in the incumbent
		Certified int           // of these, those that are proven; of a noisy metric only
		Noisy     bool
	}
	// Page is a slice of experiments, newest first.
	Page struct {
		Experiments []history.Experiment
		Next        string // cursor of the next page, "" at the end
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

// ProgressFunc is told, about every five seconds, how a wait goes on. It must not block.
type ProgressFunc func(Outcome)

// Client says who is connected.
type Client struct {
	Name    string
	Version string
}
