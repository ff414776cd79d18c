package rules_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/rules"
	"ratchet/internal/research/rulestest"
)

// The path of the evidence ends at the verdict's e-value, on a quiet machine and where the
// first look was repeated, since others kept the machine busy beside it.
func TestEvidencePathEndsAtTheVerdict(t *testing.T) {
	for name, isBusy := range map[string]bool{"quiet": false, "a repeated look": true} {
		program := rulestest.NoisyProgram(contract.Amount{})
		program.Search = rules.SearchCertify
		rule, rnd := rules.NewRule(program), rand.New(rand.NewPCG(3, 4))

		var runs []rules.Run
		var obs []rules.Observation

		measure := func(want rules.RunRequest, level float64) {
			value := 1000 * math.Exp(level+.01*rnd.NormFloat64())
			runs = append(runs, rules.Run{Number: len(runs) + 1, Role: want.Role, Side: want.Side, Pair: want.Pair,
				Order: want.Order, WarmUp: want.WarmUp, Again: want.Again, Valid: true,
				Samples: map[string]float64{program.Metric.Name: value}, Contended: isBusy && want.Pair == 0 && !want.Again})
			obs = append(obs, rules.NewObservation(runs[len(runs)-1], program.Metric))
		}

		for want := rule.Calibrate(nil); want != nil; want = rule.Calibrate(obs) {
			measure(*want, 0)
			runs[len(runs)-1].Contended, obs[len(obs)-1].Contended = false, false
		}

		state, err := rule.Calibrated(obs)
		if err != nil {
			t.Fatal(err)
		}
		runs, obs = nil, nil
		outlook := rules.Outlook{Budget: 1000, Left: 1000, Proposals: 10}

		step := rule.Next(state, outlook, obs)
		for ; step.Done == nil; step = rule.Next(state, outlook, obs) {
			level := 0.0
			if step.Run.Side == rules.Candidate {
				level = -.2
			}
			measure(*step.Run, level)
		}
		step.Done.Outlook = outlook

		repeats := 0
		for _, run := range runs {
			if run.Again {
				repeats++
			}
		}

		path := rules.EvidencePath(program, state, *step.Done, runs)
		if step.Done.Verdict != research.Improved || (repeats > 0) != isBusy || len(path) == 0 {
			t.Fatalf("%s: %s after %d runs, %d of them repeated, evidence %v", name, step.Done.Verdict, len(runs), repeats,
				path)
		}

		if end := path[len(path)-1].E; !rules.NearlyEqual(end, step.Done.E) {
			t.Errorf("%s: the path ends at %g, the verdict has %g", name, end, step.Done.E)
		}
	}
}
