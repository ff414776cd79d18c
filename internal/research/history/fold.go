package history

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/rules"
)

// Touches names the job whose folded state a record changes, "" if none.
func Touches(r Record) (research.JobID, error) {
	var b struct {
		Job research.JobID `json:"job"`
		N   int            `json:"n"`
	}

	switch r.Kind {
	case KindRunFinished, KindRunLost, KindStepFinished, KindCalibrationStarted, KindCalibrationFinished,
		KindMeasurementStarted, KindMeasurementFinished, KindCertificateStarted, KindCertificateFinished:
	case KindExperimentProposed, KindExperimentRebased, KindExperimentJudged, KindExperimentKept,
		KindExperimentReverted, KindKeepUndone:
	default:
		return "", nil
	}

	if err := json.Unmarshal(r.Body, &b); err != nil {
		return "", fmt.Errorf("decode %s: %w", r.Kind, err)
	}

	if b.Job != "" {
		return b.Job, nil
	}

	return research.NewJobID(research.ExperimentJob, b.N), nil
}

// Fold applies one record to the state it touches. Folding all records in
// order gives the ledger's indexes; the ledger stores what comes out.
func Fold(v *View, r Record) error {
	if v.Session != nil {
		v.Session.Last = r.Time
	}

	fold, ok := folds[r.Kind]
	if !ok {
		return fmt.Errorf("record %d has the unknown kind %q", r.Seq, r.Kind)
	}

	if err := fold(v, r); err != nil {
		return fmt.Errorf("fold record %d (%s): %w", r.Seq, r.Kind, err)
	}

	return nil
}

// Known says whether this version can fold records of the kind.
func Known(k Kind) bool {
	_, ok := folds[k]
	return ok
}

var folds = map[Kind]func(*View, Record) error{
	KindCampaignStarted:     on(foldCampaignStarted),
	KindContractAccepted:    on(foldContractAccepted),
	KindCampaignEnded:       on(func(v *View, _ Record, b CampaignEnd) { v.Campaign.Ended = b.Reason }),
	KindSessionJoined:       on(foldSessionJoined),
	KindSessionAnswered:     on(foldSessionAnswered),
	KindCalibrationStarted:  on(foldJobStarted),
	KindCalibrationFinished: on(foldCalibrationFinished),
	KindMeasurementStarted:  on(foldJobStarted),
	KindMeasurementFinished: on(foldMeasurementFinished),
	KindCertificateStarted:  on(foldJobStarted),
	KindCertificateFinished: on(foldCertificateFinished),
	KindExperimentProposed:  try(foldProposed),
	KindExperimentRebased:   on(foldRebased),
	KindExperimentJudged:    on(foldJudged),
	KindExperimentKept:      on(foldKept),
	KindExperimentReverted:  on(foldReverted),
	KindKeepUndone:          on(foldUndone),
	KindAblationStarted:     on(func(*View, Record, rules.Ablation) {}),
	KindAblationFinished:    on(func(*View, Record, rules.AblationEnd) {}),
	KindCampaignFinalized: on(func(v *View, r Record, b Finalization) {
		v.Campaign.Final = b.folded(r, v.Campaign.Experiments)
	}),
	KindRunFinished:     on(foldRun),
	KindRunLost:         on(foldLost),
	KindStepFinished:    on(foldStep),
	KindFileSaved:       on(func(v *View, _ Record, b Saving) { v.Campaign.Saved = b.Number }),
	KindLoopStopped:     on(func(v *View, r Record, b LoopChange) { v.Campaign.Rests = &Rest{At: r.Time, By: b.By} }),
	KindLoopResumed:     on(func(v *View, _ Record, _ LoopChange) { v.Campaign.Rests = nil }),
	KindLedgerMigrated:  on(func(*View, Record, Migration) {}),
	KindLessonAdded:     on(func(v *View, _ Record, b Lesson) { v.Campaign.Lessons = b.N }),
	KindNoteAdded:       on(func(v *View, _ Record, b Note) { v.Campaign.Notes = b.N }),
	KindNoteDelivered:   try(foldNoteDelivered),
	KindIdeaAdded:       on(foldIdeaAdded),
	KindIdeaClaimed:     try(foldIdeaClaimed),
	KindIdeaReleased:    try(foldIdeaReleased),
	KindIdeaDropped:     try(foldIdeaDropped),
	KindHistoryImported: try(foldImported),
}

