package ledger

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"ratchet/internal/research/history"
)

// The buckets. Keys are the named parts, each followed by NUL; numbers are 8
// bytes, big-endian, so that they sort.
const (
	bucketMeta        = "meta"                           // "format", "writer"
	bucketRecords     = "records"                        // seq → record
	bucketKeys        = string(history.IndexKeys)        // campaign, idempotency key → seq
	bucketCampaigns   = string(history.IndexCampaigns)   // campaign → state
	bucketExperiments = string(history.IndexExperiments) // campaign, n → state
	bucketStatus      = string(history.IndexStatus)      // campaign, status, n → nothing
	bucketVerdicts    = string(history.IndexVerdicts)    // campaign, verdict, n → nothing
	bucketJudged      = string(history.IndexJudged)      // campaign, incumbent, tree → n
	bucketLatest      = string(history.IndexLatest)      // campaign, checkout → n
	bucketJobs        = string(history.IndexJobs)        // campaign, calibration or measurement → state
	bucketRuns        = string(history.IndexRuns)        // campaign, job, run's number, seq → nothing
	bucketSessions    = string(history.IndexSessions)    // campaign, codename → state
	bucketCheckouts   = string(history.IndexCheckouts)   // campaign, checkout → codename
	bucketLessons     = string(history.IndexLessons)     // campaign, number → seq
	bucketIdeas       = string(history.IndexIdeas)       // campaign, number → state
	bucketIdeaStatus  = string(history.IndexIdeaStatus)  // campaign, status, number → nothing
	bucketIdeaText    = string(history.IndexIdeaText)    // campaign, word, number → nothing
	bucketDiffs       = string(history.IndexDiffs)       // campaign, digest of an edit → n
	bucketText        = string(history.IndexText)        // campaign, word, n → nothing
	bucketKinds       = "kinds"                          // kind → the first record of it
	bucketNotes       = string(history.IndexNotes)       // campaign, number → seq; a ledger without notes may lack it

	// Of history.imported. A ledger without imports may lack them.
	bucketImports = string(history.IndexImports) // campaign, n → seq
	// campaign, file, line's number, part → see history.ImportPlace
	bucketImportLines   = string(history.IndexImportLines)
	bucketImportSources = string(history.IndexImportSources) // campaign, source → state
	bucketImportText    = string(history.IndexImportText)    // campaign, word, n → nothing

	keyFormat = "format"
	keyWriter = "writer" // the version of Ratchet that appended last

	// format is raised when an older Ratchet would misread what this one writes:
	// a new kind of record, a new index, or another meaning of one. See migrate.go.
	format = 5

	openTimeout = 5 * time.Second // for programs that do not know our lock
)

// indexes lists every bucket that is a function of the records.
var indexes = []string{bucketKeys, bucketCampaigns, bucketExperiments, bucketStatus, bucketVerdicts, bucketJudged,
	bucketLatest, bucketJobs, bucketRuns, bucketSessions, bucketCheckouts, bucketLessons, bucketIdeas, bucketIdeaStatus,
	bucketIdeaText, bucketDiffs, bucketText, bucketKinds, bucketNotes, bucketImports, bucketImportLines,
	bucketImportSources, bucketImportText}

func makeBuckets(tx *bbolt.Tx) error {
	for _, name := range append([]string{bucketRecords, bucketMeta}, indexes...) {
		if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
			return err
		}
	}

	return tx.Bucket([]byte(bucketMeta)).Put([]byte(keyFormat), []byte(strconv.Itoa(format)))
}

// keyPrefix joins the parts of a key.
func keyPrefix(parts ...string) string { return strings.Join(parts, "\x00") + "\x00" }

func bigEndian(n uint64) string { return string(binary.BigEndian.AppendUint64(nil, n)) }

// numberKey is the key of a campaign's number n; no entry has one below 1.
func numberKey(campaign string, n int) string {
	return keyPrefix(campaign) + bigEndian(uint64(max(n, 0)))
}

// trailingNumber reads the number that ends a key, or is a value; 0 if there is none.
func trailingNumber(content []byte) uint64 {
	if len(content) < 8 {
		return 0
	}

	return binary.BigEndian.Uint64(content[len(content)-8:])
}

// store is the bbolt file, open for one transaction; without tx it is empty.
// What it returns are copies. bbolt panics on a damaged file: every call into
// it sets inside, and recoverPanic turns such a panic, and no other, into an error.
type store struct {
	path   string
	file   *os.File // bbolt's, to drop its lock where bbolt can't
	db     *bbolt.DB
	tx     *bbolt.Tx
	inside bool
}

// open opens the file and begins the transaction.
func (s *store) open(write bool) (err error) {
	s.inside = true

	s.db, err = bbolt.Open(s.path, 0o600, &bbolt.Options{
		Timeout: openTimeout, ReadOnly: !write, NoStatistics: true,
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			var err error
			s.file, err = os.OpenFile(name, flag&^os.O_CREATE, mode)

			return s.file, err
		},
	})
	if err == nil {
		s.tx, err = s.db.Begin(write)
	}
	s.inside = false

	return err
}

