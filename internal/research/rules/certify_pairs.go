package rules

import (
	"math"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
)

// confirmation is one experiment's evidence so far, folded from its runs.
// Whatever it bets with (noise, belief, threshold) was fixed before the first
// pair that it bets on.
type confirmation struct {
	rule    Certify
	st      RuleState
	obs     []Observation
	scale   metricScale
	preset  preset
	minGain float64 // min_gain on the scale
	rope    float64 // the smallest gain worth having, on the scale
	noise   noiseModel
	level   tracker
	need    float64 // 1/alpha_t of the test for a gain
	left    int     // runs of the campaign, before this experiment
	shorter,
	anchored, screened bool
	opened       bool      // a run of the test for a gain was made, so it counts in t
	simpleOpened bool      // the same of the test of a shorter edit
	screens      []float64 // y of the candidate's screen runs
	belief       belief

	pairs                []runPair
	made                 int       // complete pairs, those included that do not count
	candidate, incumbent []float64 // y of the complete pairs that count, in order
	gain                 proof     // the zero value before the first pair
	loss                 *evidence // nil before the first pair
	gaveUp               string    // what stopped the test for a gain, "" while it goes on
	simple               proof     // of a loss below rope; the zero value unless that is tested
	simpleFrom           int       // pairs before it
	reason               string    // why it is not, for a shorter edit
}

// runPair holds the raw halves of a pair, nil while missing.
type runPair struct {
	b, c    *float64
	unequal bool // it does not count
}

// proof is evidence of one hypothesis, twice: of all pairs, and without the unequal
// ones. Both must reach what is needed. The zero value is that of no test.
type proof struct{ all, equal *evidence }

func newProof(make func() *evidence) proof { return proof{make(), make()} }

func (p proof) isOpen() bool { return p.all != nil }

// bet folds in one pair's difference.
func (p proof) bet(diff float64, noise noiseModel, unequal bool) {
	p.all.bet(diff, noise)
	if !unequal {
		p.equal.bet(diff, noise)
	}
}

// weaker is the evidence that decides; without unequal pairs the two are alike.
func (p proof) weaker() *evidence {
	if p.all == nil || p.all.best < p.equal.best || p.all.best == p.equal.best && p.all.e < p.equal.e {
		return p.all
	}

	return p.equal
}

// newConfirmation folds the runs; those that are not usable only count.
func (c Certify) newConfirmation(st RuleState, outlook Outlook, obs []Observation) *confirmation {
	minGain := c.baseRule().minGain(st)

	rope := c.Rope
	if rope <= 0 {
		rope = st.rope(minGain)
	}

	finest := max(rope, st.S/25)
	t := &confirmation{
		rule: c, st: st, obs: obs, scale: st.MetricScale(), preset: c.choosePreset(outlook),
		minGain: minGain,
		rope:    rope,
		noise:   noiseModel{s: st.S, eps: st.Eps},
		level:   tracker{st.Level, st.LevelVar},
		need:    1 / st.alphaNext(),
		left:    outlook.Left,
		belief:  newBelief(finest, autoTop(st.Scale, finest)),
		shorter: outlook.Shorter,
	}

	for _, run := range obs {
		usable := c.baseRule().unusableReason(run) == "" && st.fitsScale([]float64{run.Value})

		switch {
		case usable:
			t.addRun(run)
		case run.Role == research.Confirm:
			t.beginTest()
		}
	}

	return t
}

// usesSigns says whether only the signs of the differences count.
func (t *confirmation) usesSigns() bool { return t.rule.Assumptions == contract.AssumeNone }

// addRun folds in one usable run.
func (t *confirmation) addRun(observation Observation) {
	y := t.scale.Height(observation.Value)

	switch observation.Role {
	case research.Anchor:
		t.anchored = true
		t.level = t.level.observe(y, 0, t.noise)
	case research.Screen:
		t.screened, t.screens = true, append(t.screens, y)
		t.belief.update(y-t.level.level, t.screenNoise())
	case research.Confirm:
		t.beginTest()
		t.addHalf(observation, y)
	}
}

