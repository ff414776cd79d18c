package history

import (
	"cmp"
	"slices"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/rules"
)

func foldCampaignStarted(change *Change, record Record, b CampaignStart) {
	*change.Campaign = Campaign{
		Name: record.Campaign, ID: b.ID, Repository: b.Repository,
		Program: b.Program, Digest: b.Digest, ProgramPath: b.ProgramPath,
		Start: b.Start, StartTree: b.StartTree, Branch: b.Branch, Origin: b.Origin, Checkout: b.Checkout,
		StartedAt: record.Time, Verdicts: map[research.Verdict]int{},
		Line: Line{Incumbent: b.Start, IncumbentTree: b.StartTree},
	}
	change.Campaign.moveCheckpoint()
}

func foldContractAccepted(change *Change, _ Record, b ContractAcceptance) {
	campaign := change.Campaign

	// Other commands make other numbers: what was learnt of the old ones is void,
	// and what was gained of them is not a gain of the new.
	if !contract.HaveComparableRuns(campaign.Program, b.Program) {
		campaign.Audit, campaign.Final = nil, nil
		campaign.Baseline, campaign.BaselineClass = nil, 0
		campaign.CertifiedGain, campaign.GainsAfter = 0, campaign.Experiments
	}

	if was, now := campaign.Program.Metric, b.Program.Metric; campaign.Experiments > 0 &&
		(was.Name != now.Name || was.Unit != now.Unit || was.Better != now.Better) {
		campaign.Earlier = append(campaign.Earlier, EarlierMetric{Until: campaign.Experiments, Name: was.Name,
			Unit: was.Unit, Better: was.Better})
	}

	campaign.Program, campaign.Digest = b.Program, b.Digest
	campaign.Calibrated, campaign.Broken = false, ""
}

func foldCampaignEnded(change *Change, _ Record, b CampaignEnd) { change.Campaign.Ended = b.Reason }

func foldFinalized(change *Change, r Record, b Finalization) {
	change.Campaign.Final = b.summarize(r, change.Campaign.Experiments)
}

func foldLoopStopped(change *Change, r Record, b LoopChange) {
	change.Campaign.Rests = &Rest{At: r.Time, By: b.By}
}

func foldLoopResumed(change *Change, _ Record, _ LoopChange) { change.Campaign.Rests = nil }

func foldFileSaved(change *Change, _ Record, b Saving) { change.Campaign.Saved = b.Number }

func foldLessonAdded(change *Change, _ Record, b Lesson) { change.Campaign.Lessons = b.N }

func foldNoteAdded(change *Change, _ Record, b Note) { change.Campaign.Notes = b.N }

func foldSessionJoined(change *Change, record Record, b SessionJoin) {
	session := change.Session
	if session.At.IsZero() {
		*session = Session{Campaign: record.Campaign, At: record.Time, Last: record.Time,
			Verdicts: map[research.Verdict]int{}}
	}

	if b.Origin == "" {
		b.Origin = session.Origin
	}
	session.SessionJoin = b
}

func foldSessionAnswered(change *Change, _ Record, b SessionAnswers) {
	if change.Session == nil {
		return
	}

	session := change.Session
	if session.Answers == nil {
		session.Answers = map[string]Answered{}
	}

	for tool, answered := range b.Calls {
		session.Answers[tool] = session.Answers[tool].Plus(answered)
	}
}

// foldNoteDelivered refuses a note that skips one, or was delivered before.
func foldNoteDelivered(change *Change, record Record, b NoteDelivery) error {
	if change.Session == nil || b.N != change.Session.Heard+1 || b.N > change.Campaign.Notes {
		return research.Errorf(research.CodeConflict, "repeat the call",
			"note %d is not the next one for the session %q", b.N, record.Session)
	}
	change.Session.Heard = b.N

	return nil
}

// moveCheckpoint makes the incumbent the version that certificates compare with.
func (c *Campaign) moveCheckpoint() {
	c.Checkpoint, c.CheckpointTree, c.CheckpointOf = c.Incumbent, c.IncumbentTree, c.IncumbentOf
	c.ChainFrom = c.Experiments + 1
}

