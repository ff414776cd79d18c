package history

import (
	"slices"
	"strings"

	"ratchet/internal/research"
)

// Index names an index of the ledger. The names are those of the ledger's
// buckets: they are stored.
type Index string

// The indexes. The key of an entry is the campaign, then names, then numbers.
const (
	IndexKeys       Index = "keys"        // idempotency key → seq
	IndexCheckouts  Index = "checkouts"   // checkout → codename
	IndexLatest     Index = "latest"      // checkout → n
	IndexJudged     Index = "judged"      // incumbent, tree → n
	IndexDiffs      Index = "diffs"       // digest of an edit → n
	IndexRuns       Index = "runs"        // job, run's number, seq → nothing
	IndexLessons    Index = "lessons"     // number → seq
	IndexNotes      Index = "notes"       // number → seq
	IndexText       Index = "text"        // word, n → nothing
	IndexIdeaText   Index = "idea_text"   // word, number → nothing
	IndexStatus     Index = "status"      // status, n → nothing
	IndexVerdicts   Index = "verdicts"    // verdict, n → nothing
	IndexIdeaStatus Index = "idea_status" // status, number → nothing

	IndexImports     Index = "imports"      // n → seq
	IndexImportLines Index = "import_lines" // file, line's number, part → see Import.place
	IndexImportText  Index = "import_text"  // word, n → nothing

	// Those of states: see NewState.
	IndexCampaigns     Index = "campaigns"      // → Campaign
	IndexExperiments   Index = "experiments"    // n → Experiment
	IndexJobs          Index = "jobs"           // calibration, measurement, certificate or audit → Measurement
	IndexSessions      Index = "sessions"       // codename → Session
	IndexIdeas         Index = "ideas"          // number → IdeaState
	IndexImportSources Index = "import_sources" // source → ImportSource
)

// NewState is an empty state of the type that the index holds, nil where its
// entries are no states.
func (i Index) NewState() any {
	switch i {
	case IndexCampaigns:
		return new(Campaign)
	case IndexExperiments:
		return new(Experiment)
	case IndexJobs:
		return new(Measurement)
	case IndexSessions:
		return new(Session)
	case IndexIdeas:
		return new(IdeaState)
	case IndexImportSources:
		return new(ImportSource)
	}

	return nil
}

// Key is the place of an entry in an index, within a campaign.
type Key struct {
	Index   Index
	Names   []string
	Numbers []uint64
}

func named(index Index, names ...string) Key { return Key{Index: index, Names: names} }

func numbered(index Index, n int) Key { return Key{Index: index, Numbers: []uint64{uint64(n)}} }

// State is a folded state to be stored.
type State struct {
	Key
	Value any // as NewState gives it
}

// byWord are the entries that let a number be found by the words of a text: the
// word is the last name of each one's key.
func byWord(index Index, n int, text string) []IndexEntry {
	var entries []IndexEntry
	for _, w := range IndexedWords(text) {
		entries = append(entries, IndexEntry{Key: Key{Index: index, Names: []string{w}, Numbers: []uint64{uint64(n)}}})
	}

	return entries
}

const (
	maxWords = 64 // distinct words indexed of one text
	maxWord  = 40 // bytes of a word that count
)

// IndexedWords returns the distinct words of a text that are indexed: an index of
// the commonest ones would cost an append much and a search nothing.
func IndexedWords(text string) []string {
	var out []string
	seen := map[string]bool{}

	for _, w := range research.DistinctWords(text) {
		w = strings.ToValidUTF8(w[:min(len(w), maxWord)], "")
		if !seen[w] && len(out) < maxWords {
			seen[w] = true
			out = append(out, w)
		}
	}

	return out
}

// IndexEntry is an entry to be put into an index that holds no states, or to be
// taken out of it.
type IndexEntry struct {
	Key
	// Value is nil, a number (uint64: of an experiment, or a record's sequence) or a string.
	Value   any
	Once    bool // the key's number is given once: an entry that exists is a conflict
	Removed bool
}

// Reader reads the indexes of one campaign.
type Reader interface {
	// State decodes a state into the value, which is as NewState gives it, and
	// says whether it exists.
	State(key Key, into any) (exists bool, err error)
	// Value returns an entry that is not a state, nil if there is none.
	Value(key Key) []byte
}

// listing is a list of an index that the number of a state stands in.
type listing struct {
	index Index
	list  string
	n     int
}

func (l listing) key() Key {
	return Key{Index: l.index, Names: []string{l.list}, Numbers: []uint64{uint64(l.n)}}
}

// listings are the lists that the change's states stand in now: experiments by
// status and verdict, ideas by status.
func (change *Change) listings() []listing {
	var all []listing

	if x := change.Experiment; x != nil && x.Status != "" {
		all = append(all, listing{IndexStatus, string(x.Status), x.N})
	}

	if x := change.Experiment; x != nil && x.Judgement != nil && x.Judgement.Verdict != "" {
		all = append(all, listing{IndexVerdicts, string(x.Judgement.Verdict), x.N})
	}

	if i := change.Idea; i != nil && i.Status != "" {
		all = append(all, listing{IndexIdeaStatus, string(i.Status), i.N})
	}

	return all
}

// changedListings are the entries that take the states from the lists that they stood
// in when they were loaded to those that they stand in now.
func (change *Change) changedListings() []IndexEntry {
	var entries []IndexEntry
	listed := change.listings()

	for _, l := range change.listed {
		if !slices.Contains(listed, l) {
			entries = append(entries, IndexEntry{Key: l.key(), Removed: true})
		}
	}

	for _, l := range listed {
		if !slices.Contains(change.listed, l) {
			entries = append(entries, IndexEntry{Key: l.key()})
		}
	}

	return entries
}
