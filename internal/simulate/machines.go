package simulate

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
	"sync/atomic"

	"ratchet/internal/research"
	"ratchet/internal/research/rules"
)

// A machine's night has 100 proposals in 300 runs.
const (
	machineRuns      = 300
	machineProposals = 100
	machineRope      = .003 // of the rules, on the log scale
	mostNights       = 2000 // of mixed edits, where an error is asked for
)

// Machine is what Ratchet's rule comes to on one machine: a recorded stream or a noise model.
type Machine struct {
	Name  string        `json:"name"`
	SD    float64       `json:"sd"` // of a run, on the log scale, from successive differences
	Null  MachineNull   `json:"null"`
	Mixed *MachineMixed `json:"mixed,omitempty"` // nil where only useless edits were played
}

// MachineNull is what nights of useless edits came to. Shares are from 0 to 1.
type MachineNull struct {
	Nights            int     `json:"nights"`
	FalseCertificates float64 `json:"false_certificates"` // share of nights
	// Limit is the upper 95 % limit of that share (Clopper & Pearson 1934, one-sided).
	Limit         float64 `json:"false_certificates_limit"`
	Kept          float64 `json:"kept"`            // share of edits, when they were judged
	KeptAboveRope float64 `json:"kept_above_rope"` // of edits: with an interval above the smallest gain
	Regressed     float64 `json:"regressed"`       // share of edits that are said to be worse
}

// MachineMixed is what nights of mixed edits came to.
type MachineMixed struct {
	Nights    int     `json:"nights"`
	Covered   float64 `json:"covered"`   // share of the stated 90 % intervals that hold the true effect
	Intervals int     `json:"intervals"` // how many were stated
	Looked    int     `json:"looked"`    // experiments with two runs or more
	Width     float64 `json:"width"`     // median of the intervals, on the log scale
	// ToldWidth is that of a rule that is told the true noise, on the same nights; 0 where
	// the noise is a recorded one, or has a trend, which the belief has no words for.
	ToldWidth       float64 `json:"told_width,omitempty"`
	WidthOverTold   float64 `json:"width_over_told,omitempty"`
	GainOverPeer    float64 `json:"gain_over_best_peer"`
	SE              float64 `json:"se"` // of that
	Peer            string  `json:"peer"`
	PeerGain        float64 `json:"peer_gain"` // log-ratio a night
	Claimed         float64 `json:"claimed_over_true"`
	Riders          float64 `json:"riders"` // share of what was kept that brings no gain
	RunsPerProposal float64 `json:"runs_per_proposal"`
	TrueRegressed   float64 `json:"losses_regressed"` // share of harmful edits that are said to be worse
	LossesKept      float64 `json:"losses_kept"`
	GainsKept       float64 `json:"gains_kept"` // share of edits that gain 3 % or more
}

// tally counts verdicts of one night.
type tally struct {
	nulls, nullsKept, nullsAbove, nullsWorse int
	losses, lossesWorse, lossesKept          int
	gains, gainsKept                         int
	looked, intervals, covered               int
	widths                                   []float64
}

func (t *tally) add(effect float64, judgement rules.Judgement) {
	isKept := judgement.Verdict == research.Provisional || judgement.Verdict == research.Improved
	isWorse := judgement.Verdict == research.Regressed

	switch {
	case effect == 0:
		t.nulls++
		t.nullsKept += count(isKept)
		t.nullsWorse += count(isWorse)
		t.nullsAbove += count(isKept && judgement.Gain != nil && judgement.Gain.Lo > machineRope)
	case effect > 0:
		t.losses++
		t.lossesWorse += count(isWorse)
		t.lossesKept += count(isKept)
	case effect < math.Log1p(-.03):
		t.gains++
		t.gainsKept += count(isKept)
	}

	t.looked += count(judgement.Runs >= 2)

	if judgement.Gain == nil {
		return
	}
	lo, hi := -logGain(judgement.Gain.Hi), -logGain(judgement.Gain.Lo)
	t.intervals++
	t.covered += count(lo-1e-12 <= effect && effect <= hi+1e-12)
	t.widths = append(t.widths, hi-lo)
}