// hasOpenChain says whether the incumbent holds edits that no certificate covers yet.
func (c *Campaign) hasOpenChain() bool {
	return c.Rule.Auto != nil && c.Rule.Auto.Chain > 0
}

func foldProposed(change *Change, record Record, proposal Proposal) error {
	if err := change.recordTry(record, proposal); err != nil {
		return err
	}

	experiment, campaign := change.Experiment, change.Campaign
	*experiment = Experiment{Proposal: proposal, Session: record.Session, Status: research.Running,
		ProposedAt: record.Time}

	campaign.Experiments = proposal.N
	campaign.Open = append(campaign.Open, experiment.Job())
	campaign.recordPause(record.Time)

	if change.Session != nil {
		change.Session.Experiments++
	}

	return nil
}

// foldRebased puts an experiment onto a newer incumbent, while it waits for its
// turn or because another was kept in the middle of it: its runs so far count
// for nothing but what they cost.
func foldRebased(change *Change, _ Record, b Rebasing) {
	experiment := change.Experiment
	experiment.Edited = cmp.Or(experiment.Edited, experiment.Candidate)
	experiment.Parent, experiment.Candidate, experiment.Tree = b.Parent, b.Candidate, b.Tree
	experiment.Rebased++

	if experiment.Confirmed {
		change.Campaign.LostTests++
		experiment.Confirmed = false
	}
}

func foldJudged(change *Change, record Record, judgement rules.Judgement) {
	experiment, campaign := change.Experiment, change.Campaign
	campaign.Rule, judgement.State = judgement.State,
		rules.RuleState{} // the campaign has the state, the experiment does not repeat it
	experiment.Class = campaign.Class
	experiment.Judgement, experiment.JudgedAt, experiment.JudgedSeq, experiment.JudgedHash = &judgement, record.Time,
		record.Seq, record.Hash

	// An invalid experiment ends here, another waits to be kept or reverted.
	isInvalid := judgement.Verdict == research.Invalid
	if isInvalid {
		experiment.Status = research.Voided
	} else {
		experiment.Status = research.Unresolved
		campaign.Unresolved = append(campaign.Unresolved, experiment.N)
	}
	change.updateIdea(isInvalid)

	campaign.Streak++
	campaign.JudgedAt = record.Time
	campaign.Verdicts[judgement.Verdict]++
	campaign.closeJob(experiment.Job())

	if change.Session != nil {
		change.Session.Verdicts[judgement.Verdict]++
		change.Session.Predictions.addJudgement(experiment.Expect, judgement)
	}
}

// keptRemembered bounds Campaign.KeptStack, and so how many keeps in a row can be
// undone: the state's size must not grow with the campaign.
const keptRemembered = 64

func foldKept(change *Change, _ Record, keeping Keeping) {
	experiment, campaign := change.Experiment, change.Campaign
	hadOpenChain := campaign.hasOpenChain()
	isProven := experiment.Judgement.Verdict == research.Improved && campaign.Rule.NoiseKind == research.Noisy &&
		!hadOpenChain

	experiment.Status, experiment.Commit, experiment.KeptOn = research.Kept, keeping.Commit, keeping.Branch
	experiment.Note, experiment.Simpler, experiment.Overridden = keeping.Note, keeping.Simplification,
		keeping.Overridden

	// It is the incumbent, and the last that an undo would take back.
	campaign.Incumbent, campaign.IncumbentTree, campaign.IncumbentOf = keeping.Commit, experiment.Tree, experiment.N

	campaign.KeptStack = append(campaign.KeptStack, experiment.N)
	if over := len(campaign.KeptStack) - keptRemembered; over > 0 {
		campaign.KeptStack = slices.Delete(campaign.KeptStack, 0, over)
	}

	// What is believed of the incumbent, and what is proven.
	if experiment.Overridden == "" {
		campaign.Rule = campaign.Rule.AfterKeep(*experiment.Judgement)
	} else {
		campaign.applyOverride(*experiment.Judgement, hadOpenChain)
	}

	if isProven && experiment.Overridden == "" {
		campaign.moveCheckpoint()
		campaign.CertifiedGain += campaign.provenGain(experiment)
	}

	campaign.Kept++
	campaign.Streak = 0
	campaign.removeUnresolved(experiment.N)
	change.updateIdea(true)

	if change.Session != nil {
		change.Session.Kept++
	}
}

