package ledger

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
)

// index folds a record into the states and the indexes. Verify runs the same
// code, so whatever it writes must follow from the records alone.
func (t *Tx) index(rec history.Record) error {
	if err := t.indexKind(rec); err != nil || rec.Kind == history.KindLedgerMigrated {
		return err
	}

	v, job, err := t.load(rec)
	if err != nil {
		return err
	}
	was := standingOf(v.Experiment)

	idea, err := t.loadIdea(v, rec)
	if err != nil {
		return err
	}

	if err := t.loadImport(v, rec); err != nil {
		return err
	}

	if err := fold(v, rec); err != nil {
		return err
	}

	if err := t.save(v, rec, job); err != nil {
		return fmt.Errorf("store state: %w", err)
	}

	if err := t.saveIdea(v, rec, idea); err != nil {
		return fmt.Errorf("store idea: %w", err)
	}

	if err := t.saveImport(v, rec); err != nil {
		return fmt.Errorf("store import: %w", err)
	}

	if err := t.indexStanding(rec.Campaign, v.Experiment, was); err != nil {
		return fmt.Errorf("index standing: %w", err)
	}

	if err := t.indexRecord(v, rec, job); err != nil {
		return fmt.Errorf("index record: %w", err)
	}

	return nil
}

// load reads the states that the record changes, and refuses a record that
// contradicts them.
func (t *Tx) load(rec history.Record) (*history.View, research.JobID, error) {
	job, err := history.Touches(rec)
	if err != nil {
		return nil, "", err
	}

	v := &history.View{}
	if v.Campaign, err = t.loadCampaign(rec); err != nil {
		return nil, "", err
	}

	begins := rec.Kind == history.KindExperimentProposed || rec.Kind == history.KindCalibrationStarted ||
		rec.Kind == history.KindMeasurementStarted || rec.Kind == history.KindCertificateStarted
	switch job.Kind() {
	case 0:
	case research.ExperimentJob:
		v.Experiment, err = state[history.Experiment](t, bucketExps, prefix(rec.Campaign)+bigEndian(uint64(job.N())))
		err = first(err, conflict(rec.Kind, job, v.Experiment != nil, begins))
		v.Experiment = orZero(v.Experiment)
	case research.CalibrationJob, research.MeasurementJob, research.CertificateJob, research.AuditJob:
		v.Measurement, err = state[history.Measurement](t, bucketJobs, prefix(rec.Campaign, string(job)))
		err = first(err, conflict(rec.Kind, job, v.Measurement != nil, begins))
		v.Measurement = orZero(v.Measurement)
	default:
		err = fmt.Errorf("append %s of the unknown job %q", rec.Kind, job)
	}

	if err != nil {
		return nil, "", err
	}
	v.Session, err = t.loadSession(rec)

	return v, job, err
}

func (t *Tx) loadCampaign(rec history.Record) (*history.Campaign, error) {
	begins := rec.Kind == history.KindCampaignStarted

	c, err := t.bulk[rec.Campaign], error(nil)
	if c == nil {
		c, err = state[history.Campaign](t, bucketCamps, prefix(rec.Campaign))
	}

	switch {
	case err != nil:
		return nil, err
	case c == nil && begins:
		return &history.Campaign{}, nil
	case c == nil:
		return nil, noCampaign(rec.Campaign)
	case begins:
		return nil, research.Errorf(research.CodeConflict, "resume it, or start one under another name",
			"a campaign %q has already been started", rec.Campaign)
	}

	return c, nil
}

// loadSession returns nil for a session that has not joined: nothing is counted for it.
func (t *Tx) loadSession(rec history.Record) (*history.Session, error) {
	joins := rec.Kind == history.KindSessionJoined
	if rec.Session == "" {
		if joins {
			return nil, fmt.Errorf("append %s without a codename", rec.Kind)
		}

		return nil, nil
	}

	s, err := state[history.Session](t, bucketSession, prefix(rec.Campaign, rec.Session))
	if s == nil && joins {
		s = &history.Session{}
	}

	return s, err
}

