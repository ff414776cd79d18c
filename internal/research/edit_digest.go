package research

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

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
