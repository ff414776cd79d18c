package history_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/research/rulestest"
)

// chronicle is a night of search auto as records, folded as they come.
type chronicle struct {
	*diary
	*rulestest.Bench
	program     contract.Program
	campaign    history.Campaign
	experiments map[research.JobID]*history.Experiment
	jobs        map[research.JobID]*history.Measurement
	clock       time.Time
}

func newChronicle(t *testing.T, p contract.Program, sigma float64, seed uint64) *chronicle {
	t.Helper()
	c := &chronicle{diary: &diary{t: t}, program: p, experiments: map[research.JobID]*history.Experiment{},
		jobs: map[research.JobID]*history.Measurement{}, clock: time.Unix(0, 0).UTC()}
	c.add(history.KindCampaignStarted, history.CampaignStart{Program: p, Start: "start", StartTree: "tree start"})
	rule := rules.NewAuto(p)
	c.Bench = &rulestest.Bench{T: t, Rule: rule, Rand: rulestest.Generator(seed),
		Turn: func(y float64) float64 { return 1000 * math.Exp(y) }, Sigma: sigma, Outlook: rules.Outlook{Budget: 300,
			Left: 290, Proposals: 20}}
	c.calibrate()

	return c
}

func (c *chronicle) calibrate() {
	c.campaign.Calibrations++
	job := research.NewJobID(research.CalibrationJob, c.campaign.Calibrations)
	c.add(history.KindCalibrationStarted, rules.JobStart{Job: job})

	var obs []rules.Observation
	for w := c.Rule.Calibrate(obs); w != nil; w = c.Rule.Calibrate(obs) {
		obs = append(obs, c.Observe(*w, c.Head))
	}

	st, err := c.Rule.Calibrated(obs)
	if err != nil {
		c.diary.t.Fatal(err)
	}
	c.runs(job, obs)
	c.add(history.KindCalibrationFinished, history.CalibrationEnd{Job: job, State: st})
}

// add writes a record down and folds it.
func (c *chronicle) add(kind history.Kind, body any) {
	c.diary.t.Helper()
	c.diary.add(kind, body)
	c.clock = c.clock.Add(time.Second)
	r := &c.records[len(c.records)-1]
	r.Time = c.clock
	change := &history.Change{Campaign: &c.campaign}

	id, err := history.Touches(*r)
	if err != nil {
		c.diary.t.Fatal(err)
	}

	switch {
	case id == "":
	case id.Kind() == research.ExperimentJob:
		if c.experiments[id] == nil {
			c.experiments[id] = &history.Experiment{}
		}
		change.Experiment = c.experiments[id]
	default:
		if c.jobs[id] == nil {
			c.jobs[id] = &history.Measurement{}
		}
		change.Measurement = c.jobs[id]
	}

	if err := history.Fold(change, *r); err != nil {
		c.diary.t.Fatal(err)
	}
}

func (c *chronicle) runs(job research.JobID, obs []rules.Observation) {
	for i, o := range obs {
		wall := 1.
		if o.Role == research.Calibrate { // as many as were played, of unknown length
			wall = o.Wall
		}

		c.add(history.KindRunFinished, rules.Run{
			Job: job, Number: i + 1, Role: o.Role, Side: o.Side, Pair: o.Pair, Order: o.Order, WarmUp: o.WarmUp,
			Again: o.Again, Contended: o.Contended, Valid: o.Valid, Reason: o.Reason,
			Samples: map[string]float64{"ns": o.Value}, Wall: wall,
		})
	}
	c.Outlook.Left -= len(obs)
}

// propose makes one experiment and keeps it if it may be.
func (c *chronicle) propose(effect float64) research.Verdict {
	n, j := c.judge(effect)
	if j.Verdict == research.Improved || j.Verdict == research.Provisional {
		c.add(history.KindExperimentKept, history.Keeping{N: n, Commit: fmt.Sprint("k", n),
			Was: c.campaign.Incumbent})
		c.Head += effect
	} else if j.Verdict != research.Invalid {
		c.add(history.KindExperimentReverted, history.Reversion{N: n, By: "agent"})
	}

	return j.Verdict
}

