package history_test

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/research/rulestest"
)

// diary writes down a night as the laboratory would.
type diary struct {
	t       *testing.T
	records []history.Record
}

func (d *diary) add(kind history.Kind, body any) {
	d.t.Helper()

	b, err := json.Marshal(body)
	if err != nil {
		d.t.Fatal(err)
	}

	d.records = append(d.records, history.Record{Seq: uint64(len(d.records) + 1), Campaign: "c", Kind: kind, Body: b})
}

func (d *diary) runs(job research.JobID, obs []rules.Observation) {
	for i, o := range obs {
		d.add(history.KindRunFinished, rules.Run{
			Job: job, Number: i + 1, Role: o.Role, Side: o.Side, Pair: o.Pair, Order: o.Order, WarmUp: o.WarmUp,
			Valid: o.Valid, Reason: o.Reason, Samples: map[string]float64{"ns": o.Value}, Contended: o.Contended,
			Again: o.Again,
		})
	}
}

func recordedNight(t *testing.T, p contract.Program, w rulestest.Machine, edits []float64) *diary {
	d := &diary{t: t}
	rule := rules.NewRule(p)
	n := rulestest.NewNight(t, rule, w, 12, 12)
	d.add(history.KindCampaignStarted, history.CampaignStart{Program: p, Start: "s"})

	var obs []rules.Observation
	for want := rule.Calibrate(obs); want != nil; want = rule.Calibrate(obs) {
		obs = append(obs, n.Observe(*want, 0))
	}

	st, err := rule.Calibrated(obs)
	if err != nil {
		t.Fatal(err)
	}
	d.runs("c1", obs)
	d.add(history.KindCalibrationFinished, history.CalibrationEnd{Job: "c1", State: st})

	for i, effect := range edits {
		j, obs := rulestest.JudgeWith(rule, st,
			func(_ int, w rules.RunRequest) rules.Observation { return n.Observe(w, effect) })
		st = rule.Close(st, rulestest.UsualOutlook, obs, j)
		j.N, j.State, j.Outlook = i+1, st, rulestest.UsualOutlook
		d.runs(research.NewJobID('x', j.N), obs)
		d.add(history.KindExperimentJudged, j)

		if ok, _, _ := history.Keepable(history.Experiment{Judgement: &j}); ok {
			d.add(history.KindExperimentKept, history.Keeping{N: j.N, Commit: "k"})
			st = st.AfterKeep(j)
			n.Level += effect
		}
	}
	d.add(history.KindExperimentProposed, history.Proposal{N: len(edits) + 1})
	d.add(history.KindStepFinished, history.StepEnd{Job: research.NewJobID('x', len(edits)+1), Step: "build"})
	d.add(history.KindExperimentJudged, rules.Judgement{N: len(edits) + 1, Verdict: research.Invalid,
		Reason: "the build failed"})
	// Another session kept the same lines: the edit could not be merged, and no run was made.
	d.add(history.KindExperimentProposed, history.Proposal{N: len(edits) + 2})
	d.add(history.KindExperimentJudged, rules.Judgement{N: len(edits) + 2, Verdict: research.Invalid,
		StoppedBy: "invalid", Reason: "both changed the same lines"})

	return d
}

func TestRecomputeFindsTheForgedVerdict(t *testing.T) {
	noisy := rulestest.NoisyProgram(contract.Amount{})
	exact := noisy
	exact.Metric.Noise = research.NoiseAuto

	edits := []float64{0, -.08, .05, 0, math.Log(.95), 0, .01}
	for name, d := range map[string]*diary{
		"noisy":         recordedNight(t, noisy, rulestest.NormalNoise(.01), edits),
		"deterministic": recordedNight(t, exact, rulestest.Machine{}, edits),
	} {
		if err := history.Recompute(slices.Values(d.records)); err != nil {
			t.Errorf("%s: an honest ledger: %v", name, err)
		}
		verdicts := map[research.Verdict]int{}

		for i, r := range d.records {
			if r.Kind != history.KindExperimentJudged {
				continue
			}

			var j rules.Judgement
			if err := json.Unmarshal(r.Body, &j); err != nil {
				t.Fatal(err)
			}

			verdicts[j.Verdict]++
			if j.Reason != "" {
				continue
			}
			forged := slices.Clone(d.records)

			if j.Verdict == research.Improved {
				j.Verdict = research.Regressed
			} else {
				j.Verdict = research.Improved
			}

			b, err := json.Marshal(j)
			if err != nil {
				t.Fatal(err)
			}
			forged[i].Body = b

			err = history.Recompute(slices.Values(forged))
			if want := research.NewJobID('r', i+1); err == nil || !strings.Contains(err.Error(),
				"record "+string(want[1:])+" (") {
				t.Errorf("%s: forged record %d: %v", name, i+1, err)
			}
		}

		if verdicts[research.Improved] == 0 || len(verdicts) < 3 {
			t.Errorf("%s: a dull night: %v", name, verdicts)
		}
	}
}

// A forged sample is found by the verdict, or the value, that no longer follows from it.
func TestRecomputeFindsTheForgedSample(t *testing.T) {
	p := rulestest.NoisyProgram(contract.Amount{})
	p.Metric.Noise = research.NoiseAuto

	d := recordedNight(t, p, rulestest.Machine{}, []float64{-.1, .1})
	for i, r := range d.records {
		var run rules.Run
		if r.Kind != history.KindRunFinished || json.Unmarshal(r.Body, &run) != nil || run.WarmUp {
			continue
		}
		run.Samples["ns"] *= 1.5

		b, err := json.Marshal(run)
		if err != nil {
			t.Fatal(err)
		}
		forged := slices.Clone(d.records)

		forged[i].Body = b
		if history.Recompute(slices.Values(forged)) == nil {
			t.Errorf("run %d of %s was forged unseen", run.Number, run.Job)
		}
	}
}
