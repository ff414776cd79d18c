package rules_test

import (
	"math"
	"testing"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/rules"
	"ratchet/internal/research/rulestest"
	"ratchet/internal/testform"
)

// loadProgram is a program of search: auto whose metric is noisy.
func loadProgram() contract.Program {
	program := rulestest.NoisyProgram(contract.Amount{})
	program.Search = rules.SearchAuto

	return program
}

// playLoad calibrates, calm or busy, and judges edits one after the other; answer gives
// a run's value and whether it was contended.
type playLoad struct {
	t       *testing.T
	rule    rules.Rule
	state   rules.RuleState
	repeats int
}

func newLoad(t *testing.T, program contract.Program, version int, busy bool, values ...float64) *playLoad {
	t.Helper()
	p := &playLoad{t: t, rule: rules.NewRuleOfVersion(program, version)}
	var obs []rules.Observation

	for want := p.rule.Calibrate(obs); want != nil; want = p.rule.Calibrate(obs) {
		value := append(values, rulestest.QuietCalibration...)[len(obs)]
		if busy {
			value *= 1.5
		}
		obs = append(obs, rules.Observation{RunRequest: *want, Valid: true, Value: value, Contended: busy})
	}

	var err error
	if p.state, err = p.rule.Calibrated(obs); err != nil {
		t.Fatal(err)
	}

	return p
}

func (p *playLoad) judge(answer func(want rules.RunRequest) (value float64, contended bool)) (
	rules.Judgement, []rules.Observation,
) {
	judgement, obs := rulestest.JudgeWith(p.rule, p.state, func(_ int, want rules.RunRequest) rules.Observation {
		value, contended := answer(want)
		return rules.Observation{Valid: true, Value: value, Contended: contended}
	})
	p.state = p.rule.Close(p.state, rulestest.UsualOutlook, obs, judgement)

	for _, o := range obs {
		if o.Again {
			p.repeats++
		}
	}

	return judgement, obs
}

// A pure rename, as it was seen: the incumbent's sound run was contended, its repetition
// slow, and the candidate ran as ever. Version 0 drops the sound run and claims a gain.
func TestSoundRunOutlivesASlowRepetition(t *testing.T) {
	look := func(side rules.Side, value float64, contended, again bool) rules.Observation {
		role := research.Screen
		if side == rules.Incumbent {
			role = research.Anchor
		}

		return rules.Observation{RunRequest: rules.RunRequest{Side: side, Role: role, Again: again}, Valid: true,
			Value: value, Contended: contended}
	}
	obs := []rules.Observation{look(rules.Candidate, 1000, false, false), look(rules.Incumbent, 1005, true, false),
		look(rules.Incumbent, 1540, false, true), look(rules.Candidate, 995, false, false),
		look(rules.Candidate, 1002, false, false), look(rules.Candidate, 998, false, false)}
	gains := map[int]float64{}

	for _, version := range []int{rules.FirstVersion, rules.CurrentVersion} {
		p := newLoad(t, loadProgram(), version, false, 1500, 1540, 1010, 1600)
		judgement := rules.Judgement{Verdict: research.Inconclusive}
		after := p.rule.Close(p.state, rulestest.UsualOutlook, obs, judgement)
		gains[version] = after.Auto.IfKept.Gain
	}

	if gains[rules.CurrentVersion] > .5*gains[rules.FirstVersion] {
		t.Errorf("a rename is worth %.3f, %.3f by version 0", gains[rules.CurrentVersion], gains[rules.FirstVersion])
	}
}

