package ledger

import (
	"encoding/json"
	"fmt"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
)

// defaultLimit is how many entries a list has when its caller gives no limit.
const defaultLimit = 20

// Campaign returns a campaign's state; research.CodeNoCampaign when there is none.
func (t *Tx) Campaign(name string) (*history.Campaign, error) {
	campaign, err := readState[history.Campaign](t.s, bucketCampaigns, keyPrefix(name))
	if campaign == nil && err == nil {
		err = history.NoCampaign(name)
	}

	return campaign, err
}

// Campaigns returns all campaigns, by name.
func (t *Tx) Campaigns() ([]history.Campaign, error) {
	return readStates[history.Campaign](t.s, bucketCampaigns, "")
}

// Experiment returns the state of a campaign's experiment n; research.CodeNotFound when there is none.
func (t *Tx) Experiment(campaign string, n int) (*history.Experiment, error) {
	experiment, err := readState[history.Experiment](t.s, bucketExperiments, numberKey(campaign, n))
	if experiment == nil && err == nil {
		err = noJob(campaign, research.NewJobID(research.ExperimentJob, n))
	}

	return experiment, err
}

// Measurement returns the state of a calibration or measurement; research.CodeNotFound when there is none.
func (t *Tx) Measurement(campaign string, id research.JobID) (*history.Measurement, error) {
	measurement, err := readState[history.Measurement](t.s, bucketJobs, keyPrefix(campaign, string(id)))
	if measurement == nil && err == nil {
		err = noJob(campaign, id)
	}

	return measurement, err
}

func noJob(campaign string, id research.JobID) error {
	return research.Errorf(research.CodeNotFound, "name one that exists; read_log{view: \"table\"} lists them",
		"the campaign %q has no %s", campaign, id)
}

// Runs returns the finished runs of one job by number; none is not an error.
func (t *Tx) Runs(campaign string, id research.JobID) ([]rules.Run, error) {
	var seqs []uint64
	pre := keyPrefix(campaign, string(id))
	t.s.scan(bucketRuns, pre, pre, func(k, _ []byte) bool {
		seqs = append(seqs, trailingNumber(k))
		return true
	})

	runs, err := decodeBodies[rules.Run](t, seqs)

	// A run that was confined as an earlier one says so instead of repeating how.
	enforced := map[int]map[string]string{}
	for i := range runs {
		if r := &runs[i]; r.EnforcedAs > 0 && r.Enforced == nil {
			r.Enforced, r.EnforcedAs = enforced[r.EnforcedAs], 0
		}
		enforced[runs[i].Number] = runs[i].Enforced
	}

	return runs, err
}

// Judged returns the experiment that judged this tree against this incumbent
// (a commit). Invalid verdicts don't count.
func (t *Tx) Judged(campaign, incumbent, tree string) (n int, ok bool) {
	n = trailingInt(t.s.get(bucketJudged, keyPrefix(campaign, incumbent, tree)))
	return n, n > 0
}

// Latest returns the experiment that the checkout proposed last.
func (t *Tx) Latest(campaign, checkout string) (n int, ok bool) {
	n = trailingInt(t.s.get(bucketLatest, keyPrefix(campaign, checkout)))
	return n, n > 0
}

// Session returns a session that has joined; research.CodeNotFound when there is none.
func (t *Tx) Session(campaign, codename string) (*history.Session, error) {
	session, err := readState[history.Session](t.s, bucketSessions, keyPrefix(campaign, codename))
	if session == nil && err == nil {
		err = research.Errorf(research.CodeNotFound, "name a session that has joined",
			"the campaign %q has no session %q", campaign, codename)
	}

	return session, err
}

// Sessions returns all sessions of a campaign, by codename.
func (t *Tx) Sessions(campaign string) ([]history.Session, error) {
	return readStates[history.Session](t.s, bucketSessions, keyPrefix(campaign))
}

// SessionOf returns the codename of the session that joined from a checkout last.
func (t *Tx) SessionOf(campaign, checkout string) (codename string, ok bool) {
	v := t.s.get(bucketCheckouts, keyPrefix(campaign, checkout))
	return string(v), v != nil
}

// Lessons returns the newest lessons, newest first, at most limit (0: 20).
func (t *Tx) Lessons(campaign string, limit int) ([]history.Lesson, error) {
	if limit <= 0 {
		limit = defaultLimit
	}

	return decodeBodies[history.Lesson](t, t.s.newestSeqs(bucketLessons, campaign, limit))
}

// Note returns a person's note and when it was added; research.CodeNotFound when there is none.
func (t *Tx) Note(campaign string, n int) (note history.Note, at time.Time, err error) {
	seq := trailingNumber(t.s.get(bucketNotes, numberKey(campaign, n)))
	if seq == 0 {
		return note, at, research.Errorf(research.CodeNotFound, "read_log{} shows the last ones",
			"the campaign %q has no note %d", campaign, n)
	}

	rec, err := t.Record(seq)
	if err == nil {
		err = json.Unmarshal(rec.Body, &note)
	}

	return note, rec.Time, err
}

// newestSeqs are the sequences that an index of numbers holds, of the greatest
// numbers first, at most limit.
func (s *store) newestSeqs(bucket, campaign string, limit int) []uint64 {
	var seqs []uint64

	for under := uint64(noLimit); len(seqs) < limit; {
		n, value := s.lastBelow(bucket, keyPrefix(campaign), under)
		if n == 0 {
			break
		}
		seqs = append(seqs, trailingNumber(value))
		under = n
	}

	return seqs
}

// decodeBodies returns the decoded bodies of records.
func decodeBodies[T any](tx *Tx, seqs []uint64) ([]T, error) {
	decoded := make([]T, len(seqs))
	for i, seq := range seqs {
		rec, err := tx.Record(seq)
		if err != nil {
			return nil, err
		}

		if err := json.Unmarshal(rec.Body, &decoded[i]); err != nil {
			return nil, fmt.Errorf("decode record %d: %w", seq, err)
		}
	}

	return decoded, nil
}

// readStates returns all folded states under a prefix.
func readStates[T any](s *store, bucket, pre string) ([]T, error) {
	var all []T
	var err error

	s.scan(bucket, pre, pre, func(_, stored []byte) bool {
		var state T
		err = decode(bucket, stored, &state)
		all = append(all, state)

		return err == nil
	})

	return all, err
}
