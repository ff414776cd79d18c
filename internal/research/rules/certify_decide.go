package rules

import (
	"fmt"
	"math"

	"ratchet/internal/research"
)

// nextRun is the run wanted, or the judgement.
func (t *confirmation) nextRun() (*RunRequest, *Judgement) {
	switch {
	case t.st.Screens >= anchorEvery && !t.anchored && !t.screened:
		return &RunRequest{Side: Incumbent, Role: research.Anchor}, nil
	case !t.screened:
		return &RunRequest{Side: Candidate, Role: research.Screen}, nil
	}

	if n := len(t.pairs); n > len(t.candidate) {
		return t.nextHalf(n), nil
	}

	if len(t.pairs) == 0 {
		t.advanceTest()
	}

	j := t.decide()
	if j == nil && t.left-len(t.obs) < 2 {
		j = t.giveUp("budget")
	}

	if j != nil {
		return nil, j
	}

	return t.nextHalf(len(t.pairs) + 1), nil
}

// nextHalf is the next missing run of pair n: odd pairs run the incumbent first,
// even ones the candidate, so that steady drift cancels over two.
func (t *confirmation) nextHalf(n int) *RunRequest {
	w := &RunRequest{Side: Incumbent, Role: research.Confirm, Pair: n, Order: "BC"}
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

// isProven says whether what is being tested is proven, by two pairs or more.
func (t *confirmation) isProven() bool {
	switch {
	case t.simple != nil:
		return t.simple.best >= t.simpleNeed()
	case t.gain != nil:
		return t.gain.best >= t.need
	}

	return false
}

// hasSpentPairs says whether the pairs of the present test are used up.
func (t *confirmation) hasSpentPairs() bool { return len(t.candidate)-t.simpleFrom >= t.preset.pairs }

// decide judges, or is nil to go on.
func (t *confirmation) decide() *Judgement {
	n := len(t.candidate)
	_, _, null, _ := t.belief.moments(t.minGain)

	guards := t.rule.baseRule().guardTests(t.st, t.obs, Incumbent, Candidate)
	switch broken := findGuard(guards, (*guardTest).isBroken); {
	case n > 0 && broken != nil:
		return t.newJudgement(research.Invalid, "invalid", broken.excessText())
	case t.isProven():
		open := findGuard(guards, func(g *guardTest) bool { return !g.isProven() })
		switch {
		case open == nil && t.simple != nil:
			return t.newJudgement(research.Equivalent, "threshold", "")
		case open == nil:
			return t.newJudgement(research.Improved, "threshold", "")
		case t.hasSpentPairs():
			return t.giveUp("guard")
		}

		return nil
	case n > 0 && t.loss.best >= proven:
		return t.newJudgement(research.Regressed, "threshold", "")
	case t.simple != nil:
		if by := t.simpleStopReason(); by != "" {
			return t.giveUp(by)
		}

		return nil
	case !t.shorter && n >= leastPairs && null >= equalAbove:
		return t.newJudgement(research.Equivalent, "threshold", "")
	case t.gaveUp != "":
		return t.giveUp(t.gaveUp)
	}

	return nil
}

// giveUp is the judgement of a test that proved nothing.
func (t *confirmation) giveUp(by string) *Judgement {
	if t.isProven() {
		open := findGuard(t.rule.baseRule().guardTests(t.st, t.obs, Incumbent, Candidate),
			func(g *guardTest) bool { return !g.isProven() })
		if open != nil {
			return t.newJudgement(research.Inconclusive, "guard", open.doubtText())
		}
	}

	if _, loss, _, _ := t.belief.moments(t.minGain); loss >= lossAbove {
		return t.newJudgement(research.Regressed, by, "")
	}

	return t.newJudgement(research.Inconclusive, by, t.reason)
}

// simpleNeed is 1/alpha of the next test of a shorter edit: e-LOND on a stream
// of its own, with the sequence of few tests.
func (t *confirmation) simpleNeed() float64 {
	return 1 / AutoAlpha(t.st.SimpleTests+1, t.st.SimpleKept)
}

// simpleStopReason is what stops the test of a shorter edit, "" to go on.
func (t *confirmation) simpleStopReason() string {
	switch {
	case 1-t.belief.chanceAtLeast(t.rope) < t.preset.drop,
		t.usesSigns() && t.simple.e*math.Pow(winFactor, float64(t.preset.pairs-t.simple.n)) < t.simpleNeed():
		return "futility"
	case t.hasSpentPairs():
		return "cap"
	}

	return ""
}

// unprovableReason says why no test could show that a shorter edit loses less than
// rope, "" when one could: at the noise of a pair the cap must be enough for
// an edit without any effect. Signs need more clean pairs than chance gives.
func (t *confirmation) unprovableReason() string {
	alpha := 1 / t.simpleNeed()

	least := DetectableSize(t.noise.s, t.preset.pairs, alpha)
	if t.usesSigns() {
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
	p := formatter{Judgement{Scale: t.st.Scale}, t.rule.Metric.Unit}

	return fmt.Sprintf("that a shorter edit is as good can't be shown: a loss under %s would not be seen in %s, and %s would matter",
		p.amount(t.asGain(least)), research.Counted(t.preset.pairs, "pair"), p.amount(t.asGain(t.rope)))
}

// noteBrokenTest notes in j the test that an invalid run broke off.
func (t *confirmation) noteBrokenTest(j *Judgement) {
	if t.opened {
		j.Test, j.Pairs, j.Wins, j.Losses = t.st.Tests+1, len(t.candidate), t.gain.wins, t.gain.losses
	}
}

func (t *confirmation) newJudgement(verdict research.Verdict, by, reason string) *Judgement {
	n := len(t.candidate)
	j := &Judgement{
		Verdict: verdict, StoppedBy: by, Reason: reason, Scale: t.st.Scale, Pairs: n,
		Noise:      t.asGain(math.Sqrt(t.noise.runVar())),
		Detectable: t.asGain(t.minGain + DetectableSize(t.noise.s, n, t.st.alphaNext())),
	}
	var value, base float64

	if n == 0 {
		screen := median(t.screens)
		value, base = t.scale.value(screen), t.scale.value(t.level.level)
		d, half := screen-t.level.level, z95*math.Sqrt(t.noise.runVar()+t.level.variance)
		j.Gain = t.scale.interval(d, d-half, d+half)
	} else {
		value, base = t.scale.value(median(t.candidate)), t.scale.value(median(t.incumbent))
		j.Gain = t.scale.interval(t.estimate())
		j.Growth = t.rule.baseRule().measureGrowth(t.st, t.obs, Incumbent, Candidate)

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

// asGain reports a size on the scale as a gain of that size.
func (t *confirmation) asGain(size float64) float64 { return t.scale.Gain(-size) }
