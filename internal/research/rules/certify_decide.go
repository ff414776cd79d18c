package rules

import (
	"cmp"
	"fmt"
	"math"

	"ratchet/internal/research"
	"ratchet/internal/wording"
)

// nextRun is the run that is needed next, or the judgement. Exactly one is set.
func (t *confirmation) nextRun() (*RunRequest, *Judgement) {
	switch {
	case t.st.Screens >= anchorEvery && !t.anchored && !t.screened:
		return &RunRequest{Side: Incumbent, Role: research.Anchor}, nil
	case !t.screened:
		return &RunRequest{Side: Candidate, Role: research.Screen}, nil
	}

	// A pair that was begun is completed first.
	if n := len(t.pairs); n > t.made {
		return t.nextHalf(n), nil
	}

	if len(t.pairs) == 0 {
		t.advanceTest()
	}

	judgement := t.decide()
	if judgement == nil && t.left-len(t.obs) < 2 {
		judgement = t.giveUp("budget")
	}

	if judgement != nil {
		return nil, judgement
	}

	return t.nextHalf(len(t.pairs) + 1), nil
}

// nextHalf is the next missing run of pair n: odd pairs run the incumbent first,
// even ones the candidate, so that steady drift cancels over two.
func (t *confirmation) nextHalf(n int) *RunRequest {
	request := &RunRequest{Side: Incumbent, Role: research.Confirm, Pair: n, Order: "BC"}
	if n%2 == 0 {
		request.Side, request.Order = Candidate, "CB"
	}

	if n > len(t.pairs) {
		return request
	}

	switch begun := t.pairs[n-1]; {
	case begun.b != nil:
		request.Side = Candidate
	case begun.c != nil:
		request.Side = Incumbent
	}

	return request
}

// isProven says whether what is being tested is proven, by two pairs or more.
func (t *confirmation) isProven() bool {
	switch {
	case !areEnough(t.made, len(t.candidate)):
		return false
	case t.simple.isOpen():
		return t.simple.weaker().best >= t.simpleNeed()
	case t.gain.isOpen():
		return t.gain.weaker().best >= t.need
	}

	return false
}

// hasSpentPairs says whether the pairs of the present test are used up.
func (t *confirmation) hasSpentPairs() bool { return t.made-t.simpleFrom >= t.preset.pairs }

// decide is the judgement, nil while the test goes on.
func (t *confirmation) decide() *Judgement {
	n := len(t.candidate)
	_, _, null, _ := t.belief.moments(t.minGain)
	guards := t.rule.baseRule().guardTests(t.st, t.obs, Incumbent, Candidate)
	broken := findGuard(guards, (*guardTest).isBroken)

	switch {
	case n > 0 && broken != nil:
		return t.newJudgement(research.Invalid, "invalid", broken.excessText())
	case t.isProven():
		return t.decideProven(guards)
	case isTooUnequal(t.made, n, t.preset.pairs):
		return t.newJudgement(research.Inconclusive, "unequal", unequalWords(t.unequal(), t.made))
	case areEnough(t.made, n) && t.loss.best >= proven:
		return t.newJudgement(research.Regressed, "threshold", "")
	case t.simple.isOpen():
		if stoppedBy := t.simpleStopReason(); stoppedBy != "" {
			return t.giveUp(stoppedBy)
		}

		return nil
	case !t.shorter && n >= leastPairs && null >= equalAbove:
		return t.newJudgement(research.Equivalent, "threshold", "")
	case t.gaveUp != "":
		return t.giveUp(t.gaveUp)
	}

	return nil
}

// decideProven is the judgement once the gain is proven: nil while a guard is not
// yet proven to hold and pairs are left to show it.
func (t *confirmation) decideProven(guards []*guardTest) *Judgement {
	open := findGuard(guards, (*guardTest).isOpen)

	switch {
	case open != nil && t.hasSpentPairs():
		return t.giveUp("guard")
	case open != nil:
		return nil
	case t.simple.isOpen():
		return t.newJudgement(research.Equivalent, "threshold", "")
	}

	return t.newJudgement(research.Improved, "threshold", "")
}

// giveUp is the judgement of a test that proved nothing.
func (t *confirmation) giveUp(stoppedBy string) *Judgement {
	if t.isProven() {
		guards := t.rule.baseRule().guardTests(t.st, t.obs, Incumbent, Candidate)
		if open := findGuard(guards, (*guardTest).isOpen); open != nil {
			return t.newJudgement(research.Inconclusive, "guard", open.doubtText())
		}
	}

	if _, loss, _, _ := t.belief.moments(t.minGain); loss >= lossAbove {
		return t.newJudgement(research.Regressed, stoppedBy, "")
	}

	return t.newJudgement(research.Inconclusive, stoppedBy, cmp.Or(t.reason, unequalWords(t.unequal(), t.made)))
}

