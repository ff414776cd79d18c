package rules_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/rules"
	"ratchet/internal/research/rulestest"
)

func autoRule(better research.Direction) rules.Auto {
	return rules.Auto{
		Metric: contract.Metric{Name: "time", Better: better, Noise: research.Noisy, MinGainSet: true},
		Rope:   .003,
	}
}

func timing(y float64) float64 { return math.Exp(y) }

// story is what a fixed little campaign decides.
func story(t *testing.T, rule rulestest.FullRule, turn func(float64) float64) []string {
	b := rulestest.NewBench(t, rule, turn)
	var said []string

	for _, effect := range []float64{0, .04, -.03, 0, .01, -.06} {
		j := b.Try(effect)
		said = append(said, string(j.Verdict)+" "+j.StoppedBy)
	}
	obs, c := b.Certify()
	b.CloseCertificate(obs, c)

	return append(said, fmt.Sprint(c.Outcome, " ", c.StoppedBy, " ", len(obs)))
}

// turnFaults says, by the name of the change, what a campaign decides otherwise
// where only direction or unit of the metric differ.
func turnFaults(t *testing.T, rule func(research.Direction) rulestest.FullRule) map[string]string {
	want, faults := story(t, rule(research.Lower), timing), map[string]string{}
	t.Log(want)

	turns := map[string]struct {
		better research.Direction
		turn   func(float64) float64
	}{
		"higher is better": {research.Higher, func(y float64) float64 { return math.Exp(-y) }},
		"a thousandfold":   {research.Lower, func(y float64) float64 { return 1000 * math.Exp(y) }},
	}
	for name, c := range turns {
		if diff := cmp.Diff(want, story(t, rule(c.better), c.turn)); diff != "" {
			faults[name] = diff
		}
	}

	return faults
}

// Direction and unit are nothing to the rule: turned round or a thousand times
// larger, the same campaign decides the same.
func TestAutoHasNoDirectionAndNoUnit(t *testing.T) {
	whole := func(better research.Direction) rulestest.FullRule { return autoRule(better) }
	for name, diff := range turnFaults(t, whole) {
		t.Errorf("%s: %s", name, diff)
	}
}

// On the linear scale a thousandfold unit with a thousandfold rope is the same campaign.
func TestAutoLinearScale(t *testing.T) {
	one := rulestest.NewBench(t, autoRule(research.Lower), func(y float64) float64 { return y })
	rule := autoRule(research.Lower)
	rule.Rope *= 1000

	thousand := rulestest.NewBench(t, rule, func(y float64) float64 { return 1000 * y })
	for _, effect := range []float64{-.05, 0, .05} {
		a, b := one.Try(effect), thousand.Try(effect)
		if a.Verdict != b.Verdict || math.Abs(a.Gain.Mid*1000-b.Gain.Mid) > 1e-6 {
			t.Errorf("effect %v: %v %v, a thousandfold %v %v", effect, a.Verdict, a.Gain, b.Verdict, b.Gain)
		}
	}
}

// The state says the same after a journey through JSON.
func TestRuleStateSurvivesJSON(t *testing.T) {
	b := rulestest.NewBench(t, autoRule(research.Lower), timing)
	for _, effect := range []float64{0, -.03, .02} {
		b.Try(effect)
	}

	text, err := json.Marshal(b.State)
	if err != nil {
		t.Fatal(err)
	}

	var back rules.RuleState
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(b.State, back); diff != "" {
		t.Error(diff)
	}

	if len(text) > 16<<10 {
		t.Errorf("a state takes %d bytes", len(text))
	}
}

// The belief finds the effect and the noise, and the given state stays as it was.
func TestAutoLearns(t *testing.T) {
	if fault := learningFault(t, autoRule(research.Lower)); fault != "" {
		t.Fatal(fault)
	}
}