// conflict refuses a job that begins twice, or goes on without a beginning.
func conflict(kind history.Kind, job research.JobID, exists, begins bool) error {
	switch {
	case exists && begins:
		return research.Errorf(research.CodeConflict, "repeat the call: it will take the next number",
			"%s exists already; somebody else took that number", job)
	case !exists && !begins:
		return research.Errorf(research.CodeNotFound, "name one that exists; read_log{view: \"table\"} lists them",
			"there is no %s for %s", job, kind)
	}

	return nil
}

// fold calls research.Fold. A record that the fold can't take must not end the
// process, which may hold other people's work.
func fold(v *history.View, rec history.Record) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("fold record %d (%s): %s", rec.Seq, rec.Kind, excerpt(p))
		}
	}()

	return history.Fold(v, rec)
}

func (t *Tx) save(v *history.View, rec history.Record, job research.JobID) error {
	err := t.putCampaign(rec.Campaign, v.Campaign)
	if v.Experiment != nil {
		err = first(err, t.putJSON(bucketExps, prefix(rec.Campaign)+bigEndian(uint64(job.N())), v.Experiment))
	}

	if v.Measurement != nil {
		err = first(err, t.putJSON(bucketJobs, prefix(rec.Campaign, string(job)), v.Measurement))
	}

	if v.Session != nil {
		err = first(err, t.putJSON(bucketSession, prefix(rec.Campaign, rec.Session), v.Session))
	}

	return err
}

// standing is what experiments are listed by.
type standing struct {
	status  research.Status
	verdict research.Verdict // "" while there is none
}

// standingOf is the standing of x, nil or new: none.
func standingOf(x *history.Experiment) (s standing) {
	if x == nil {
		return s
	}

	s.status = x.Status
	if x.Judgement != nil {
		s.verdict = x.Judgement.Verdict
	}

	return s
}

func (t *Tx) indexStanding(campaign string, x *history.Experiment, was standing) error {
	if x == nil {
		return nil
	}
	is := standingOf(x)

	return first(t.relist(bucketStatus, campaign, x.N, string(was.status), string(is.status)),
		t.relist(bucketVerdict, campaign, x.N, string(was.verdict), string(is.verdict)))
}

// relist moves a number from one list of an index to another; "" is no list.
func (t *Tx) relist(bucket, campaign string, n int, was, is string) error {
	if was == is {
		return nil
	}

	var err error
	if was != "" {
		err = t.s.delete(bucket, prefix(campaign, was)+bigEndian(uint64(n)))
	}

	if is != "" {
		err = first(err, t.s.put(bucket, prefix(campaign, is)+bigEndian(uint64(n)), nil))
	}

	return err
}

// indexRecord updates the indexes that belong to the record's kind.
func (t *Tx) indexRecord(v *history.View, rec history.Record, job research.JobID) error {
	var err error
	if rec.Key != "" {
		err = t.putNumber(bucketKeys, prefix(rec.Campaign, rec.Key), rec.Seq)
	}
	x := v.Experiment

	switch rec.Kind {
	case history.KindExperimentProposed:
		err = first(err, t.putNumber(bucketLatest, prefix(rec.Campaign, x.Checkout), uint64(x.N)),
			t.indexText(bucketText, rec.Campaign, x.N, x.Hypothesis))
	case history.KindExperimentJudged:
		if x.Judgement.Verdict != research.Invalid { // what made it invalid may pass
			err = first(err, t.putNumber(bucketJudged, prefix(rec.Campaign, x.Parent, x.Tree), uint64(x.N)))
		}

		if x.Diff != "" {
			err = first(err, t.putNumber(bucketDiffs, prefix(rec.Campaign, x.Diff), uint64(x.N)))
		}
	case history.KindExperimentReverted:
		err = first(err, t.indexText(bucketText, rec.Campaign, x.N, x.Lesson))
	case history.KindRunFinished:
		var b rules.Run
		err = first(err, json.Unmarshal(rec.Body, &b))
		key := prefix(rec.Campaign, string(job)) + bigEndian(uint64(b.Number)) + bigEndian(rec.Seq)
		err = first(err, t.s.put(bucketRuns, key, nil))
	case history.KindSessionJoined:
		err = first(err, t.s.put(bucketPlaces, prefix(rec.Campaign, v.Session.Checkout), []byte(rec.Session)))
	case history.KindLessonAdded:
		err = first(err, t.indexLesson(rec))
	case history.KindNoteAdded:
		err = first(err, t.putNew(bucketNotes, rec, v.Campaign.Notes))
	}

	return err
}