// simpleNeed is 1/alpha of the next test of a shorter edit: e-LOND on a stream
// of its own, with the sequence of few tests.
func (t *confirmation) simpleNeed() float64 {
	return 1 / AutoAlpha(t.st.SimpleTests+1, t.st.SimpleKept)
}

// simpleStopReason is what stops the test of a shorter edit, "" to go on.
func (t *confirmation) simpleStopReason() string {
	within := 1 - t.belief.chanceAtLeast(t.rope)
	pairsLeft := float64(t.preset.pairs - t.simple.all.n)

	switch {
	case within < t.preset.drop:
		return "futility"
	case t.usesSigns() && t.simple.weaker().e*math.Pow(winFactor, pairsLeft) < t.simpleNeed():
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

	if t.usesSigns() {
		win := normalCDF(t.rope / t.noise.s)
		growth := win*math.Log(winFactor) + (1-win)*math.Log(lossFactor) // expected of log E, a pair

		if float64(t.preset.pairs)*growth >= -math.Log(alpha) {
			return ""
		}

		return "signs alone can't show at this noise that a shorter edit is as good"
	}

	least := DetectableSize(t.noise.s, t.preset.pairs, alpha)
	if least <= t.rope {
		return ""
	}

	text := t.rule.Metric.Words(t.st.Scale)

	return fmt.Sprintf("that a shorter edit is as good can't be shown: a loss under %s would not be seen in %s, and %s would matter",
		text.FormatSize(t.asGain(least)), wording.Count(t.preset.pairs, "pair"), text.FormatSize(t.asGain(t.rope)))
}

// unequal is how many pairs were made that do not count.
func (t *confirmation) unequal() int { return t.made - len(t.candidate) }

// noteBrokenTest notes in j the test that an invalid run broke off.
func (t *confirmation) noteBrokenTest(j *Judgement) {
	if t.opened {
		j.Test, j.Pairs, j.Wins, j.Losses = t.st.Tests+1, len(t.candidate), t.gain.equal.wins, t.gain.equal.losses
	}
}

// newJudgement is a judgement with the estimates of what was measured: of the
// pairs, or of the screen runs while there are none.
func (t *confirmation) newJudgement(verdict research.Verdict, stoppedBy, reason string) *Judgement {
	n := len(t.candidate)
	judgement := &Judgement{
		Verdict: verdict, StoppedBy: stoppedBy, Reason: reason, Scale: t.st.Scale, Pairs: n, Unequal: t.unequal(),
		Noise:      t.asGain(math.Sqrt(t.noise.runVar())),
		Detectable: t.asGain(t.minGain + DetectableSize(t.noise.s, n, t.st.alphaNext())),
	}

	if n == 0 {
		screen := median(t.screens)
		value, base := t.scale.value(screen), t.scale.value(t.level.level)
		effect := screen - t.level.level
		half := z95 * math.Sqrt(t.noise.runVar()+t.level.variance)

		judgement.Value, judgement.Baseline = &value, &base
		judgement.Gain = t.scale.interval(effect, effect-half, effect+half)

		if t.made > 0 { // none counts
			judgement.E, judgement.Need, judgement.Test = t.gain.weaker().e, t.need, t.st.Tests+1
		}

		return judgement
	}

	value, base := t.scale.value(median(t.candidate)), t.scale.value(median(t.incumbent))
	judgement.Value, judgement.Baseline = &value, &base
	judgement.Gain = t.scale.interval(t.estimate())
	judgement.Growth = t.rule.baseRule().measureGrowth(t.st, t.obs, Incumbent, Candidate)

	tested, need, test := t.gain.weaker(), t.need, t.st.Tests+1
	if t.simple.isOpen() && t.simpleOpened {
		tested, need, test = t.simple.weaker(), t.simpleNeed(), t.st.SimpleTests+1
	}

	judgement.E, judgement.Need, judgement.Test, judgement.Wins, judgement.Losses = tested.e, need, test,
		tested.wins, tested.losses
	if tested.best >= need {
		judgement.E = tested.best // the value that passed counts, also while a guard is still open
	}

	return judgement
}

// asGain reports a size on the scale as a gain of that size.
func (t *confirmation) asGain(size float64) float64 { return t.scale.Gain(-size) }