// judge makes one experiment, up to its verdict.
func (c *chronicle) judge(effect float64) (int, rules.Judgement) {
	n := c.campaign.Experiments + 1
	c.add(history.KindExperimentProposed, history.Proposal{N: n, Candidate: fmt.Sprint("x", n),
		Tree: fmt.Sprint("tree ", n)})
	rule, o := rules.NewRule(c.program), c.Outlook
	j, obs := rulestest.JudgeWithin(o, rule, c.campaign.Rule, func(_ int, w rules.RunRequest) rules.Observation {
		if w.Side == rules.Candidate {
			return c.Observe(w, c.Head+effect)
		}

		return c.Observe(w, c.Head)
	})
	j.N, j.Outlook, j.State = n, o, rule.Close(c.campaign.Rule, o, obs, j)
	c.runs(research.NewJobID('x', n), obs)
	c.add(history.KindExperimentJudged, j)
	c.Outlook.Proposals--

	return n, j
}

// certify judges the head, and reverts its chain if that fails.
func (c *chronicle) certify() rules.Certificate {
	job := research.NewJobID(research.CertificateJob, c.campaign.Certificates+1)
	c.add(history.KindCertificateStarted, rules.JobStart{Job: job, Commit: c.campaign.Incumbent,
		Paired: c.campaign.Checkpoint})
	o, from, kept := c.Outlook, c.campaign.ChainFrom, slices.Clone(c.campaign.KeptStack)
	c.Bench.State = c.campaign.Rule
	obs, done := c.Bench.Certify()
	c.runs(job, obs)

	end := history.CertificateEnd{Job: job, Certificate: done, Outlook: o,
		State: c.Rule.CloseCertificate(c.campaign.Rule, o, obs, done)}
	if done.Outcome == rules.RolledBack {
		end.Commit, c.Head = "back to "+c.campaign.Checkpoint, c.Base
	} else {
		c.Base = c.Head
	}
	c.add(history.KindCertificateFinished, end)

	if done.Outcome == rules.RolledBack {
		for _, n := range kept {
			if n >= from {
				c.add(history.KindExperimentReverted, history.Reversion{N: n, By: "certificate"})
			}
		}
	}

	return done
}

func autoProgram() contract.Program {
	p := rulestest.NoisyProgram(contract.Amount{})
	p.Search = rules.SearchAuto
	p.Campaign = contract.CampaignLimit{Experiments: 100, Hours: 1}

	return p
}

func (c *chronicle) mustRecompute(what string) {
	c.diary.t.Helper()

	if err := history.Recompute(slices.Values(c.records)); err != nil {
		c.diary.t.Errorf("%s: %v", what, err)
	}
}

// A whole night of search auto: certificates move the checkpoint or take the
// head back, and the records alone tell the same again.
func TestCertificatesThroughTheLedger(t *testing.T) {
	c := newChronicle(t, autoProgram(), .02, 3)
	for _, effect := range []float64{0, -.08, .06, -.06} {
		c.propose(effect)
	}

	got := &c.campaign
	if got.Kept < 2 || got.Checkpoint != "start" || got.Rule.Auto.Chain != got.Kept {
		t.Fatalf("kept %d, chain %d, checkpoint %s", got.Kept, got.Rule.Auto.Chain, got.Checkpoint)
	}

	done := c.certify()
	if done.Outcome != rules.Certified || got.Certified != 1 || got.Checkpoint != got.Incumbent ||
		got.Rule.Auto.Chain != 0 ||
		got.Rule.Kept != 1 || got.Rule.Tests != 1 || math.Abs(got.CertifiedGain-.14) > .05 || len(got.Open) != 0 {
		t.Fatalf("%s: %+v", done.Describe(c.program.Metric), got)
	}

	certified, kept := got.Incumbent, got.Kept
	for got.Kept == kept { // a rider, that a chance run flatters
		c.propose(0)
	}
	c.Head += .05 // and in truth it harms: what no single look saw
	rider := got.KeptStack[len(got.KeptStack)-1]

	if done := c.certify(); done.Outcome != rules.RolledBack {
		t.Fatal(done.Describe(c.program.Metric))
	}

	x := c.experiments[research.NewJobID('x', rider)]
	if got.Incumbent != "back to "+certified || got.Checkpoint != got.Incumbent || got.Kept != kept ||
		got.Rule.Auto.Chain != 0 ||
		got.Rule.Tests != 2 || got.Rule.Kept != 1 || slices.Contains(got.KeptStack, rider) ||
		x.Status != research.Reverted {
		t.Fatalf("after the rollback: %+v, rider %s", got, x.Status)
	}
	c.propose(-.05)
	c.mustRecompute("an honest night")
	c.findsForgeries()
}

