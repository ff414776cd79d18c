package rules_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/rules"
	"ratchet/internal/research/rulestest"
	"ratchet/internal/testform"
)

// searches are both forms of the rule.
var searches = []string{rules.SearchAuto, rules.SearchCertify}

func ruleOf(search string, metric contract.Metric) rules.Rule {
	return rules.NewRule(contract.Program{Search: search, Metric: metric})
}

// calibrateBy is a whole calibration whose runs are made by observe.
func calibrateBy(t *testing.T, rule rules.Rule, observe func() rules.Observation) (rules.RuleState, int) {
	t.Helper()

	var obs []rules.Observation
	for want := rule.Calibrate(obs); want != nil; want = rule.Calibrate(obs) {
		observation := observe()
		observation.RunRequest = *want
		obs = append(obs, observation)
	}

	st, err := rule.Calibrated(obs)
	if err != nil {
		t.Fatal(err)
	}

	return st, len(obs)
}

// share is a valid run in which right of all items were right.
func share(right, all int) rules.Observation {
	o := rulestest.ValidRun(float64(right) / float64(all))
	o.Of = all

	return o
}

func TestScaleOfNumbers(t *testing.T) {
	usage := contract.Metric{From: contract.Source{Kind: "wall"}}
	for _, c := range []struct {
		metric contract.Metric
		runs   []rules.Observation
		want   string
	}{
		{contract.Metric{}, runsOf(3, 4, 3), research.CountScale},
		{contract.Metric{}, runsOf(0, 0, 1), research.CountScale},
		{contract.Metric{}, runsOf(25, 17, 31), research.CountScale},
		{contract.Metric{}, runsOf(250, 217, 231), research.LogScale},
		{contract.Metric{}, runsOf(3.5, 4, 3), research.LogScale},
		{contract.Metric{}, runsOf(3.5, 0, 3), research.LinearScale},
		{contract.Metric{}, runsOf(-3, 4, 3), research.LinearScale},
		{contract.Metric{}, []rules.Observation{share(26, 50), share(25, 50)}, research.ShareScale},
		{contract.Metric{Unit: "ms"}, runsOf(3, 4, 3), research.LogScale},
		{usage, runsOf(3, 4, 3), research.LogScale},
		{contract.Metric{Scale: research.LinearScale}, runsOf(3, 4, 3), research.LinearScale},
		{contract.Metric{Scale: research.ShareScale}, runsOf(.3, .4, .3), research.ShareScale},
		{contract.Metric{Scale: research.CountScale}, runsOf(300, 400, 310), research.CountScale},
	} {
		for _, search := range searches {
			c.metric.Noise = research.Noisy
			i := -1
			st, _ := calibrateBy(t, ruleOf(search, c.metric), func() rules.Observation {
				i++
				return c.runs[i%len(c.runs)]
			})

			if st.Scale != c.want {
				t.Errorf("%s %+v %+v: %s, want %s", search, c.metric, c.runs, st.Scale, c.want)
			}
		}
	}
}

func runsOf(values ...float64) (obs []rules.Observation) {
	for _, v := range values {
		obs = append(obs, rulestest.ValidRun(v))
	}

	return obs
}

func TestLogScaleRefusesAStartOfZero(t *testing.T) {
	rule := ruleOf(rules.SearchAuto, contract.Metric{Name: "gaps", Scale: research.LogScale})
	run := rulestest.ValidRun(0)
	run.WarmUp = true

	_, err := rule.Calibrated([]rules.Observation{run})
	if err == nil || !strings.Contains(err.Error(), "metric.scale is log") {
		t.Errorf("%v", err)
	}
}

