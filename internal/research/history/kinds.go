package history

import (
	"fmt"

	"ratchet/internal/research"
	"ratchet/internal/research/rules"
)

// A kind of record is one row of the table below: which states its record
// touches, which of them it begins, how it folds into them, and which index
// entries it leaves. The ledger loads what a row names, folds, saves and indexes;
// it knows no kind by name. A new kind is a constant, a row and a test.
type row struct {
	// touches are the states that the record may change.
	touches stateSet
	// begins are those of them that must not exist before the record; the others
	// must, but for a session: a record of one that has not joined changes no session.
	begins stateSet
	fold   func(*Change, Record) error
	// index gives the entries that follow from the record itself, once it is
	// folded; nil for none. Those that follow from a state are in listings.
	index func(*Change, Record) ([]IndexEntry, error)
}

// stateSet is a set of the states of a Change.
type stateSet uint8

const (
	ofCampaign    stateSet = 1 << iota
	ofSession              // that wrote the record
	ofJob                  // the experiment, calibration, measurement, certificate or audit that the body names
	ofIdea                 // whose number is the body's
	ofClaimedIdea          // under whose claim the experiment is, or was, proposed; none for most experiments
	ofSource               // of an import, and the line that it replaces

	common = ofCampaign | ofSession
)

var kinds = map[Kind]row{
	KindCampaignStarted:  {touches: common, begins: ofCampaign, fold: folding(foldCampaignStarted)},
	KindContractAccepted: {touches: common, fold: folding(foldContractAccepted)},
	KindCampaignEnded:    {touches: common, fold: folding(foldCampaignEnded)},

	KindSessionJoined:   {touches: common, begins: ofSession, fold: folding(foldSessionJoined), index: indexCheckout},
	KindSessionAnswered: {touches: common, fold: folding(foldSessionAnswered)},

	KindCalibrationStarted:  {touches: common | ofJob, begins: ofJob, fold: folding(foldJobStarted)},
	KindCalibrationFinished: {touches: common | ofJob, fold: folding(foldCalibrationFinished)},
	KindMeasurementStarted:  {touches: common | ofJob, begins: ofJob, fold: folding(foldJobStarted)},
	KindMeasurementFinished: {touches: common | ofJob, fold: folding(foldMeasurementFinished)},
	KindCertificateStarted:  {touches: common | ofJob, begins: ofJob, fold: folding(foldJobStarted)},
	KindCertificateFinished: {touches: common | ofJob, fold: folding(foldCertificateFinished)},

	KindExperimentProposed: {touches: common | ofJob | ofClaimedIdea, begins: ofJob, fold: refusing(foldProposed),
		index: indexProposal},
	KindExperimentRebased: {touches: common | ofJob, fold: folding(foldRebased)},
	KindExperimentJudged: {touches: common | ofJob | ofClaimedIdea, fold: folding(foldJudged),
		index: indexVerdict},
	KindExperimentKept: {touches: common | ofJob | ofClaimedIdea, fold: folding(foldKept)},
	KindExperimentReverted: {touches: common | ofJob | ofClaimedIdea, fold: folding(foldReverted),
		index: indexRevertedLesson},
	KindKeepUndone: {touches: common | ofJob | ofClaimedIdea, fold: folding(foldUndone)},

	KindRunFinished:  {touches: common | ofJob, fold: folding(foldRun), index: indexing(indexRun)},
	KindRunLost:      {touches: common | ofJob | ofClaimedIdea, fold: folding(foldLost)},
	KindStepFinished: {touches: common | ofJob, fold: folding(foldStep)},

	KindAblationStarted:   {touches: common, fold: folding(func(*Change, Record, rules.Ablation) {})},
	KindAblationFinished:  {touches: common, fold: folding(func(*Change, Record, rules.AblationEnd) {})},
	KindCampaignFinalized: {touches: common, fold: folding(foldFinalized)},

	KindFileSaved:     {touches: common, fold: folding(foldFileSaved)},
	KindLoopStopped:   {touches: common, fold: folding(foldLoopStopped)},
	KindLoopResumed:   {touches: common, fold: folding(foldLoopResumed)},
	KindLessonAdded:   {touches: common, fold: folding(foldLessonAdded), index: indexing(indexLesson)},
	KindNoteAdded:     {touches: common, fold: folding(foldNoteAdded), index: indexNote},
	KindNoteDelivered: {touches: common, fold: refusing(foldNoteDelivered)},

	KindIdeaAdded:    {touches: common | ofIdea, begins: ofIdea, fold: folding(foldIdeaAdded), index: indexIdea},
	KindIdeaClaimed:  {touches: common | ofIdea, fold: refusing(foldIdeaClaimed)},
	KindIdeaReleased: {touches: common | ofIdea, fold: refusing(foldIdeaReleased)},
	KindIdeaDropped:  {touches: common | ofIdea, fold: refusing(foldIdeaDropped)},

	KindHistoryImported: {touches: common | ofSource, fold: refusing(foldImported), index: indexing(indexImport)},

	// The one kind that is of no campaign: it touches nothing.
	KindLedgerMigrated: {fold: folding(func(*Change, Record, Migration) {})},
}

