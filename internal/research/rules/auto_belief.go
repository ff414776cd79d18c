package rules

import (
	"math"
	"slices"

	"ratchet/internal/research"
)

// Constants of auto's belief; none is an option. Their source is simulation.
const (
	autoGain, autoHarm = .14, .16 // prior share of proposals that help, that harm
	autoPseudo         = 20.      // proposals, and runs, that the prior is worth
	sigmaSteps         = 7        // noise hypotheses each way
	sigmaRatio         = 1.5      // between two of them
	effectWidth        = .35      // sd of an effect component, as a share of its mean
	runOutlierWidth    = 7        // scale of a run's outliers, in standard deviations of a run
	deadWeight         = 1e-12    // below it a cell is dropped
	fadedWeight        = 1e-7     // the same from the second version on
)

// farEffects are sizes beyond the top, in units of it; each has farShare of the
// proposals on either side, and an sd of farWidth of its size. An edit that makes
// a program ten times faster is rare, but must not pass for an outlier.
var farEffects = [...]float64{1.6, 5}

const (
	farShare = 5e-4
	farWidth = .6
	farRun   = .8 // of the top: a run farther off the head's level asks for them
)

// AutoBelief is what auto believes of one campaign: how noisy a run is, how
// much the machine drifts, where the head's level is and how large effects
// are. It steers the search only and is never evidence. All of it is on the
// scale of comparison; it survives JSON unchanged.
//
// It is a mixture of small Kalman filters (Kalman 1960; mixed over unknown
// noise as in Magill 1965), one for each noise hypothesis.
type AutoBelief struct {
	Unit     float64         `json:"unit"`    // standard deviation of a run that the hypotheses lie around
	Weights  research.Floats `json:"weights"` // by hypothesis; sum 1
	Levels   research.Floats `json:"levels"`  // of the head, by hypothesis
	Vars     research.Floats `json:"vars"`    // of the levels
	Outliers float64         `json:"outliers"`
	Seen     float64         `json:"seen"`   // Outliers/Seen is the share of outliers
	Counts   research.Floats `json:"counts"` // closed proposals, by effect component
	Closed   int             `json:"closed"` // proposals
	Runs     int             `json:"runs"`   // all that were seen
	// Speeds is what the second version of the rule believes besides; nil in the first.
	Speeds *SpeedBelief `json:"speeds,omitempty"`
}

// effectPrior is a proposal's effect before any run of it: component 0 is
// exactly no effect, the others are N(mid, wide^2), lower is better.
type effectPrior struct {
	mid, wide, base []float64
	gain            float64 // expected of a fresh proposal: sum of base |mid| over the gains
}

// newEffectPrior has gains and losses of 4/3 rope 2^k below top, with weights
// proportional to size^-0.5 on each side. A few lie beyond top, with little weight;
// openProposal only lets those in where a run was so far off.
func newEffectPrior(rope, top float64) effectPrior {
	prior := effectPrior{mid: []float64{0}, wide: []float64{0}, base: []float64{1 - autoGain - autoHarm}}

	addBoth := func(size, width, gainShare, harmShare float64) {
		prior.mid = append(prior.mid, -size, size)
		prior.wide = append(prior.wide, width, width)
		prior.base = append(prior.base, gainShare, harmShare)
	}

	total := 0.0
	for size := rope * 4 / 3; size < top; size *= 2 {
		total += math.Pow(size, -.5)
	}

	for size := rope * 4 / 3; size < top; size *= 2 {
		weight := math.Pow(size, -.5) / total
		addBoth(size, effectWidth*size, autoGain*weight, autoHarm*weight)
		prior.gain += autoGain * weight * size
	}

	for _, far := range farEffects {
		size := far * top
		addBoth(size, farWidth*size, farShare, farShare)
	}

	return prior
}

// cell is one noise hypothesis with one effect component: a joint Gaussian of
// the head's level and the proposal's effect, with its weight.
type cell struct {
	weight, level, effect, varLevel, cov, varEffect, next float64
	// slow is by how much a slow run is longer, jointly Gaussian with the others.
	slow, varSlow, levelSlow, effectSlow float64
}

