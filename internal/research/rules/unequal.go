package rules

import (
	"fmt"
	"math"

	"ratchet/internal/wording"
)

// A pair whose sides met different machines is not evidence: others worked beside one of
// its runs, or the files of one had been thrown out of memory. A process that can make
// that happen could otherwise slow one side down and have an edit that does nothing
// certified. A gain has to be proven twice: by all pairs, so that choosing which pairs
// count wins nothing, and by those without the unequal ones, so that nothing is claimed
// through them. The more pairs do not count, the more have to before anything is proven
// (areEnough). Beliefs, estimates and the noise are of those that count. The pairs that do
// not are made up for by more, up to the cap that a test has anyway; where two of three do
// not count at half of that cap, the test is given up.
//
// Which pairs are unequal is recorded with their second run (Run.Unequal), and is not
// derived again: runs of before say nothing, and count.

// Beyond these bounds two runs of a pair are unequal.
const (
	// Processor time of others, as for a contended run: half a CPU, and a tenth of
	// those that runs may use.
	unequalCPUs  = .5
	unequalShare = .1
	// Where both runs were contended, the CPUs that each got: others that wait for a
	// CPU show nowhere else.
	unequalGot = 1.5
	// Of the version that is compared with, above the other's: bytes from disk and
	// major faults, and at least twice as much. A version that itself reads more than the
	// one it is compared with is slower for it by its own doing. The bounds are what a
	// fiftieth of the other's time is enough for, where each page is read by itself and
	// takes a quarter of a millisecond, from the least to the most.
	leastUnequalBytes, mostUnequalBytes   = 64 << 10, 4 << 20
	leastUnequalFaults, mostUnequalFaults = 16, 256
	unequalTimes                          = 2

	readShare      = .02
	pagesPerSecond = 4000
	pageBytes      = 4 << 10
)

// UnequalReason says why two finished runs of a pair can't be compared, "" where they
// can; base is of the version that the other is compared with. cpus is how many CPUs
// runs may use. Sides are not named: the text is shown while other pairs are made.
// ignoreReads is for a program whose runs begin without their files in memory: what
// they read is then part of what is measured; ignoreLoad for a metric that others' load
// can't change.
func UnequalReason(base, other Run, cpus int, ignoreReads, ignoreLoad bool) string {
	if reason := unequalLoad(base, other, cpus); reason != "" && !ignoreLoad {
		return reason
	}

	if ignoreReads {
		return ""
	}

	pages := readShare * pagesPerSecond * other.Wall
	bytes := min(max(pageBytes*pages, leastUnequalBytes), mostUnequalBytes)
	faults := min(max(pages, leastUnequalFaults), mostUnequalFaults)

	if isBeyond(base.DiskRead, other.DiskRead, bytes) {
		return fmt.Sprintf("one run of the pair read %s from disk, the other %s", megabytes(*base.DiskRead),
			megabytes(*other.DiskRead))
	}

	if isBeyond(base.MajorFaults, other.MajorFaults, faults) {
		return fmt.Sprintf("one run of the pair had %d major page faults, the other %d", *base.MajorFaults,
			*other.MajorFaults)
	}

	return ""
}

// unequalLoad says how the load beside two runs differs, "" where it is alike.
func unequalLoad(base, other Run, cpus int) string {
	if base.Outside != nil && other.Outside != nil {
		low, high := math.Min(*base.Outside, *other.Outside), math.Max(*base.Outside, *other.Outside)
		if high-low > max(unequalCPUs, unequalShare*float64(cpus)) {
			return fmt.Sprintf("others kept %.1f CPUs busy beside one run of the pair, %.1f beside the other", high,
				low)
		}
	}

	if base.Contended && other.Contended {
		if low, high := ordered(base.usedCPUs(), other.usedCPUs()); high > unequalGot*low {
			return fmt.Sprintf("others were busy beside both runs of the pair, and one got %.2f CPUs, the other %.2f",
				high, low)
		}
	}

	if base.Contended != other.Contended {
		return "others kept the machine busy beside one run of the pair only"
	}

	return ""
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// usedCPUs is the mean number of CPUs that the run itself used.
func (r Run) usedCPUs() float64 { return r.CPU / max(r.Wall, 1e-3) }

func ordered(a, b float64) (low, high float64) { return math.Min(a, b), math.Max(a, b) }

// isBeyond says whether base is above other by more than bound, and by a factor.
func isBeyond(base, other *int64, bound float64) bool {
	return base != nil && other != nil && float64(*base-*other) > bound && *base > unequalTimes**other
}

// unequalPairs are the pairs of obs that do not count, by their number; nil for none.
// obs has one run for each half (ResolveRepeats).
func unequalPairs(obs []Observation) (pairs map[int]bool) {
	for _, observation := range obs {
		if observation.Pair > 0 && observation.Unequal {
			if pairs == nil {
				pairs = map[int]bool{}
			}

			pairs[observation.Pair] = true
		}
	}

	return pairs
}

// countedRuns are the runs of obs that count: one for each look and each half of a
// pair, none of an unequal pair.
func countedRuns(obs []Observation) []Observation {
	resolved := ResolveRepeats(obs)

	unequal := unequalPairs(resolved)
	if unequal == nil {
		return resolved
	}

	var counted []Observation
	for _, observation := range resolved {
		if observation.Pair == 0 || !unequal[observation.Pair] {
			counted = append(counted, observation)
		}
	}

	return counted
}

// areEnough says whether the pairs that count can prove anything beside those that do not:
// two, and one more for each four that do not. Where fewer than that count, they may be the
// pairs in which a difference of the load was missed.
func areEnough(made, counted int) bool { return counted >= leastPairs+(made-counted)/4 }

// isTooUnequal says whether a test is given up, since too few of the pairs made count.
// most is how many pairs it may make: where runs are cheap it has many, and a machine
// that is always busy lets one pair in three or four count.
func isTooUnequal(made, counted, most int) bool {
	unequal := made - counted
	return unequal >= max(mostUnequal, most/2) && unequal > 2*counted
}

// mostUnequal is how many unequal pairs may be most of a test's pairs, however short it is.
const mostUnequal = 6

// unequalWords says how many pairs did not count, "" for none.
func unequalWords(unequal, made int) string {
	if unequal == 0 {
		return ""
	}

	return fmt.Sprintf("%s of %d did not count: their two runs met different machines (read_log shows how)",
		wording.Count(unequal, "pair"), made)
}