// rowOf is the row of a kind. An unknown kind is of a campaign, and fails in Fold.
func rowOf(k Kind) row {
	if r, ok := kinds[k]; ok {
		return r
	}

	return row{touches: common}
}

// IsKnown says whether this version can fold records of the kind.
func IsKnown(k Kind) bool {
	_, ok := kinds[k]
	return ok
}

// IsOfCampaign says whether a record of the kind belongs to a campaign. Others
// change no state.
func IsOfCampaign(k Kind) bool { return rowOf(k).touches&ofCampaign != 0 }

// NewMigration is the entry that the ledger appends when its format is raised.
func NewMigration(b Migration) Entry { return Entry{Kind: KindLedgerMigrated, Body: b} }

// Fold applies one record to the states that it touches. Folding all records in
// order gives the ledger's states; the ledger stores what comes out.
func Fold(change *Change, record Record) error {
	if change.Session != nil {
		change.Session.Last = record.Time
	}

	fold := rowOf(record.Kind).fold
	if fold == nil {
		return fmt.Errorf("record %d has the unknown kind %q", record.Seq, record.Kind)
	}

	if err := fold(change, record); err != nil {
		return fmt.Errorf("fold record %d (%s): %w", record.Seq, record.Kind, err)
	}

	return nil
}

// folding makes a row's fold of a function that takes the decoded body.
func folding[T any](f func(*Change, Record, T)) func(*Change, Record) error {
	return refusing(func(change *Change, r Record, b T) error {
		f(change, r, b)
		return nil
	})
}

// refusing is on for a fold that refuses records which contradict the state.
func refusing[T any](f func(*Change, Record, T) error) func(*Change, Record) error {
	return func(change *Change, record Record) error {
		b, err := body[T](record)
		if err != nil {
			return err
		}

		return f(change, record, b)
	}
}

// indexing makes a row's index of a function that takes the decoded body.
func indexing[T any](f func(*Change, Record, T) []IndexEntry) func(*Change, Record) ([]IndexEntry, error) {
	return func(change *Change, record Record) ([]IndexEntry, error) {
		b, err := body[T](record)
		if err != nil {
			return nil, err
		}

		return f(change, record, b), nil
	}
}

// indexCheckout lets a session be found by its checkout.
func indexCheckout(change *Change, r Record) ([]IndexEntry, error) {
	return []IndexEntry{{Key: named(IndexCheckouts, change.Session.Checkout), Value: r.Session}}, nil
}

func indexProposal(change *Change, _ Record) ([]IndexEntry, error) {
	experiment := change.Experiment

	return append(byWord(IndexText, experiment.N, experiment.Hypothesis),
		IndexEntry{Key: named(IndexLatest, experiment.Checkout), Value: uint64(experiment.N)}), nil
}

// indexVerdict lets the same tree, and the same edit, be found again.
func indexVerdict(change *Change, _ Record) ([]IndexEntry, error) {
	experiment := change.Experiment
	var entries []IndexEntry

	if experiment.Judgement.Verdict != research.Invalid { // what made it invalid may pass
		entries = append(entries, IndexEntry{Key: named(IndexJudged, experiment.Parent, experiment.Tree),
			Value: uint64(experiment.N)})
	}

	if experiment.Diff != "" {
		entries = append(entries, IndexEntry{Key: named(IndexDiffs, experiment.Diff), Value: uint64(experiment.N)})
	}

	return entries, nil
}

func indexRevertedLesson(change *Change, _ Record) ([]IndexEntry, error) {
	x := change.Experiment
	return byWord(IndexText, x.N, x.Lesson), nil
}

func indexRun(_ *Change, r Record, b rules.Run) []IndexEntry {
	key := named(IndexRuns, string(b.Job))
	key.Numbers = []uint64{uint64(b.Number), r.Seq}

	return []IndexEntry{{Key: key}}
}

func indexLesson(_ *Change, r Record, b Lesson) []IndexEntry {
	entries := []IndexEntry{{Key: numbered(IndexLessons, b.N), Value: r.Seq, Once: true}}
	if b.Experiment > 0 {
		entries = append(entries, byWord(IndexText, b.Experiment, b.Text)...)
	}

	return entries
}

func indexNote(change *Change, r Record) ([]IndexEntry, error) {
	return []IndexEntry{{Key: numbered(IndexNotes, change.Campaign.Notes), Value: r.Seq, Once: true}}, nil
}

func indexIdea(change *Change, _ Record) ([]IndexEntry, error) {
	i := change.Idea
	return byWord(IndexIdeaText, i.N, i.Text), nil
}

func indexImport(_ *Change, r Record, imported Import) []IndexEntry {
	return append(byWord(IndexImportText, imported.N, imported.Searched()),
		IndexEntry{Key: numbered(IndexImports, imported.N), Value: r.Seq},
		IndexEntry{Key: imported.LineKey(), Value: imported.place().encode()})
}
