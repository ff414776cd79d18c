package simulate

import (
	"math"
	"slices"
)

// The peers' rules keep what a tool's user or agent would keep by its advice.

// greedy keeps what one run shows better than the recorded best by more than
// minGain (karpathy, openevolve, weco; autokernel with 1 %).
func greedy(minGain float64) func(*world) {
	return func(machine *world) {
		best := machine.measureOnce(machine.level)
		for machine.hasRunsLeft(1) {
			d, ok := machine.propose()
			if !ok {
				return
			}

			if y := machine.measureOnce(machine.level + d); y < best+math.Log1p(-minGain) {
				machine.keepEdit(d, best-y)
				best = y
			}
		}
	}
}

// madGate is greedy obeying a session confidence |best - first| / MAD(all) >=
// least (pi, codex-autoresearch).
func madGate(least float64) func(*world) {
	return func(machine *world) {
		best := machine.measureOnce(machine.level)
		first, all := best, []float64{best}

		for machine.hasRunsLeft(1) {
			d, ok := machine.propose()
			if !ok {
				return
			}
			y := machine.measureOnce(machine.level + d)

			all = append(all, y)
			if y >= best {
				continue
			}

			if mad := deviation(all); len(all) >= 3 && mad > 0 && math.Abs(y-first)/mad < least {
				continue
			}
			machine.keepEdit(d, best-y)
			best = y
		}
	}
}

// deviation is the median absolute deviation from the median.
func deviation(xs []float64) float64 {
	mid := median(xs)

	dev := make([]float64, len(xs))
	for i, x := range xs {
		dev[i] = math.Abs(x - mid)
	}

	return median(dev)
}

// threeSeeds drops what loses its first run, else makes three and keeps when
// the bootstrap probability of a better mean than the stored best's is >= .95
// (a "rigor" mode); all 27 resamples of each side are enumerated.
func threeSeeds(machine *world) {
	best := machine.sample(3, machine.level)
	for machine.hasRunsLeft(1) {
		d, ok := machine.propose()
		if !ok {
			return
		}

		own := machine.sample(1, machine.level+d)
		if own[0] >= averageValue(best) {
			continue
		}

		if !machine.hasRunsLeft(2) {
			return
		}
		own = append(own, machine.sample(2, machine.level+d)...)

		wins, others := 0, resamples(best)
		for _, a := range resamples(own) {
			for _, b := range others {
				if a < b {
					wins++
				}
			}
		}

		if float64(wins)/729 >= .95 {
			machine.keepEdit(d, averageValue(best)-averageValue(own))
			best = own
		}
	}
}

func resamples(x []float64) []float64 {
	var out []float64

	for _, a := range x {
		for _, b := range x {
			for _, c := range x {
				out = append(out, (a+b+c)/3)
			}
		}
	}

	return out
}

// storedBootstrap keeps when the 95 % bootstrap interval of five runs against
// stored runs excludes zero: those of the first baseline, or of the best
// (hugoferreira's autoresearch).
func storedBootstrap(first bool) func(*world) {
	const k = 5

	return func(machine *world) {
		start := machine.sample(k, machine.level)
		best := start

		for machine.hasRunsLeft(k) {
			d, ok := machine.propose()
			if !ok {
				return
			}

			own, against := machine.sample(k, machine.level+d), best
			if first {
				against = start
			}

			if averageValue(own) < averageValue(best) && machine.excludesZero(own, against) {
				machine.keepEdit(d, averageValue(best)-averageValue(own))
				best = own
			}
		}
	}
}

// excludesZero says whether at most 2.5 % of 400 bootstrap differences are not gains.
func (w *world) excludesZero(own, against []float64) bool {
	const draws = 400
	above := 0

	for range draws {
		sum := 0.0
		for range own {
			sum += own[w.noise.IntN(len(own))] - against[w.noise.IntN(len(against))]
		}

		if sum >= 0 {
			above++
		}
	}

	return float64(above)/draws <= .025
}