// findsForgeries changes one field of one record after the other.
func (c *chronicle) findsForgeries() {
	t := c.diary.t
	forge := func(name string, kind history.Kind, change func(map[string]any) bool) {
		tried := 0

		for i, r := range c.records {
			var body map[string]any
			if r.Kind != kind || json.Unmarshal(r.Body, &body) != nil || !change(body) {
				continue
			}

			tried++
			forged := slices.Clone(c.records)
			forged[i].Body, _ = json.Marshal(body)

			err := history.Recompute(slices.Values(forged))
			if err == nil || !strings.Contains(err.Error(), "recompute record") {
				t.Errorf("%s of record %d was forged unseen: %v", name, i+1, err)
			}
		}

		if tried == 0 {
			t.Errorf("%s: nothing to forge", name)
		}
	}
	forge("outcome", history.KindCertificateFinished, func(b map[string]any) bool {
		b["outcome"] = map[any]string{"certified": "rolled_back", "rolled_back": "certified"}[b["outcome"]]
		return true
	})
	forge("E", history.KindCertificateFinished,
		func(b map[string]any) bool { b["e"] = b["e"].(float64) * 1.01; return true })
	forge("verdict", history.KindExperimentJudged,
		func(b map[string]any) bool { b["verdict"] = "improved"; return true })
	forge("value", history.KindExperimentJudged,
		func(b map[string]any) bool { b["value"] = b["value"].(float64) * 1.01; return true })
	forge("sample of a pair", history.KindRunFinished, func(b map[string]any) bool {
		if b["role"] != "confirm" {
			return false
		}
		b["samples"].(map[string]any)["ns"] = b["samples"].(map[string]any)["ns"].(float64) * 1.1

		return true
	})
}

// Undoing a keep that a certificate covers moves the checkpoint along, so that
// a rollback can't bring it back; undoing one of the chain leaves it.
func TestUndoAcrossACheckpoint(t *testing.T) {
	for _, covered := range []bool{false, true} {
		c := newChronicle(t, autoProgram(), .01, 4)
		c.propose(-.10)

		if c.campaign.Kept != 1 {
			t.Fatal("a gain of 10 % was not adopted")
		}

		if covered {
			c.certify()
		}
		tests := c.campaign.Rule.Tests
		c.add(history.KindKeepUndone, history.Undoing{N: 1, Commit: "undone", Tree: "tree start"})
		got := c.campaign

		want := "start"
		if covered {
			want = "undone"
		}

		if got.Checkpoint != want || got.Incumbent != "undone" || got.Kept != 0 || got.Reverted != 1 ||
			got.Rule.Auto.Chain != 0 ||
			math.Abs(got.Rule.Auto.Claim) > 1e-12 || got.Rule.Tests != tests {
			t.Errorf("covered %v: %+v", covered, got)
		}
		c.Head = 0
		c.propose(-.10)
		c.mustRecompute("after an undone keep")
	}
}

