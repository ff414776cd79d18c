package rules

import (
	"math"
	"slices"

	"ratchet/internal/research"
)

// Constants of the belief's second version; their source is simulation.
const (
	slowPrior   = .15  // share of slow runs where a machine has two speeds
	slowPseudo  = 10.  // runs that this prior is worth
	slowHeight  = .3   // by how much a slow run is longer, in units of the top
	slowSpread  = .25  // sd of that
	jumpPrior   = .01  // share of runs before which the level jumps
	jumpPseudo  = 100. // runs that this prior is worth
	jumpSize    = .15  // sd of a jump, in units of the top, before any was seen
	jumpWeight  = 1.   // jumps that this prior is worth
	unlikelyRun = 1e-9 // share of a run's likelihood below which an explanation is passed over
)

// SpeedBelief is what the second version of the rule believes of a machine besides: that
// some runs are slow, whatever version they are of (another process had the core, a
// garbage collection), and that the level jumps (a clock's step, a neighbour).
type SpeedBelief struct {
	// Slow is by how much a slow run is longer, by hypothesis, with its variance; 0
	// under those of one speed.
	Slow     research.Floats `json:"slow"`
	SlowVars research.Floats `json:"slow_vars"`
	// SlowRuns/SlowSeen is the share of slow runs where there are two speeds, and
	// Jumps/JumpsSeen the share of runs before which the level jumped.
	SlowRuns  float64 `json:"slow_runs"`
	SlowSeen  float64 `json:"slow_seen"`
	Jumps     float64 `json:"jumps"`
	JumpsSeen float64 `json:"jumps_seen"`
	// JumpSquares/JumpsSized is the mean square of a jump, on the scale.
	JumpSquares float64 `json:"jump_squares"`
	JumpsSized  float64 `json:"jumps_sized"`
	// Tick is the smallest distance between two values that followed each other, on the
	// scale; 0 before two differed. A coarse clock shows it, other numbers have none that matters.
	Tick float64 `json:"tick,omitempty"`
	Last float64 `json:"last"` // run seen
}

// machineKind is a kind of machine: its drift per run, in standard deviations of a run,
// and whether it has two speeds. weight is its share in the prior.
type machineKind struct {
	drift, weight float64
	hasSpeeds     bool
}

var (
	firstKinds = []machineKind{{0, .5, false}, {.15, .25, false}, {.6, .25, false}}
	speedKinds = []machineKind{{0, .4, false}, {.15, .2, false}, {.6, .2, false}, {0, .12, true}, {.15, .08, true}}
)

func (b AutoBelief) machineKinds() []machineKind {
	if b.Speeds == nil {
		return firstKinds
	}

	return speedKinds
}

func newSpeedBelief(top float64) *SpeedBelief {
	return &SpeedBelief{SlowRuns: slowPseudo * slowPrior, SlowSeen: slowPseudo, Jumps: jumpPseudo * jumpPrior,
		JumpsSeen: jumpPseudo, JumpSquares: jumpWeight * jumpSize * jumpSize * top * top, JumpsSized: jumpWeight}
}

func (b SpeedBelief) clone() *SpeedBelief {
	b.Slow, b.SlowVars = slices.Clone(b.Slow), slices.Clone(b.SlowVars)
	return &b
}

// beginSpeeds adds hypothesis h, the next one.
func (m *mixture) beginSpeeds(h int, top float64) {
	slow, spread := 0.0, 0.0
	if m.hasSpeeds[h] {
		slow, spread = slowHeight*top, slowSpread*top
		// The first run may have been a slow one.
		p := slowPrior
		m.Levels[h] -= p * slow
		m.Vars[h] += p*(1-p)*slow*slow + p*spread*spread
	}

	m.Speeds.Slow = append(m.Speeds.Slow, slow)
	m.Speeds.SlowVars = append(m.Speeds.SlowVars, spread*spread)
}

// closeSpeeds collapses what the cells of hypothesis h believe of a slow run.
func (m *mixture) closeSpeeds(h int, cells []cell, total float64) {
	if m.Speeds == nil || !m.hasSpeeds[h] {
		return
	}
	mean, variance := 0.0, 0.0

	for i := range cells {
		mean += cells[i].weight * cells[i].slow / total
	}

	for i := range cells {
		d := cells[i].slow - mean
		variance += cells[i].weight * (cells[i].varSlow + d*d) / total
	}
	m.Speeds.Slow[h], m.Speeds.SlowVars[h] = mean, variance
}

// forgetSpeeds stores zeros for a hypothesis that is dead.
func (m *mixture) forgetSpeeds(h int) {
	if m.Speeds != nil {
		m.Speeds.Slow[h], m.Speeds.SlowVars[h] = 0, 0
	}
}