// A load that meets one side only calls no edit better or worse, whichever side it meets;
// a load that stays meets both, and then the two are compared.
func TestLoadOnOneSideIsNoCall(t *testing.T) {
	for name, c := range map[string]struct {
		busy   bool // the calibration
		loaded func(side rules.Side) bool
		beside bool // the incumbent is run too; a first look that seems worse calls nothing
	}{
		"the edit's runs are slowed":              {false, func(s rules.Side) bool { return s == rules.Candidate }, true},
		"everything is slowed":                    {false, func(rules.Side) bool { return true }, true},
		"the calibration was slowed":              {true, func(rules.Side) bool { return false }, true},
		"the incumbent's runs are always slowed":  {true, func(s rules.Side) bool { return s == rules.Incumbent }, true},
		"nothing is slowed, and nothing was ever": {false, func(rules.Side) bool { return false }, false},
	} {
		p := newLoad(t, loadProgram(), rules.CurrentVersion, c.busy)
		i := 0
		judgement, obs := p.judge(func(want rules.RunRequest) (float64, bool) {
			value := rulestest.QuietCalibration[i%len(rulestest.QuietCalibration)]
			i++

			if c.loaded(want.Side) {
				return 1.5 * value, true
			}

			return value, false
		})

		if judgement.Verdict == research.Regressed ||
			judgement.Verdict == research.Provisional && judgement.Claim.Gain > .02 {
			t.Errorf("%s: a no-op is %s by %v after %d runs", name, judgement.Verdict, judgement.Gain, len(obs))
		}
		incumbent := 0

		for _, o := range obs {
			if o.Side == rules.Incumbent {
				incumbent++
			}
		}

		if c.beside != (incumbent > 0) {
			t.Errorf("%s: the incumbent was run %d times", name, incumbent)
		}
	}
}

// Repetitions end where they do not help: on a machine that stays busy, where the
// calibration was busy, and for a number that load does not change, said or learned.
func TestRepetitionsEndWhereTheyDoNotHelp(t *testing.T) {
	memory := loadProgram()
	memory.Metric.From.Kind = "max_rss"
	size := loadProgram()
	size.Metric.Unit = "kB"
	share := loadProgram()
	share.Metric.Scale = research.ShareScale

	for name, c := range map[string]struct {
		program     contract.Program
		busy        bool // the calibration
		slow        float64
		repeatsCalm bool
		most        int
	}{
		"the load stays":               {loadProgram(), false, 1.2, false, 3},
		"it was there before":          {loadProgram(), true, 1.2, false, 0},
		"memory, as it is said":        {memory, false, 1, false, 0},
		"a size, by its unit":          {size, false, 1, true, 0},
		"a share, as it is said":       {share, false, 1, true, 0},
		"a loss, as it is learned":     {loadProgram(), false, 1, true, 18},
		"a time, which load lengthens": {loadProgram(), false, 1.2, true, 1000},
	} {
		p := newLoad(t, c.program, rules.CurrentVersion, c.busy)
		// Values that come in turn would favour the runs or their repetitions.
		noise := rulestest.Generator(9)

		for range 30 {
			p.judge(func(want rules.RunRequest) (float64, bool) {
				value := 1000 * math.Exp(.007*noise.NormFloat64())

				if want.Again && c.repeatsCalm {
					return value, false
				}

				return c.slow * value, true
			})
		}

		if p.repeats > c.most {
			t.Errorf("%s: %d repetitions in 30 experiments", name, p.repeats)
		}

		if c.most == 1000 && p.repeats < 20 {
			t.Errorf("%s: only %d repetitions in 30 experiments", name, p.repeats)
		}
	}
}

