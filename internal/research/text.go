package research

import (
	"slices"
	"strings"
	"unicode"

	"github.com/adrg/strutil/metrics"
	"github.com/agnivade/levenshtein"
)

// alikeFrom is the similarity from which two texts count as one idea in other
// words. The pairs in the test are what it was chosen on.
const alikeFrom = 0.75

// CompareTexts says how similar two texts are, from 0 to 1, and whether they seem to
// say the same: the Sørensen–Dice coefficient of their letters' pairs, words in
// alphabetical order and without those that carry nothing. Texts that name
// different numbers are different steps of one search, however alike they read.
func CompareTexts(a, b string) (share float64, same bool) {
	wa, na := essence(a)

	wb, nb := essence(b)
	if wa == "" || wb == "" {
		return 0, FoldText(a) == FoldText(b)
	}
	m := metrics.SorensenDice{CaseSensitive: true, NgramSize: 2}
	share = m.Compare(wa, wb)

	return share, share >= alikeFrom && na == nb
}

// essence is a text's words in order, and the numbers in it.
func essence(text string) (words, numbers string) {
	var ws, ns []string

	for _, w := range DistinctWords(text) {
		if strings.IndexFunc(w, unicode.IsDigit) >= 0 {
			ns = append(ns, w)
		}
		ws = append(ws, w)
	}
	slices.Sort(ws)
	slices.Sort(ns)

	return strings.Join(ws, " "), strings.Join(ns, " ")
}

// commonWords are in most texts and tell none from another.
const commonWords = " a an and are as at be because but by for from if in is it more no not of on or over so than that the then this to was we with "

// DistinctWords are the distinct words and numbers of a text in lower case, in order,
// without the commonest English ones.
func DistinctWords(text string) []string {
	var out []string

	seen := map[string]bool{}
	for _, w := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) {
		if !seen[w] && !strings.Contains(commonWords, " "+w+" ") {
			seen[w] = true
			out = append(out, w)
		}
	}

	return out
}

// FoldText is a text without its differences in case and white space.
func FoldText(text string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
}

// NearestWord is the one of known that s most likely stands for, "" when none is
// near: at most one edit in three letters, and one more, or a beginning of three
// letters or more. Texts that nobody
// mistypes a name as (over 64 bytes) are near nothing.
func NearestWord(s string, known []string) string {
	if len(s) > 64 {
		return ""
	}
	best, at := "", 2+len(s)/3

	lower := strings.ToLower(s)
	for _, k := range known {
		d := levenshtein.ComputeDistance(lower, k)
		if len(s) >= 3 && (strings.HasPrefix(k, lower) || strings.HasPrefix(lower, k)) {
			d = 1
		}

		if d < at {
			best, at = k, d
		}
	}

	return best
}