// beginTest notes the first run of a test, and lays its bets.
func (t *confirmation) beginTest() {
	if len(t.pairs) == 0 {
		t.advanceTest()
	}

	if !t.gain.isOpen() {
		t.gain = newProof(func() *evidence {
			return newEvidence(t.belief.effects, t.belief.weights, -t.minGain, false, t.usesSigns())
		})
		t.loss = newEvidence(t.belief.effects, t.belief.weights, t.minGain, true, t.usesSigns())
	}

	if t.simple.isOpen() {
		t.simpleOpened = true
	} else {
		t.opened = true
	}
}

// screenNoise is the noise of one run of the candidate against the tracked level.
func (t *confirmation) screenNoise() noiseModel {
	return noiseModel{s: math.Sqrt(t.noise.runVar() + t.level.variance), eps: t.noise.eps}
}

// addHalf puts a run into its pair, and bets on the pair once it is complete. A
// third run of a pair is ignored.
func (t *confirmation) addHalf(observation Observation, y float64) {
	if observation.Pair < 1 || observation.Pair > 2*t.preset.pairs {
		return
	}

	for len(t.pairs) < observation.Pair {
		t.pairs = append(t.pairs, runPair{})
	}

	pair := &t.pairs[observation.Pair-1]
	if pair.isComplete() {
		return
	}

	if observation.Side == Candidate {
		pair.c = &y
	} else {
		pair.b = &y
	}

	pair.unequal = pair.unequal || observation.Unequal

	if pair.isComplete() {
		t.betOnPair(*pair)
	}
}

// betOnPair folds in a complete pair of incumbent (b) and candidate (c).
func (t *confirmation) betOnPair(pair runPair) {
	diff := *pair.c - *pair.b
	t.made++

	if t.simple.isOpen() {
		t.simple.bet(diff, t.noise, pair.unequal)
	} else {
		t.gain.bet(diff, t.noise, pair.unequal)
	}

	if !pair.unequal {
		t.candidate, t.incumbent = append(t.candidate, *pair.c), append(t.incumbent, *pair.b)
		t.loss.bet(diff, t.noise)
		t.belief.update(diff, t.noise)
	}

	t.advanceTest()
}

// advanceTest notes when the test for a gain has given up, and then begins the one
// for a shorter edit if that can be won.
func (t *confirmation) advanceTest() {
	if t.gaveUp != "" || !t.screened {
		return
	}

	t.gaveUp = t.stopReason()

	_, loss, _, _ := t.belief.moments(t.minGain)
	if !t.shorter || t.gaveUp == "" || t.gaveUp == "cap" || loss >= lossAbove {
		return
	}

	t.reason = t.unprovableReason()
	if t.reason == "" {
		t.simple = newProof(func() *evidence {
			return newEvidence(t.belief.effects, t.belief.weights, t.rope, false, t.usesSigns())
		})
		t.simpleFrom = t.made
	}
}

// stopReason is what stops the test for a gain, "" to go on. Where only signs
// count, three lost pairs put the threshold out of reach.
func (t *confirmation) stopReason() string {
	n := t.made
	gain, _, null, _ := t.belief.moments(t.minGain)

	switch {
	case n == 0 && gain < t.preset.drop:
		return "screen"
	case n == 0 || t.gain.weaker().best >= t.need:
		return ""
	case n >= t.preset.pairs:
		return "cap"
	case gain < t.preset.drop:
		return "futility"
	case t.shorter && len(t.candidate) >= leastPairs && null >= equalAbove:
		return "futility"
	case t.usesSigns() && t.gain.weaker().e*math.Pow(winFactor, float64(t.preset.pairs-n)) < t.need:
		return "futility"
	}

	return ""
}

// differences of the complete pairs that count, candidate minus incumbent.
func (t *confirmation) differences() []float64 {
	ds := make([]float64, len(t.candidate))
	for i := range ds {
		ds[i] = t.candidate[i] - t.incumbent[i]
	}

	return ds
}

// aroundMedian gives differences as residuals around their median, widened for
// the degree of freedom that it takes; none of a single one.
func aroundMedian(ds []float64) []float64 {
	n := float64(len(ds))
	if n < 2 {
		return nil
	}
	mid, widen := median(ds), math.Sqrt(n/(n-1))

	out := make([]float64, len(ds))
	for i := range ds {
		out[i] = (ds[i] - mid) * widen
	}

	return out
}
