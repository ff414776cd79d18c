package history

import (
	"cmp"
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
	familySize = 3 // experiments at least
	families   = 4 // at most
)

// Families groups experiments by the words of their hypotheses: the commonest
// word first, then the commonest among the experiments that no word before it
// has. A word of more than three quarters of them tells none from another and is left
// out, as are numbers and words of less than three letters.
func Families(xs []Experiment) []Family {
	out, _ := FamiliesOf(xs, families)
	return out
}

// FamiliesOf is Families, most at most, with the indexes in xs of each one's
// experiments.
func FamiliesOf(xs []Experiment, most int) (out []Family, members [][]int) {
	having := map[string][]int{}

	for i := range xs {
		for _, w := range research.Words(xs[i].Hypothesis) {
			if len(w) >= 3 && strings.IndexFunc(w, unicode.IsDigit) < 0 {
				having[w] = append(having[w], i)
			}
		}
	}
	maps.DeleteFunc(having, func(_ string, of []int) bool { return 4*len(of) > 3*len(xs) })

	told := make([]bool, len(xs))
	for len(out) < most {
		var best Family

		for _, w := range slices.Sorted(maps.Keys(having)) {
			f := Family{Word: w}
			for _, i := range having[w] {
				if !told[i] {
					f.Tried++
				}

				if !told[i] && xs[i].Status == research.Kept {
					f.Kept++
				}
			}

			if cmp.Compare(f.Tried, best.Tried) > 0 {
				best = f
			}
		}

		if best.Tried < familySize {
			return out, members
		}
		var of []int

		for _, i := range having[best.Word] {
			if !told[i] {
				of = append(of, i)
			}
			told[i] = true
		}
		out, members = append(out, best), append(members, of)
	}

	return out, members
}

// Words says the family in words.
func (f Family) Words() string { return fmt.Sprintf("%s %d (%d kept)", f.Word, f.Tried, f.Kept) }