// mixture is an AutoBelief at work, with or without an open proposal. It owns
// its slices.
type mixture struct {
	AutoBelief
	prior        effectPrior
	sigma, drift []float64 // per hypothesis: standard deviation of a run, of the drift per run
	hasSpeeds    []bool    // per hypothesis: some runs are slow
	cells        []cell    // hypothesis by hypothesis, while a proposal is open
}

// newMixture starts a belief from calibration heights, at least one. Equal runs
// do not mean no noise: the unit is at least leastUnit.
func newMixture(heights []float64, rope, top, leastUnit float64, version int) *mixture {
	squares, n := 0.0, 0
	for _, d := range successiveDiffs(heights) {
		squares += d * d
		n++
	}

	belief := AutoBelief{
		Unit:     max(math.Sqrt(squares/float64(2*max(n, 1))), leastUnit),
		Outliers: autoPseudo * outlierShare,
		Seen:     autoPseudo,
		Counts:   make([]float64, len(newEffectPrior(rope, top).mid)),
	}

	if version > FirstVersion {
		belief.Speeds = newSpeedBelief(top)
	}

	mix := belief.toMixture(rope, top)
	kinds := belief.machineKinds()

	for i, s := range mix.sigma {
		mix.Weights = append(mix.Weights, kinds[i%len(kinds)].weight/(2*sigmaSteps+1))
		mix.Levels = append(mix.Levels, heights[0])
		mix.Vars = append(mix.Vars, s*s)

		if belief.Speeds != nil {
			mix.beginSpeeds(i, top)
		}
	}

	for _, y := range heights[1:] {
		mix.observe(y, false)
	}

	return mix
}

// toMixture makes a mixture that shares nothing with b.
func (b AutoBelief) toMixture(rope, top float64) *mixture {
	mix := &mixture{AutoBelief: b, prior: newEffectPrior(rope, top)}
	mix.Weights, mix.Levels = slices.Clone(b.Weights), slices.Clone(b.Levels)
	mix.Vars, mix.Counts = slices.Clone(b.Vars), slices.Clone(b.Counts)

	if b.Speeds != nil {
		mix.Speeds = b.Speeds.clone()
	}

	for i := -sigmaSteps; i <= sigmaSteps; i++ {
		sigma := b.Unit * math.Pow(sigmaRatio, float64(i))
		for _, kind := range b.machineKinds() {
			mix.sigma = append(mix.sigma, sigma)
			mix.drift = append(mix.drift, kind.drift*sigma)
			mix.hasSpeeds = append(mix.hasSpeeds, kind.hasSpeeds)
		}
	}

	return mix
}

// levelMean is the mean of the head's level.
func (m *mixture) levelMean() (mean float64) {
	for h, w := range m.Weights {
		mean += w * m.Levels[h]
	}

	return mean
}

func (m *mixture) outlierShare() float64 { return m.Outliers / m.Seen }

// openProposal begins a proposal. The share of each effect component is the prior's,
// worth 20 proposals, with what the closed ones taught. The far ones are left
// out unless far is set: they are so rare and so large that they would make every
// look worth its price, since bestLook assumes a normal belief of the same variance.
func (m *mixture) openProposal(far bool) {
	n := len(m.prior.mid)
	near := n - 2*len(farEffects)
	m.cells = make([]cell, len(m.Weights)*n)

	for j, mid := range m.prior.mid {
		if j >= near && !far {
			break
		}

		share := (autoPseudo*m.prior.base[j] + m.Counts[j]) / (autoPseudo + float64(m.Closed))
		wide := m.prior.wide[j]

		for h, weight := range m.Weights {
			if weight < deadWeight {
				continue // its cells stay empty
			}

			c := &m.cells[h*n+j]
			c.weight, c.level, c.effect = weight*share, m.Levels[h], mid
			c.varLevel, c.varEffect = m.Vars[h], wide*wide

			if m.Speeds != nil {
				c.slow, c.varSlow = m.Speeds.Slow[h], m.Speeds.SlowVars[h]
			}
		}
	}
}

