package research

import "math"

// signTest is one experiment's evidence so far, folded from its runs. Whatever
// it bets with (noise, belief, threshold) was fixed before the first pair.
type signTest struct {
	st    RuleState
	ruler ruler
	m     float64 // min_gain on the scale
	noise noiseModel
	level tracker
	need  float64 // 1/alpha_t

	anchored, screened bool
	opened             bool      // a confirmation's run was made, so it counts in t
	screens            []float64 // y of the candidate's screen runs
	belief             belief

	pairs                []runPair
	candidate, incumbent []float64 // y of complete pairs, in order
	wins, losses         int
	e                    float64 // the e-process for a gain
}

// runPair holds the raw halves of a pair, nil while missing.
type runPair struct{ b, c *float64 }

// test folds the runs; every one of them is usable.
func (r signRule) test(st RuleState, obs []Observation) *signTest {
	m := r.minGain(st)
	rope := max(st.rope(m), st.S/25)
	t := &signTest{
		st: st, ruler: st.ruler(), m: m,
		noise:  noiseModel{st.S, st.Eps},
		level:  tracker{st.Level, st.LevelVar},
		need:   1 / AlphaAt(st.Tests+1, st.Kept),
		belief: newBelief(rope, rope/smallRatio),
		e:      1,
	}
	for _, o := range obs {
		if r.unusable(o) != "" || !st.measurable([]float64{o.Value}) {
			t.opened = t.opened || o.Role == Confirm
			continue
		}
		t.add(o)
	}
	return t
}

func (t *signTest) add(o Observation) {
	y := t.ruler.y(o.Value)
	switch o.Role {
	case Anchor:
		t.anchored = true
		t.level = t.level.observe(y, 0, t.noise)
	case Screen:
		t.screened, t.screens = true, append(t.screens, y)
		t.belief.see(y-t.level.level, t.single())
	case Confirm:
		t.opened = true
		t.addHalf(o, y)
	}
}

// single is the noise of one run of the candidate against the tracked level.
func (t *signTest) single() noiseModel {
	return noiseModel{math.Sqrt(t.noise.runVar() + t.level.variance), t.noise.eps}
}

// suspect says whether a screen run is so far on the losing side that it is a
// plain loss or an outlier, and the belief can't tell which: a second look can,
// for one run.
func (t *signTest) suspect() bool {
	gain, loss, _, _ := t.belief.moments(t.m)
	return len(t.screens) == 1 && !t.opened && gain < dropBelow && loss < lossAbove && t.screens[0]-t.level.level > 3*t.single().s
}

func (t *signTest) addHalf(o Observation, y float64) {
	if o.Pair < 1 || o.Pair > maxPairs {
		return
	}
	for len(t.pairs) < o.Pair {
		t.pairs = append(t.pairs, runPair{})
	}
	p := &t.pairs[o.Pair-1]
	if p.b != nil && p.c != nil {
		return
	}
	if o.Side == Candidate {
		p.c = &y
	} else {
		p.b = &y
	}
	if p.b != nil && p.c != nil {
		t.bet(*p.b, *p.c)
	}
}

// bet folds a complete pair into the sign e-process (Ville 1939; Shafer & Vovk
// 2001, 3). The pair is won when the candidate is better by more than m, lost
// when it is not, and tied at exactly m. Under H0 "gain <= m" a win is at most
// as likely as a loss, so the factors 1.9, .1 and 1 have mean at most 1
// whatever the noise, and P(sup E >= 1/alpha) <= alpha.
func (t *signTest) bet(b, c float64) {
	d := c - b
	t.candidate, t.incumbent = append(t.candidate, c), append(t.incumbent, b)
	t.belief.see(d, t.noise)
	switch {
	case d < -t.m:
		t.wins++
		t.e *= winFactor
	case d > -t.m:
		t.losses++
		t.e *= lossFactor
	}
}

// differences of the complete pairs, candidate minus incumbent.
func (t *signTest) differences() []float64 {
	ds := make([]float64, len(t.candidate))
	for i := range ds {
		ds[i] = t.candidate[i] - t.incumbent[i]
	}
	return ds
}

// residuals of the pairs around their median, widened for the degree of
// freedom that it takes; none of a single pair.
func (t *signTest) residuals() []float64 {
	ds := t.differences()
	n := float64(len(ds))
	if n < 2 {
		return nil
	}
	mid, widen := median(ds), math.Sqrt(n/(n-1))
	for i := range ds {
		ds[i] = (ds[i] - mid) * widen
	}
	return ds
}

// next is the run wanted, or the judgement.
func (t *signTest) next() (*Want, *Judgement) {
	switch {
	case t.st.Screens >= anchorEvery && !t.anchored && !t.screened:
		return &Want{Side: Incumbent, Role: Anchor}, nil
	case !t.screened, t.suspect():
		return &Want{Side: Candidate, Role: Screen}, nil
	}
	if n := len(t.pairs); n > len(t.candidate) {
		return t.half(n), nil
	}
	if verdict, by := t.decide(); verdict != "" {
		return nil, t.judge(verdict, by)
	}
	return t.half(len(t.pairs) + 1), nil
}

// half is the next missing run of pair n: odd pairs run the incumbent first,
// even ones the candidate, so that steady drift cancels over two.
func (t *signTest) half(n int) *Want {
	w := &Want{Side: Incumbent, Role: Confirm, Pair: n, Order: "BC"}
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

// decide gives the verdict and what stopped the test, "" to go on. Three lost
// pairs put the threshold out of reach; no test is prolonged to prove a loss.
func (t *signTest) decide() (Verdict, string) {
	n := len(t.candidate)
	gain, loss, null, _ := t.belief.moments(t.m)
	reachable := t.e * math.Pow(winFactor, float64(maxPairs-n))
	by := ""
	switch {
	case t.e >= t.need:
		return Improved, "threshold"
	case n >= 2 && null >= equalAbove:
		return Equivalent, "threshold"
	case n == 0 && gain < dropBelow:
		by = "screen"
	case n >= maxPairs:
		by = "cap"
	case gain < dropBelow, reachable < t.need:
		by = "futility"
	default:
		return "", ""
	}
	if loss >= lossAbove {
		return Regressed, by
	}
	return Inconclusive, by
}

func (t *signTest) judge(verdict Verdict, by string) *Judgement {
	n := len(t.candidate)
	j := &Judgement{
		Verdict: verdict, StoppedBy: by, Scale: t.st.Scale,
		Pairs: n, Wins: t.wins, Losses: t.losses,
		Noise:      t.share(math.Sqrt(t.noise.runVar())),
		Detectable: t.share(t.m + Detectable(t.noise.s, n, t.st.Tests+1, t.st.Kept)),
	}
	var value, base float64
	if n == 0 {
		screen := median(t.screens)
		value, base = t.ruler.raw(screen), t.ruler.raw(t.level.level)
		d, half := screen-t.level.level, z95*math.Sqrt(t.noise.runVar()+t.level.variance)
		j.Gain = t.ruler.interval(d, d-half, d+half)
	} else {
		value, base = t.ruler.raw(median(t.candidate)), t.ruler.raw(median(t.incumbent))
		j.Gain = t.ruler.interval(medianInterval(t.differences(), t.noise.s))
		j.E, j.Need, j.Test = t.e, t.need, t.st.Tests+1
	}
	j.Value, j.Baseline = &value, &base
	return j
}

// share reports a size on the scale as a gain of that size.
func (t *signTest) share(size float64) float64 { return t.ruler.gain(-size) }