// observeSpeeds takes in one run: every cell explains it as a clean run, a slow one, a
// jump of the level or an outlier, and is collapsed to one Gaussian.
func (m *mixture) observeSpeeds(y float64, candidate bool) {
	cells := m.cells
	if cells == nil {
		cells = m.headCells()
	}
	n := len(cells) / len(m.Weights)

	shares, tickVar := m.runShares(), m.tickVar()
	var sum explained
	total, twoSpeeds := 0.0, 0.0

	for i := range cells {
		c := &cells[i]
		if c.weight < fadedWeight {
			c.weight, c.next = 0, 0
			continue
		}
		h := i / n

		why := c.explain(y, candidate, math.Sqrt(m.sigma[h]*m.sigma[h]+tickVar), m.drift[h], m.hasSpeeds[h], shares)
		total += c.next
		sum.outlier += c.next * why.outlier
		sum.jump += c.next * why.jump
		sum.jumpSquare += c.next * why.jump * why.jumpSquare

		if m.hasSpeeds[h] {
			twoSpeeds += c.next
			sum.slow += c.next * why.slow
		}
	}

	if !(total > 0) {
		return
	}

	for i := range cells {
		cells[i].weight = cells[i].next / total
	}

	if m.cells == nil {
		m.takeHead(cells)
	}

	m.noteTick(y)
	m.Runs++
	m.Seen++
	m.Outliers += sum.outlier / total
	m.Speeds.JumpsSeen++
	m.Speeds.Jumps += sum.jump / total
	m.Speeds.JumpsSized += sum.jump / total
	m.Speeds.JumpSquares += sum.jumpSquare / total
	m.Speeds.SlowSeen += twoSpeeds / total
	m.Speeds.SlowRuns += sum.slow / total
}

// noteTick learns the tick from two runs that followed each other.
func (m *mixture) noteTick(y float64) {
	gap := math.Abs(y - m.Speeds.Last)
	if gap > 1e-9*math.Abs(y) && m.Runs > 0 && (m.Speeds.Tick == 0 || gap < m.Speeds.Tick) {
		m.Speeds.Tick = gap
	}
	m.Speeds.Last = y
}

// tickVar is the variance that rounding to ticks adds to a run.
func (m *mixture) tickVar() float64 {
	if m.Speeds == nil {
		return 0
	}

	return m.Speeds.Tick * m.Speeds.Tick / 12
}

// headCells are the hypotheses as cells without an effect, while no proposal is open.
func (m *mixture) headCells() []cell {
	cells := make([]cell, len(m.Weights))
	for h := range cells {
		cells[h] = cell{weight: m.Weights[h], level: m.Levels[h], varLevel: m.Vars[h], slow: m.Speeds.Slow[h],
			varSlow: m.Speeds.SlowVars[h]}
	}

	return cells
}

func (m *mixture) takeHead(cells []cell) {
	for h, c := range cells {
		m.Weights[h], m.Levels[h], m.Vars[h] = c.weight, c.level, c.varLevel
		m.Speeds.Slow[h], m.Speeds.SlowVars[h] = c.slow, c.varSlow

		if c.weight == 0 {
			m.Levels[h], m.Vars[h] = 0, 0
			m.forgetSpeeds(h)
		}
	}
}

// explained are the chances of what a run may be besides a clean one.
type explained struct{ slow, jump, outlier, jumpSquare float64 }

func (m *mixture) runShares() explained {
	return explained{slow: m.Speeds.SlowRuns / m.Speeds.SlowSeen, jump: m.Speeds.Jumps / m.Speeds.JumpsSeen,
		outlier: m.outlierShare(), jumpSquare: m.Speeds.JumpSquares / m.Speeds.JumpsSized}
}

// explain is the step of one run y in one cell; c.next becomes the weight, not yet
// normalised. A clean run, a slow one and one after a jump are Kalman steps; what an outlier
// says is nothing. The results are collapsed to one Gaussian by their moments
// (Blom & Bar-Shalom 1988).
func (c *cell) explain(
	y float64, candidate bool, sigma, drift float64, hasSpeeds bool, shares explained,
) explained {
	// Predict: the level drifts, and a candidate's run lies the effect away from it.
	c.varLevel += drift * drift
	fast := innovation{c.varLevel, c.cov, c.levelSlow, y - c.level, c.varLevel + sigma*sigma}

	if candidate {
		fast.level, fast.effect, fast.slow = c.varLevel+c.cov, c.cov+c.varEffect, c.levelSlow+c.effectSlow
		fast.off -= c.effect
		fast.variance = fast.level + fast.effect + sigma*sigma
	}

	jump := fast
	jump.level += shares.jumpSquare
	jump.variance += shares.jumpSquare

	w := (y - c.level) / (runOutlierWidth * sigma)
	clean := 1 - shares.outlier - shares.jump
	slowShare := 0.0
	slow := fast

	if hasSpeeds {
		slowShare = shares.slow
		slow.level, slow.effect, slow.slow = fast.level+c.levelSlow, fast.effect+c.effectSlow, fast.slow+c.varSlow
		slow.off -= c.slow
		slow.variance += 2*fast.slow + c.varSlow
	}

	likely := [...]float64{
		clean * (1 - slowShare) * fast.density(), clean * slowShare * slow.density(), shares.jump * jump.density(),
		shares.outlier / (math.Pi * runOutlierWidth * sigma * (1 + w*w)),
	}

	total := likely[0] + likely[1] + likely[2] + likely[3]
	c.next = c.weight * total
	if !(c.next > 0) || !research.IsFinite(c.next) {
		c.next = 0
		return explained{}
	}

	for i := range likely {
		likely[i] /= total
	}
	c.collapse(likely, [...]innovation{fast, slow, jump}, shares.jumpSquare)

	// Of the distance, the part that is the jump's, with what remains unknown of it.
	size := shares.jumpSquare / jump.variance * jump.off
	left := shares.jumpSquare - shares.jumpSquare*shares.jumpSquare/jump.variance

	return explained{slow: likely[1], jump: likely[2], outlier: likely[3], jumpSquare: size*size + left}
}