// A first look at 0, or at all of a share, is never invalid: a perfect result is one.
func TestPerfectResultsAreNeverInvalid(t *testing.T) {
	testform.SkipQuick(t, "kinds.txtar has a perfect result of each kind")
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		items := 5 + random.IntN(300)
		level := random.Float64()
		high := []float64{2, 30, 5000}[seed%3]

		kinds := map[string]struct {
			run     func() rules.Observation
			perfect rules.Observation
		}{
			"count": {func() rules.Observation {
				return rulestest.ValidRun(math.Ceil(high * (1 + random.Float64())))
			}, rulestest.ValidRun(0)},
			"share at 0": {func() rules.Observation {
				return share(binomial(random, items, level), items)
			}, share(0, items)},
			"share at 1": {func() rules.Observation {
				return share(binomial(random, items, level), items)
			}, share(items, items)},
			"share without items": {func() rules.Observation {
				return rulestest.ValidRun(math.Round(100*(.1+.8*random.Float64())) / 100)
			}, rulestest.ValidRun(0)},
		}

		for name, kind := range kinds {
			for _, search := range searches {
				rule := ruleOf(search, contract.Metric{Better: research.Lower, Noise: research.Noisy})
				st, _ := calibrateBy(t, rule, kind.run)

				judgement, obs := rulestest.JudgeWith(rule, st, func(_ int, want rules.RunRequest) rules.Observation {
					observation := kind.run()
					if want.Side == rules.Candidate {
						observation = kind.perfect
					}

					return observation
				})
				if judgement.Verdict == research.Invalid {
					t.Fatalf("%s, %s, seed %d: %s", name, search, seed, judgement.Reason)
				}

				if next := rule.Close(st, rulestest.UsualOutlook, obs, judgement).AfterKeep(judgement); !(next.S > 0) {
					t.Fatalf("%s, %s, seed %d: no noise is left: %+v", name, search, seed, next)
				}
			}
		}
	}
}

func binomial(random *rand.Rand, n int, p float64) (right int) {
	for range n {
		if random.Float64() < p {
			right++
		}
	}

	return right
}

// A time or a loss of 0 is still a fault.
func TestZeroOfAContinuousNumberIsInvalid(t *testing.T) {
	for _, metric := range []contract.Metric{{Unit: "ms"}, {}} {
		metric.Noise = research.Noisy
		rule := ruleOf(rules.SearchAuto, metric)

		st, _ := rulestest.CalibrateWith(t, rule, 31.25, 30.123456, 32.1)
		judgement, _ := rulestest.JudgeWith(rule, st, func(int, rules.RunRequest) rules.Observation {
			return rulestest.ValidRun(0)
		})

		if judgement.Verdict != research.Invalid || !strings.Contains(judgement.Reason, "metric.scale") {
			t.Errorf("%s: %s %s", metric.Unit, judgement.Verdict, judgement.Reason)
		}
	}
}

// exactShare is how often calibrations infer that a metric is deterministic.
func exactShare(t *testing.T, rule rules.Rule, observe func(*rand.Rand) rules.Observation) (share, runs float64) {
	const calibrations = 2000

	for seed := range uint64(calibrations) {
		random := rand.New(rand.NewPCG(seed, 2))

		st, n := calibrateBy(t, rule, func() rules.Observation { return observe(random) })
		if st.NoiseKind == research.Deterministic {
			share += 1. / calibrations
		}
		runs += float64(n) / calibrations
	}

	return share, runs
}

var noisyNumbers = map[string]func(*rand.Rand) rules.Observation{
	"a judge's 6, 7 or 8": func(r *rand.Rand) rules.Observation {
		return rulestest.ValidRun([]float64{6, 7, 7, 7, 8}[r.IntN(5)])
	},
	"6, 7 or 8, each as often": func(r *rand.Rand) rules.Observation {
		return rulestest.ValidRun(6 + float64(r.IntN(3)))
	},
	"a count around 1": func(r *rand.Rand) rules.Observation { return rulestest.ValidRun(float64(r.IntN(3))) },
	"26 of 50":         func(r *rand.Rand) rules.Observation { return share(binomial(r, 50, .52), 50) },
	"19 of 20":         func(r *rand.Rand) rules.Observation { return share(binomial(r, 20, .95), 20) },
	"19 of 30 as a decimal": func(r *rand.Rand) rules.Observation {
		return rulestest.ValidRun(float64(19+r.IntN(2)) / 30)
	},
	"a timer of .01 s": func(r *rand.Rand) rules.Observation { return rulestest.ValidRun(rounded(r, .05, .13, 100)) },
	"milliseconds, whole": func(r *rand.Rand) rules.Observation {
		return rulestest.ValidRun(rounded(r, 1200, .001, 1))
	},
	"bytes": func(r *rand.Rand) rules.Observation { return rulestest.ValidRun(rounded(r, 48213, .001, 1)) },
}

// rounded is a value with normal noise, a share of it, in steps of 1/per.
func rounded(r *rand.Rand, value, noise, per float64) float64 {
	return math.Round(value*(1+noise*r.NormFloat64())*per) / per
}