// close ends the transaction, without effect unless it was committed. After a
// panic in bbolt its own locks may be in any state; then only the file is closed.
func (s *store) close() {
	if s.db == nil || s.tx == nil || !returnsWithoutPanic(s.tx.Rollback) || !returnsWithoutPanic(s.db.Close) {
		if s.file != nil {
			s.file.Close()
		}
	}
}

// reset closes the store and makes it ready to be opened again.
func (s *store) reset() {
	s.close()
	*s = store{path: s.path}
}

// returnsWithoutPanic says whether f returned, with or without an error.
func returnsWithoutPanic(f func() error) (ok bool) {
	defer func() { ok = recover() == nil }()
	_ = f()

	return true
}

// recoverPanic is deferred. It turns a panic inside bbolt into an error.
func (s *store) recoverPanic(err *error) {
	if !s.inside {
		return
	}

	if v := recover(); v != nil {
		*err = damageError(nextRestore, "%s is damaged: reading it failed with %q", s.path, excerpt(v))
	}
}

func (s *store) commit() error {
	s.inside = true
	err := s.tx.Commit()
	s.inside = false

	return err
}

// flush commits and begins again, so that a long transaction does not outgrow the
// memory. doing names it in an error.
func (s *store) flush(doing string) error {
	err := s.tx.Commit()
	if err == nil {
		s.tx, err = s.db.Begin(true)
	}

	if err != nil {
		return storageError(doing, err)
	}

	return nil
}

// checkSize refuses a file that is shorter than its own page count.
func (s *store) checkSize(last uint64) error {
	info, err := s.file.Stat()
	if err != nil {
		return storageError("look at the ledger", err)
	}

	if info.Size() < s.tx.Size() {
		return damageError(nextLost, "%s was cut off: %d of %d bytes are left%s", s.path, info.Size(), s.tx.Size(),
			lostRecords(last))
	}

	return nil
}

func (s *store) get(bucket, key string) []byte {
	if s.tx == nil {
		return nil
	}
	s.inside = true

	var content []byte
	if b := s.tx.Bucket([]byte(bucket)); b != nil {
		content = bytes.Clone(b.Get([]byte(key)))
	}
	s.inside = false

	return content
}

func (s *store) put(bucket, key string, value []byte) error {
	s.inside = true

	b := s.tx.Bucket([]byte(bucket))
	if b == nil { // of an index that is younger than the ledger
		var err error
		if b, err = s.tx.CreateBucket([]byte(bucket)); err != nil {
			s.inside = false
			return err
		}
	}

	if bucket == bucketRecords { // which only grow at their end
		b.FillPercent = 1
	}
	err := b.Put([]byte(key), value)
	s.inside = false

	return err
}

func (s *store) delete(bucket, key string) error {
	s.inside = true
	err := s.tx.Bucket([]byte(bucket)).Delete([]byte(key))
	s.inside = false

	return err
}

// last returns the bucket's last entry, nil if there is none.
func (s *store) last(bucket string) (key, value []byte) {
	s.inside = true
	if b := s.tx.Bucket([]byte(bucket)); b != nil {
		k, v := b.Cursor().Last()
		key, value = bytes.Clone(k), bytes.Clone(v)
	}
	s.inside = false

	return key, value
}

// scan calls f with the entries from key from on whose keys begin with pre, in
// ascending order, until f returns false.
func (s *store) scan(bucket, pre, from string, f func(k, v []byte) bool) {
	if s.tx == nil {
		return
	}
	s.inside = true

	b := s.tx.Bucket([]byte(bucket))
	if b == nil {
		s.inside = false
		return
	}

	c := b.Cursor()
	for k, v := c.Seek([]byte(from)); k != nil && bytes.HasPrefix(k, []byte(pre)); k, v = c.Next() {
		key, value := bytes.Clone(k), bytes.Clone(v)
		s.inside = false

		if !f(key, value) {
			return
		}
		s.inside = true
	}
	s.inside = false
}

// lastBelow returns the entry with the greatest number under limit among the keys
// that are pre and a number.
func (s *store) lastBelow(bucket, pre string, limit uint64) (n uint64, value []byte) {
	if s.tx == nil {
		return 0, nil
	}

	s.inside = true
	if b := s.tx.Bucket([]byte(bucket)); b != nil {
		c := b.Cursor()
		content, _ := c.Seek([]byte(pre + bigEndian(limit)))

		var data []byte
		if content == nil {
			content, data = c.Last()
		} else {
			content, data = c.Prev()
		}

		if bytes.HasPrefix(content, []byte(pre)) && len(content) == len(pre)+8 {
			n, value = trailingNumber(content), bytes.Clone(data)
		}
	}
	s.inside = false

	return n, value
}

const noLimit = math.MaxUint64
