package simulate

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/rules"
)

// Recording is what edits that change nothing were measured as on a real
// machine: pairs of a run of the start and a run of the edit, in the order in
// which they were made.
type Recording struct {
	Start [][2]float64 // both halves are the start
	Edits []Recorded
	All   [][2]float64 // all edits together, against the start
}

// Recorded is one line of a recording: the pairs [start, edit] of one edit.
// The first line is the start against itself, the last one all edits together.
type Recorded struct {
	Edit  int          `json:"edit"`
	Kind  string       `json:"kind"` // start | comment | rename | order | all
	Pairs [][2]float64 `json:"pairs"`
	// Verdict is search certify's of the edit, by runs of its own, as it was
	// proposed to the real binary; "" where it was not.
	Verdict string `json:"verdict,omitempty"`
}

// ParseRecording reads lines of JSON. Values must be finite and positive, and
// there must be a start, edits and all of them together.
func ParseRecording(text []byte) (Recording, error) {
	var rec Recording

	recorded, err := decodeLines[Recorded](text, "a recording")
	if err != nil {
		return rec, err
	}

	for _, r := range recorded {
		for _, p := range r.Pairs {
			if !(p[0] > 0 && p[1] > 0) {
				return rec, fmt.Errorf("the recording's edit %d has the impossible pair %v", r.Edit, p)
			}
		}

		switch r.Kind {
		case "start":
			rec.Start = r.Pairs
		case "all":
			rec.All = r.Pairs
		default:
			rec.Edits = append(rec.Edits, r)
		}
	}

	if len(rec.Start) == 0 || len(rec.Edits) == 0 || len(rec.All) == 0 {
		return rec, fmt.Errorf("the recording lacks its start, its edits or all of them together")
	}

	return rec, nil
}

// tape hands out a recording's samples: those of the edit proposed last, from
// the pair shift on and around its end. A night begins with the start's own.
type tape struct {
	rec   Recording
	shift int
	used  map[int]*[2]int // by edit and side
}

// pairsOfEdit are the recorded ones of an edit, from 1; 0 is the start, and one
// beyond the last stands for all.
func (t *tape) pairsOfEdit(edit int) [][2]float64 {
	switch {
	case edit == 0:
		return t.rec.Start
	case edit > len(t.rec.Edits):
		return t.rec.All
	}

	return t.rec.Edits[edit-1].Pairs
}

// nextSample is the next sample of a side (0 the start's, 1 the edit's), never one
// that this night has had; false when there are no more.
func (t *tape) nextSample(edit, side int) (float64, bool) {
	if t.used[edit] == nil {
		t.used[edit] = &[2]int{}
	}
	p, used := t.pairsOfEdit(edit), t.used[edit]
	i := used[side]

	used[side]++
	if edit == 0 { // both halves are the start's
		i, side = i/2, i%2
	}

	if i >= len(p) {
		return 0, false
	}

	return p[(i+t.shift)%len(p)][side], true
}

// readSample is the log value of a run of a peer's rule. The peers want at most
// ten samples of a side; beyond a recording's end it begins again.
func (t *tape) readSample(edit int, candidate bool) float64 {
	side := 0
	if candidate {
		side = 1
	}

	v, ok := t.nextSample(edit, side)
	if !ok {
		*t.used[edit] = [2]int{}
		v, _ = t.nextSample(edit, side)
	}

	return math.Log(v)
}

// replayRuns is the budget of Ratchet's own rules for each recorded edit, more
// than they want of most; the peers' have as many runs as they want.
const replayRuns = 40

// Replayed is what the nights of one rule over a recording came to.
type Replayed struct {
	Rule     string  `json:"rule"`
	Peer     bool    `json:"peer,omitempty"`
	Nights   int     `json:"nights"`
	Deceived int     `json:"deceived"` // nights in which something was proven, or kept by a rule that proves nothing
	Keeps    float64 `json:"keeps"`    // a night
	Claimed  float64 `json:"claimed"`  // log-ratio a night
	Edits    float64 `json:"edits"`    // judged a night
	Runs     float64 `json:"runs"`     // an edit
	Adopted  float64 `json:"adopted"`  // by auto, a night, before its certificate
	// experiments and certificates a night that wanted more than was recorded, and ended undecided
	Cut float64 `json:"cut"`
}