// What is counted is not repeated, whatever a program says of it; failures that load
// brings about are repeated once that has shown.
func TestCountsAreNotRepeated(t *testing.T) {
	for name, c := range map[string]struct {
		of     int // items of the share, 0 for a count
		added  float64
		before int // experiments that meet load in half of their runs, before those that are counted
		most   int
		least  int
	}{
		"failures":                   {0, 0, 0, 0, 0},
		"failures, some met by load": {0, 0, 10, 0, 0},
		"an accuracy":                {40, 0, 0, 0, 0},
		"failures of late runs":      {0, 12, 40, 1000, 3},
	} {
		program := loadProgram()
		values := []float64{8, 11, 9, 12, 10, 7, 13, 9, 10, 11}
		rule := rules.NewRule(program)
		i := 0
		observe := func(contended bool) rules.Observation {
			value := values[i%len(values)]
			i++

			if contended {
				value += c.added
			}

			if c.of > 0 {
				value /= float64(c.of)
			}

			return rules.Observation{Valid: true, Value: value, Of: c.of, Contended: contended}
		}
		var calibration []rules.Observation

		for want := rule.Calibrate(calibration); want != nil; want = rule.Calibrate(calibration) {
			observation := observe(false)
			observation.RunRequest = *want
			calibration = append(calibration, observation)
		}

		state, err := rule.Calibrated(calibration)
		if err != nil {
			t.Fatal(err)
		}
		p := &playLoad{t: t, rule: rule, state: state}

		for n := range c.before + 10 {
			if n == c.before {
				p.repeats = 0
			}
			looks := 0

			p.judge(func(want rules.RunRequest) (float64, bool) {
				looks++
				observation := observe(looks%2 == 1 && !want.Again)

				return observation.Value, observation.Contended
			})
		}

		if p.repeats < c.least || p.repeats > c.most {
			t.Errorf("%s: %d repetitions in 10 experiments, want %d to %d (scale %s, load %+v)", name, p.repeats, c.least, c.most,
				p.state.Scale, *p.state.Load)
		}
	}
}

// A pair is not repeated by version 1: what is wrong with it is recorded with its second run.
func TestPairsAreMadeOnce(t *testing.T) {
	p := newLoad(t, rulestest.NoisyProgram(contract.Amount{}), rules.CurrentVersion, false)

	judgement, obs := p.judge(func(want rules.RunRequest) (float64, bool) {
		if want.Side == rules.Candidate {
			return 900, want.Pair > 0
		}

		return 1000, want.Pair > 0
	})
	if judgement.Verdict != research.Improved || p.repeats > 0 {
		t.Errorf("%s after %d runs, %d repeated", judgement.Verdict, len(obs), p.repeats)
	}
}

// calibrationRuns are the counted runs of a calibration whose runs take so long, and its state.
func calibrationRuns(t *testing.T, program contract.Program, version int, seconds float64, values ...float64) (
	counted int, st rules.RuleState,
) {
	t.Helper()
	rule := rules.NewRuleOfVersion(program, version)
	var obs []rules.Observation

	for want := rule.Calibrate(obs); want != nil; want = rule.Calibrate(obs) {
		obs = append(obs, rules.Observation{RunRequest: *want, Valid: true, Value: values[len(obs)%len(values)],
			Wall: seconds})
		if !want.WarmUp {
			counted++
		}
	}

	st, err := rule.Calibrated(obs)
	if err != nil {
		t.Fatal(err)
	}

	return counted, st
}

func TestCalibrationIsAsLongAsItIsWorth(t *testing.T) {
	auto, certify := loadProgram(), rulestest.NoisyProgram(contract.Amount{})
	guess := loadProgram()
	guess.Metric.Noise = research.NoiseAuto

	for _, c := range []struct {
		name    string
		program contract.Program
		version int
		seconds float64
		values  []float64
		want    int
	}{
		{"short", auto, 1, .4, rulestest.QuietCalibration, 20},
		{"short, certify", certify, 1, .4, rulestest.QuietCalibration, 20},
		{"some seconds", auto, 1, 4, rulestest.QuietCalibration, 6},
		{"half a minute", auto, 1, 29, rulestest.QuietCalibration, 3},
		{"five minutes", auto, 1, 300, rulestest.QuietCalibration, 1},
		{"five minutes, certify", certify, 1, 300, rulestest.QuietCalibration, 8},
		{"five minutes, equal", guess, 1, 300, []float64{7}, 3},
		{"five minutes, nearly equal", guess, 1, 300, []float64{7, 7, 7.01}, 2},
		{"of unknown length", auto, 1, 0, rulestest.QuietCalibration, 3},
		{"version 0", auto, 0, .4, rulestest.QuietCalibration, 3},
		{"version 0, certify", certify, 0, .4, rulestest.QuietCalibration, 8},
	} {
		counted, st := calibrationRuns(t, c.program, c.version, c.seconds, c.values...)
		if counted != c.want {
			t.Errorf("%s: %d counted runs, want %d", c.name, counted, c.want)
		}

		isUnknown := st.NoiseKind == research.Noisy && c.want < 3
		if (st.DescribeUnknownNoise() != "") != isUnknown {
			t.Errorf("%s: %q", c.name, st.DescribeUnknownNoise())
		}

		if isUnknown && (st.Auto.Belief.Unit < .5*st.Auto.Rope || !(st.S > 0)) {
			t.Errorf("%s: two close runs are taken for no noise: %g, %g", c.name, st.Auto.Belief.Unit, st.S)
		}
	}
}

