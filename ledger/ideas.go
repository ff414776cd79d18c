package ledger

import (
	"ratchet/internal/research"
	"ratchet/internal/research/history"
)

// was is what the indexes of an idea held before a record.
type was struct {
	n      int
	status history.IdeaStatus
}

// loadIdea reads the idea that the record changes, if any, into v.
func (t *Tx) loadIdea(v *history.View, rec history.Record) (was, error) {
	n, err := history.TouchesIdea(rec, v.Experiment)
	if err != nil {
		return was{}, err
	}

	adds := rec.Kind == history.KindIdeaAdded
	if n == 0 && !isIdea(rec.Kind) {
		return was{}, nil
	}

	i, err := state[history.IdeaState](t, bucketIdeas, prefix(rec.Campaign)+bigEndian(uint64(n)))
	switch {
	case err != nil:
		return was{}, err
	case n < 1, adds && i != nil:
		return was{}, research.Errorf(research.CodeConflict, "repeat the call: it will take the next number",
			"%s %d exists already or is no number", rec.Kind, n)
	case !adds && i == nil:
		return was{}, noIdea(rec.Campaign, n)
	}
	v.Idea = orZero(i)

	return was{n, v.Idea.Status}, nil
}

func isIdea(k history.Kind) bool {
	switch k {
	case history.KindIdeaAdded, history.KindIdeaClaimed, history.KindIdeaReleased, history.KindIdeaDropped:
		return true
	}

	return false
}

func noIdea(campaign string, n int) error {
	return research.Errorf(research.CodeNotFound, "read_log{view: \"ideas\"} lists them",
		"the campaign %q has no idea %d", campaign, n)
}

// saveIdea stores v's idea and its indexes.
func (t *Tx) saveIdea(v *history.View, rec history.Record, w was) error {
	i := v.Idea
	if i == nil {
		return nil
	}
	n := bigEndian(uint64(i.N))

	err := t.putJSON(bucketIdeas, prefix(rec.Campaign)+n, i)
	if rec.Kind == history.KindIdeaAdded {
		err = first(err, t.indexText(bucketThought, rec.Campaign, i.N, i.Text))
	}

	return first(err, t.relist(bucketStanding, rec.Campaign, i.N, string(w.status), string(i.Status)))
}

// Idea returns an idea's state; research.CodeNotFound when there is none.
func (t *Tx) Idea(campaign string, n int) (*history.IdeaState, error) {
	i, err := state[history.IdeaState](t, bucketIdeas, prefix(campaign)+bigEndian(uint64(max(n, 0))))
	if i == nil && err == nil {
		err = noIdea(campaign, n)
	}

	return i, err
}

// Ideas returns the newest ideas of one status ("" for all), newest first, at most limit (0: 20).
func (t *Tx) Ideas(campaign string, status history.IdeaStatus, limit int) ([]history.IdeaState, error) {
	if limit <= 0 {
		limit = defaultLimit
	}

	bucket, pre := bucketIdeas, prefix(campaign)
	if status != "" {
		bucket, pre = bucketStanding, prefix(campaign, string(status))
	}

	var out []history.IdeaState
	for n, _ := t.s.below(bucket, pre, noLimit); n > 0 && len(out) < limit; n, _ = t.s.below(bucket, pre, n) {
		i, err := t.Idea(campaign, int(n))
		if err != nil {
			return nil, err
		}

		out = append(out, *i)
	}

	return out, nil
}

// Keyed returns the record that an entry with this key would be, if it has
// been appended already.
func (t *Tx) Keyed(campaign, key string) (rec history.Record, ok bool, err error) {
	v := t.s.get(bucketKeys, prefix(campaign, key))
	if v == nil {
		return rec, false, nil
	}
	rec, err = t.Record(number(v))

	return rec, err == nil, err
}

// SameEdit returns the newest judged experiment whose edit had this digest.
func (t *Tx) SameEdit(campaign, digest string) (n int, ok bool) {
	if digest == "" {
		return 0, false
	}
	n = num(t.s.get(bucketDiffs, prefix(campaign, digest)))

	return n, n > 0
}