func count(is bool) int {
	if is {
		return 1
	}

	return 0
}

func addTallies(tallies []tally) (sum tally) {
	for _, t := range tallies {
		sum.nulls, sum.nullsKept = sum.nulls+t.nulls, sum.nullsKept+t.nullsKept
		sum.nullsAbove, sum.nullsWorse = sum.nullsAbove+t.nullsAbove, sum.nullsWorse+t.nullsWorse
		sum.losses, sum.lossesWorse = sum.losses+t.losses, sum.lossesWorse+t.lossesWorse
		sum.gains, sum.gainsKept = sum.gains+t.gains, sum.gainsKept+t.gainsKept
		sum.lossesKept += t.lossesKept
		sum.looked, sum.intervals = sum.looked+t.looked, sum.intervals+t.intervals
		sum.covered += t.covered
		sum.widths = append(sum.widths, t.widths...)
	}

	return sum
}

// MachineReport is what nights on recorded streams came to.
type MachineReport struct {
	Streams []Machine `json:"streams"`
}

// MachineStudy is which machines are played.
type MachineStudy struct {
	Folder string // of recorded streams
	Models bool   // the noise models too
	Cell   string // only machines whose names contain it
	Nights int
	Seed   uint64
	// NullNights plays so many nights of useless edits by Ratchet's rule, and nothing else;
	// 0 plays all.
	NullNights int
	// Error goes on with mixed nights until the gain over the best peer is known to this
	// standard error, up to 2,000 nights; 0 plays Nights.
	Error float64
	First bool // the first version of the rule

	Played func(done, total int) // called after every night, by several goroutines; nil for nobody
	done   atomic.Int64
	total  atomic.Int64
}

// Run plays nights on the streams of the folder. Cancelled, it returns ctx's error.
func (s *MachineStudy) Run(ctx context.Context) ([]Machine, error) {
	if s.Nights < 1 || s.NullNights < 0 {
		return nil, research.Errorf(research.CodeBadArgument, "give --nights a number from 1",
			"%d nights show nothing", min(s.Nights, s.NullNights))
	}

	streams, err := ReadStreams(s.Folder)
	if err != nil {
		return nil, err
	}

	streams = slices.DeleteFunc(streams, func(stream Stream) bool { return !strings.Contains(stream.Name, s.Cell) })
	machines := s.PlayStreams(ctx, streams)
	if s.Models {
		models := slices.DeleteFunc(slices.Concat(MachineModels(), NoiseModels()), func(noise NoiseModel) bool {
			return noise.Sigma == 0 || !strings.Contains(noise.Name, s.Cell)
		})
		machines = append(machines, s.PlayModels(ctx, models)...)
	}

	if len(machines) == 0 {
		return nil, research.Errorf(research.CodeBadArgument, "leave out --cell to play all of them",
			"no machine's name contains %q", s.Cell)
	}

	return machines, ctx.Err()
}

// PlayStreams plays nights on recorded streams.
func (s *MachineStudy) PlayStreams(ctx context.Context, streams []Stream) []Machine {
	var machines []Machine

	for _, stream := range streams {
		noise := NoiseModel{Name: stream.Name, Sigma: .02, Scale: 1}
		cell := Cell{Name: stream.Name, Noise: noise, Runs: machineRuns, Proposals: machineProposals,
			Stream: stream.Noise}
		machine := s.playMachine(ctx, cell)
		machine.SD = stream.SD()
		machines = append(machines, machine)
	}

	return machines
}

// PlayModels plays nights under noise models.
func (s *MachineStudy) PlayModels(ctx context.Context, models []NoiseModel) []Machine {
	var machines []Machine

	for _, noise := range models {
		cell := Cell{Name: noise.Name, Noise: noise, Runs: machineRuns, Proposals: machineProposals}
		machine := s.playMachine(ctx, cell)
		machine.SD = modelSD(cell)
		machines = append(machines, machine)
	}

	return machines
}

