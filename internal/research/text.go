package research

import (
	"unicode"
)

// IsInvisible says whether a reader can't see r although it acts on what stands
// around it: control characters, newline and tab included, and invisible ones
// that reorder or hide text.
func IsInvisible(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp)
}
