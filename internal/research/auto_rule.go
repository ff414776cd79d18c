package research

import "math"

// Auto is the full rule. It searches by the value of information, adopts edits
// on expected gain alone, and proves the accumulated head as a whole against
// the last checkpoint. A campaign is driven like this, every step a pure
// function of the state, what is left, and the observations so far:
//
//	Calibrate … Calibrated              → AutoState
//	Plan                                → propose | certify | end
//	propose: Next … Next, Close, Moved (if kept)
//	certify: NextPair … NextPair, CloseCertificate; certified → the checkpoint
//	         is the head, rolled_back → the head is the checkpoint
//
// What it promises: in a campaign whose edits gain nothing, the chance of even
// one `certified` is at most 5 %, given the noise model of a pair (contaminated
// normal) and interleaved fresh pairs. What is adopted but not certified is no
// gain; a certificate says nothing of any single edit of its chain, and most
// edits of a chain bring nothing.
//
// Limits: a guard's max_growth is left to the caller's check of the head; a
// metric whose gains shrink as others are taken is only approximately followed.
type Auto struct {
	Metric Metric
	Guards []Guard
	// Rope is the smallest gain worth having, on the scale; 0 derives it:
	// min_gain where the program gives one, else .3 % of the incumbent.
	Rope float64
	// KeepBar is the share of Rope that an edit must be expected to bring to be
	// adopted; 0 is .05.
	KeepBar float64
}

// NewAuto is the program's full rule.
func NewAuto(p Program) Auto { return Auto{Metric: p.Metric, Guards: p.Guards} }

// Unlimited says in Outlook that the number of proposals to come is not known.
const Unlimited = -1

// Outlook is what a campaign has left when an experiment or a certificate
// begins; it stays the same for every call about that one.
type Outlook struct {
	Budget    int `json:"budget"`    // runs of the whole campaign
	Left      int `json:"left"`      // of them, before this experiment or certificate
	Proposals int `json:"proposals"` // still expected, the next one included; Unlimited when unknown
}

// AutoState is what auto carries from experiment to experiment. It is a plain
// value that survives JSON unchanged; functions never change the one given.
type AutoState struct {
	// Rule has the class, scale, residuals and pair noise, and the counts of
	// e-LOND: Tests certificates tried, Kept of them passed.
	Rule   RuleState  `json:"rule"`
	Belief AutoBelief `json:"belief"`
	// On the scale: the smallest gain worth having, the largest effect believed
	// in, and the m of a certificate's null "gain <= m".
	Rope      float64 `json:"rope"`
	Top       float64 `json:"top"`
	MinEffect float64 `json:"min_effect"`
	Price     float64 `json:"price"`  // of a run, in units of the scale; 0 before the first proposal
	Gained    float64 `json:"gained"` // sum of the adopted edits' expected gains, all campaign
	// Claim is the believed gain of the head over the checkpoint, with its variance;
	// Chain the number of edits between them.
	Claim    float64 `json:"claim"`
	ClaimVar float64 `json:"claim_var"`
	Chain    int     `json:"chain"`
	// Late says that the main certificate is behind: little is kept back from here on.
	Late bool `json:"late,omitempty"`
	// IfKept is what changes should the experiment just closed become the head.
	IfKept *Adoption `json:"if_kept,omitempty"`
}

// Adoption is what keeping an edit does to the belief: its expected gain with
// its variance, and the level that the head then has under each hypothesis.
type Adoption struct {
	Gain   float64   `json:"gain"`
	Var    float64   `json:"var"`
	Levels []float64 `json:"levels"`
	Vars   []float64 `json:"vars"`
}

const autoCalibration = 3 // runs that start auto's belief

// exact is the rule that calibrates, and that decides deterministic metrics.
func (a Auto) exact() signRule { return signRule{a.Metric, a.Guards} }

// Calibrate names the next run of the start version, or nil when obs is
// enough: two for a metric declared deterministic that are equal, else three
// after a discarded warm-up. An invalid run ends it.
func (a Auto) Calibrate(obs []Observation) *Want {
	want := a.exact().Calibrate(obs)
	counted := 0
	for _, o := range obs {
		if !o.WarmUp {
			counted++
		}
	}
	if want != nil && counted >= autoCalibration {
		return nil
	}
	return want
}