func (t *Tx) indexLesson(rec history.Record) error {
	var b history.Lesson
	if err := json.Unmarshal(rec.Body, &b); err != nil {
		return err
	}

	if err := t.putNew(bucketLessons, rec, b.N); err != nil || b.Experiment <= 0 {
		return err
	}

	return t.indexText(bucketText, rec.Campaign, b.Experiment, b.Text)
}

// putNew indexes a numbered lesson or note; a number is given once.
func (t *Tx) putNew(bucket string, rec history.Record, n int) error {
	key := prefix(rec.Campaign) + bigEndian(uint64(n))
	if n < 1 || t.s.get(bucket, key) != nil {
		return research.Errorf(research.CodeConflict, "repeat the call: it will take the next number",
			"%s %d exists already or is no number", rec.Kind, n)
	}

	return t.putNumber(bucket, key, rec.Seq)
}

func (t *Tx) putNumber(bucket, key string, n uint64) error {
	return t.s.put(bucket, key, []byte(bigEndian(n)))
}

// hoard keeps the campaigns' states in memory, until they are released: where
// many records are folded one after the other, storing each would be most of the work.
func (t *Tx) hoard() { t.bulk = map[string]*history.Campaign{} }

func (t *Tx) release() error {
	all := t.bulk

	t.bulk = nil
	for name, c := range all {
		if err := t.putCampaign(name, c); err != nil {
			return err
		}
	}

	return nil
}

func (t *Tx) putCampaign(name string, c *history.Campaign) error {
	if t.bulk != nil {
		t.bulk[name] = c
		return nil
	}

	return t.putJSON(bucketCamps, prefix(name), c)
}

// putJSON stores a state behind a checksum of its JSON, since nothing else
// would tell that a bit of it has changed.
func (t *Tx) putJSON(bucket, key string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}

	return t.s.put(bucket, key, append(checksum(b), b...))
}

func checksum(b []byte) []byte {
	return binary.BigEndian.AppendUint32(nil, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

// decode reads what putJSON stored into v.
func decode(bucket string, stored []byte, v any) error {
	err := errors.New("its checksum does not match")
	if n := min(crc32.Size, len(stored)); bytes.Equal(stored[:n], checksum(stored[n:])) {
		err = json.Unmarshal(stored[n:], v)
	}

	if err != nil {
		return damaged(nextRebuild, "an entry of the index %s was altered: %w", bucket, err)
	}

	return nil
}

// state reads a folded state, nil if there is none.
func state[T any](t *Tx, bucket, key string) (*T, error) {
	b := t.s.get(bucket, key)
	if b == nil {
		return nil, nil
	}
	v := new(T)

	return v, decode(bucket, b, v)
}

func orZero[T any](v *T) *T {
	if v == nil {
		return new(T)
	}

	return v
}

// first returns the first error.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}

	return nil
}

// excerpt is a panic's value, cut to a length that fits a sentence.
func excerpt(v any) string {
	s := fmt.Sprint(v)
	return s[:min(len(s), 120)]
}