// Noise is not mistaken for none because a number of few steps came out equal.
func TestNoisyNumbersAreNotDeterministic(t *testing.T) {
	for name, observe := range noisyNumbers {
		for _, search := range searches {
			isJudge := name == "a judge's 6, 7 or 8"
			if search == rules.SearchAuto && !isJudge { // the same question, and slower
				continue
			}

			share, _ := exactShare(t, ruleOf(search, contract.Metric{Noise: research.NoiseAuto}), observe)
			if isJudge {
				t.Logf("%s, %s: %.2f %% of calibrations infer none", name, search, 100*share)
			}

			if share > .01 {
				t.Errorf("%s, %s: %.1f %% of calibrations infer that there is no noise", name, search, 100*share)
			}
		}
	}
}

// Where there is no noise that is found out, the faster the finer the number is.
func TestExactNumbersAreDeterministic(t *testing.T) {
	for _, c := range []struct {
		observation rules.Observation
		runs        int
	}{
		{rulestest.ValidRun(48213), 4},
		{rulestest.ValidRun(3.141592653589793), 4},
		{rulestest.ValidRun(1000), 5},
		{rulestest.ValidRun(523), 9},
		{rulestest.ValidRun(100), 10},
		{rulestest.ValidRun(7), 10},
		{rulestest.ValidRun(0), 10},
		{rulestest.ValidRun(.52), 10},
		{rulestest.ValidRun(16. / 30), 10},
		{share(26, 50), 10},
		{share(5213, 10000), 4},
	} {
		for _, search := range searches {
			rule := ruleOf(search, contract.Metric{Noise: research.NoiseAuto})

			st, runs := calibrateBy(t, rule, func() rules.Observation { return c.observation })
			if st.NoiseKind != research.Deterministic || runs != c.runs {
				t.Errorf("%s %v of %d: %s after %d runs, want %d", search, c.observation.Value, c.observation.Of,
					st.NoiseKind, runs, c.runs)
			}
		}
	}
}

// Items that change places are noise, whatever their sum.
func TestChangingItemsAreNoNumberWithoutNoise(t *testing.T) {
	orders := []research.Outcomes{{1, 0, 1, 0}, {0, 1, 0, 1}}
	i := 0

	st, _ := calibrateBy(t, ruleOf(rules.SearchAuto, contract.Metric{}), func() rules.Observation {
		i++
		run := share(2, 4)
		run.Items = orders[i%2]

		return run
	})
	if st.NoiseKind != research.Noisy {
		t.Error("2 of 4 other items each time count as deterministic")
	}
}

// A candidate that makes an exact number random is kept only where two lucky runs are equal.
func TestLuckyCandidatesAreNotKept(t *testing.T) {
	const seeds = 1000
	candidates := map[string]struct {
		start float64
		run   func(*rand.Rand) float64
		most  float64 // share of candidates whose second run is equal and better
	}{
		"a normal number":  {100.5, func(r *rand.Rand) float64 { return 100.5 + 5*r.NormFloat64() }, 0},
		"a rounded number": {48213, func(r *rand.Rand) float64 { return rounded(r, 48213, .01, 1) }, .003},
		"one of two":       {100, func(r *rand.Rand) float64 { return 90 + 20*float64(r.IntN(2)) }, .25 + .045},
	}

	for name, c := range candidates {
		for _, search := range searches {
			for _, noise := range []research.NoiseKind{research.NoiseAuto, research.Deterministic} {
				rule := ruleOf(search, contract.Metric{Better: research.Lower, Noise: noise})
				st, _ := rulestest.CalibrateWith(t, rule, c.start)
				kept := 0

				for seed := range uint64(seeds) {
					random := rand.New(rand.NewPCG(seed, 3))
					judgement, obs := judgeLucky(rule, st, c.start, func() float64 { return c.run(random) })

					switch judgement.Verdict {
					case research.Improved, research.Provisional:
						kept++
					case research.Invalid:
						if !strings.Contains(judgement.Reason, "random") || len(obs) != 3 {
							t.Fatalf("%s: %s after %d runs", name, judgement.Reason, len(obs))
						}
					}

					if next := rule.Close(st, rulestest.UsualOutlook, obs, judgement); next.NoiseKind != st.NoiseKind {
						t.Fatalf("%s: one edit made the metric %s", name, next.NoiseKind)
					}
				}

				if share := float64(kept) / seeds; share > c.most {
					t.Errorf("%s, %s, %s: %.1f %% kept", name, search, noise, 100*share)
				}
			}
		}
	}
}

