package rules_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/rules"
	"ratchet/internal/research/rulestest"
)

func everyPair(int) bool { return true }
func noPair(int) bool    { return false }

// oneSided plays a useless edit, or one that gains, with others loading the machine
// beside the incumbent's half of some pairs; isTold says which of these count as unequal.
func oneSided(t *testing.T, effect float64, isLoaded, isTold func(pair int) bool) *rules.Judgement {
	t.Helper()
	program := rulestest.NoisyProgram(contract.Amount{})
	program.Search = rules.SearchCertify
	rule, rnd := rules.NewRule(program), rand.New(rand.NewPCG(5, 6))

	run := func(want rules.RunRequest, level float64) rules.Observation {
		value := 1000 * math.Exp(level+.01*rnd.NormFloat64())
		return rules.Observation{RunRequest: want, Valid: true, Value: value,
			Guards: map[string]float64{program.Metric.Name: value}}
	}

	var obs []rules.Observation
	for want := rule.Calibrate(obs); want != nil; want = rule.Calibrate(obs) {
		obs = append(obs, run(*want, 0))
	}

	state, err := rule.Calibrated(obs)
	if err != nil {
		t.Fatal(err)
	}

	outlook := rules.Outlook{Budget: 1000, Left: 1000, Proposals: 10}
	obs = nil

	for {
		step := rule.Next(state, outlook, obs)
		if step.Done != nil {
			return step.Done
		}
		level, loaded := 0.0, step.Run.Pair > 0 && isLoaded(step.Run.Pair)

		switch {
		case step.Run.Role == research.Screen:
			level = -.05 // what lets the test begin
		case step.Run.Side == rules.Candidate:
			level = effect
		case loaded:
			level = .06
		}
		observation := run(*step.Run, level)
		isSecond := len(obs) > 0 && obs[len(obs)-1].Pair == step.Run.Pair
		observation.Unequal = isSecond && loaded && isTold(step.Run.Pair)
		obs = append(obs, observation)
	}
}

// Load beside the incumbent's runs alone certifies nothing, whether it is there in all
// pairs or in some, and the judgement says why. Taken for equal, the same runs would.
func TestOneSidedLoadIsNoEvidence(t *testing.T) {
	for name, isLoaded := range map[string]func(int) bool{
		"all pairs":     everyPair,
		"every other":   func(n int) bool { return n%2 == 0 },
		"three of four": func(n int) bool { return n%4 != 0 },
	} {
		t.Run(name, func(t *testing.T) {
			if judgement := oneSided(t, 0, isLoaded, noPair); judgement.Verdict != research.Improved {
				t.Fatalf("the load alone does not do it: %+v", judgement)
			}

			judgement := oneSided(t, 0, isLoaded, everyPair)
			if judgement.Verdict == research.Improved || judgement.Unequal == 0 {
				t.Errorf("%s by %s after %d pairs and %d unequal ones: %s", judgement.Verdict, judgement.StoppedBy,
					judgement.Pairs, judgement.Unequal, judgement.Reason)
			}

			if judgement.Pairs > 0 && judgement.Gain.Mid > .03 {
				t.Errorf("it claims %v", *judgement.Gain)
			}
		})
	}

	if judgement := oneSided(t, 0, everyPair, everyPair); judgement.StoppedBy != "unequal" ||
		!strings.Contains(judgement.Reason, "did not count") {
		t.Errorf("stopped by %s: %s", judgement.StoppedBy, judgement.Reason)
	}
}

// Load whose difference is missed in one pair of twelve proves nothing by these, neither for
// a useless edit nor for one that is as much worse as the load makes the incumbent.
func TestMissedDifferencesAreNoEvidence(t *testing.T) {
	isTold := func(n int) bool { return n%12 != 5 }

	for name, effect := range map[string]float64{"a useless edit": 0, "a loss as large as the load": .06} {
		judgement := oneSided(t, effect, everyPair, isTold)
		if judgement.Verdict == research.Improved || judgement.Unequal == 0 {
			t.Errorf("%s: %s by %s after %d pairs and %d unequal ones", name, judgement.Verdict, judgement.StoppedBy,
				judgement.Pairs, judgement.Unequal)
		}
	}
}

// A gain is still shown where every fifth pair is disturbed, by those that are not.
func TestDisturbedPairsAreMadeUpFor(t *testing.T) {
	judgement := oneSided(t, -.06, func(n int) bool { return n%5 == 1 }, everyPair)
	if judgement.Verdict != research.Improved || judgement.Unequal == 0 || math.Abs(judgement.Gain.Mid-.058) > .02 {
		t.Errorf("%s, %v, %d unequal", judgement.Verdict, judgement.Gain, judgement.Unequal)
	}
}

// On a machine that is always busy, where two pairs in three do not count and the first
// seven are among them, a large gain is shown all the same.
func TestLargeGainOnABusyMachine(t *testing.T) {
	judgement := oneSided(t, -.4, func(n int) bool { return n < 8 || n%3 != 0 }, everyPair)
	if judgement.Verdict != research.Improved || judgement.Unequal < 7 {
		t.Errorf("%s by %s after %d pairs and %d unequal ones: %s", judgement.Verdict, judgement.StoppedBy,
			judgement.Pairs, judgement.Unequal, judgement.Reason)
	}
}

