package simulate

import (
	"math"

	"ratchet/internal/research/rules"
)

// Rule is a named way to play a night.
type Rule struct {
	Name string
	// Peer says that it is another tool's.
	Peer bool
	play func(*world)
}

// Rules are Ratchet's two modes, certify also without assumptions, then the peers' eleven rules.
func Rules() []Rule {
	return []Rule{
		{"auto", false, playAuto(flaws{})},
		{"certify", false, certify(flaws{})},
		{"certify, no assumptions", false, certify(flaws{unassuming: true})},
		{"one run", true, greedy(0)},
		{"one run, >1 %", true, greedy(.01)},
		{"MAD confidence >= 1", true, madGate(1)},
		{"MAD confidence >= 2", true, madGate(2)},
		{"3 seeds, bootstrap .95", true, threeSeeds},
		{"5 runs, bootstrap against the best", true, storedBootstrap(false)},
		{"5 runs, bootstrap against the first", true, storedBootstrap(true)},
		{"median of 3, >1 %", true, medianGain},
		{"up to 5 runs, normal posterior", true, normalPeek},
		{"Mann-Whitney 10 v 10", true, playFreshPairs(10, false)},
		{"Mann-Whitney 6 v 6 after a screen", true, playFreshPairs(6, true)},
	}
}

// BrokenRules are Ratchet's rules with one part taken out each, which null nights
// need. They exist to show, in tests and in the report, that the nights would notice.
func BrokenRules() []Rule {
	return []Rule{
		{"certify, no e-LOND", false, certify(flaws{uncorrected: true})},
		{"certify, one pair for two", false, certify(flaws{twice: true})},
		{"certify, stored baseline", false, certify(flaws{stored: true})},
		{"certify, no interleaving", false, certify(flaws{blocked: true})},
		{"auto, no certificate", false, playAuto(flaws{unproven: true})},
		{"auto, stored baseline", false, playAuto(flaws{stored: true})},
		{"auto, no interleaving", false, playAuto(flaws{blocked: true})},
	}
}

// MistakenRules are Ratchet's rules with one part taken out each that null nights on an
// undisturbed machine would not notice: which pairs count, what is claimed, what is
// gained, and what a metric without noise costs. They exist to show, in tests, that those nights would notice.
func MistakenRules() []Rule {
	return []Rule{
		{"auto, blind to load", false, playAuto(flaws{blind: true})},
		{"certify, blind to load", false, certify(flaws{blind: true})},
		{"auto, raw claim", false, playAuto(flaws{raw: true})},
		{"auto, spendthrift", false, playAuto(flaws{last: true})},
		{"auto, no ticks", false, playAuto(flaws{tickless: true})},
		{"auto, no shortcut", false, playAuto(flaws{longWay: true})},
		{"certify, no shortcut", false, certify(flaws{longWay: true})},
	}
}

// PlayNight is night number i of the cell, from 0, by the rule.
func PlayNight(r Rule, c Cell, seed uint64, i int) Night { return playNight(r, c, seed, i, nil) }

// playNight is PlayNight, which tells judged of every verdict of Ratchet's unless it is nil.
func playNight(r Rule, c Cell, seed uint64, i int, judged func(float64, rules.Judgement)) Night {
	machine := newWorld(c, seed, i)
	machine.judged = judged
	r.play(machine)

	return machine.Night
}

// Summary is what the nights of one rule in one cell came to. Shares are of
// nights, gains are means of log-ratios a night.
type Summary struct {
	Nights   int     `json:"nights"`
	AnyFalse float64 `json:"any_false"` // share of nights with a false keep (a rider counts)
	// share of nights in which something claimed to be proven brings no gain: a whole chain, or a
	// single keep
	FalseNight float64 `json:"false_night"`
	FalseShare float64 `json:"false_share"` // mean share of keeps without a gain
	Keeps      float64 `json:"keeps"`
	Gain       float64 `json:"gain"`
	Honesty    float64 `json:"claimed_over_true"` // 0 where nothing was gained
	Runs       float64 `json:"runs"`
	Proposals  float64 `json:"proposals"`
}

// SummariseNights adds up nights, at least one.
func SummariseNights(nights []Night) Summary {
	s := Summary{Nights: len(nights)}
	n := float64(len(nights))
	claimed, anyFalse, falseNights := 0.0, 0, 0

	for _, night := range nights {
		if night.FalseKeeps > 0 {
			anyFalse++
		}

		if night.FalseCerts > 0 {
			falseNights++
		}

		if night.Keeps > 0 {
			s.FalseShare += float64(night.FalseKeeps) / float64(night.Keeps) / n
		}

		s.Keeps += float64(night.Keeps) / n
		s.Gain += night.Gain / n
		claimed += night.Claimed / n
		s.Runs += float64(night.Runs) / n
		s.Proposals += float64(night.Proposals) / n
	}

	s.AnyFalse, s.FalseNight = float64(anyFalse)/n, float64(falseNights)/n
	if s.Gain != 0 {
		s.Honesty = claimed / s.Gain
	}

	return s
}

// GainRatio is the ratio of two rules' mean gains over the same nights, with its
// paired standard error (the delta method); 0 and 0 where b gained nothing.
func GainRatio(a, b []Night) (ratio, se float64) {
	n := float64(min(len(a), len(b)))

	sumA, sumB := 0.0, 0.0
	for i := range int(n) {
		sumA += a[i].Gain
		sumB += b[i].Gain
	}

	if sumB == 0 {
		return 0, 0
	}
	ratio = sumA / sumB
	v := 0.0

	for i := range int(n) {
		d := a[i].Gain - ratio*b[i].Gain
		v += d * d
	}

	return ratio, math.Sqrt(v) / math.Abs(sumB)
}
