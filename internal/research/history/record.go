package history

import (
	"encoding/json"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/rules"
)

// Kind names what a record says. Bodies are the structs below; a kind never
// changes its meaning, a body only ever gains fields.
type Kind string

const (
	KindCampaignStarted     Kind = "campaign.started"
	KindContractAccepted    Kind = "contract.accepted"
	KindCampaignEnded       Kind = "campaign.ended"
	KindSessionJoined       Kind = "session.joined"
	KindSessionAnswered     Kind = "session.answered"
	KindCalibrationStarted  Kind = "calibration.started"
	KindCalibrationFinished Kind = "calibration.finished"
	KindExperimentProposed  Kind = "experiment.proposed"
	KindExperimentRebased   Kind = "experiment.rebased"
	KindExperimentJudged    Kind = "experiment.judged"
	KindExperimentKept      Kind = "experiment.kept"
	KindExperimentReverted  Kind = "experiment.reverted"
	KindKeepUndone          Kind = "keep.undone"
	KindMeasurementStarted  Kind = "measurement.started"
	KindMeasurementFinished Kind = "measurement.finished"
	KindCertificateStarted  Kind = "certificate.started"
	KindCertificateFinished Kind = "certificate.finished"
	KindAblationStarted     Kind = "ablation.started"
	KindAblationFinished    Kind = "ablation.finished"
	KindCampaignFinalized   Kind = "campaign.finalized"
	KindRunFinished         Kind = "run.finished"
	KindRunLost             Kind = "run.lost"
	KindStepFinished        Kind = "step.finished"
	KindFileSaved           Kind = "file.saved"
	KindLessonAdded         Kind = "lesson.added"
	KindIdeaAdded           Kind = "idea.added"
	KindIdeaClaimed         Kind = "idea.claimed"
	KindIdeaReleased        Kind = "idea.released"
	KindIdeaDropped         Kind = "idea.dropped"
	KindLoopStopped         Kind = "loop.stopped"
	KindLoopResumed         Kind = "loop.resumed"
	KindNoteAdded           Kind = "note.added"
	KindNoteDelivered       Kind = "note.delivered"
	KindHistoryImported     Kind = "history.imported"
	KindLedgerMigrated      Kind = "ledger.migrated" // of no campaign
)

// Way is how a person took a decision that no agent may take.
type Way string

const (
	ByTerminal    Way = "terminal"    // typed the campaign's name in a terminal
	ByElicitation Way = "elicitation" // filled in the form that the client showed
	ByDashboard   Way = "dashboard"   // typed the campaign's name in the dashboard
)

// Record is one entry of the ledger. Hash is SHA-256 over the record's
// canonical bytes with Hash left out; Prev is the hash of the record before it.
type Record struct {
	Seq      uint64          `json:"seq"`
	Time     time.Time       `json:"time"` // UTC
	Campaign string          `json:"campaign"`
	Session  string          `json:"session"` // codename of the checkout, "" for the command line
	Kind     Kind            `json:"kind"`
	Key      string          `json:"key,omitempty"` // idempotency key
	Body     json.RawMessage `json:"body"`
	Prev     string          `json:"prev"` // hex; "" for the first
	Hash     string          `json:"hash"` // hex
}

// Entry is a record about to be appended.
type Entry struct {
	Campaign string
	Session  string
	Kind     Kind
	Key      string // the same key twice appends once
	Body     any
}