// observe takes in one run of the head, or of the open proposal (candidate). A
// height that is not finite, or so far off that nothing explains it, is ignored.
func (m *mixture) observe(y float64, candidate bool) {
	if !research.IsFinite(y) {
		return
	}

	if m.Speeds != nil {
		m.observeSpeeds(y, candidate)
		return
	}

	var total, outliers float64
	if m.cells == nil {
		total, outliers = m.observeHead(y)
	} else {
		total, outliers = m.observeProposal(y, candidate)
	}

	if total > 0 {
		m.Runs++
		m.Seen++
		m.Outliers += outliers / total
	}
}

// observeProposal is observe with a proposal open: every cell weighs the run.
func (m *mixture) observeProposal(y float64, candidate bool) (total, outliers float64) {
	n := len(m.prior.mid)

	for i := range m.cells {
		c := &m.cells[i]
		if c.weight < deadWeight {
			c.weight, c.next = 0, 0
			continue
		}

		h := i / n
		outlier := c.update(y, candidate, m.sigma[h], m.drift[h], m.outlierShare())
		total += c.next
		outliers += c.next * outlier
	}

	if total > 0 {
		for i := range m.cells {
			m.cells[i].weight = m.cells[i].next / total
		}
	}

	return total, outliers
}

// observeHead is observe with no proposal open: each hypothesis is one cell without an effect.
func (m *mixture) observeHead(y float64) (total, outliers float64) {
	next := make([]float64, len(m.Weights))

	for h, weight := range m.Weights {
		c := cell{weight: weight, level: m.Levels[h], varLevel: m.Vars[h]}
		outlier := c.update(y, false, m.sigma[h], m.drift[h], m.outlierShare())
		m.Levels[h], m.Vars[h], next[h] = c.level, c.varLevel, c.next

		total += c.next
		outliers += c.next * outlier
	}

	if total > 0 {
		for h := range next {
			m.Weights[h] = next[h] / total
		}
	}

	return total, outliers
}

// update is the Kalman step of one run y in one cell, softened by the chance
// that the run is an outlier, which it returns. The outlier part, a Cauchy of scale
// 7 sigma around the level, does not move with the effect: one wild run says
// little of it. c.next becomes the weight, not yet normalised.
func (c *cell) update(y float64, candidate bool, sigma, drift, outlierShare float64) float64 {
	// Predict: the level drifts, and a candidate's run lies the effect away from it.
	c.varLevel += drift * drift
	gainLevel, gainEffect, innovation := c.varLevel, c.cov, y-c.level
	v := gainLevel + sigma*sigma

	if candidate {
		gainLevel, gainEffect = c.varLevel+c.cov, c.cov+c.varEffect
		v = gainLevel + gainEffect + sigma*sigma
		innovation -= c.effect
	}

	// Weigh the run as a clean one and as an outlier.
	w := (y - c.level) / (runOutlierWidth * sigma)
	clean := (1 - outlierShare) * math.Exp(-innovation*innovation/(2*v)) / math.Sqrt(2*math.Pi*v)
	outlier := outlierShare / (math.Pi * runOutlierWidth * sigma * (1 + w*w))

	c.next = c.weight * (clean + outlier)
	if !(c.next > 0) || !research.IsFinite(c.next) {
		c.next = 0
		return 0
	}

	// Correct by as much as the run is trusted.
	trust := clean / (clean + outlier)
	k := trust / v
	c.level += k * gainLevel * innovation
	c.effect += k * gainEffect * innovation
	c.varLevel -= k * gainLevel * gainLevel
	c.cov -= k * gainLevel * gainEffect
	c.varEffect -= k * gainEffect * gainEffect

	return 1 - trust
}

// moments of the open proposal over all cells: the effect's mean and variance,
// the level's, their covariance, and the mean variance of a run and of the drift per run.
type moments struct{ effect, varEffect, level, varLevel, cov, runVar, driftVar float64 }