// innovation is a run's distance from what was predicted, with that prediction's variance
// and its covariances with the level, the effect and the height of a slow run.
type innovation struct{ level, effect, slow, off, variance float64 }

func (i innovation) density() float64 {
	return math.Exp(-i.off*i.off/(2*i.variance)) / math.Sqrt(2*math.Pi*i.variance)
}

// collapse makes the cell the Gaussian of its explanations' moments: a Kalman step of each
// way, and nothing learnt with what is left. The jump is the third way.
func (c *cell) collapse(chances [4]float64, ways [3]innovation, jumpVar float64) {
	var mean, offs [3]float64
	// Means first: of what each way moves them by.
	for k, way := range ways {
		if chances[k] < unlikelyRun {
			continue
		}
		gain := chances[k] * way.off / way.variance
		mean[0] += gain * way.level
		mean[1] += gain * way.effect
		mean[2] += gain * way.slow
	}

	// Each way's own variance, and how far its mean lies from the common one.
	var ll, le, ls, ee, es, ss float64

	add := func(chance float64) {
		ll += chance * offs[0] * offs[0]
		le += chance * offs[0] * offs[1]
		ls += chance * offs[0] * offs[2]
		ee += chance * offs[1] * offs[1]
		es += chance * offs[1] * offs[2]
		ss += chance * offs[2] * offs[2]
	}

	for k, way := range ways {
		if chances[k] < unlikelyRun {
			continue
		}
		gain := way.off / way.variance
		offs = [3]float64{gain*way.level - mean[0], gain*way.effect - mean[1], gain*way.slow - mean[2]}
		add(chances[k])

		shrink := chances[k] / way.variance
		ll -= shrink * way.level * way.level
		le -= shrink * way.level * way.effect
		ls -= shrink * way.level * way.slow
		ee -= shrink * way.effect * way.effect
		es -= shrink * way.effect * way.slow
		ss -= shrink * way.slow * way.slow
	}
	ll += chances[2] * jumpVar

	if chances[3] >= unlikelyRun {
		offs = [3]float64{-mean[0], -mean[1], -mean[2]}
		add(chances[3])
	}

	c.level += mean[0]
	c.effect += mean[1]
	c.slow += mean[2]
	c.varLevel += ll
	c.cov += le
	c.levelSlow += ls
	c.varEffect += ee
	c.effectSlow += es
	c.varSlow += ss
}

// pairSpeeds is the noise of a pair as far as the belief knows it: two runs without their
// outliers, and the slow runs of a machine with two speeds.
func (m *mixture) pairSpeeds() noiseModel {
	runVar, _ := m.noiseVariances()
	var weight, mean, square, variance float64

	for h, w := range m.Weights {
		if !m.hasSpeeds[h] {
			continue
		}
		weight += w
		mean += w * m.Speeds.Slow[h]
		square += w * m.Speeds.Slow[h] * m.Speeds.Slow[h]
		variance += w * m.Speeds.SlowVars[h]
	}

	pair := noiseModel{s: math.Sqrt(2 * runVar), eps: outlierShare}
	if weight < certainSpeeds {
		return pair
	}
	p := m.runShares().slow
	pair.slow = mean / weight
	pair.slowVar = variance/weight + max(0, square/weight-pair.slow*pair.slow)
	pair.slowShare = weight * p * (1 - p)

	return pair
}

// certainSpeeds is how sure of two speeds a pair's noise must be to have them.
const certainSpeeds = .1

// statedInterval are the ends of the effect's 90 % interval. The first version states the
// belief's own, mean and standard deviation. From the second on an edit that changes nothing
// weighs nullDiscount as much in it as in the search: what is stated must hold where edits
// do more than proposals mostly do.
func (m *mixture) statedInterval(now moments, version int) (lo, hi float64) {
	half := z95 * math.Sqrt(now.varEffect)
	lo, hi = now.effect-half, now.effect+half

	if version == FirstVersion {
		return lo, hi
	}
	var weight, mean, square float64
	n := len(m.prior.mid)

	for i := range m.cells {
		c := &m.cells[i]
		w := c.weight

		if i%n == 0 {
			w *= nullDiscount
		}
		weight += w
		mean += w * c.effect
		square += w * (c.varEffect + c.effect*c.effect)
	}
	mean /= weight
	half = z95 * math.Sqrt(max(0, square/weight-mean*mean)+2*m.tickVar())

	return min(lo, mean-half), max(hi, mean+half)
}

// nullDiscount is how much less an edit without an effect weighs in a stated interval.
const nullDiscount = .5