// applyOverride is for a keep against the verdict: what is kept from here on is
// compared with the person's choice, unless a chain is open, whose certificate
// judges it with the rest. What was believed of the incumbent's level does not
// hold for it: a noisy metric is calibrated again.
func (c *Campaign) applyOverride(j rules.Judgement, hadOpenChain bool) {
	c.Overridden++
	c.Rule = c.Rule.AfterOverride(j)

	if !hadOpenChain {
		c.moveCheckpoint()
	}

	if c.Rule.NoiseKind == research.Noisy {
		c.Calibrated = false
	}
}

func foldReverted(change *Change, _ Record, b Reversion) {
	experiment, campaign := change.Experiment, change.Campaign
	experiment.Lesson, experiment.Closed = cmp.Or(b.Lesson, experiment.Lesson), true

	isRollback := experiment.Status == research.Kept && b.By == "certificate"
	if isRollback {
		campaign.Kept--
		campaign.uncountOverride(experiment)
		experiment.RolledBack = true
	}

	// An invalid one stays invalid; its file may still be put back.
	if isRollback || experiment.Status == research.Unresolved {
		experiment.Status = research.Reverted
		campaign.Reverted++
		campaign.removeUnresolved(experiment.N)
	}

	change.updateIdea(b.By != "merge") // an edit that is merged is measured again, under the same claim
}

func foldUndone(change *Change, _ Record, b Undoing) {
	experiment, campaign := change.Experiment, change.Campaign
	isCovered := experiment.N < campaign.ChainFrom // by a certificate, or as an edit proven on its own

	experiment.Undone, experiment.Status = true, research.Reverted
	campaign.Kept--
	campaign.Reverted++
	campaign.uncountOverride(experiment)
	change.updateIdea(true)

	// The incumbent is what was kept before it.
	campaign.Incumbent, campaign.IncumbentTree, campaign.IncumbentOf = b.Commit, b.Tree, 0

	campaign.KeptStack = slices.DeleteFunc(campaign.KeptStack, func(n int) bool { return n == experiment.N })
	if n := len(campaign.KeptStack); n > 0 {
		campaign.IncumbentOf = campaign.KeptStack[n-1]
	}

	if experiment.Overridden == "" {
		campaign.Rule = campaign.Rule.AfterUndo(*experiment.Judgement)
	} else {
		campaign.Rule = campaign.Rule.AfterOverrideUndone(*experiment.Judgement)
		campaign.Calibrated = campaign.Calibrated && campaign.Rule.NoiseKind != research.Noisy
	}

	if isCovered { // a rollback must not bring it back
		campaign.moveCheckpoint()

		if experiment.N > campaign.GainsAfter {
			campaign.CertifiedGain -= campaign.provenGain(experiment)
		}
	}
}

// uncountOverride is for an experiment that is kept no longer.
func (c *Campaign) uncountOverride(x *Experiment) {
	if x.Overridden != "" {
		c.Overridden--
	}
}

// provenGain is the estimate of an edit on the scale of the rule, 0 without one.
func (c *Campaign) provenGain(experiment *Experiment) float64 {
	if experiment.Overridden != "" {
		return 0
	}

	gain := experiment.Judgement.Gain
	if gain == nil || experiment.Judgement.Scale != c.Rule.Scale {
		return 0
	}

	return c.Rule.MetricScale().Size(gain.Mid)
}

// closeJob takes a job off the open ones.
func (c *Campaign) closeJob(id research.JobID) {
	c.Open = slices.DeleteFunc(c.Open, func(o research.JobID) bool { return o == id })
}

// removeUnresolved takes an experiment off those that wait to be kept or reverted.
func (c *Campaign) removeUnresolved(n int) {
	c.Unresolved = slices.DeleteFunc(c.Unresolved, func(u int) bool { return u == n })
}
