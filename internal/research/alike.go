package research

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/adrg/strutil/metrics"
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

// Edit is one file before and after it was edited.
type Edit struct {
	Path    string
	Was, Is []byte
}

// EditDigest names what an edit does to its files, whatever they hold besides:
// SHA-256, as 32 hex digits, over the lines that it adds and removes, by file, as
// sorted multisets. Line numbers, blank lines and the amount of white space
// don't count. "" for an edit that only moves lines or white space.
//
// Multisets need no alignment of the two texts, which differs from one diff
// program, and from one incumbent, to the next.
func EditDigest(edits []Edit) string {
	sum, any := sha256.New(), false

	for _, e := range slices.SortedFunc(slices.Values(edits),
		func(a, b Edit) int { return cmp.Compare(a.Path, b.Path) }) {
		count := map[string]int{}
		for l := range strings.Lines(string(e.Is)) {
			count[strings.Join(strings.Fields(l), " ")]++
		}

		for l := range strings.Lines(string(e.Was)) {
			count[strings.Join(strings.Fields(l), " ")]--
		}
		delete(count, "")
		var lines []string

		for l, n := range count {
			if n != 0 {
				lines = append(lines, fmt.Sprintf("%+d %s", n, l))
			}
		}
		slices.Sort(lines)

		if len(lines) > 0 {
			any = true
			fmt.Fprintf(sum, "%q\n%q\n", e.Path, lines)
		}
	}

	if !any {
		return ""
	}

	return hex.EncodeToString(sum.Sum(nil)[:16])
}