func learningFault(t *testing.T, rule rulestest.FullRule) string {
	b := rulestest.NewBench(t, rule, timing)
	before, _ := json.Marshal(b.State)
	var obs []rules.Observation

	for i := range 400 {
		w := rules.RunRequest{Side: rules.Candidate, Role: research.Screen}

		level := -.03
		if i%2 == 1 {
			w, level = rules.RunRequest{Side: rules.Incumbent, Role: research.Anchor}, 0
		}

		obs = append(obs, b.Observe(w, level))
	}
	j := b.Rule.Next(b.State, b.Outlook, obs).Done
	after, _ := json.Marshal(b.State)

	if j == nil || j.Verdict != research.Provisional || math.Abs(j.Gain.Mid-.03) > .006 ||
		math.Abs(-j.Noise-.02) > .008 && math.Abs(j.Noise-.02) > .008 {
		return fmt.Sprintf("after 400 runs of an edit that gains 3 %%: %+v", j)
	}

	if string(before) != string(after) {
		return "Next changed the state it was given"
	}

	return ""
}

// One pair, however strong, may be one event.
func TestAutoCertifiesOnNoSinglePair(t *testing.T) {
	if fault := singlePairFault(t, autoRule(research.Lower)); fault != "" {
		t.Fatal(fault)
	}
}

func singlePairFault(t *testing.T, rule rulestest.FullRule) string {
	b := rulestest.NewBench(t, rule, timing)

	b.State.Auto.Claim, b.State.Auto.ClaimVar, b.State.Auto.Chain = 1, .01, 3
	for _, effect := range []float64{-1, -3} {
		b.Head = effect

		obs, c := b.Certify()
		if c.Outcome != rules.Certified || c.Pairs < 2 {
			return fmt.Sprintf("effect %v: %s after %d pairs", effect, c.Outcome, c.Pairs)
		}

		if step := b.Rule.NextPair(b.State, b.Outlook, obs[:2]); step.Run == nil || step.Run.Pair != 2 {
			return fmt.Sprintf("effect %v: after one pair %+v", effect, step.Done)
		}
	}

	return ""
}

// A certificate's null is "gain <= min_gain": a head that gains less is rolled back.
func TestAutoCertifiesNoLessThanMinGain(t *testing.T) {
	for _, c := range []struct {
		minGain float64
		want    rules.Outcome
	}{{0, rules.Certified}, {.05, rules.RolledBack}} {
		rule := autoRule(research.Lower)

		rule.Metric.MinGain = contract.Amount{Value: c.minGain, Relative: true}
		for seed := range uint64(10) {
			b := rulestest.NewBench(t, rule, timing)
			b.Rand = rand.New(rand.NewPCG(33, seed))

			b.State.Auto.Claim, b.State.Auto.ClaimVar, b.State.Auto.Chain, b.Head = .08, .01, 3, -.035
			if _, cert := b.Certify(); cert.Outcome != c.want {
				t.Errorf("min_gain %v, seed %d: %s", c.minGain, seed, cert.Describe(rule.Metric))
			}
		}
	}
}

// What is not a number ends the experiment as invalid and never reaches the belief.
func TestAutoNeverBelievesNaN(t *testing.T) {
	if fault := numberFault(t, autoRule(research.Lower)); fault != "" {
		t.Fatal(fault)
	}
}

func numberFault(t *testing.T, rule rulestest.FullRule) string {
	b := rulestest.NewBench(t, rule, timing)

	first := rules.Observation{RunRequest: rules.RunRequest{Side: rules.Candidate, Role: research.Screen}, Valid: true,
		Value: 1}
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, -1, 1e300} {
		bad := first

		bad.Value = v
		for _, obs := range [][]rules.Observation{{bad}, {first, bad}} {
			j := b.Rule.Next(b.State, b.Outlook, obs).Done
			if j == nil || j.Verdict != research.Invalid {
				return fmt.Sprintf("%v: %+v", v, j)
			}

			if diff := cmp.Diff(b.State, b.Rule.Close(b.State, b.Outlook, obs, *j)); diff != "" {
				return fmt.Sprintf("%v reached the state: %s", v, diff)
			}
		}

		if step := b.Rule.NextPair(b.State, b.Outlook, []rules.Observation{bad}); step.Done == nil ||
			step.Done.Outcome != rules.RolledBack {
			return fmt.Sprintf("no claim, and yet %+v", step)
		}
	}

	return ""
}