// judgeLucky judges a candidate that run makes, against an incumbent that stays.
func judgeLucky(
	rule rules.Rule, st rules.RuleState, incumbent float64, run func() float64,
) (rules.Judgement, []rules.Observation) {
	return rulestest.JudgeWith(rule, st, func(_ int, want rules.RunRequest) rules.Observation {
		if want.Side == rules.Incumbent {
			return rulestest.ValidRun(incumbent)
		}

		return rulestest.ValidRun(run())
	})
}

// A metric that was taken for deterministic, and is not, is noisy from the experiment on
// that shows it: the same experiment is then judged with noise.
func TestDifferingIncumbentDemotes(t *testing.T) {
	for _, search := range searches {
		program := contract.Program{Search: search, Metric: contract.Metric{Better: research.Lower}}
		rule := rules.NewRule(program)
		st, _ := rulestest.CalibrateWith(t, rule, 100.25)
		next := 0

		judgement, obs := rulestest.JudgeWith(rule, st, func(i int, want rules.RunRequest) rules.Observation {
			next++
			return rulestest.ValidRun(100.25 + float64(next%5-2))
		})

		after := rule.Close(st, rulestest.UsualOutlook, obs, judgement)
		if after.NoiseKind != research.Noisy || !after.Demoted || after.Note == "" || !(after.S > 0) {
			t.Errorf("%s: %+v after %d runs", search, after, len(obs))
		}

		if judgement.StoppedBy == "one_run" || judgement.Verdict == research.Improved {
			t.Errorf("%s: %s by %s", search, judgement.Verdict, judgement.StoppedBy)
		}
	}
}

// States of the rule's first version are judged by one run, as they were.
func TestFirstVersionIsJudgedAsBefore(t *testing.T) {
	for _, search := range searches {
		program := contract.Program{Search: search,
			Metric: contract.Metric{Better: research.Lower, Noise: research.NoiseAuto}}
		rule := rules.NewRuleOfVersion(program, rules.FirstVersion)

		st, obs := rulestest.CalibrateWith(t, rule, 9, 7, 7, 7)
		if st.NoiseKind != research.Deterministic || len(obs) != 4 || st.Scale != rules.LogScale || st.Step != 0 {
			t.Errorf("%s: %d runs, %+v", search, len(obs), st)
		}

		judgement, judged := rulestest.JudgeWith(rules.NewRule(program), st,
			func(int, rules.RunRequest) rules.Observation {
				return rulestest.ValidRun(6)
			})
		if judgement.Verdict != research.Improved || len(judged) != 1 || judgement.Scale != rules.LogScale {
			t.Errorf("%s: %s after %d runs", search, judgement.Verdict, len(judged))
		}

		noisy, _ := rulestest.CalibrateWith(t, rules.NewRuleOfVersion(program, rules.FirstVersion), 3, 3, 4, 3, 2)
		if noisy.NoiseKind != research.Noisy {
			t.Fatalf("%s: %+v", search, noisy)
		}

		zero, _ := rulestest.JudgeWith(rules.NewRule(program), noisy, func(int, rules.RunRequest) rules.Observation {
			return rulestest.ValidRun(0)
		})
		if zero.Verdict != research.Invalid {
			t.Errorf("%s: a count of 0 is %s in the first version", search, zero.Verdict)
		}
	}
}