func on[T any](f func(*View, Record, T)) func(*View, Record) error {
	return try(func(v *View, r Record, b T) error {
		f(v, r, b)
		return nil
	})
}

// try is on for a fold that refuses records which contradict the state.
func try[T any](f func(*View, Record, T) error) func(*View, Record) error {
	return func(v *View, r Record) error {
		b, err := body[T](r)
		if err != nil {
			return err
		}

		return f(v, r, b)
	}
}

func foldCampaignStarted(v *View, r Record, b CampaignStart) {
	*v.Campaign = Campaign{
		Name: r.Campaign, Program: b.Program, Digest: b.Digest, ProgramPath: b.ProgramPath,
		Start: b.Start, StartTree: b.StartTree, Branch: b.Branch, Origin: b.Origin, Checkout: b.Checkout,
		StartedAt: r.Time, Incumbent: b.Start, IncumbentTree: b.StartTree, Verdicts: map[research.Verdict]int{},
	}
	v.Campaign.checkpoint()
}

func foldContractAccepted(v *View, _ Record, b ContractAcceptance) {
	c := v.Campaign
	// Other commands make other numbers: what was learnt of the old ones is void,
	// and what was gained of them is no gain of the new.
	if !contract.SameNumbers(c.Program, b.Program) {
		c.Audit, c.Final, c.Baseline, c.BaselineClass, c.CertifiedGain, c.GainsAfter = nil, nil, nil, 0, 0,
			c.Experiments
	}
	c.Program, c.Digest = b.Program, b.Digest
	c.Calibrated, c.Broken = false, ""
}

func foldSessionJoined(v *View, r Record, b SessionJoin) {
	s := v.Session
	if s.At.IsZero() {
		*s = Session{Campaign: r.Campaign, At: r.Time, Last: r.Time, Verdicts: map[research.Verdict]int{}}
	}

	if b.Origin == "" {
		b.Origin = s.Origin
	}
	s.SessionJoin = b
}

func foldSessionAnswered(v *View, _ Record, b SessionAnswers) {
	if v.Session == nil {
		return
	}

	if v.Session.Answers == nil {
		v.Session.Answers = map[string]Answered{}
	}

	for tool, a := range b.Calls {
		v.Session.Answers[tool] = v.Session.Answers[tool].Plus(a)
	}
}

// foldNoteDelivered refuses a note that would be skipped, or told twice.
func foldNoteDelivered(v *View, r Record, b NoteDelivery) error {
	if v.Session == nil || b.N != v.Session.Heard+1 || b.N > v.Campaign.Notes {
		return research.Errorf(research.CodeConflict, "repeat the call", "note %d is not the next one for the session %q", b.N, r.Session)
	}
	v.Session.Heard = b.N

	return nil
}

// checkpoint makes the incumbent the version that certificates compare with.
func (c *Campaign) checkpoint() {
	c.Checkpoint, c.CheckpointTree, c.CheckpointOf = c.Incumbent, c.IncumbentTree, c.IncumbentOf
	c.ChainFrom = c.Experiments + 1
}

// chained says whether the incumbent holds edits that no certificate covers yet.
func (c *Campaign) chained() bool {
	return c.Rule.Auto != nil && c.Rule.Auto.Chain > 0
}

func foldProposed(v *View, r Record, b Proposal) error {
	if err := v.tryIdea(r, b); err != nil {
		return err
	}
	*v.Experiment = Experiment{Proposal: b, Session: r.Session, Status: research.Running, ProposedAt: r.Time}
	v.Campaign.Experiments = b.N
	v.Campaign.thought(r.Time)

	v.Campaign.Open = append(v.Campaign.Open, v.Experiment.Job())
	if v.Session != nil {
		v.Session.Experiments++
	}

	return nil
}