// medianGain keeps when the median of three beats the stored best median by 1 %.
func medianGain(machine *world) {
	best := median(machine.sample(3, machine.level))
	for machine.hasRunsLeft(3) {
		d, ok := machine.propose()
		if !ok {
			return
		}

		if y := median(machine.sample(3, machine.level+d)); y < best+math.Log1p(-.01) {
			machine.keepEdit(d, best-y)
			best = y
		}
	}
}

// normalPeek makes up to five runs, stops when P(mean beats the stored best)
// under a normal posterior is below .05 or above .95, and keeps a better mean
// unless it was below (ShinkaEvolve's early stop used as a keep rule).
func normalPeek(machine *world) {
	const k = 5

	best := averageValue(machine.sample(k, machine.level))
	for machine.hasRunsLeft(k) {
		d, ok := machine.propose()
		if !ok {
			return
		}
		var own []float64

		p := .5
		for len(own) < k && p >= .05 && p <= .95 {
			own = append(own, machine.measureOnce(machine.level+d))
			p = probabilityBetter(own, best)
		}

		if p >= .05 && averageValue(own) < best {
			machine.keepEdit(d, best-averageValue(own))
			best = averageValue(own)
		}
	}
}

// probabilityBetter is P(the mean of x is below best), .5 while there is one run.
func probabilityBetter(x []float64, best float64) float64 {
	if len(x) < 2 {
		return .5
	}

	m, squares := averageValue(x), 0.0
	for _, v := range x {
		squares += (v - m) * (v - m)
	}

	se := math.Sqrt(squares / float64(len(x)-1) / float64(len(x)))
	switch {
	case se > 1e-10:
		return math.Erfc((m-best)/se/math.Sqrt2) / 2
	case m < best:
		return 1
	}

	return 0
}

// playFreshPairs makes k fresh interleaved runs of each side and keeps a better median
// when Mann-Whitney says p < .05 (benchstat practice). With screen a losing
// first run drops the edit.
func playFreshPairs(k int, screen bool) func(*world) {
	counts := rankSums(k)

	return func(machine *world) {
		for machine.hasRunsLeft(2 * k) {
			d, ok := machine.propose()
			if !ok {
				return
			}

			var base, own []float64
			for len(own) < k {
				base = append(base, machine.measureOnce(machine.level))

				own = append(own, machine.measureOnce(machine.level+d))
				if screen && len(own) == 1 && own[0] >= base[0] {
					break
				}
			}

			if len(own) == k && median(own) < median(base) && mannWhitney(own, base, counts) < .05 {
				machine.keepEdit(d, median(base)-median(own))
			}
		}
	}
}

// mannWhitney is the exact two-sided p of two samples without ties (Mann &
// Whitney 1947); counts are the arrangements by U.
func mannWhitney(a, b, counts []float64) float64 {
	u := 0

	for _, x := range a {
		for _, y := range b {
			if x < y {
				u++
			}
		}
	}
	u = min(u, len(a)*len(b)-u)

	total, tail := 0.0, 0.0
	for i, c := range counts {
		total += c
		if i <= u {
			tail += c
		}
	}

	return min(1, 2*tail/total)
}

// rankSums counts the arrangements of k against k by U, by the recursion
// N(u; a, b) = N(u-b; a-1, b) + N(u; a, b-1).
func rankSums(k int) []float64 {
	table := make([][][]float64, k+1)
	for a := range table {
		table[a] = make([][]float64, k+1)
		for b := range table[a] {
			row := make([]float64, a*b+1)
			if a == 0 || b == 0 {
				row[0] = 1
			} else {
				for i, c := range table[a-1][b] {
					row[i+b] += c
				}

				for i, c := range table[a][b-1] {
					row[i] += c
				}
			}
			table[a][b] = row
		}
	}

	return table[k][k]
}

func (w *world) sample(k int, level float64) []float64 {
	x := make([]float64, k)
	for i := range x {
		x[i] = w.measureOnce(level)
	}

	return x
}

func averageValue(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}

	return sum / float64(len(x))
}

func median(x []float64) float64 {
	s := slices.Sorted(slices.Values(x))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}