// A gain of 10 % at a noise of 20 % is found where a run takes .4 s and hours are left, and
// a benchmark of five minutes keeps the caps that it had.
func TestCapsFollowTheCostOfARun(t *testing.T) {
	cheap := rules.Outlook{Budget: 90_000, Left: 90_000, Proposals: 100, RunSeconds: .4}
	dear := rules.Outlook{Budget: 120, Left: 120, Proposals: 60, RunSeconds: 300}
	program := rulestest.NoisyProgram(contract.Amount{})
	found := map[float64]int{}
	most := map[float64]int{}

	for _, outlook := range []rules.Outlook{cheap, dear} {
		for seed := uint64(3); seed < 7; seed++ {
			night := rulestest.NewNight(t, rules.NewRule(program), rulestest.NormalNoise(.2), 3, seed)
			night.Calibrate()

			judgement, obs := rulestest.JudgeWithin(outlook, night.Rule, night.State,
				func(_ int, want rules.RunRequest) rules.Observation { return night.Observe(want, math.Log(.9)) })
			if judgement.Verdict == research.Improved {
				found[outlook.RunSeconds]++
			}
			most[outlook.RunSeconds] = max(most[outlook.RunSeconds], len(obs))
		}
	}

	if found[.4] < 3 || most[.4] < 100 || most[300] > 41 {
		t.Errorf("found %v of 4, in up to %v runs", found, most)
	}

	if cheap.AuditPairs() != 30 || dear.AuditPairs() != 6 || cheap.AblationPairs() != 60 || dear.AblationPairs() != 12 {
		t.Errorf("audits of %d and %d pairs, comparisons of %d and %d", cheap.AuditPairs(), dear.AuditPairs(),
			cheap.AblationPairs(), dear.AblationPairs())
	}
}

// The same of search: auto: the gain is worth adopting, after more than 24 looks at most.
func TestLooksFollowTheCostOfARun(t *testing.T) {
	cheap := rules.Outlook{Budget: 90_000, Left: 90_000, Proposals: 100, RunSeconds: .4}
	dear := rules.Outlook{Budget: 3000, Left: 3000, Proposals: 60, RunSeconds: 300}
	longest := map[float64]int{}

	kept, seeds := 0, uint64(5)
	if testform.IsQuick() {
		seeds = 2
	}

	for _, outlook := range []rules.Outlook{cheap, dear} {
		for seed := range seeds {
			night := rulestest.NewNight(t, rules.NewRule(loadProgram()), rulestest.NormalNoise(.2), 4, seed)
			night.Calibrate()

			judgement, obs := rulestest.JudgeWithin(outlook, night.Rule, night.State,
				func(_ int, want rules.RunRequest) rules.Observation { return night.Observe(want, math.Log(.9)) })
			if outlook.RunSeconds < 1 && judgement.Verdict == research.Provisional {
				kept++
			}
			longest[outlook.RunSeconds] = max(longest[outlook.RunSeconds], len(obs))
		}
	}

	if longest[.4] <= 24 || longest[.4] > 300 || longest[300] > 24 || kept+1 < int(seeds) {
		t.Errorf("up to %v looks, %d of %d kept", longest, kept, seeds)
	}
}
