package view

import (
	"math"
	"slices"
	"strings"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/wording"
)

// newPoint is what an experiment's point has in either kind of campaign.
func newPoint(x *history.Experiment) ProgressPoint {
	p := ProgressPoint{N: x.N, Status: x.Status, Kept: x.Status == research.Kept, RolledBack: x.RolledBack,
		Class: x.Class, At: x.ProposedAt, Hypothesis: shortenHypothesis(x.Hypothesis, hypothesisRunes)}
	if x.Judgement != nil {
		p.Verdict, p.Gain = x.Judgement.Verdict, x.Judgement.Gain
	}

	if !x.JudgedAt.IsZero() {
		p.At = x.JudgedAt
	}

	return p
}

// foldExact folds the experiments of a deterministic metric: the best is the
// incumbent's value.
func (p *Progress) foldExact(xs []history.Experiment) {
	var best *float64

	for i := range xs {
		x := &xs[i]

		pt := newPoint(x)
		if j := x.Judgement; j != nil && j.Verdict != research.Invalid {
			if pt.Value = j.Value; j.Baseline != nil {
				best = j.Baseline // also after an undo, or a change of machine
			}

			if pt.Kept && j.Value != nil {
				best = j.Value
			}
		}

		if best != nil {
			pt.Best = &research.Interval{Mid: *best, Lo: *best, Hi: *best}
		}

		p.Points = append(p.Points, pt)
	}
}

// foldNoisy folds those of a noisy one: the best is what certificates proved, and
// what the chain of that time claimed on top. A chain that was rolled back is
// in it until its certificate.
func (p *Progress) foldNoisy(c *history.Campaign, xs []history.Experiment, proofs []history.CertificateEnd) {
	proven := c.TallyOf()
	// Back to what had been proven before the first point.
	for _, x := range xs {
		if isProvenAlone(c, &x, proofs) {
			proven = proven.AddGain(*x.Judgement.Gain, -1)
		}
	}

	for _, b := range proofs {
		if b.Outcome == rules.Certified && b.Gain != nil {
			proven = proven.AddGain(*b.Gain, -1)
		}
	}

	if math.Abs(proven.Size) < 1e-12 {
		proven.Size = 0
	}
	proven.Variance = 0
	chain := proven

	for i := range xs {
		x := &xs[i]

		// Certificates that ended before this experiment.
		for len(proofs) > 0 && proofs[0].To < x.N {
			proven = addCertificate(proven, proofs[0])
			chain, proofs = proven, proofs[1:]
		}

		pt := newPoint(x)
		if hasGain(p.Scale, x.Judgement) {
			over := chain.GainOverStart(*x.Judgement.Gain)
			pt.OverStart = &over
		}

		switch {
		case isProvenAlone(c, x, proofs):
			proven = proven.AddGain(*x.Judgement.Gain, 1)
			chain = chain.AddGain(*x.Judgement.Gain, 1)
		case (pt.Kept || x.RolledBack) && x.Overridden == "":
			chain = addEdit(chain, p.Scale, x.Judgement)
		}

		for i == len(xs)-1 && len(proofs) > 0 { // which ended after the last one
			proven = addCertificate(proven, proofs[0])
			chain, proofs = proven, proofs[1:]
		}
		best := chain.Interval()
		pt.Best = &best
		p.Points = append(p.Points, pt)
	}

	if p.Scale != "" {
		p.Gain = &TotalGain{Interval: chain.Interval()}
		if proven.Size != 0 {
			part := proven.Interval()
			p.Gain.Certified = &part
		}
	}
}

func addCertificate(t rules.Tally, b history.CertificateEnd) rules.Tally {
	if b.Outcome != rules.Certified || b.Gain == nil || b.Scale != t.Scale {
		return t
	}

	return t.AddGain(*b.Gain, 1)
}

// hasGain says whether a judgement has a gain on the scale.
func hasGain(scale string, j *rules.Judgement) bool {
	return j != nil && j.Gain != nil && j.Scale == scale && j.Verdict != research.Invalid
}

// addEdit is the chain with one more edit.
func addEdit(t rules.Tally, scale string, j *rules.Judgement) rules.Tally {
	switch {
	case j != nil && j.Claim != nil:
		return t.AddClaim(*j.Claim, 1)
	case hasGain(scale, j):
		return t.AddGain(*j.Gain, 1)
	}

	return t
}

// isProvenAlone says whether a keep that stands was proven by its own verdict.
func isProvenAlone(c *history.Campaign, x *history.Experiment, proofs []history.CertificateEnd) bool {
	if x.Status != research.Kept || x.Overridden != "" || !hasGain(c.Rule.Scale, x.Judgement) || x.N >= c.ChainFrom ||
		x.Judgement.Verdict != research.Improved || x.Judgement.StoppedBy == "one_run" {
		return false
	}

	return !slices.ContainsFunc(proofs, func(b history.CertificateEnd) bool { return b.From <= x.N && x.N <= b.To })
}

// shortenHypothesis is the first line of a text in at most n characters, without
// control characters.
func shortenHypothesis(s string, n int) string {
	s = wording.FirstLine(strings.TrimSpace(strings.ToValidUTF8(s, "?")))
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == ' ' }), " ")

	return wording.Truncate(s, n)
}
