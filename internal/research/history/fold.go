package history

import (
	"cmp"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/rules"
	"slices"
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
	if !contract.SameNumbers(c.Program, b.Program) {
		c.Audit, c.Final, c.Baseline, c.BaselineClass, c.CertifiedGain, c.GainsAfter = nil, nil, nil, 0, 0,
			c.Experiments
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

	if change.Session.Answers == nil {
		change.Session.Answers = map[string]Answered{}
	}

	for tool, a := range b.Calls {
		change.Session.Answers[tool] = change.Session.Answers[tool].Plus(a)
	}
}

// foldNoteDelivered refuses a note that would be skipped, or told twice.
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
	*change.Experiment = Experiment{Proposal: b, Session: r.Session, Status: research.Running, ProposedAt: r.Time}
	change.Campaign.Experiments = b.N
	change.Campaign.recordPause(r.Time)

	change.Campaign.Open = append(change.Campaign.Open, change.Experiment.Job())
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
	c.Rule, c.Streak, c.JudgedAt = b.State, c.Streak+1, r.Time
	b.State = rules.RuleState{}
	x.Class = c.Class
	x.Judgement, x.JudgedAt, x.JudgedSeq, x.JudgedHash = &b, r.Time, r.Seq, r.Hash

	x.Status = research.Unresolved
	if b.Verdict == research.Invalid {
		x.Status = research.Voided
	} else {
		c.Unresolved = append(c.Unresolved, x.N)
	}
	change.updateIdea(b.Verdict == research.Invalid)

	c.Verdicts[b.Verdict]++
	if change.Session != nil {
		change.Session.Verdicts[b.Verdict]++
		change.Session.Predictions.addJudgement(x.Expect, b)
	}
	c.closeJob(x.Job())
}

// keptRemembered bounds Campaign.KeptStack, and so how many keeps in a row can be
// undone: the state's size must not grow with the campaign.
const keptRemembered = 64

func foldKept(change *Change, _ Record, b Keeping) {
	x, c := change.Experiment, change.Campaign
	x.Status, x.Commit, x.KeptOn, x.Note, x.Simpler = research.Kept, b.Commit, b.Branch, b.Note, b.Simplification
	x.Overridden = b.Overridden
	proven := x.Judgement.Verdict == research.Improved && c.Rule.Class == research.Noisy && !c.hasOpenChain()
	chained := c.hasOpenChain()
	c.Incumbent, c.IncumbentTree, c.IncumbentOf = b.Commit, x.Tree, x.N

	c.KeptStack = append(c.KeptStack, x.N)
	if over := len(c.KeptStack) - keptRemembered; over > 0 {
		c.KeptStack = slices.Delete(c.KeptStack, 0, over)
	}

	c.Kept, c.Streak = c.Kept+1, 0
	if x.Overridden == "" {
		c.Rule = c.Rule.Moved(*x.Judgement)
	}

	if proven && x.Overridden == "" {
		c.moveCheckpoint()
		c.CertifiedGain += c.provenGain(x)
	}

	if x.Overridden != "" {
		c.applyOverride(*x.Judgement, chained)
	}
	c.removeUnresolved(x.N)
	change.updateIdea(true)

	if change.Session != nil {
		change.Session.Kept++
	}
}

// applyOverride is what a keep against the verdict changes besides: what is kept from
// here on is compared with the person's choice, unless a chain is open, whose
// certificate judges it with the rest. What was reckoned of the incumbent's
// level does not hold for it: a noisy metric is calibrated anew.
func (c *Campaign) applyOverride(j rules.Judgement, chained bool) {
	c.Overridden++

	c.Rule = c.Rule.Overridden(j)
	if !chained {
		c.moveCheckpoint()
	}

	if c.Rule.Class == research.Noisy {
		c.Calibrated = false
	}
}

func foldReverted(change *Change, _ Record, b Reversion) {
	x, c := change.Experiment, change.Campaign
	defer func() { change.updateIdea(b.By != "merge") }() // an edit that is merged is tried on

	x.Lesson, x.Closed = cmp.Or(b.Lesson, x.Lesson), true
	switch {
	case x.Status == research.Kept && b.By == "certificate":
		c.Kept--
		c.uncountOverride(x)
		x.RolledBack = true
	case x.Status != research.Unresolved: // an invalid one stays invalid; its file may still be put back
		return
	}
	x.Status = research.Reverted
	c.Reverted++
	c.removeUnresolved(x.N)
}

func foldUndone(change *Change, _ Record, b Undoing) {
	x, c := change.Experiment, change.Campaign
	x.Undone, x.Status = true, research.Reverted
	c.uncountOverride(x)
	change.updateIdea(true)
	covered := x.N < c.ChainFrom // by a certificate, or as an edit proven on its own
	c.Kept, c.Reverted = c.Kept-1, c.Reverted+1
	c.Incumbent, c.IncumbentTree, c.IncumbentOf = b.Commit, b.Tree, 0

	c.KeptStack = slices.DeleteFunc(c.KeptStack, func(n int) bool { return n == x.N })
	if n := len(c.KeptStack); n > 0 {
		c.IncumbentOf = c.KeptStack[n-1]
	}

	if x.Overridden == "" {
		c.Rule = c.Rule.MovedBack(*x.Judgement)
	} else {
		c.Rule = c.Rule.OverrideUndone(*x.Judgement)
		c.Calibrated = c.Calibrated && c.Rule.Class != research.Noisy
	}

	if covered { // a rollback must not bring it back
		c.moveCheckpoint()

		if x.N > c.GainsAfter {
			c.CertifiedGain -= c.provenGain(x)
		}
	}
}

// uncountOverride takes an experiment that is kept no longer off the overridden ones.
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

	if g := x.Judgement.Gain; g != nil && x.Judgement.Scale == c.Rule.Scale {
		return c.Rule.Ruler().Size(g.Mid)
	}

	return 0
}

// closeJob takes a job off the open ones.
func (c *Campaign) closeJob(id research.JobID) {
	c.Open = slices.DeleteFunc(c.Open, func(o research.JobID) bool { return o == id })
}

func (c *Campaign) removeUnresolved(n int) {
	c.Unresolved = slices.DeleteFunc(c.Unresolved, func(u int) bool { return u == n })
}