// An invalid half of a pair is run again, and the third ends the certificate.
func TestAutoCertificateRepeatsFailedRuns(t *testing.T) {
	b := rulestest.NewBench(t, autoRule(research.Lower), timing)
	b.State.Auto.Claim, b.State.Auto.ClaimVar, b.State.Auto.Chain = .5, .01, 3

	var obs []rules.Observation
	for range 2 {
		w := b.Rule.NextPair(b.State, b.Outlook, obs).Run
		if w == nil || w.Pair != 1 || w.Side != rules.Checkpoint || w.Order != "BC" {
			t.Fatalf("%+v", w)
		}
		obs = append(obs, rules.Observation{RunRequest: *w, Reason: "it failed"})
	}

	obs = append(obs, obs[0])
	if c := b.Rule.NextPair(b.State, b.Outlook, obs).Done; c == nil || c.Outcome != rules.RolledBack ||
		c.StoppedBy != "invalid" {
		t.Fatalf("%+v", c)
	}
}

// A head that breaks a guard's bound in one run of its certificate is rolled back, also
// where a pair is only half done; a checkpoint's run has no bound.
func TestAutoCertificateEndsAtBrokenGuard(t *testing.T) {
	const reason = "guard errors = 1 breaks max 0"

	b := rulestest.NewBench(t, autoRule(research.Lower), timing)
	b.State.Auto.Claim, b.State.Auto.ClaimVar, b.State.Auto.Chain = .5, .01, 3

	var obs []rules.Observation
	for _, broken := range []string{"", "", reason} {
		w := b.Rule.NextPair(b.State, b.Outlook, obs).Run
		if w == nil {
			t.Fatalf("it ends after %d runs", len(obs))
		}
		obs = append(obs, rules.Observation{RunRequest: *w, Valid: broken == "", Reason: broken, BrokenGuard: broken,
			Value: 100})
	}

	if c := b.Rule.NextPair(b.State, b.Outlook, obs).Done; c == nil || c.Outcome != rules.RolledBack ||
		c.StoppedBy != "guard" || c.Reason != reason || c.Runs != 3 {
		t.Fatalf("%+v", c)
	}
}

// An audit's head is held to the growth of its guards, by the medians of its runs.
func TestGrownGuard(t *testing.T) {
	guards := []contract.Guard{{Name: "kb", MaxGrowth: &contract.Amount{Value: .1, Relative: true}},
		{Name: "errors"}}
	state := rules.RuleState{Start: map[string]float64{"kb": 100}}

	audit := func(start float64, head ...float64) (obs []rules.Observation) {
		for _, kb := range head {
			for side, v := range map[rules.Side]float64{rules.Start: start, rules.Incumbent: kb} {
				obs = append(obs, rules.Observation{RunRequest: rules.RunRequest{Side: side}, Valid: true,
					Guards: map[string]float64{"kb": v}})
			}
		}

		return obs
	}

	for _, c := range []struct {
		obs  []rules.Observation
		want bool
	}{
		{audit(100, 105, 106, 107), false},
		{audit(100, 120, 105, 106), false}, // one run of three
		{audit(100, 120, 121, 105), true},
		{audit(120, 121, 120, 121), false}, // the start has grown alike: the machine did it
		{nil, false},
	} {
		if got := rules.GrownGuard(guards, state, c.obs); (got != "") != c.want {
			t.Errorf("%+v: %q", c.obs, got)
		}
	}
}

// Calibration runs that happen to be equal do not stop the belief.
func TestAutoGoesOnAfterEqualCalibration(t *testing.T) {
	if fault := equalFault(t, autoRule(research.Lower)); fault != "" {
		t.Fatal(fault)
	}
}

func equalFault(t *testing.T, rule rulestest.FullRule) string {
	var obs []rules.Observation
	for w := rule.Calibrate(obs); w != nil; w = rule.Calibrate(obs) {
		obs = append(obs, rules.Observation{RunRequest: *w, Valid: true, Value: 5})
	}

	st, err := rule.Calibrated(obs)
	if err != nil || st.NoiseKind != research.Noisy {
		return fmt.Sprintf("%v, class %q", err, st.NoiseKind)
	}

	b := &rulestest.Bench{T: t, Rule: rule, State: st, Rand: rand.New(rand.NewPCG(32, 1)), Sigma: .02,
		Turn: func(y float64) float64 { return 5 * math.Exp(y) }, Outlook: rules.Outlook{Budget: 300, Left: 290,
			Proposals: 100}}
	for range 30 {
		b.Try(0)
	}

	j := b.Try(-.2)
	if j.Verdict != research.Provisional || math.Abs(j.Gain.Mid-.18) > .06 {
		return fmt.Sprintf("after thirty edits at 2 %% noise: %+v", j)
	}

	return ""
}

