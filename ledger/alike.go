package ledger

import (
	"cmp"
	"math/bits"
	"ratchet/internal/research/history"
	"slices"
)

// The effort of looking for texts alike, whatever the ledger's size.
const (
	alikeWords = 16  // of the text that are looked up
	alikeEach  = 8   // newest texts with one word, or with some together, that are looked at
	alikeAll   = 8   // rarest words, whose texts with all of them are looked up
	alikePairs = 4   // rarest words, whose texts with two of them are looked up
	alikeTries = 100 // index look-ups for each of these combinations
)

// ExperimentsLike returns the experiments whose hypothesis or lessons share most
// of what is rare in text, at most limit. It is where to look for what is
// alike, not a judgement. Its effort is bounded: among very many texts it may
// miss one that shares only words which many others have too.
func (t *Tx) ExperimentsLike(campaign, text string, limit int) []int {
	return t.findSharing(bucketText, campaign, text, limit)
}

// IdeasLike is ExperimentsLike for ideas.
func (t *Tx) IdeasLike(campaign, text string, limit int) []int {
	return t.findSharing(bucketIdeaText, campaign, text, limit)
}

// wordList is a word's list of texts.
type wordList struct {
	list
	weight int // the rarer the word, the more
}

// findSharing finds texts of an index by their words: the newest that have all of
// the rarest words, two of them, or one word.
func (t *Tx) findSharing(bucket, campaign, text string, limit int) []int {
	ws := history.IndexedWords(text)
	found := map[int]int{}

	lists := make([]wordList, 0, alikeWords)
	for _, w := range ws[:min(len(ws), alikeWords)] {
		l := wordList{list: list{bucket, keyPrefix(campaign, w)}}

		newest, under, seen := uint64(0), uint64(noLimit), []int{}
		for len(seen) < alikeEach && under > 0 {
			if under, _ = t.s.lastBelow(bucket, l.prefix, under); under > 0 {
				newest, seen = max(newest, under), append(seen, int(under))
			}
		}

		if len(seen) == 0 {
			continue
		}
		l.weight = bits.Len64((newest - under) / uint64(len(seen))) // one text in how many, about, has the word

		lists = append(lists, l)
		for _, n := range seen {
			found[n] += l.weight
		}
	}
	slices.SortStableFunc(lists, func(a, b wordList) int { return cmp.Compare(b.weight, a.weight) })
	t.weighTogether(lists[:min(len(lists), alikeAll)], found)

	for i := range min(len(lists), alikePairs) {
		for j := range i {
			t.weighTogether([]wordList{lists[j], lists[i]}, found)
		}
	}
	best := heaviest(found, 2*limit)
	clear(found)

	for _, n := range best { // what the short looks at the lists have missed
		for _, l := range lists {
			if t.s.get(bucket, l.prefix+bigEndian(uint64(n))) != nil {
				found[n] += l.weight
			}
		}
	}

	return heaviest(found, limit)
}

// weighTogether gives the newest texts that are in all lists the lists' weights.
func (t *Tx) weighTogether(lists []wordList, found map[int]int) {
	m := &matcher{t: t, under: noLimit, effort: alikeTries}

	weight := 0
	for _, l := range lists {
		m.lists, weight = append(m.lists, l.list), weight+l.weight
	}

	for range alikeEach {
		n, ok := m.next()
		if !ok {
			return
		}
		found[int(n)] = max(found[int(n)], weight)
	}
}

// heaviest returns the keys with the greatest weights, the newest of equals first.
func heaviest(found map[int]int, limit int) []int {
	all := make([]int, 0, len(found))
	for n := range found {
		all = append(all, n)
	}
	slices.SortFunc(all, func(a, b int) int {
		return cmp.Or(cmp.Compare(found[b], found[a]), cmp.Compare(b, a))
	})

	return all[:min(len(all), limit)]
}