// The noise of a share and of a count is at first that of the counting, and what the
// runs show as soon as they contradict it.
func TestNoiseOfCounting(t *testing.T) {
	for _, c := range []struct {
		name   string
		obs    []rules.Observation
		lo, hi float64 // of a pair's standard deviation
	}{
		{"26 of 50", []rules.Observation{share(26, 50), share(23, 50), share(30, 50), share(22, 50), share(27, 50),
			share(25, 50)}, .08, .15},
		{"26 of 50, alike by luck", []rules.Observation{share(26, 50), share(27, 50), share(26, 50), share(27, 50)},
			.08, .2},
		{"a count near 4", runsOf(3, 4, 6, 3, 5, 4, 2, 5, 4), 2.5, 4.5},
		{"a count that hardly varies", runsOf(3, 4, 3, 3, 4, 3, 3, 3, 3), .4, 1.5},
		{"overdispersed", runsOf(3, 14, 1, 9, 25, 2, 17, 3, 8), 8, 25},
		{"large and steady", runsOf(19, 10000, 10002, 10001, 10000, 9999, 10000, 10001, 10001), 0, 3},
	} {
		i := -1
		metric := contract.Metric{Noise: research.Noisy}
		if c.name == "large and steady" {
			metric.Scale = research.CountScale
		}

		search := rules.SearchCertify
		if len(c.obs) < 5 {
			search = rules.SearchAuto // three runs
		}

		st, _ := calibrateBy(t, ruleOf(search, metric), func() rules.Observation {
			i++
			return c.obs[i%len(c.obs)]
		})
		if st.S < c.lo || st.S > c.hi {
			t.Errorf("%s: a pair has %.3g on %s, want %v to %v", c.name, st.S, st.Scale, c.lo, c.hi)
		}
	}
}

// Two runs over the same items tell the noise better than their sums.
func TestItemsTellTheNoise(t *testing.T) {
	const n, unsure = 200, 20 // of the items
	random := rand.New(rand.NewPCG(1, 4))

	observe := func() rules.Observation {
		items := make(research.Outcomes, n)
		right := 0.

		for i := range items {
			isRight := i%2 == 0
			if i < unsure {
				isRight = random.IntN(2) == 0
			}

			if isRight {
				items[i] = 1
			}
			right += items[i]
		}

		run := rulestest.ValidRun(right / n)
		run.Of, run.Items = n, items

		return run
	}

	st, _ := calibrateBy(t, ruleOf(rules.SearchAuto, contract.Metric{Noise: research.Noisy}), observe)

	truth := math.Sqrt(unsure*.25) / n
	if sd := math.Sqrt(st.ItemVar); sd < .7*truth || sd > 1.4*truth {
		t.Errorf("a run's noise by its items is %.4f, in truth %.4f", sd, truth)
	}

	if binomial := st.ShareError(n); binomial < 2.5*truth {
		t.Errorf("the binomial says %.4f", binomial)
	}
}

func TestShareError(t *testing.T) {
	st, _ := calibrateBy(t, ruleOf(rules.SearchAuto, contract.Metric{Noise: research.Noisy}),
		func() rules.Observation { return share(26, 50) })
	if got := fmt.Sprintf("%.3f %.3f", st.ShareError(50), st.ShareError(400)); got != "0.071 0.025" {
		t.Error(got)
	}
}

func TestAdviseItems(t *testing.T) {
	for _, c := range []struct {
		metric contract.Metric
		run    rules.Observation
		want   string
	}{
		{contract.Metric{}, share(26, 50),
			"26/50: by the choice of the items one run tells ±7.1 points (a standard error); 400 items tell ±2.5"},
		{contract.Metric{}, share(900, 1000), ""},
		{contract.Metric{}, rulestest.ValidRun(.5), ""},
		{contract.Metric{Unit: "%"}, rules.Observation{Valid: true, Value: 100, Of: 20},
			"20/20: by the choice of the items one run tells ±3.4 points (a standard error); 160 items tell ±1.2"},
	} {
		if got := rules.AdviseItems(c.metric, c.run); got != c.want {
			t.Errorf("%+v: %q, want %q", c.run, got, c.want)
		}
	}
}

// The smallest gain of a count or a share that is worth having is one item.
func TestRopeIsAnItem(t *testing.T) {
	for _, c := range []struct {
		observation rules.Observation
		gain        float64
		want        float64
	}{
		{rulestest.ValidRun(5), 0, 1}, {rulestest.ValidRun(5), 3, 3}, {rulestest.ValidRun(5), .2, 1},
		{share(26, 50), 0, .02}, {share(26, 50), .1, .1},
	} {
		metric := contract.Metric{Noise: research.Noisy, MinGain: contract.Amount{Value: c.gain}, MinGainSet: true}

		st, _ := calibrateBy(t, ruleOf(rules.SearchAuto, metric), func() rules.Observation { return c.observation })
		if math.Abs(st.Auto.Rope-c.want) > 1e-12 {
			t.Errorf("%+v, min_gain %v: a rope of %v", c.observation, c.gain, st.Auto.Rope)
		}
	}
}