// e-LOND may not spend more than the whole.
func TestAutoAlphaSumsBelowFivePercent(t *testing.T) {
	if sum := autoAlphaSum(func(i int) float64 { return rules.AutoAlpha(i, 0) }); sum > .05 {
		t.Fatalf("the levels add up to %v", sum)
	}
}

func autoAlphaSum(at func(int) float64) float64 {
	sum := 0.0
	for i := 1; i <= 1_000_000; i++ {
		sum += at(i)
	}

	return sum + .05*math.Pow(1_000_001, -.6)/.6/1.29 // what is beyond, at most
}

// A keep undone takes its claim with it.
func TestAutoMovesBack(t *testing.T) {
	b := rulestest.NewBench(t, autoRule(research.Lower), timing)
	var obs []rules.Observation

	step := b.Rule.Next(b.State, b.Outlook, obs)
	for ; step.Run != nil; step = b.Rule.Next(b.State, b.Outlook, obs) {
		obs = append(obs, b.Observe(*step.Run, map[rules.Side]float64{rules.Candidate: -.2}[step.Run.Side]))
	}
	closed := b.Rule.Close(b.State, b.Outlook, obs, *step.Done)

	back := closed.AfterKeep(*step.Done).AfterUndo(*step.Done)
	if a := back.Auto; a.Chain != 0 || math.Abs(a.Claim) > 1e-12 || math.Abs(a.Gained) > 1e-12 {
		t.Errorf("chain %d, claim %v, gained %v", a.Chain, a.Claim, a.Gained)
	}
}

// calibratedAuto is a rule with its first state at 2 % noise, and the generator of more of it.
func calibratedAuto(b *testing.B) (rules.Auto, rules.RuleState, *rand.Rand) {
	b.Helper()
	rule := autoRule(research.Lower)
	var obs []rules.Observation

	r := rand.New(rand.NewPCG(1, 2))
	for w := rule.Calibrate(obs); w != nil; w = rule.Calibrate(obs) {
		obs = append(obs, rules.Observation{RunRequest: *w, Valid: true, Value: math.Exp(.02 * r.NormFloat64())})
	}

	st, err := rule.Calibrated(obs)
	if err != nil {
		b.Fatal(err)
	}

	return rule, st, r
}

// Deciding the 24th look, which replays all before it, is the dearest decision
// of an experiment.
func BenchmarkAutoNext(b *testing.B) {
	rule, st, r := calibratedAuto(b)
	o := rules.Outlook{Budget: 1000, Left: 900, Proposals: 50}

	looks := make([]rules.Observation, 0, 23)
	for len(looks) < 23 {
		looks = append(looks,
			rules.Observation{RunRequest: rules.RunRequest{Side: rules.Candidate, Role: research.Screen},
				Valid: true, Value: math.Exp(.02 * r.NormFloat64())})
	}

	for b.Loop() {
		rule.Next(st, o, looks)
	}
}

// The 60th pair of a certificate replays all before it.
func BenchmarkAutoNextPair(b *testing.B) {
	rule, st, r := calibratedAuto(b)
	st.Auto.Claim, st.Auto.Chain = .004, 1
	var pairs []rules.Observation

	for i := 1; i <= 59; i++ {
		for _, side := range []rules.Side{rules.Checkpoint, rules.Incumbent} {
			pairs = append(pairs,
				rules.Observation{RunRequest: rules.RunRequest{Side: side, Role: research.Confirm, Pair: i},
					Valid: true, Value: math.Exp(.02 * r.NormFloat64())})
		}
	}

	o := rules.Outlook{Budget: 1000, Left: 900, Proposals: 50}
	for b.Loop() {
		rule.NextPair(st, o, pairs)
	}
}
