package simulate

import "slices"

const nullPrefix = "null, "

// NullCell is the cell of proposals useless edits under the noise, in so many runs.
func NullCell(noise NoiseModel, runs, proposals int) Cell {
	return Cell{Name: nullPrefix + noise.Name, Noise: noise, Effects: nullEdits, Runs: runs, Proposals: proposals}
}

// Cells are the settings in which gains are compared: 24 of timings and two of
// losses, then twelve that nothing was tuned on.
func Cells() []Cell {
	var cells []Cell
	add := func(tag string, e Effects, runs, proposals int, names ...string) {
		for _, name := range names {
			cells = append(cells, Cell{Name: tag + ", " + name, Noise: noiseNamed(name), Effects: e, Runs: runs,
				Proposals: proposals})
		}
	}
	six := []string{"lognormal 0.5%", "lognormal 2%", "lognormal 5%", "heavy one-sided", "drift", "drift+heavy"}
	add("100/300", mixed, 300, 100, six...)
	add("unlimited/300", mixed, 300, Unlimited, six...)
	add("100/1000", mixed, 1000, 100, six...)
	add("late-stage 100/300", lateStage, 300, 100, six...)
	add("unlimited/100", mixed, 100, Unlimited, "loss s=.001", "loss s=.003")
	held := []string{"two-speed clock", "bursts"}
	add("held out 100/300", mixed, 300, 100, held...)
	add("held out unlimited/300", mixed, 300, Unlimited, held...)
	pair := []string{"lognormal 2%", "drift+heavy"}
	add("flat 100/300", flat, 300, 100, pair...)
	add("flat unlimited/300", flat, 300, Unlimited, pair...)
	add("overlapping 100/300", overlapping, 300, 100, pair...)
	add("overlapping unlimited/300", overlapping, 300, Unlimited, pair...)

	return cells
}

// FastDrift is a machine that drifts a lot between two runs: here a part that
// is missing from a rule shows.
func FastDrift() NoiseModel {
	return NoiseModel{Name: "fast drift", Sigma: .01, DriftSD: .05, Rho: .95, Scale: 1}
}

// FindCell is the cell of that name; false when there is none.
func FindCell(name string) (Cell, bool) {
	i := slices.IndexFunc(Cells(), func(c Cell) bool { return c.Name == name })
	if i < 0 {
		return Cell{}, false
	}

	return Cells()[i], true
}
