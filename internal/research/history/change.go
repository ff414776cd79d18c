package history

import (
	"encoding/json"
	"fmt"

	"ratchet/internal/research"
)

// Change is the folded state that one record may touch, on its way through Load,
// Fold and the ledger's store. States that the record does not touch are nil.
type Change struct {
	Campaign    *Campaign
	Experiment  *Experiment   // of a record whose job is an experiment
	Measurement *Measurement  // of a record with any other job
	Session     *Session      // of a record with a session that has joined
	Idea        *IdeaState    // of a record about an idea, or an experiment under an idea's claim
	Source      *ImportSource // of history.imported
	Replaced    *ImportPlace  // the line that stood at the imported one's place, nil for none

	job    research.JobID
	listed []listing // what the states were listed under when they were loaded
}

// Touches names the job whose folded state a record changes, "" if none.
func Touches(record Record) (research.JobID, error) {
	if rowOf(record.Kind).touches&ofJob == 0 {
		return "", nil
	}

	var b struct {
		Job research.JobID `json:"job"`
		N   int            `json:"n"`
	}
	if err := json.Unmarshal(record.Body, &b); err != nil {
		return "", fmt.Errorf("decode %s: %w", record.Kind, err)
	}

	if b.Job != "" {
		return b.Job, nil
	}

	return research.NewJobID(research.ExperimentJob, b.N), nil
}

// Load reads the states that the record touches, new ones where it begins
// them. It refuses a record that contradicts what exists: research.CodeConflict
// for a number that is given twice, CodeNoCampaign and CodeNotFound for what was
// never begun.
func Load(record Record, read Reader) (*Change, error) {
	job, err := Touches(record)
	if err != nil {
		return nil, err
	}
	l := loading{record: record, row: rowOf(record.Kind), read: read, Change: &Change{job: job}}

	// In this order: the idea may be that of the experiment.
	for _, load := range []func() error{l.loadCampaign, l.loadJob, l.loadSession, l.loadIdea, l.loadSource} {
		if err := load(); err != nil {
			return nil, err
		}
	}
	l.listed = l.listings()

	return l.Change, nil
}

// loading is a Change whose states are being read.
type loading struct {
	*Change
	record Record
	row    row
	read   Reader
}

// readState returns nil for a state that does not exist.
func readState[T any](read Reader, key Key) (*T, error) {
	s := new(T)
	if exists, err := read.State(key, s); !exists || err != nil {
		return nil, err
	}

	return s, nil
}

func (l *loading) touches(s stateSet) bool { return l.row.touches&s != 0 }
func (l *loading) begins(s stateSet) bool  { return l.row.begins&s != 0 }

func (l *loading) loadCampaign() error {
	if !l.touches(ofCampaign) {
		return nil
	}

	campaign, err := readState[Campaign](l.read, named(IndexCampaigns))
	switch {
	case err != nil:
		return err
	case campaign == nil && !l.begins(ofCampaign):
		return NoCampaign(l.record.Campaign)
	case campaign == nil:
		campaign = &Campaign{}
	case l.begins(ofCampaign):
		return research.Errorf(research.CodeConflict, "resume it, or start one under another name",
			"a campaign %q has already been started", l.record.Campaign)
	}
	l.Campaign = campaign

	return nil
}

func (l *loading) loadJob() (err error) {
	if !l.touches(ofJob) {
		return nil
	}

	switch l.job.Kind() {
	case research.ExperimentJob:
		l.Experiment, err = readJob[Experiment](l)
	case research.CalibrationJob, research.MeasurementJob, research.CertificateJob, research.AuditJob:
		l.Measurement, err = readJob[Measurement](l)
	default:
		err = fmt.Errorf("append %s of the unknown job %q", l.record.Kind, l.job)
	}

	return err
}

// readJob refuses a job that begins twice, or goes on without a beginning.
func readJob[T any](l *loading) (*T, error) {
	s, err := readState[T](l.read, jobKey(l.job))
	switch {
	case err != nil:
		return nil, err
	case s == nil && !l.begins(ofJob):
		return nil, research.Errorf(research.CodeNotFound, "name one that exists; read_log{view: \"table\"} lists them",
			"there is no %s for %s", l.job, l.record.Kind)
	case s == nil:
		return new(T), nil
	case l.begins(ofJob):
		return nil, research.Errorf(research.CodeConflict, "repeat the call: it will take the next number",
			"%s exists already; somebody else took that number", l.job)
	}

	return s, nil
}

func jobKey(job research.JobID) Key {
	if job.Kind() == research.ExperimentJob {
		return numbered(IndexExperiments, job.N())
	}

	return named(IndexJobs, string(job))
}