// A metric whose repeats differ makes the one-run keeps the chain that the next
// certificate judges.
func TestDemotionMakesAChain(t *testing.T) {
	p := autoProgram()
	p.Metric.Noise = research.NoiseAuto

	c := newChronicle(t, p, 0, 5)
	for _, effect := range []float64{-.05, .02, -.04} {
		c.propose(effect)
	}

	if c.campaign.Rule.NoiseKind != research.Deterministic || c.campaign.Rule.OneRun != 2 ||
		c.campaign.Plan() != rules.PlanPropose {
		t.Fatalf("%+v", c.campaign.Rule)
	}
	c.Sigma = .01
	job := research.NewJobID(research.MeasurementJob, 1)
	c.add(history.KindMeasurementStarted, rules.JobStart{Job: job, Commit: c.campaign.Incumbent})
	var samples []float64
	var obs []rules.Observation

	for range 5 {
		o := c.Observe(rules.RunRequest{Side: rules.Candidate, Role: research.Measure}, c.Head)
		obs, samples = append(obs, o), append(samples, o.Value)
	}
	c.runs(job, obs)
	end := rules.SummariseMeasurement(samples, nil, p.Metric, c.campaign.Rule.Scale)
	end.Job = job
	c.add(history.KindMeasurementFinished, end)

	st := c.campaign.Rule
	if st.NoiseKind != research.Noisy || !st.Demoted || st.Auto == nil || st.Auto.Chain != 2 ||
		math.Abs(st.Auto.Claim-.09) > 1e-9 || st.Note == "" {
		t.Fatalf("%+v %+v", st, st.Auto)
	}

	if got := c.certify(); got.Outcome != rules.Certified || got.Edits != 2 {
		t.Error(got.Describe(p.Metric))
	}
	c.propose(-.05)
	c.mustRecompute("a demoted night")
}

// Counts, the sequence and the chain outlive a calibration and a change of mode.
func TestRecalibrationAndModesKeepTheCounts(t *testing.T) {
	c := newChronicle(t, autoProgram(), .01, 6)
	c.propose(-.08)
	c.certify()
	c.propose(-.06)
	was := c.campaign.Rule
	c.calibrate()

	now := c.campaign.Rule
	if now.Tests != was.Tests || now.Kept != was.Kept || now.Sequence != rules.SearchAuto ||
		now.Auto.Chain != was.Auto.Chain ||
		now.Auto.Claim != was.Auto.Claim || now.Auto.Belief.Closed != was.Auto.Belief.Closed {
		t.Errorf("after a calibration: %+v %+v", now, now.Auto)
	}
	certify := rules.NewRule(rulestest.NoisyProgram(contract.Amount{}))
	fresh, _ := rulestest.CalibrateWith(t, certify, rulestest.QuietCalibration...)

	moved := fresh.Continue(was)
	if moved.Sequence != rules.SearchAuto || moved.Tests != was.Tests || moved.Auto == nil ||
		moved.Auto.Chain != was.Auto.Chain || moved.Auto.IfKept != nil {
		t.Errorf("in certify mode: %+v", moved)
	}

	j, _ := rulestest.JudgeWith(certify, moved, func(_ int, w rules.RunRequest) rules.Observation {
		if w.Side == rules.Candidate {
			return rulestest.ValidRun(800)
		}

		return rulestest.ValidRun(1000)
	})
	if want := 1 / rules.AutoAlpha(was.Tests+1, was.Kept); math.Abs(j.Need-want) > 1e-9*want ||
		j.Test != was.Tests+1 {
		t.Errorf("certify mode needs %v, the sequence that the campaign began with says %v", j.Need, want)
	}
	c.mustRecompute("a recalibrated night")
}