// modelSD is the standard deviation of a run from the successive differences of a long
// night in which nothing changes.
func modelSD(cell Cell) float64 {
	machine := newWorld(cell, 1, 0)
	noise := make([]float64, 2000)

	for i := range noise {
		noise[i] = machine.measureOnce(0)
	}

	return Stream{Noise: noise}.SD()
}

func (s *MachineStudy) playMachine(ctx context.Context, cell Cell) Machine {
	own := Rule{Name: "auto", play: playAuto(flaws{first: s.First})}
	machine := Machine{Name: cell.Name, Null: s.playUseless(ctx, own, cell)}

	if s.NullNights == 0 {
		played := s.playMixed(ctx, own, cell)
		machine.Mixed = &played
	}

	return machine
}

// playUseless plays nights of useless edits by Ratchet's rule.
func (s *MachineStudy) playUseless(ctx context.Context, own Rule, cell Cell) MachineNull {
	cell.Effects = nullEdits
	nights, tallies := s.playNights(ctx, own, cell, 0, cmp.Or(s.NullNights, s.Nights))
	sum, falseNights := addTallies(tallies), 0

	for _, night := range nights {
		falseNights += count(night.FalseCerts > 0)
	}

	return MachineNull{
		Nights: len(nights), FalseCertificates: share(falseNights, len(nights)),
		Limit: upperLimit(falseNights, len(nights)),
		Kept:  share(sum.nullsKept, sum.nulls), KeptAboveRope: share(sum.nullsAbove, sum.nulls),
		Regressed: share(sum.nullsWorse, sum.nulls),
	}
}

// upperLimit is the upper 95 % limit of a share of which k of n were seen: the share at
// which so few are seen with a chance of 5 % (Clopper & Pearson 1934, one-sided).
func upperLimit(k, n int) float64 {
	if k >= n {
		return 1
	}
	low, high := 0.0, 1.0

	for range 60 {
		mid := (low + high) / 2
		if chanceAtMost(k, n, mid) > .05 {
			low = mid
		} else {
			high = mid
		}
	}

	return high
}

// chanceAtMost is P(at most k of n), each with chance p between 0 and 1.
func chanceAtMost(k, n int, p float64) float64 {
	logTerm, sum := float64(n)*math.Log1p(-p), 0.0 // log P(i of n)
	for i := 0; i <= k; i++ {
		sum += math.Exp(logTerm)
		logTerm += math.Log(float64(n-i)/float64(i+1)) + math.Log(p) - math.Log1p(-p)
	}

	return sum
}

// playMixed plays nights of mixed edits by Ratchet's rule, by one that is told the noise,
// and by the peers' rules.
func (s *MachineStudy) playMixed(ctx context.Context, own Rule, cell Cell) MachineMixed {
	cell.Effects = mixed
	var peers []Rule

	for _, r := range Rules() {
		if r.Peer {
			peers = append(peers, r)
		}
	}

	nights, tallies := s.playNights(ctx, own, cell, 0, s.Nights)
	peerNights := make([][]Night, len(peers))

	for i, r := range peers {
		peerNights[i], _ = s.playNights(ctx, r, cell, 0, s.Nights)
	}

	best := bestOf(peerNights)
	ratio, se := GainRatio(nights, peerNights[best])

	for s.Error > 0 && se > s.Error && len(nights) < mostNights && ctx.Err() == nil {
		more := min(max(len(nights)/2, 20), mostNights-len(nights))
		moreNights, moreTallies := s.playNights(ctx, own, cell, len(nights), more)
		morePeer, _ := s.playNights(ctx, peers[best], cell, len(nights), more)
		nights, tallies = append(nights, moreNights...), append(tallies, moreTallies...)
		peerNights[best] = append(peerNights[best], morePeer...)
		ratio, se = GainRatio(nights, peerNights[best])
	}

	sum, summary := addTallies(tallies), SummariseNights(nights)
	played := MachineMixed{
		Nights: len(nights), Covered: share(sum.covered, sum.intervals), Intervals: sum.intervals,
		Looked: sum.looked, Width: medianOrZero(sum.widths), GainOverPeer: ratio, SE: se, Peer: peers[best].Name,
		PeerGain: SummariseNights(peerNights[best]).Gain, Claimed: summary.Honesty, Riders: summary.FalseShare,
		RunsPerProposal: summary.Runs / max(summary.Proposals, 1),
		TrueRegressed:   share(sum.lossesWorse, sum.losses),
		LossesKept:      share(sum.lossesKept, sum.losses), GainsKept: share(sum.gainsKept, sum.gains),
	}

	if cell.Stream == nil && cell.Noise.canBeTold() {
		_, told := s.playNights(ctx, Rule{Name: "told", play: playTold}, cell, 0, s.Nights)
		played.ToldWidth = medianOrZero(addTallies(told).widths)
		played.WidthOverTold = played.Width / played.ToldWidth
	}

	return played
}

