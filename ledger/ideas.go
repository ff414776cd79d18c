package ledger

import (
	"ratchet/internal/research/history"
)

// Idea returns an idea's state; research.CodeNotFound when there is none.
func (t *Tx) Idea(campaign string, n int) (*history.IdeaState, error) {
	idea, err := readState[history.IdeaState](t.s, bucketIdeas, numberKey(campaign, n))
	if idea == nil && err == nil {
		err = history.NoIdea(campaign, n)
	}

	return idea, err
}

// Ideas returns the newest ideas of one status ("" for all), newest first, at most limit (0: 20).
func (t *Tx) Ideas(campaign string, status history.IdeaStatus, limit int) ([]history.IdeaState, error) {
	if limit <= 0 {
		limit = defaultLimit
	}

	bucket, pre := bucketIdeas, keyPrefix(campaign)
	if status != "" {
		bucket, pre = bucketIdeaStatus, keyPrefix(campaign, string(status))
	}

	var ideas []history.IdeaState
	for under := uint64(noLimit); len(ideas) < limit; {
		n, _ := t.s.lastBelow(bucket, pre, under)
		if n == 0 {
			break
		}

		idea, err := t.Idea(campaign, int(n))
		if err != nil {
			return nil, err
		}
		ideas = append(ideas, *idea)
		under = n
	}

	return ideas, nil
}

// Keyed returns the record that an entry with this key would be, if it has
// been appended already.
func (t *Tx) Keyed(campaign, key string) (rec history.Record, ok bool, err error) {
	seq := t.s.get(bucketKeys, keyPrefix(campaign, key))
	if seq == nil {
		return rec, false, nil
	}
	rec, err = t.Record(trailingNumber(seq))

	return rec, err == nil, err
}

// SameEdit returns the newest judged experiment whose edit had this digest.
func (t *Tx) SameEdit(campaign, digest string) (n int, ok bool) {
	if digest == "" {
		return 0, false
	}
	n = trailingInt(t.s.get(bucketDiffs, keyPrefix(campaign, digest)))

	return n, n > 0
}
