package ledger

import (
	"cmp"
	"math/bits"
	"slices"

	"ratchet/internal/research/history"
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
	return textIndex{t.s, bucketText, campaign}.findSharing(text, limit)
}

// IdeasLike is ExperimentsLike for ideas.
func (t *Tx) IdeasLike(campaign, text string, limit int) []int {
	return textIndex{t.s, bucketIdeaText, campaign}.findSharing(text, limit)
}

// wordList is a word's list of texts.
type wordList struct {
	list
	weight int // the rarer the word, the more
}

// textIndex is a campaign's part of an index of words.
type textIndex struct {
	s        *store
	bucket   string
	campaign string
}

// findSharing finds texts of the index by their words: the newest that have all of
// the rarest words, two of them, or one word.
func (x textIndex) findSharing(text string, limit int) []int {
	words := history.IndexedWords(text)
	weights := map[int]int{} // by the text's number

	// One word: its newest texts.
	lists := make([]wordList, 0, alikeWords)
	for _, word := range words[:min(len(words), alikeWords)] {
		l := wordList{list: list{x.bucket, keyPrefix(x.campaign, word)}}

		newest := x.newestTexts(&l)
		if len(newest) == 0 {
			continue
		}

		lists = append(lists, l)
		for _, n := range newest {
			weights[n] += l.weight
		}
	}

	// The rarest words, all together and two by two.
	slices.SortStableFunc(lists, func(a, b wordList) int { return cmp.Compare(b.weight, a.weight) })
	x.weighTogether(lists[:min(len(lists), alikeAll)], weights)

	for i := range min(len(lists), alikePairs) {
		for j := range i {
			x.weighTogether([]wordList{lists[j], lists[i]}, weights)
		}
	}

	// The best are weighed by all their words: the looks above were bounded.
	best := findHeaviest(weights, 2*limit)
	clear(weights)

	for _, n := range best {
		for _, l := range lists {
			if x.s.get(x.bucket, l.prefix+bigEndian(uint64(n))) != nil {
				weights[n] += l.weight
			}
		}
	}

	return findHeaviest(weights, limit)
}

// newestTexts returns the newest texts of a list, and weighs it: one text in how
// many, about, has the word.
func (x textIndex) newestTexts(l *wordList) []int {
	var texts []int
	newest, under := uint64(0), uint64(noLimit)

	for len(texts) < alikeEach && under > 0 {
		if under, _ = x.s.lastBelow(l.bucket, l.prefix, under); under > 0 {
			newest = max(newest, under)
			texts = append(texts, int(under))
		}
	}

	if len(texts) > 0 {
		l.weight = bits.Len64((newest - under) / uint64(len(texts)))
	}

	return texts
}

// weighTogether gives the newest texts that are in all lists the lists' weights.
func (x textIndex) weighTogether(lists []wordList, weights map[int]int) {
	m := &matcher{s: x.s, under: noLimit, effort: alikeTries}
	weight := 0

	for _, l := range lists {
		m.lists = append(m.lists, l.list)
		weight += l.weight
	}

	for range alikeEach {
		n, ok := m.nextMatch()
		if !ok {
			return
		}
		weights[int(n)] = max(weights[int(n)], weight)
	}
}

// findHeaviest returns the keys with the greatest weights, the newest of equals first.
func findHeaviest(weights map[int]int, limit int) []int {
	all := make([]int, 0, len(weights))
	for n := range weights {
		all = append(all, n)
	}

	slices.SortFunc(all, func(a, b int) int {
		return cmp.Or(cmp.Compare(weights[b], weights[a]), cmp.Compare(b, a))
	})

	return all[:min(len(all), limit)]
}
