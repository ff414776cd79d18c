package history

import (
	"cmp"
	"slices"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/rules"
)

func foldCampaignStarted(change *Change, r Record, b CampaignStart) {
	*change.Campaign = Campaign{
		Name: r.Campaign, Program: b.Program, Digest: b.Digest, ProgramPath: b.ProgramPath,
		Start: b.Start, StartTree: b.StartTree, Branch: b.Branch, Origin: b.Origin, Checkout: b.Checkout,
		StartedAt: r.Time, Verdicts: map[research.Verdict]int{},
		Line: Line{Incumbent: b.Start, IncumbentTree: b.StartTree},
	}
	change.Campaign.moveCheckpoint()
}

func foldContractAccepted(change *Change, _ Record, b ContractAcceptance) {
	c := change.Campaign

	// Other commands make other numbers: what was learnt of the old ones is void,
	// and what was gained of them is no gain of the new.
	if !contract.HaveComparableRuns(c.Program, b.Program) {
		c.Audit, c.Final = nil, nil
		c.Baseline, c.BaselineClass = nil, 0
		c.CertifiedGain, c.GainsAfter = 0, c.Experiments
	}

	c.Program, c.Digest = b.Program, b.Digest
	c.Calibrated, c.Broken = false, ""
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

func foldSessionJoined(change *Change, r Record, b SessionJoin) {
	s := change.Session
	if s.At.IsZero() {
		*s = Session{Campaign: r.Campaign, At: r.Time, Last: r.Time, Verdicts: map[research.Verdict]int{}}
	}

	if b.Origin == "" {
		b.Origin = s.Origin
	}
	s.SessionJoin = b
}

func foldSessionAnswered(change *Change, _ Record, b SessionAnswers) {
	if change.Session == nil {
		return
	}

	s := change.Session
	if s.Answers == nil {
		s.Answers = map[string]Answered{}
	}

	for tool, answered := range b.Calls {
		s.Answers[tool] = s.Answers[tool].Plus(answered)
	}
}

// foldNoteDelivered refuses a note that skips one, or was delivered before.
func foldNoteDelivered(change *Change, r Record, b NoteDelivery) error {
	if change.Session == nil || b.N != change.Session.Heard+1 || b.N > change.Campaign.Notes {
		return research.Errorf(research.CodeConflict, "repeat the call",
			"note %d is not the next one for the session %q", b.N, r.Session)
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

func foldProposed(change *Change, r Record, b Proposal) error {
	if err := change.recordTry(r, b); err != nil {
		return err
	}

	x, c := change.Experiment, change.Campaign
	*x = Experiment{Proposal: b, Session: r.Session, Status: research.Running, ProposedAt: r.Time}

	c.Experiments = b.N
	c.Open = append(c.Open, x.Job())
	c.recordPause(r.Time)

	if change.Session != nil {
		change.Session.Experiments++
	}

	return nil
}

// foldRebased puts an experiment onto a newer incumbent, while it waits for its
// turn or because another was kept in the middle of it: its runs so far count
// for nothing but what they cost.
func foldRebased(change *Change, _ Record, b Rebasing) {
	x := change.Experiment
	x.Edited = cmp.Or(x.Edited, x.Candidate)
	x.Parent, x.Candidate, x.Tree = b.Parent, b.Candidate, b.Tree
	x.Rebased++

	if x.Confirmed {
		change.Campaign.LostTests++
		x.Confirmed = false
	}
}

func foldJudged(change *Change, r Record, b rules.Judgement) {
	x, c := change.Experiment, change.Campaign
	c.Rule, b.State = b.State, rules.RuleState{} // the campaign has the state, the experiment does not repeat it
	x.Class = c.Class
	x.Judgement, x.JudgedAt, x.JudgedSeq, x.JudgedHash = &b, r.Time, r.Seq, r.Hash

	// An invalid experiment ends here, another waits to be kept or reverted.
	isInvalid := b.Verdict == research.Invalid
	if isInvalid {
		x.Status = research.Voided
	} else {
		x.Status = research.Unresolved
		c.Unresolved = append(c.Unresolved, x.N)
	}
	change.updateIdea(isInvalid)

	c.Streak++
	c.JudgedAt = r.Time
	c.Verdicts[b.Verdict]++
	c.closeJob(x.Job())

	if change.Session != nil {
		change.Session.Verdicts[b.Verdict]++
		change.Session.Predictions.addJudgement(x.Expect, b)
	}
}

// keptRemembered bounds Campaign.KeptStack, and so how many keeps in a row can be
// undone: the state's size must not grow with the campaign.
const keptRemembered = 64

func foldKept(change *Change, _ Record, b Keeping) {
	x, c := change.Experiment, change.Campaign
	hadOpenChain := c.hasOpenChain()
	isProven := x.Judgement.Verdict == research.Improved && c.Rule.NoiseKind == research.Noisy && !hadOpenChain

	x.Status, x.Commit, x.KeptOn = research.Kept, b.Commit, b.Branch
	x.Note, x.Simpler, x.Overridden = b.Note, b.Simplification, b.Overridden

	// It is the incumbent, and the last that an undo would take back.
	c.Incumbent, c.IncumbentTree, c.IncumbentOf = b.Commit, x.Tree, x.N

	c.KeptStack = append(c.KeptStack, x.N)
	if over := len(c.KeptStack) - keptRemembered; over > 0 {
		c.KeptStack = slices.Delete(c.KeptStack, 0, over)
	}

	// What is believed of the incumbent, and what is proven.
	if x.Overridden == "" {
		c.Rule = c.Rule.AfterKeep(*x.Judgement)
	} else {
		c.applyOverride(*x.Judgement, hadOpenChain)
	}

	if isProven && x.Overridden == "" {
		c.moveCheckpoint()
		c.CertifiedGain += c.provenGain(x)
	}

	c.Kept++
	c.Streak = 0
	c.removeUnresolved(x.N)
	change.updateIdea(true)

	if change.Session != nil {
		change.Session.Kept++
	}
}

// applyOverride is for a keep against the verdict: what is kept from here on is
// compared with the person's choice, unless a chain is open, whose certificate
// judges it with the rest. What was believed of the incumbent's level does not
// hold for it: a noisy metric is calibrated anew.
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
	x, c := change.Experiment, change.Campaign
	x.Lesson, x.Closed = cmp.Or(b.Lesson, x.Lesson), true

	isRollback := x.Status == research.Kept && b.By == "certificate"
	if isRollback {
		c.Kept--
		c.uncountOverride(x)
		x.RolledBack = true
	}

	// An invalid one stays invalid; its file may still be put back.
	if isRollback || x.Status == research.Unresolved {
		x.Status = research.Reverted
		c.Reverted++
		c.removeUnresolved(x.N)
	}

	change.updateIdea(b.By != "merge") // an edit that is merged is measured again, under the same claim
}

func foldUndone(change *Change, _ Record, b Undoing) {
	x, c := change.Experiment, change.Campaign
	isCovered := x.N < c.ChainFrom // by a certificate, or as an edit proven on its own

	x.Undone, x.Status = true, research.Reverted
	c.Kept--
	c.Reverted++
	c.uncountOverride(x)
	change.updateIdea(true)

	// The incumbent is what was kept before it.
	c.Incumbent, c.IncumbentTree, c.IncumbentOf = b.Commit, b.Tree, 0

	c.KeptStack = slices.DeleteFunc(c.KeptStack, func(n int) bool { return n == x.N })
	if n := len(c.KeptStack); n > 0 {
		c.IncumbentOf = c.KeptStack[n-1]
	}

	if x.Overridden == "" {
		c.Rule = c.Rule.AfterUndo(*x.Judgement)
	} else {
		c.Rule = c.Rule.AfterOverrideUndone(*x.Judgement)
		c.Calibrated = c.Calibrated && c.Rule.NoiseKind != research.Noisy
	}

	if isCovered { // a rollback must not bring it back
		c.moveCheckpoint()

		if x.N > c.GainsAfter {
			c.CertifiedGain -= c.provenGain(x)
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
func (c *Campaign) provenGain(x *Experiment) float64 {
	if x.Overridden != "" {
		return 0
	}

	gain := x.Judgement.Gain
	if gain == nil || x.Judgement.Scale != c.Rule.Scale {
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
