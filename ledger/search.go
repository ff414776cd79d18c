package ledger

import (
	"strconv"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
)

const maxEffort = 2000 // index look-ups of one page

// Query selects experiments. The zero value selects all.
type Query struct {
	// words that must all occur in hypothesis or lessons, in any case; "the" and its like are ignored
	Text    string
	Status  research.Status  // "" for any
	Verdict research.Verdict // theirs, "" for any
	Cursor  string           // next of the page before, "" for the newest
	Limit   int              // at most so many, 0: 20
}

// Experiments returns a page of a campaign's experiments, newest first, and
// the cursor of the next page, "" at the end. A page of all, of one status, of
// one verdict or of one word costs the same in a ledger of any size. A page
// of several of these at once takes a bounded effort: where they rarely meet it
// may have fewer than Limit, even none, and yet a cursor to go on with. Of one
// text the first 64 distinct words are found. A cursor that is none is
// research.CodeBadArgument.
func (t *Tx) Experiments(campaign string, q Query) ([]history.Experiment, string, error) {
	return collectPage(newMatcher(t.s, q.selectLists(campaign)...), q, func(n int) (*history.Experiment, bool, error) {
		x, err := t.Experiment(campaign, n)
		return x, err == nil, err
	})
}

// collectPage collects what m finds below the query's cursor, without what get
// says does not belong there, and gives the cursor of the next page.
func collectPage[T any](
	m *matcher, q Query, get func(n int) (x *T, belongs bool, err error),
) (found []T, next string, err error) {
	if m.under, err = q.parseCursor(); err != nil {
		return nil, "", err
	}

	limit := q.Limit
	if limit <= 0 {
		limit = defaultLimit
	}

	for {
		under := m.under

		n, ok := m.nextMatch()
		switch {
		case !ok && m.under == 0: // the end
			return found, "", nil
		case !ok: // the effort is spent
			return found, strconv.FormatUint(m.under, 10), nil
		case len(found) == limit:
			return found, strconv.FormatUint(under, 10), nil
		}

		x, belongs, err := get(int(n))
		if err != nil {
			return nil, "", err
		}

		if belongs {
			found = append(found, *x)
		}
	}
}

// parseCursor returns the number that the page's experiments lie below.
func (q Query) parseCursor() (uint64, error) {
	if q.Cursor == "" {
		return noLimit, nil
	}

	n, err := strconv.ParseUint(q.Cursor, 10, 63)
	if err != nil || n == 0 {
		return 0, research.Errorf(research.CodeBadArgument, "leave the cursor out for the first page",
			"%q is not a cursor", q.Cursor)
	}

	return n, nil
}

// list is a part of an index: the numbers whose keys in bucket are prefix and the number.
type list struct{ bucket, prefix string }

// matcher walks down the numbers that are in all of its lists; none are in no list.
type matcher struct {
	s      *store
	lists  []list
	under  uint64 // what was not looked at yet has numbers under this one
	effort int    // look-ups left
}

// selectLists are the lists whose common numbers are the experiments that a query selects.
// There are none where it selects nothing.
func (q Query) selectLists(campaign string) []list {
	lists := wordLists(bucketText, campaign, q.Text)
	if q.Text != "" && len(lists) == 0 { // nothing but words that are not indexed
		return nil
	}

	if q.Status != "" {
		lists = append(lists, list{bucketStatus, keyPrefix(campaign, string(q.Status))})
	}

	if q.Verdict != "" {
		lists = append(lists, list{bucketVerdicts, keyPrefix(campaign, string(q.Verdict))})
	}

	if len(lists) == 0 {
		lists = []list{{bucketExperiments, keyPrefix(campaign)}}
	}

	return lists
}

// wordLists are the lists that a text index has of the words of text.
func wordLists(bucket, campaign, text string) []list {
	var lists []list
	for _, w := range history.IndexedWords(text) {
		lists = append(lists, list{bucket, keyPrefix(campaign, w)})
	}

	return lists
}

func newMatcher(s *store, lists ...list) *matcher {
	return &matcher{s: s, lists: lists, effort: maxEffort}
}

// nextMatch returns the next number that is in all lists, going down. When it finds
// none, under is 0 at the end of the lists, and more when the effort is spent.
func (m *matcher) nextMatch() (uint64, bool) {
	agreed := 0 // lists in a row whose next number is m.under-1

	for i := 0; len(m.lists) > 0; i = (i + 1) % len(m.lists) {
		if m.effort == 0 {
			return 0, false
		}
		m.effort--

		n, _ := m.s.lastBelow(m.lists[i].bucket, m.lists[i].prefix, m.under)
		if n == 0 {
			break
		}

		if n != m.under-1 { // none of the numbers between is in this list
			m.under, agreed = n+1, 0
		}
		agreed++

		if agreed == len(m.lists) {
			m.under = n
			return n, true
		}
	}
	m.under = 0

	return 0, false
}