// loadSession leaves nil a session that has not joined.
func (l *loading) loadSession() (err error) {
	joins := l.begins(ofSession)
	switch {
	case !l.touches(ofSession), l.record.Session == "" && !joins:
		return nil
	case l.record.Session == "":
		return fmt.Errorf("append %s without a codename", l.record.Kind)
	}

	l.Session, err = readState[Session](l.read, named(IndexSessions, l.record.Session))
	if l.Session == nil && joins { // one that joins again goes on
		l.Session = &Session{}
	}

	return err
}

func (l *loading) loadIdea() error {
	n, err := l.ideaNumber()
	if err != nil || n == 0 && !l.touches(ofIdea) {
		return err
	}

	idea, err := readState[IdeaState](l.read, numbered(IndexIdeas, n))
	switch {
	case err != nil:
		return err
	case n < 1, idea != nil && l.begins(ofIdea):
		return NumberTaken(l.record.Kind, n)
	case idea == nil && !l.begins(ofIdea):
		return NoIdea(l.record.Campaign, n)
	case idea == nil:
		idea = &IdeaState{}
	}
	l.Idea = idea

	return nil
}

// ideaNumber is the number of the idea that the record touches, 0 for none.
func (l *loading) ideaNumber() (int, error) {
	var b struct {
		N     int    `json:"n"`
		Idea  string `json:"idea"`
		Fence int    `json:"fence"`
	}

	proposes := l.touches(ofClaimedIdea) && l.begins(ofJob)
	if l.touches(ofIdea) || proposes {
		if err := json.Unmarshal(l.record.Body, &b); err != nil {
			return 0, fmt.Errorf("decode %s: %w", l.record.Kind, err)
		}
	}

	switch experiment := l.Experiment; {
	case l.touches(ofIdea):
		return b.N, nil
	case l.touches(ofClaimedIdea) && !proposes && experiment != nil:
		b.Idea, b.Fence = experiment.Idea, experiment.Fence
	}

	if b.Fence == 0 {
		return 0, nil
	}

	n, ok := IdeaNumber(b.Idea)
	if !ok {
		return 0, fmt.Errorf("%s has a fence, and no idea's number: %q", l.record.Kind, b.Idea)
	}

	return n, nil
}

func (l *loading) loadSource() error {
	if !l.touches(ofSource) {
		return nil
	}

	imported, err := body[Import](l.record)
	if err != nil {
		return fmt.Errorf("decode %s: %w", l.record.Kind, err)
	}

	l.Source, err = readState[ImportSource](l.read, named(IndexImportSources, imported.Source))
	if l.Source == nil {
		l.Source = &ImportSource{}
	}
	if was, ok := ParseImportPlace(l.read.Value(imported.LineKey())); ok {
		l.Replaced = &was
	}

	return err
}

// States are the states to be stored after Fold.
func (change *Change) States(record Record) []State {
	var states []State

	if change.Campaign != nil {
		states = append(states, State{named(IndexCampaigns), change.Campaign})
	}

	if change.Experiment != nil {
		states = append(states, State{jobKey(change.job), change.Experiment})
	}

	if change.Measurement != nil {
		states = append(states, State{jobKey(change.job), change.Measurement})
	}

	if change.Session != nil {
		states = append(states, State{named(IndexSessions, record.Session), change.Session})
	}

	if change.Idea != nil {
		states = append(states, State{numbered(IndexIdeas, change.Idea.N), change.Idea})
	}

	if change.Source != nil {
		states = append(states, State{named(IndexImportSources, change.Source.Source), change.Source})
	}

	return states
}

// IndexEntries are what changes in the indexes that hold no states, after Fold.
func (change *Change) IndexEntries(record Record) ([]IndexEntry, error) {
	entries := change.changedListings()
	if record.Key != "" {
		entries = append(entries, IndexEntry{Key: named(IndexKeys, record.Key), Value: record.Seq})
	}

	index := rowOf(record.Kind).index
	if index == nil {
		return entries, nil
	}
	own, err := index(change, record)

	return append(entries, own...), err
}

// NumberTaken refuses a record whose number was given before, or is none.
func NumberTaken(kind Kind, n int) error {
	return research.Errorf(research.CodeConflict, "repeat the call: it will take the next number",
		"%s %d exists already or is not a number", kind, n)
}

// NoCampaign is the error of a campaign that was never started.
func NoCampaign(name string) error {
	return research.Errorf(research.CodeNoCampaign, "start it with start_campaign", "there is no campaign %q", name)
}

// NoIdea is the error of an idea that was never added.
func NoIdea(campaign string, n int) error {
	return research.Errorf(research.CodeNotFound, "read_log{view: \"ideas\"} lists them",
		"the campaign %q has no idea %d", campaign, n)
}