type (

	// CampaignStart is the body of campaign.started. Records of before they had ids have
	// neither ID nor Repository: such a campaign is known by its ledger and its name.
	CampaignStart struct {
		ID          string           `json:"id,omitempty"`         // random; the same in every copy of the campaign
		Repository  string           `json:"repository,omitempty"` // id of the one that it began in
		Program     contract.Program `json:"program"`
		Digest      string           `json:"digest"`       // of the contract, see Program.Digest
		ProgramPath string           `json:"program_path"` // relative to the repository's root, slash-separated
		Start       string           `json:"start"`        // commit
		StartTree   string           `json:"start_tree"`
		Branch      string           `json:"branch"` // refs/heads/… of the campaign's main checkout
		Origin      string           `json:"origin"` // branch or commit the user came from
		Checkout    string           `json:"checkout"`
		Machine     string           `json:"machine"`
		Version     string           `json:"version"` // of Ratchet
		// By is how a person accepted the contract of a further campaign of a repository,
		// "" where nobody was asked: it is the first, has the contract of another, or began
		// before persons were asked.
		By Way `json:"by,omitempty"`
	}
	// ContractAcceptance is the body of contract.accepted: a person agreed to a changed front matter.
	ContractAcceptance struct {
		Program contract.Program `json:"program"`
		Digest  string           `json:"digest"`
		Was     string           `json:"was"`
		By      Way              `json:"by,omitempty"` // "" in records of before it was noted: terminal
	}
	// CampaignEnd is the body of campaign.ended.
	CampaignEnd struct {
		Reason string `json:"reason"` // abandoned | budget
		Detail string `json:"detail,omitempty"`
	}
	// LoopChange is the body of loop.stopped and loop.resumed: somebody wants the
	// campaign to rest, or to go on.
	LoopChange struct {
		By string `json:"by"` // terminal | command (one without a terminal) | dashboard
	}
	// SessionJoin is the body of session.joined.
	SessionJoin struct {
		Codename string `json:"codename"`
		Client   string `json:"client"`
		Version  string `json:"version"`
		Checkout string `json:"checkout"`
		Origin   string `json:"origin,omitempty"` // branch or commit that the checkout came from
	}
	// SessionAnswers is the body of session.answered: what the session's agent was
	// told since the last such record, by tool.
	SessionAnswers struct {
		Calls map[string]Answered `json:"calls"`
	}
	// Answered is how often a tool was called, and the bytes of its answers in
	// each of their forms, of which a client shows its model one.
	Answered struct {
		N          int   `json:"n"`
		Text       int64 `json:"text"`
		Structured int64 `json:"structured"`
	}
	// Finalization is the body of campaign.finalized: the result on a branch of its own.
	Finalization struct {
		Branch string `json:"branch"` // refs/heads/…
		Commit string `json:"commit"`
		Tree   string `json:"tree"`
		Head   string `json:"head"` // the incumbent that it was made of
		// whose ablation, see Ablation.Of; "" where nothing was compared
		Of      string             `json:"of,omitempty"`
		Ablated bool               `json:"ablated"`           // changes that do not pay were dropped
		Most    int                `json:"most,omitempty"`    // pairs of one comparison
		Dropped []int              `json:"dropped,omitempty"` // experiments
		Kept    []int              `json:"kept,omitempty"`    // experiments
		Audit   research.JobID     `json:"audit"`
		Gain    *research.Interval `json:"gain"` // as audited
		Scale   string             `json:"scale"`
		Pairs   int                `json:"pairs"` // of the audit
		// Interferes says that the audited version disturbs what runs after it, see rules.Control.
		Interferes bool `json:"interferes,omitempty"`
		// Stack are the commits of a stack, from the start on; none for one commit.
		Stack []StackEntry `json:"stack,omitempty"`
	}
	// StackEntry is one commit of a stack, and what it measured against the one before.
	StackEntry struct {
		Commit      string             `json:"commit"`
		Experiments []int              `json:"experiments"`       // one, or those that can't stand without each other
		Besides     []int              `json:"besides,omitempty"` // that neither side of the comparison has
		Gain        *research.Interval `json:"gain"`
		Scale       string             `json:"scale,omitempty"` // of it: the ablation's, not the audit's
		Pairs       int                `json:"pairs"`
		Jobs        []research.JobID   `json:"jobs"`
	}
	// CalibrationEnd is the body of calibration.finished.
	CalibrationEnd struct {
		Job    research.JobID  `json:"job"`
		State  rules.RuleState `json:"state"`
		Failed string          `json:"failed,omitempty"` // why the start version gives no usable metric
		// Machine is the digest of the environment that the runs were made in, Facts
		// what it says. Another digest is another comparability class.
		Machine string          `json:"machine,omitempty"`
		Facts   json.RawMessage `json:"facts,omitempty"`
		Changed string          `json:"changed,omitempty"` // since the last calibration, in words
		// Doctor holds the runs that a `ratchet doctor` had made of the same tree, by the
		// same contract and on the same machine: they come before the job's own runs, and
		// cost the campaign nothing. nil, as in older records, for none.
		Doctor *DoctorRuns `json:"doctor,omitempty"`
	}
	// DoctorRuns are runs of a version that no campaign's ledger has.
	DoctorRuns struct {
		At   time.Time   `json:"at"` // when the last of them ended
		Runs []rules.Run `json:"runs"`
	}
	// CertificateEnd is the body of certificate.finished. In the same transaction
	// every experiment of a chain that was rolled back is reverted.
	CertificateEnd struct {
		Job research.JobID `json:"job"`
		rules.Certificate
		From    int             `json:"from"` // the chain is what was kept of these experiments
		To      int             `json:"to"`
		Outlook rules.Outlook   `json:"outlook"`
		State   rules.RuleState `json:"state"`            // after it
		Commit  string          `json:"commit,omitempty"` // the new incumbent, of a chain that was rolled back
	}
	// Proposal is the body of experiment.proposed.
	Proposal struct {
		N          int    `json:"n"`
		Hypothesis string `json:"hypothesis"`
		Expect     string `json:"expect,omitempty"`
		Idea       string `json:"idea,omitempty"`  // free text; with Fence the number of an idea
		Fence      int    `json:"fence,omitempty"` // of the claim that it is made under, 0 for none
		Diff       string `json:"diff,omitempty"`  // digest of the edit, see EditDigest
		// the experiment whose edit this measures again, on a newer incumbent
		Merges    int    `json:"merges,omitempty"`
		Parent    string `json:"parent"` // the incumbent's commit
		Candidate string `json:"candidate"`
		// the edit as the checkout holds it, where the candidate is that merged with a newer incumbent
		Edited   string   `json:"edited,omitempty"`
		Tree     string   `json:"tree"`
		Paths    []string `json:"paths"`
		Added    int      `json:"added"`   // lines
		Removed  int      `json:"removed"` // lines
		Checkout string   `json:"checkout"`
	}
	// Rebasing is the body of experiment.rebased: another session kept something,
	// and the edit was merged with it.
	Rebasing struct {
		N         int    `json:"n"`
		Parent    string `json:"parent"` // the newer incumbent
		Candidate string `json:"candidate"`
		Tree      string `json:"tree"`
	}
	// Keeping is the body of experiment.kept.
	Keeping struct {
		N              int    `json:"n"`
		Commit         string `json:"commit"` // the new incumbent
		Was            string `json:"was"`    // the old one
		Branch         string `json:"branch"`
		Note           string `json:"note,omitempty"`
		Simplification bool   `json:"simplification,omitempty"`
		// Overridden is how a person kept it although its verdict does not allow
		// that, "" for a keep by the verdict. Such a keep proves nothing.
		Overridden Way `json:"overridden,omitempty"`
	}
	// Reversion is the body of experiment.reverted.
	Reversion struct {
		N      int    `json:"n"`
		Lesson string `json:"lesson,omitempty"`
		By     string `json:"by"` // agent | next_run | certificate | merge
	}
	// Undoing is the body of keep.undone.
	Undoing struct {
		N      int    `json:"n"` // the experiment whose keep is undone
		Commit string `json:"commit"`
		Was    string `json:"was"`
		Tree   string `json:"tree"`
		Branch string `json:"branch"`
	}
	// Loss is the body of run.lost: a worker died before its verdict.
	Loss struct {
		Job    research.JobID `json:"job"`
		Reason string         `json:"reason"`
	}
	// StepEnd is the body of step.finished: a setup, build or check.
	StepEnd struct {
		Job    research.JobID `json:"job"`
		Step   string         `json:"step"` // setup | build | check
		Commit string         `json:"commit"`
		OK     bool           `json:"ok"`
		Reason string         `json:"reason,omitempty"`
		Wall   float64        `json:"wall_s"`
		Output string         `json:"output,omitempty"`
		Bytes  int64          `json:"output_bytes"`
	}
	// Saving is the body of file.saved: an edit was put aside before a file was restored.
	Saving struct {
		Number   int      `json:"saved"`
		Ref      string   `json:"ref"`
		Commit   string   `json:"commit"`
		Paths    []string `json:"paths"`
		Checkout string   `json:"checkout"`
		Why      string   `json:"why"`
	}
	// Migration is the body of ledger.migrated: from here on the ledger has another
	// format. The records before it stay as they are.
	Migration struct {
		From    int    `json:"from"`
		To      int    `json:"to"`
		Version string `json:"version"` // of the Ratchet that did it
	}
	// Lesson is the body of lesson.added.
	Lesson struct {
		N          int    `json:"n"` // number of the lesson
		Text       string `json:"text"`
		Experiment int    `json:"experiment,omitempty"`
	}
	// Note is the body of note.added: a person's word to every session of the
	// campaign. It is not evidence, and changes no verdict.
	Note struct {
		N    int    `json:"n"`
		Text string `json:"text"`
		By   string `json:"by"` // as in LoopChange
	}
	// NoteDelivery is the body of note.delivered: an answer with the whole note was
	// made for the record's session. Notes are delivered in the order of their numbers.
	NoteDelivery struct {
		N int `json:"n"`
	}
	// Idea is the body of idea.added.
	Idea struct {
		N    int    `json:"n"`
		Text string `json:"text"`
	}
	// IdeaClaim is the body of idea.claimed. Fence is one more than that of the
	// claim before, so that the holder until then sees that it has lost the idea.
	// The holder renews its claim under the same fence.
	IdeaClaim struct {
		N        int    `json:"n"`
		Fence    int    `json:"fence"`
		Checkout string `json:"checkout"`
		Attended bool   `json:"attended,omitempty"` // a session was connected there: when it is gone, so is the claim
		Takeover
	}
	// Takeover says that a claim had lapsed when the record was written. It is
	// the one way past a holder who has not released.
	Takeover struct {
		Took    int   `json:"took,omitempty"` // the lapsed claim's fence
		Because Lapse `json:"because,omitempty"`
	}
	// IdeaRelease is the body of idea.released: the holder gives the idea back untried.
	IdeaRelease struct {
		N     int `json:"n"`
		Fence int `json:"fence"`
	}
	// IdeaDrop is the body of idea.dropped: not worth trying.
	IdeaDrop struct {
		N   int    `json:"n"`
		Why string `json:"why,omitempty"`
		Takeover
	}
)