// A candidate can't choose which pairs count: those against it that it makes unequal
// are in the evidence all the same.
func TestUnequalPairsAreNoChoice(t *testing.T) {
	program := rulestest.NoisyProgram(contract.Amount{})
	program.Search = rules.SearchCertify
	improved := 0

	for seed := range uint64(40) {
		rule, rnd := rules.NewRule(program), rand.New(rand.NewPCG(seed, 8))
		value := func() float64 { return 1000 * math.Exp(.02*rnd.NormFloat64()) }

		var obs []rules.Observation
		for want := rule.Calibrate(obs); want != nil; want = rule.Calibrate(obs) {
			obs = append(obs, rules.Observation{RunRequest: *want, Valid: true, Value: value()})
		}

		state, err := rule.Calibrated(obs)
		if err != nil {
			t.Fatal(err)
		}
		obs = nil

		for step := rule.Next(state, rules.Outlook{Left: 1000, Proposals: 10}, obs); ; {
			if step.Done != nil {
				if step.Done.Verdict == research.Improved {
					improved++
				}

				break
			}
			run := rules.Observation{RunRequest: *step.Run, Valid: true, Value: value()}

			if run.Role == research.Screen {
				run.Value *= .96 // what lets the test begin
			}

			if before := len(obs) - 1; run.Pair > 0 && before >= 0 && obs[before].Pair == run.Pair {
				isFor := (run.Value < obs[before].Value) == (run.Side == rules.Candidate)
				run.Unequal = !isFor && rnd.IntN(2) == 0
			}
			obs = append(obs, run)
			step = rule.Next(state, rules.Outlook{Left: 1000, Proposals: 10}, obs)
		}
	}

	if improved > 2 {
		t.Errorf("%d of 40 useless edits are improved", improved)
	}
}

func TestUnequalReason(t *testing.T) {
	number := func(n int64) *int64 { return &n }
	load := func(x float64) *float64 { return &x }
	quiet := rules.Run{Outside: load(.1), CPU: 1, Wall: 1, DiskRead: number(0), MajorFaults: number(0)}
	change := func(f func(*rules.Run)) rules.Run { r := quiet; f(&r); return r }
	brief := func(r *rules.Run) { r.Wall, r.CPU = .05, .05 }

	for _, c := range []struct {
		name        string
		base, other rules.Run
		cold        bool
		want        string // "" for equal
	}{
		{"alike", quiet, quiet, false, ""},
		{"load beside the base", change(func(r *rules.Run) { r.Outside = load(1.5) }), quiet, false, "CPUs busy"},
		{"load beside the other", quiet, change(func(r *rules.Run) { r.Outside = load(1.5) }), false, "CPUs busy"},
		{"load that is not known", change(func(r *rules.Run) { r.Outside = nil }), quiet, false, ""},
		{"a little load", change(func(r *rules.Run) { r.Outside = load(.5) }), quiet, false, ""},
		{"more waiting on a full machine",
			change(func(r *rules.Run) { r.Outside, r.Contended, r.Wall = load(1.8), true, 4 }),
			change(func(r *rules.Run) { r.Outside, r.Contended, r.Wall = load(1.6), true, 2 }), false,
			"the other 0.25"},
		{"the base is cold", change(func(r *rules.Run) { r.DiskRead = number(200e6) }), quiet, false, "read 200.0 MB"},
		{"the base is cold, as it should be", change(func(r *rules.Run) { r.DiskRead = number(200e6) }), quiet, true,
			""},
		{"the other reads more, by its own doing", quiet, change(func(r *rules.Run) { r.DiskRead = number(200e6) }),
			false, ""},
		{"both are cold", change(func(r *rules.Run) { r.DiskRead = number(200e6) }),
			change(func(r *rules.Run) { r.DiskRead = number(180e6) }), false, ""},
		{"a few blocks", change(func(r *rules.Run) { r.DiskRead = number(200e3) }), quiet, false, ""},
		{"as many in a short run", change(func(r *rules.Run) { r.DiskRead = number(200e3) }), change(brief), false,
			"read 0.2 MB"},
		{"a few pages in a short run", change(func(r *rules.Run) { r.MajorFaults = number(40) }), change(brief), false,
			"40 major"},
		{"a readahead in a short run", change(func(r *rules.Run) { r.DiskRead = number(50e3) }), change(brief), false, ""},
		{"many blocks", change(func(r *rules.Run) { r.DiskRead = number(1e6) }), quiet, false, "read 1.0 MB"},
		{"as many in a long run", change(func(r *rules.Run) { r.DiskRead = number(1e6) }),
			change(func(r *rules.Run) { r.Wall, r.CPU = 10, 10 }), false, ""},
		{"the base's pages are gone", change(func(r *rules.Run) { r.MajorFaults = number(9000) }), quiet, false,
			"9000 major"},
		{"contended on one side only", change(func(r *rules.Run) { r.Outside, r.Contended = load(.55), true }), quiet, false,
			"one run of the pair only"},
		{"contended on both sides", change(func(r *rules.Run) { r.Outside, r.Contended = load(.55), true }),
			change(func(r *rules.Run) { r.Outside, r.Contended = load(.6), true }), false, ""},
		{"records of before", rules.Run{Wall: 1}, rules.Run{Wall: 1}, false, ""},
	} {
		got := rules.UnequalReason(c.base, c.other, 2, c.cold, false)
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q", c.name, got)
		}

		if got := rules.UnequalReason(c.base, c.other, 2, c.cold, true); strings.Contains(got, "busy") {
			t.Errorf("%s, of a metric that load can't change: %q", c.name, got)
		}

		if strings.Contains(got, "incumbent") || strings.Contains(got, "candidate") {
			t.Errorf("%s names a side: %s", c.name, got)
		}
	}
}