// ReplayRecording plays a night by every rule from each of so many places in the
// recording; every edit of it is useless.
func ReplayRecording(rec Recording, nights int) []Replayed {
	var all []Replayed

	for _, r := range Rules() {
		sum := Replayed{Rule: r.Name, Peer: r.Peer, Nights: nights}
		for i := range nights {
			sum.addNight(replayNight(r, rec, i*len(rec.Edits[0].Pairs)/nights))
		}

		all = append(all, sum)
	}

	return all
}

func (r *Replayed) addNight(n replayed) {
	per := 1 / float64(r.Nights)
	if n.Keeps > 0 {
		r.Deceived++
	}
	r.Keeps += per * float64(n.Keeps)
	r.Claimed += per * n.Claimed
	r.Edits += per * float64(n.Proposals)
	r.Runs += per * float64(n.Runs) / float64(max(n.Proposals, 1))
	r.Adopted += per * float64(n.adopted)
	r.Cut += per * float64(n.cut)
}

// replayed is a night over a recording.
type replayed struct {
	Night
	adopted, cut int
}

func replayNight(r Rule, rec Recording, shift int) replayed {
	t := &tape{rec: rec, shift: shift, used: map[int]*[2]int{}}
	of := contract.Metric{Name: "time", Better: research.Lower, Noise: research.Noisy, MinGainSet: true}
	o := &ownReplay{tape: t}

	switch {
	case r.Peer:
		machine := newWorld(Cell{Effects: Effects{Harm: 1}, Runs: Unlimited, Proposals: len(rec.Edits)}, 1, shift)
		machine.tape = t
		r.play(machine)

		return replayed{Night: machine.Night}
	case r.Name == "auto":
		o.replayAuto(rules.Auto{Metric: of, Rope: .003})
	case strings.HasSuffix(r.Name, "no assumptions"):
		o.certify(rules.Certify{Metric: of, Rope: .003, Assumptions: contract.AssumeNone})
	default:
		o.certify(rules.Certify{Metric: of, Rope: .003})
	}

	return o.replayed
}

// ownReplay drives Ratchet's rules over a recording, as a campaign would.
type ownReplay struct {
	replayed
	tape *tape
}

// observe is the wanted run of an edit; false when the recording has no more.
func (r *ownReplay) observe(request rules.RunRequest, edit int) (rules.Observation, bool) {
	side := 0
	if request.Side == rules.Candidate || edit > len(r.tape.rec.Edits) && request.Side == rules.Incumbent {
		side = 1
	}
	v, ok := r.tape.nextSample(edit, side)
	r.Runs++

	return rules.Observation{RunRequest: request, Valid: true, Value: v}, ok
}

func (r *ownReplay) calibrated(rule rules.Rule) (rules.RuleState, bool) {
	var obs []rules.Observation
	for w := rule.Calibrate(obs); w != nil; w = rule.Calibrate(obs) {
		observation, ok := r.observe(*w, 0)
		if !ok {
			return rules.RuleState{}, false
		}

		obs = append(obs, observation)
	}
	st, err := rule.Calibrated(obs)

	return st, err == nil
}

func (r *ownReplay) outlook() rules.Outlook {
	budget := replayRuns * len(r.tape.rec.Edits)
	return rules.Outlook{Budget: budget, Left: budget - r.Runs, Proposals: len(r.tape.rec.Edits) - r.Proposals}
}

// judgeEdit makes one edit's experiment. A test that wants more samples than there
// are ends as the budget's end does: nothing is shown.
func (r *ownReplay) judgeEdit(rule rules.Rule, st rules.RuleState) (rules.RuleState, rules.Judgement) {
	outlook, obs := r.outlook(), []rules.Observation{}
	r.Proposals++

	step := rule.Next(st, outlook, obs)
	for step.Run != nil {
		one, ok := r.observe(*step.Run, r.Proposals)
		if !ok {
			r.cut++
			step.Done = &rules.Judgement{Verdict: research.Inconclusive, StoppedBy: "budget"}

			break
		}

		obs = append(obs, one)
		step = rule.Next(st, outlook, obs)
	}

	return rule.Close(st, outlook, obs, *step.Done), *step.Done
}

