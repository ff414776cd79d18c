package research

import (
	"strings"

	"github.com/agnivade/levenshtein"
)

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
