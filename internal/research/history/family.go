package history

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"ratchet/internal/research"
)

// Family is what several experiments have in common: a word of their hypotheses.
type Family struct {
	Word  string
	Tried int
	Kept  int
}

const (
	minFamilySize = 3 // experiments at least
	maxFamilies   = 4 // at most
)

// Families groups experiments by the words of their hypotheses: the commonest
// word first, then the commonest among the experiments that no word before it
// has. A word of more than three quarters of them tells none from another and is left
// out, as are numbers and words of less than three letters.
func Families(xs []Experiment) []Family {
	out, _ := FamiliesOf(xs, maxFamilies)
	return out
}

// FamiliesOf is Families, most at most, with the indexes in xs of each one's
// experiments.
func FamiliesOf(xs []Experiment, most int) (out []Family, members [][]int) {
	byWord := experimentsByWord(xs)
	grouped := make([]bool, len(xs)) // in a family already

	for len(out) < most {
		var best Family

		for _, word := range slices.Sorted(maps.Keys(byWord)) {
			f := Family{Word: word}

			for _, i := range byWord[word] {
				if grouped[i] {
					continue
				}

				f.Tried++
				if xs[i].Status == research.Kept {
					f.Kept++
				}
			}

			if f.Tried > best.Tried {
				best = f
			}
		}

		if best.Tried < minFamilySize {
			return out, members
		}

		var of []int
		for _, i := range byWord[best.Word] {
			if !grouped[i] {
				of = append(of, i)
			}
			grouped[i] = true
		}

		out = append(out, best)
		members = append(members, of)
	}

	return out, members
}

// experimentsByWord are the indexes of the experiments that have a word, for
// every word that may name a family.
func experimentsByWord(xs []Experiment) map[string][]int {
	byWord := map[string][]int{}

	for i := range xs {
		for _, word := range research.DistinctWords(xs[i].Hypothesis) {
			if len(word) >= 3 && strings.IndexFunc(word, unicode.IsDigit) < 0 {
				byWord[word] = append(byWord[word], i)
			}
		}
	}
	maps.DeleteFunc(byWord, func(_ string, of []int) bool { return 4*len(of) > 3*len(xs) })

	return byWord
}

// Words says the family in words.
func (f Family) Words() string { return fmt.Sprintf("%s %d (%d kept)", f.Word, f.Tried, f.Kept) }
