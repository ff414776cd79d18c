package research

import "github.com/agnivade/levenshtein"

// nearest is the one of known that s most likely stands for, "" when none is
// near: at most one edit in three letters, and one more.
func nearest(s string, known []string) string {
	best, at := "", 2+len(s)/3
	for _, k := range known {
		if d := levenshtein.ComputeDistance(s, k); d < at {
			best, at = k, d
		}
	}
	return best
}
