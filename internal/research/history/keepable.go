package history

import (
	"fmt"

	"ratchet/internal/research"
)

// Keepable says whether the verdict allows the experiment to be kept, and
// whether only as a simplification: equivalent, with fewer lines than before.
// When it may not, why holds the reason and what would allow it.
func Keepable(experiment Experiment) (ok, simplification bool, why string) {
	if experiment.Judgement == nil {
		return false, false, "it has no verdict yet; wait_run gives it"
	}

	switch experiment.Judgement.Verdict {
	case research.Improved, research.Provisional:
		return true, false, ""
	case research.Equivalent:
		if experiment.Removed > experiment.Added {
			return true, true, ""
		}

		return false, false, fmt.Sprintf("its verdict is equivalent and the edit is not shorter (+%d -%d lines); "+
			"an equivalent edit may be kept only when it removes more lines than it adds", experiment.Added,
			experiment.Removed)
	case research.Invalid:
		return false, false,
			"its verdict is invalid; only improved, provisional, or equivalent with fewer lines, may be kept"
	}

	return false, false,
		fmt.Sprintf("its verdict is %s; only improved, provisional, or equivalent with fewer lines, may be kept; "+
			"propose an edit with a larger effect", experiment.Judgement.Verdict)
}