// foldRebased puts an experiment onto a newer incumbent, while it waits for its
// turn or because another was kept in the middle of it: its runs so far count
// for nothing but what they cost.
func foldRebased(v *View, _ Record, b Rebasing) {
	x := v.Experiment
	x.Edited = cmp.Or(x.Edited, x.Candidate)
	x.Parent, x.Candidate, x.Tree = b.Parent, b.Candidate, b.Tree

	x.Rebased++
	if x.Confirmed {
		v.Campaign.LostTests++
		x.Confirmed = false
	}
}

func foldJudged(v *View, r Record, b rules.Judgement) {
	x, c := v.Experiment, v.Campaign
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
	v.tellIdea(b.Verdict == research.Invalid)

	c.Verdicts[b.Verdict]++
	if v.Session != nil {
		v.Session.Verdicts[b.Verdict]++
		v.Session.Predictions.add(x.Expect, b)
	}
	c.close(x.Job())
}

// keptRemembered bounds Campaign.KeptStack, and so how many keeps in a row can be
// undone: the state's size must not grow with the campaign.
const keptRemembered = 64

func foldKept(v *View, _ Record, b Keeping) {
	x, c := v.Experiment, v.Campaign
	x.Status, x.Commit, x.KeptOn, x.Note, x.Simpler = research.Kept, b.Commit, b.Branch, b.Note, b.Simplification
	x.Overridden = b.Overridden
	proven := x.Judgement.Verdict == research.Improved && c.Rule.Class == research.Noisy && !c.chained()
	chained := c.chained()
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
		c.checkpoint()
		c.CertifiedGain += c.provenGain(x)
	}

	if x.Overridden != "" {
		c.override(*x.Judgement, chained)
	}
	c.resolve(x.N)
	v.tellIdea(true)

	if v.Session != nil {
		v.Session.Kept++
	}
}

// override is what a keep against the verdict changes besides: what is kept from
// here on is compared with the person's choice, unless a chain is open, whose
// certificate judges it with the rest. What was reckoned of the incumbent's
// level does not hold for it: a noisy metric is calibrated anew.
func (c *Campaign) override(j rules.Judgement, chained bool) {
	c.Overridden++

	c.Rule = c.Rule.Overridden(j)
	if !chained {
		c.checkpoint()
	}

	if c.Rule.Class == research.Noisy {
		c.Calibrated = false
	}
}

func foldReverted(v *View, _ Record, b Reversion) {
	x, c := v.Experiment, v.Campaign
	defer func() { v.tellIdea(b.By != "merge") }() // an edit that is merged is tried on

	x.Lesson, x.Closed = cmp.Or(b.Lesson, x.Lesson), true
	switch {
	case x.Status == research.Kept && b.By == "certificate":
		c.Kept--
		c.forgetOverride(x)
		x.RolledBack = true
	case x.Status != research.Unresolved: // an invalid one stays invalid; its file may still be put back
		return
	}
	x.Status = research.Reverted
	c.Reverted++
	c.resolve(x.N)
}

func foldUndone(v *View, _ Record, b Undoing) {
	x, c := v.Experiment, v.Campaign
	x.Undone, x.Status = true, research.Reverted
	c.forgetOverride(x)
	v.tellIdea(true)
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
		c.checkpoint()

		if x.N > c.GainsAfter {
			c.CertifiedGain -= c.provenGain(x)
		}
	}
}

// forgetOverride takes an experiment that is kept no longer off the overridden ones.
func (c *Campaign) forgetOverride(x *Experiment) {
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

// close takes a job off the open ones.
func (c *Campaign) close(id research.JobID) {
	c.Open = slices.DeleteFunc(c.Open, func(o research.JobID) bool { return o == id })
}

func (c *Campaign) resolve(n int) {
	c.Unresolved = slices.DeleteFunc(c.Unresolved, func(u int) bool { return u == n })
}
