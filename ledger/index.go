package ledger

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"

	"ratchet/internal/research/history"
)

// indexer folds records into the indexes of a store. A transaction, a verification
// and a backup each have one.
type indexer struct {
	s     *store
	batch map[string]*history.Campaign // states that are not stored yet, see beginBatch
}

// indexRecord folds a record into the states that its kind touches, and puts what
// follows from it into the indexes. Verify runs the same code, so everything that
// it writes must follow from the records alone.
func (x *indexer) indexRecord(rec history.Record) error {
	if err := x.indexKind(rec); err != nil || !history.IsOfCampaign(rec.Kind) {
		return err
	}

	change, err := history.Load(rec, campaignReader{x, rec.Campaign})
	if err != nil {
		return err
	}

	if err := foldRecord(change, rec); err != nil {
		return err
	}

	for _, s := range change.States(rec) {
		if err := x.putState(rec.Campaign, s); err != nil {
			return fmt.Errorf("store state: %w", err)
		}
	}

	entries, err := change.IndexEntries(rec)
	for _, e := range entries {
		err = firstError(err, x.putEntry(rec, e))
	}

	if err != nil {
		return fmt.Errorf("index record: %w", err)
	}

	return nil
}

// indexKind remembers the first record of each kind.
func (x *indexer) indexKind(rec history.Record) error {
	if x.s.get(bucketKinds, string(rec.Kind)) != nil {
		return nil
	}

	return x.s.putNumber(bucketKinds, string(rec.Kind), rec.Seq)
}

// foldRecord calls history.Fold. A record that the fold can't take must not end the
// process, which may hold other people's work.
func foldRecord(change *history.Change, rec history.Record) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("fold record %d (%s): %s", rec.Seq, rec.Kind, excerpt(p))
		}
	}()

	return history.Fold(change, rec)
}

// campaignReader is the history.Reader of one campaign.
type campaignReader struct {
	index    *indexer
	campaign string
}

// State prefers a campaign that is not stored yet.
func (r campaignReader) State(key history.Key, into any) (exists bool, err error) {
	if c, ok := into.(*history.Campaign); ok && r.index.batch[r.campaign] != nil {
		*c = *r.index.batch[r.campaign]
		return true, nil
	}

	stored := r.Value(key)
	if stored == nil {
		return false, nil
	}

	return true, decode(string(key.Index), stored, into)
}

func (r campaignReader) Value(key history.Key) []byte {
	return r.index.s.get(string(key.Index), keyOf(r.campaign, key))
}

// keyOf is the stored form of a key.
func keyOf(campaign string, key history.Key) string {
	stored := keyPrefix(append([]string{campaign}, key.Names...)...)
	for _, n := range key.Numbers {
		stored += bigEndian(n)
	}

	return stored
}

// putState stores a state; in a batch, that of a campaign is kept in memory.
func (x *indexer) putState(campaign string, s history.State) error {
	if c, ok := s.Value.(*history.Campaign); ok && x.batch != nil {
		x.batch[campaign] = c
		return nil
	}

	return x.s.putJSON(string(s.Index), keyOf(campaign, s.Key), s.Value)
}

// putEntry changes an index that holds no states.
func (x *indexer) putEntry(rec history.Record, e history.IndexEntry) error {
	bucket, key := string(e.Index), keyOf(rec.Campaign, e.Key)
	if e.Removed {
		return x.s.delete(bucket, key)
	}

	if e.Once {
		if n := int(e.Numbers[0]); n < 1 || x.s.get(bucket, key) != nil {
			return history.NumberTaken(rec.Kind, n)
		}
	}

	switch v := e.Value.(type) {
	case uint64:
		return x.s.putNumber(bucket, key, v)
	case string:
		return x.s.put(bucket, key, []byte(v))
	}

	return x.s.put(bucket, key, nil)
}

func (s *store) putNumber(bucket, key string, n uint64) error {
	return s.put(bucket, key, []byte(bigEndian(n)))
}

// beginBatch keeps the campaigns' states in memory until flushBatch: where many
// records are folded one after the other, storing each state would be most of the work.
func (x *indexer) beginBatch() { x.batch = map[string]*history.Campaign{} }

// flushBatch stores what beginBatch kept, and ends the batch.
func (x *indexer) flushBatch() error {
	batch := x.batch
	x.batch = nil

	for name, c := range batch {
		if err := x.s.putJSON(bucketCampaigns, keyPrefix(name), c); err != nil {
			return err
		}
	}

	return nil
}

// putJSON stores a state behind a checksum of its JSON, since nothing else
// would tell that a bit of it has changed.
func (s *store) putJSON(bucket, key string, v any) error {
	content, err := json.Marshal(v)
	if err != nil {
		return err
	}

	return s.put(bucket, key, append(checksum(content), content...))
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
		return damageError(nextRebuild, "an entry of the index %s was altered: %w", bucket, err)
	}

	return nil
}

// readState reads a folded state, nil if there is none.
func readState[T any](s *store, bucket, key string) (*T, error) {
	content := s.get(bucket, key)
	if content == nil {
		return nil, nil
	}
	v := new(T)

	return v, decode(bucket, content, v)
}

// firstError returns the first error.
func firstError(errs ...error) error {
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