func (r *ownReplay) certify(rule rules.Rule) {
	st, ok := r.calibrated(rule)
	for ok && r.Proposals < len(r.tape.rec.Edits) && r.outlook().Left > 0 {
		var judgement rules.Judgement
		if st, judgement = r.judgeEdit(rule, st); judgement.Verdict != research.Improved {
			continue
		}
		st = st.AfterKeep(judgement)
		r.Keeps++
		r.Claimed += logGain(judgement.Gain.Mid)
	}
}

func (r *ownReplay) replayAuto(rule rules.Auto) {
	st, ok := r.calibrated(rule)
	for chain := 0; ok; {
		switch rule.Plan(st, r.outlook()) {
		case rules.PlanPropose:
			var j rules.Judgement
			if st, j = r.judgeEdit(rule, st); j.Verdict == research.Provisional {
				st = st.AfterKeep(j)
				chain++
				r.adopted++
			}
		case rules.PlanCertify:
			var proof rules.Certificate
			if st, proof = r.proveHead(rule, st); proof.Outcome == rules.Certified {
				r.Keeps += chain
				r.Claimed += logGain(proof.Gain.Mid)
			}
			chain = 0
		default:
			return
		}
	}
}

// proveHead certifies the head. Its pairs are those of all edits together, which
// is as useless as the head. Without any more of them it is rolled back.
func (r *ownReplay) proveHead(rule rules.Auto, st rules.RuleState) (rules.RuleState, rules.Certificate) {
	outlook, obs := r.outlook(), []rules.Observation{}

	step := rule.NextPair(st, outlook, obs)
	for step.Run != nil {
		one, ok := r.observe(*step.Run, len(r.tape.rec.Edits)+1)
		if !ok {
			r.cut++
			step.Done = &rules.Certificate{Outcome: rules.RolledBack, StoppedBy: "budget"}

			break
		}

		obs = append(obs, one)
		step = rule.NextPair(st, outlook, obs)
	}

	return rule.CloseCertificate(st, outlook, obs, *step.Done), *step.Done
}

// RenderReplayTable has a row a rule.
func RenderReplayTable(all []Replayed) string {
	var text strings.Builder
	text.WriteString("| rule | nights with a keep | keeps a night | gain claimed, log-% a night | edits judged | runs an edit | kept provisionally | undecided at the recording's end |\n" +
		"|---|---|---|---|---|---|---|---|\n")

	for _, r := range all {
		provisional, cut := "-", "-"
		if r.Rule == "auto" {
			provisional = fmt.Sprintf("%.1f", r.Adopted)
		}

		if !r.Peer {
			cut = fmt.Sprintf("%.1f", r.Cut)
		}
		fmt.Fprintf(&text, "| %s | %d of %d | %.1f | %.1f | %.0f | %.1f | %s | %s |\n",
			boldOwn(Result{Rule: r.Rule, Peer: r.Peer}), r.Deceived, r.Nights, r.Keeps, 100*r.Claimed, r.Edits, r.Runs,
			provisional, cut)
	}

	return text.String()
}

// ReplayNights is how many nights docs/evidence.md plays over a recording.
const ReplayNights = 11

// RenderRecordingTable says by kind of edit what the recorded pairs come to: their
// noise, and what is left of it in the medians of whole edits.
func RenderRecordingTable(rec Recording) string {
	var text strings.Builder
	text.WriteString("| edits | pairs | noise of a pair, % | largest difference of a pair, % | median difference of an edit, %: smallest to largest |\n|---|---|---|---|---|\n")

	row := func(name string, edits ...[][2]float64) {
		var all, mids []float64

		for _, pairs := range edits {
			var ds []float64
			for _, p := range pairs {
				ds = append(ds, 100*math.Log(p[1]/p[0]))
			}

			all, mids = append(all, ds...), append(mids, median(ds))
		}

		most := 0.0
		for _, d := range all {
			most = max(most, math.Abs(d))
		}
		fmt.Fprintf(&text, "| %s | %d | %.1f | %.0f | %+.1f to %+.1f |\n", name, len(all), 1.4826*deviation(all), most,
			slices.Min(mids), slices.Max(mids))
	}
	for _, kind := range []string{"comment", "rename", "order"} {
		var edits [][][2]float64

		for _, e := range rec.Edits {
			if e.Kind == kind {
				edits = append(edits, e.Pairs)
			}
		}

		if len(edits) > 0 {
			row(fmt.Sprintf("%d of kind %s", len(edits), kind), edits...)
		}
	}
	row("all together", rec.All)

	return text.String()
}
