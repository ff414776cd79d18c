package rules

import (
	"fmt"
	"math"

	"ratchet/internal/research"
	"ratchet/internal/wording"
)

// next is the run wanted, or the judgement.
func (t *confirmation) next() (*Want, *Judgement) {
	switch {
	case t.st.Screens >= anchorEvery && !t.anchored && !t.screened:
		return &Want{Side: Incumbent, Role: research.Anchor}, nil
	case !t.screened:
		return &Want{Side: Candidate, Role: research.Screen}, nil
	}

	if n := len(t.pairs); n > len(t.candidate) {
		return t.half(n), nil
	}

	if len(t.pairs) == 0 {
		t.advance()
	}

	j := t.decide()
	if j == nil && t.left-len(t.obs) < 2 {
		j = t.ended("budget")
	}

	if j != nil {
		return nil, j
	}

	return t.half(len(t.pairs) + 1), nil
}

// half is the next missing run of pair n: odd pairs run the incumbent first,
// even ones the candidate, so that steady drift cancels over two.
func (t *confirmation) half(n int) *Want {
	w := &Want{Side: Incumbent, Role: research.Confirm, Pair: n, Order: "BC"}
	if n%2 == 0 {
		w.Side, w.Order = Candidate, "CB"
	}

	if n <= len(t.pairs) {
		if p := t.pairs[n-1]; p.b != nil {
			w.Side = Candidate
		} else if p.c != nil {
			w.Side = Incumbent
		}
	}

	return w
}

// passed says whether what is being tested is proven, by two pairs or more.
func (t *confirmation) passed() bool {
	switch {
	case t.simple != nil:
		return t.simple.best >= t.simpleNeed()
	case t.gain != nil:
		return t.gain.best >= t.need
	}

	return false
}

// spent says whether the pairs of the present test are used up.
func (t *confirmation) spent() bool { return len(t.candidate)-t.simpleFrom >= t.preset.pairs }

// decide judges, or is nil to go on.
func (t *confirmation) decide() *Judgement {
	n := len(t.candidate)
	_, _, null, _ := t.belief.moments(t.m)

	guards := t.rule.referee().guardTests(t.st, t.obs, Incumbent, Candidate)
	switch broken := firstGuard(guards, (*guardTest).isBroken); {
	case n > 0 && broken != nil:
		return t.judge(research.Invalid, "invalid", broken.reason())
	case t.passed():
		open := firstGuard(guards, func(g *guardTest) bool { return !g.holds() })
		switch {
		case open == nil && t.simple != nil:
			return t.judge(research.Equivalent, "threshold", "")
		case open == nil:
			return t.judge(research.Improved, "threshold", "")
		case t.spent():
			return t.ended("guard")
		}

		return nil
	case n > 0 && t.loss.best >= proven:
		return t.judge(research.Regressed, "threshold", "")
	case t.simple != nil:
		if by := t.simpleGivesUp(); by != "" {
			return t.ended(by)
		}

		return nil
	case !t.shorter && n >= leastPairs && null >= equalAbove:
		return t.judge(research.Equivalent, "threshold", "")
	case t.gaveUp != "":
		return t.ended(t.gaveUp)
	}

	return nil
}

// ended is the judgement of a test that proved nothing.
func (t *confirmation) ended(by string) *Judgement {
	if t.passed() {
		open := firstGuard(t.rule.referee().guardTests(t.st, t.obs, Incumbent, Candidate),
			func(g *guardTest) bool { return !g.holds() })
		if open != nil {
			return t.judge(research.Inconclusive, "guard", open.doubt())
		}
	}

	if _, loss, _, _ := t.belief.moments(t.m); loss >= lossAbove {
		return t.judge(research.Regressed, by, "")
	}

	return t.judge(research.Inconclusive, by, t.reason)
}

// simpleNeed is 1/alpha of the next test of a shorter edit: e-LOND on a stream
// of its own, with the sequence of few tests.
func (t *confirmation) simpleNeed() float64 {
	return 1 / AutoAlphaAt(t.st.SimpleTests+1, t.st.SimpleKept)
}

// simpleGivesUp is what stops the test of a shorter edit, "" to go on.
func (t *confirmation) simpleGivesUp() string {
	switch {
	case 1-t.belief.atLeast(t.rope) < t.preset.drop,
		t.signs() && t.simple.e*math.Pow(winFactor, float64(t.preset.pairs-t.simple.n)) < t.simpleNeed():
		return "futility"
	case t.spent():
		return "cap"
	}

	return ""
}

// unprovable says why no test could show that a shorter edit loses less than
// rope, "" when one could: at the noise of a pair the cap must be enough for
// an edit without any effect. Signs need more clean pairs than chance gives.
func (t *confirmation) unprovable() string {
	alpha := 1 / t.simpleNeed()

	least := Detectable(t.noise.s, t.preset.pairs, alpha)
	if t.signs() {
		win := normalCDF(t.rope / t.noise.s)

		growth := win*math.Log(winFactor) + (1-win)*math.Log(lossFactor)
		if float64(t.preset.pairs)*growth >= -math.Log(alpha) {
			return ""
		}
		least = math.Inf(1)
	}

	switch {
	case least <= t.rope:
		return ""
	case math.IsInf(least, 1):
		return "signs alone can't show at this noise that a shorter edit is as good"
	}
	p := phrase{Judgement{Scale: t.st.Scale}, t.rule.Metric.Unit}

	return fmt.Sprintf("that a shorter edit is as good can't be shown: a loss under %s would not be seen in %s, and %s would matter",
		p.amount(t.share(least)), wording.Count(t.preset.pairs, "pair"), p.amount(t.share(t.rope)))
}

// broken notes in j the test that an invalid run broke off.
func (t *confirmation) broken(j *Judgement) {
	if t.opened {
		j.Test, j.Pairs, j.Wins, j.Losses = t.st.Tests+1, len(t.candidate), t.gain.wins, t.gain.losses
	}
}

func (t *confirmation) judge(verdict research.Verdict, by, reason string) *Judgement {
	n := len(t.candidate)
	j := &Judgement{
		Verdict: verdict, StoppedBy: by, Reason: reason, Scale: t.st.Scale, Pairs: n,
		Noise:      t.share(math.Sqrt(t.noise.runVar())),
		Detectable: t.share(t.m + Detectable(t.noise.s, n, t.st.alphaNext())),
	}
	var value, base float64

	if n == 0 {
		screen := median(t.screens)
		value, base = t.ruler.raw(screen), t.ruler.raw(t.level.level)
		d, half := screen-t.level.level, z95*math.Sqrt(t.noise.runVar()+t.level.variance)
		j.Gain = t.ruler.interval(d, d-half, d+half)
	} else {
		value, base = t.ruler.raw(median(t.candidate)), t.ruler.raw(median(t.incumbent))
		j.Gain = t.ruler.interval(t.estimate())
		j.Growth = t.rule.referee().growth(t.st, t.obs, Incumbent, Candidate)

		v, need, test := t.gain, t.need, t.st.Tests+1
		if t.simple != nil && t.simpleOpened {
			v, need, test = t.simple, t.simpleNeed(), t.st.SimpleTests+1
		}

		j.E, j.Need, j.Test, j.Wins, j.Losses = v.e, need, test, v.wins, v.losses
		if v.best >= need {
			j.E = v.best // what passed counts, also while a guard is waited for
		}
	}
	j.Value, j.Baseline = &value, &base

	return j
}

// share reports a size on the scale as a gain of that size.
func (t *confirmation) share(size float64) float64 { return t.ruler.Gain(-size) }