// Calibrated folds a finished calibration into the first state. Its errors
// (program) say what was wrong with a run.
func (a Auto) Calibrated(obs []Observation) (AutoState, error) {
	counted, values, err := a.exact().counted(obs)
	if err != nil {
		return AutoState{}, err
	}
	if len(values) == 0 || a.Calibrate(obs) != nil {
		return AutoState{}, unfinished(values)
	}
	rule := RuleState{
		Scale: scaleOf(values), Better: a.Metric.Better, Values: values,
		Start: a.exact().guardMedians(counted), Incumbent: median(values),
	}
	if exact := a.exact().exactRuns(); exact > 0 && len(values) >= exact && allEqual(values[:exact]) {
		rule.Class = Deterministic
		return AutoState{Rule: rule}, nil
	}
	return a.noisyState(a.exact().noisyState(rule)), nil
}

// noisyState starts the belief from the state's calibration values.
func (a Auto) noisyState(rule RuleState) AutoState {
	st := AutoState{Rule: rule, Rope: a.Rope, MinEffect: a.exact().minGain(rule)}
	if st.Rope <= 0 {
		m := 0.0
		if a.Metric.MinGainSet {
			m = st.MinEffect
		}
		st.Rope = rule.rope(m)
	}
	st.Top = autoTop(rule.Scale, st.Rope)
	st.Belief = newMixture(rule.heights(rule.Values), st.Rope, st.Top).AutoBelief
	return st
}

// autoTop is the largest effect believed in: a factor e on the log scale (.3
// for a metric whose ropes are as fine as a loss's), else 333 ropes.
func autoTop(scale string, rope float64) float64 {
	switch {
	case scale != logScale:
		return rope * 1000 / 3
	case rope < .001:
		return .3
	}
	return max(1, 8*rope)
}

func (a Auto) keepBar(st AutoState) float64 {
	if a.KeepBar > 0 {
		return a.KeepBar * st.Rope
	}
	return .05 * st.Rope
}

// After is a fresh calibration's state in a campaign that has a past: e-LOND's
// counts, the guards' start values and what was learnt of proposals outlive
// it, and so do the chain and its claim; the belief of noise and level starts anew.
func (st AutoState) After(old AutoState) AutoState {
	st.Rule = st.Rule.After(old.Rule)
	st.Claim, st.ClaimVar, st.Chain = old.Claim, old.ClaimVar, old.Chain
	st.Price, st.Gained, st.Late = old.Price, old.Gained, old.Late
	if len(old.Belief.Counts) == len(st.Belief.Counts) && st.Rope == old.Rope {
		st.Belief.Counts, st.Belief.Closed = old.Belief.Counts, old.Belief.Closed
	}
	return st
}

// Moved is the state after the experiment that was closed last has become the
// head. Without an adoption in the state only the incumbent's value moves.
func (st AutoState) Moved(j Judgement) AutoState {
	kept := st.IfKept
	st.IfKept = nil
	if kept == nil {
		st.Rule = st.Rule.Moved(j)
		return st
	}
	if j.Value != nil && finite(*j.Value) {
		st.Rule.Incumbent = *j.Value
	}
	st.Belief.Levels, st.Belief.Vars = kept.Levels, kept.Vars
	st.Claim += kept.Gain
	st.ClaimVar += kept.Var
	st.Gained += kept.Gain
	st.Chain++
	return st
}

// MovedBack is the state after the keep that made the adoption was undone. It
// must be the last one that stands, and not yet certified.
func (st AutoState) MovedBack(kept Adoption, j Judgement) AutoState {
	if st.Rule.Class != Noisy {
		st.Rule = st.Rule.MovedBack(j)
		return st
	}
	m := st.mixture()
	m.shift(kept.Gain, kept.Var)
	st.Belief = m.AutoBelief
	st.Claim -= kept.Gain
	st.ClaimVar = math.Max(0, st.ClaimVar-kept.Var)
	st.Gained -= kept.Gain
	st.Chain = max(0, st.Chain-1)
	return st
}

func (st AutoState) mixture() *mixture { return st.Belief.thaw(st.Rope, st.Top) }

// Repeated tells the state of repeated runs of one version, outside any
// experiment; see RuleState.Repeated. A deterministic metric whose repeats
// differ is noisy from here on, and the belief starts from them.
func (a Auto) Repeated(st AutoState, values []float64) AutoState {
	was := st.Rule.Class
	st.Rule = st.Rule.Repeated(values)
	if was != Deterministic || st.Rule.Class != Noisy {
		return st
	}
	rule := st.Rule
	rule.Values = values
	return a.noisyState(rule)
}