// bestOf is the index of the nights with the largest mean gain.
func bestOf(nights [][]Night) int {
	best := 0
	for i := range nights {
		if SummariseNights(nights[i]).Gain > SummariseNights(nights[best]).Gain {
			best = i
		}
	}

	return best
}

func share(part, of int) float64 { return float64(part) / float64(max(of, 1)) }

func medianOrZero(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}

	return median(values)
}

// playNights plays n nights from number first on, on all processors. Cancelled, it
// gives what it has.
func (s *MachineStudy) playNights(ctx context.Context, rule Rule, cell Cell, first, n int) ([]Night, []tally) {
	s.total.Add(int64(n))
	nights, tallies := make([]Night, n), make([]tally, n)

	playInParallel(ctx, n, func(i int) {
		nights[i] = playNight(rule, cell, s.Seed, first+i, tallies[i].add)

		if s.Played != nil {
			s.Played(int(s.done.Add(1)), int(s.total.Load()))
		}
	})

	return nights, tallies
}

// MachineModels are machines like real ones, which the ten of the tables are not: two
// speeds, by independent runs and by blocks, jumps, warm-up, coarse clocks, load.
func MachineModels() []NoiseModel {
	return []NoiseModel{
		{Name: "two speeds, 15 % of runs 1.5 ×", Sigma: .005, Slow: math.Log(1.5), SlowShare: .15, Scale: 1},
		{Name: "two speeds, 25 % of runs 1.35 ×", Sigma: .005, Slow: math.Log(1.35), SlowShare: .25, Scale: 1},
		{Name: "two speeds, 5 % of runs 2.5 ×", Sigma: .01, Slow: math.Log(2.5), SlowShare: .05, Scale: 1},
		{Name: "two speeds, 40 % of runs 1.2 ×", Sigma: .02, Slow: math.Log(1.2), SlowShare: .40, Scale: 1},
		{Name: "slow blocks, 1.5 ×", Sigma: .005, Slow: math.Log(1.5), SlowShare: .20, SlowStay: .95, Scale: 1},
		{Name: "slow blocks, 1.3 ×", Sigma: .005, Slow: math.Log(1.3), SlowShare: .30, SlowStay: .90, Scale: 1},
		// As a host that changes its speed for seconds, with 40 runs or so in each of them.
		{Name: "slow times, 1.75 ×", Sigma: .03, Slow: math.Log(1.75), SlowShare: .30, SlowStay: .975, Scale: 1},
		{Name: "steps of 30 %", Sigma: .02, Step: .27, StepP: .01, Scale: 1},
		{Name: "warm-up of 20 %", Sigma: .01, WarmUp: .20, WarmUpRuns: 40, Scale: 1},
		{Name: "clock of 1 % ticks", Sigma: .015, Quantum: .01, Scale: 1},
		{Name: "clock of 4 % ticks", Sigma: .01, Quantum: .04, Scale: 1},
		{Name: "load that grows and falls", Sigma: .02, Load: .40, LoadRuns: 120, Scale: 1},
	}
}