// The outlook comes from the campaign's own pace.
func TestOutlookFollowsThePace(t *testing.T) {
	c := newChronicle(t, autoProgram(), .01, 7)

	before := c.campaign.Outlook()
	if c.campaign.Runs != 4 || before.Left != 3600 || before.Budget != 3604 || before.Proposals != 100 {
		t.Fatalf("%+v", before)
	}
	c.propose(0)
	c.clock = c.clock.Add(99 * time.Second) // thought
	c.propose(0)
	got := c.campaign.Outlook()

	run := c.campaign.MeanRun()
	pace := int(math.Ceil(c.campaign.SecondsLeft() / (run + c.campaign.Thinking)))
	if c.campaign.Thinking < 90 || got.Proposals != pace || pace >= 98 || got.RunSeconds != run ||
		got.Budget != c.campaign.Runs+got.Left {
		t.Errorf("%+v, thinking %v, pace %d", got, c.campaign.Thinking, pace)
	}

	if p := c.campaign.Plan(); p != rules.PlanPropose {
		t.Error(p)
	}

	c.campaign.RunSeconds = 3600
	if o := c.campaign.Outlook(); o.Left != 0 || o.Proposals != 0 || c.campaign.Plan() != rules.PlanEnd {
		t.Errorf("%+v, %s", o, c.campaign.Plan())
	}

	c.campaign.Program.Search = rules.SearchCertify
	if c.campaign.Plan() != rules.PlanEnd {
		t.Error("certify goes on without a run left")
	}
}

// Contended pairs in the records are judged the same again.
func TestRecomputeKnowsRepeatedPairs(t *testing.T) {
	p := rulestest.NoisyProgram(contract.Amount{})
	p.Campaign = autoProgram().Campaign
	rule := rules.NewRuleOfVersion(p, rules.FirstVersion)
	d := &diary{t: t}
	d.add(history.KindCampaignStarted, history.CampaignStart{Program: p, Start: "s"})
	st, calibration := rulestest.CalibrateWith(t, rule, rulestest.QuietCalibration...)
	d.runs("c1", calibration)
	d.add(history.KindCalibrationFinished, history.CalibrationEnd{Job: "c1", State: st})
	obs, j, next := runsOf(t, 1)
	d.runs("x1", obs)
	j.N, j.Outlook, j.State = 1, rulestest.UsualOutlook, next
	d.add(history.KindExperimentJudged, j)

	if err := history.Recompute(slices.Values(d.records)); err != nil {
		t.Error(err)
	}
}

// What was gained under a contract whose numbers were others is not a gain of the
// present one; more experiments make no other number.
func TestAcceptedContract(t *testing.T) {
	for name, want := range map[string]bool{"the run": false, "the direction": false, "the totals": true} {
		t.Run(name, func(t *testing.T) {
			c := newChronicle(t, autoProgram(), .01, 4)
			c.propose(-.10)

			if c.certify().Outcome != rules.Certified || c.campaign.CertifiedGain <= 0 {
				t.Fatal("a gain of 10 % was not certified")
			}
			audit := research.NewJobID(research.AuditJob, 1)
			c.add(history.KindMeasurementStarted,
				rules.JobStart{Job: audit, Commit: c.campaign.Incumbent, Paired: c.campaign.Start})
			c.add(history.KindMeasurementFinished,
				rules.MeasurementEnd{Job: audit, Gain: &research.Interval{Mid: .1, Lo: .09, Hi: .11}, Scale: "log"})
			p := c.program

			switch name {
			case "the run":
				p.Run += " --other"
			case "the direction":
				p.Metric.Better = research.Higher
			default:
				p.Campaign.Experiments *= 2
			}
			c.add(history.KindContractAccepted, history.ContractAcceptance{Program: p, Digest: "new"})

			got := c.campaign
			if had := got.Audit != nil && got.CertifiedGain > 0 && got.GainsAfter == 0; had != want || got.Calibrated {
				t.Errorf("audit %+v, certified %v, gains after %d", got.Audit, got.CertifiedGain, got.GainsAfter)
			}

			if !want {
				c.add(history.KindKeepUndone, history.Undoing{N: 1, Commit: "undone", Tree: "tree start"})

				if got := c.campaign; got.CertifiedGain != 0 || got.Audit != nil {
					t.Errorf("after an undo: %+v", got)
				}
			}
		})
	}
}