func (m *mixture) moments() (o moments) {
	n, tickVar := len(m.prior.mid), m.tickVar()

	for i := range m.cells {
		c := &m.cells[i]
		if c.weight == 0 {
			continue
		}
		s := m.sigma[i/n]
		o.effect += c.weight * c.effect
		o.level += c.weight * c.level
		o.runVar += c.weight * (s*s + tickVar)
		o.driftVar += c.weight * m.drift[i/n] * m.drift[i/n]
	}

	for i := range m.cells {
		c := &m.cells[i]
		if c.weight == 0 {
			continue
		}
		de, dl := c.effect-o.effect, c.level-o.level
		o.varEffect += c.weight * (c.varEffect + de*de)
		o.varLevel += c.weight * (c.varLevel + dl*dl)
		o.cov += c.weight * (c.cov + de*dl)
	}

	return o
}

// effectChances gives P(effect < -by), P(effect > by) and P(|effect| < by) of the
// open proposal; by must be positive.
func (m *mixture) effectChances(by float64) (gain, loss, within float64) {
	for i := range m.cells {
		c := &m.cells[i]
		if c.weight < deadWeight {
			continue
		}
		below, above := 0.0, 0.0

		if c.varEffect > 0 {
			sd := math.Sqrt(c.varEffect)
			below, above = normalCDF((-by-c.effect)/sd), normalCDF((c.effect-by)/sd)
		}
		gain += c.weight * below
		loss += c.weight * above
	}

	return gain, loss, max(0, 1-gain-loss)
}

func normalCDF(z float64) float64 { return math.Erfc(-z/math.Sqrt2) / 2 }

// noiseVariances is the mean variance of a run and of the drift per run, with no
// proposal open.
func (m *mixture) noiseVariances() (runVar, driftVar float64) {
	for h, w := range m.Weights {
		runVar += w * m.sigma[h] * m.sigma[h]
		driftVar += w * m.drift[h] * m.drift[h]
	}

	return runVar, driftVar
}

// closeProposal ends the open proposal: it is counted, and each hypothesis is
// collapsed to one Gaussian of the head's level by matching mean and variance
// (moment matching, as in Blom & Bar-Shalom 1988). A dropped proposal, most
// likely null, so replicates the head as far as that is justified. adopted has
// the levels and variances that hold if the edit became the head instead.
func (m *mixture) closeProposal() (adopted *Adoption) {
	now := m.moments()
	adopted = &Adoption{Claim: Claim{-now.effect, now.varEffect}, Levels: slices.Clone(m.Levels),
		Vars: slices.Clone(m.Vars)}
	n := len(m.prior.mid)

	for h := range m.Weights {
		cells := m.cells[h*n : (h+1)*n]
		total := 0.0

		for j, c := range cells {
			total += c.weight
			m.Counts[j] += c.weight
		}

		m.Weights[h] = total
		if total == 0 {
			// The hypothesis stays dead; its numbers weigh nothing, and zeros are stored shorter.
			adopted.Levels[h], adopted.Vars[h], m.Levels[h], m.Vars[h] = 0, 0, 0, 0
			m.forgetSpeeds(h)

			continue
		}

		adopted.Levels[h], adopted.Vars[h] = matchMoments(cells, total, 1)
		m.Levels[h], m.Vars[h] = matchMoments(cells, total, 0)
		m.closeSpeeds(h, cells, total)
	}

	m.Closed++
	m.cells = nil

	return adopted
}

// matchMoments gives the mean and variance of level + share*effect.
func matchMoments(cells []cell, total, share float64) (mean, variance float64) {
	for _, c := range cells {
		mean += c.weight * (c.level + share*c.effect)
	}

	mean /= total
	for _, c := range cells {
		d := c.level + share*c.effect - mean
		variance += c.weight * (c.varLevel + share*(2*c.cov+c.varEffect) + d*d)
	}

	return mean, variance / total
}

// shiftLevel moves the head's level by, known to the variance v.
func (m *mixture) shiftLevel(by, v float64) {
	for h := range m.Levels {
		m.Levels[h] += by
		m.Vars[h] += v
	}
}
