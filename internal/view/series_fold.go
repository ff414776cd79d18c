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
func newPoint(campaign *history.Campaign, experiment *history.Experiment) ProgressPoint {
	p := ProgressPoint{N: experiment.N, Status: experiment.Status, Kept: experiment.Status == research.Kept,
		RolledBack: experiment.RolledBack, Class: experiment.Class, At: experiment.ProposedAt,
		Hypothesis: shortenHypothesis(experiment.Hypothesis, hypothesisRunes)}
	if experiment.Judgement != nil {
		p.Verdict, p.Gain = experiment.Judgement.Verdict, experiment.Judgement.ExpectedGain()
		p.Result = experiment.Judgement.ShortResult(campaign.MetricOf(experiment.N))
	}

	if !experiment.JudgedAt.IsZero() {
		p.At = experiment.JudgedAt
	}

	return p
}

// foldExact folds the experiments of a deterministic metric: the best is the
// incumbent's value.
func (p *Progress) foldExact(campaign *history.Campaign, xs []history.Experiment) {
	var best *float64

	for i := range xs {
		experiment := &xs[i]

		pt := newPoint(campaign, experiment)
		if judgement := experiment.Judgement; judgement != nil && judgement.Verdict != research.Invalid {
			if pt.Value = judgement.Value; judgement.Baseline != nil {
				best = judgement.Baseline // also after an undo, or a change of machine
			}

			if pt.Kept && judgement.Value != nil {
				best = judgement.Value
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
func (p *Progress) foldNoisy(campaign *history.Campaign, xs []history.Experiment, proofs []history.CertificateEnd) {
	proven := campaign.TallyOf()
	// Back to what had been proven before the first point.
	for _, x := range xs {
		if isProvenAlone(campaign, &x, proofs) {
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
		experiment := &xs[i]

		// Certificates that ended before this experiment.
		for len(proofs) > 0 && proofs[0].To < experiment.N {
			proven = addCertificate(proven, proofs[0])
			chain, proofs = proven, proofs[1:]
		}

		pt := newPoint(campaign, experiment)
		if pt.Gain != nil && experiment.Judgement.Scale == p.Scale && pt.Verdict != research.Invalid {
			over := chain.GainOverStart(*pt.Gain)
			pt.OverStart = &over
		}

		switch {
		case isProvenAlone(campaign, experiment, proofs):
			proven = proven.AddGain(*experiment.Judgement.Gain, 1)
			chain = chain.AddGain(*experiment.Judgement.Gain, 1)
		case (pt.Kept || experiment.RolledBack) && experiment.Overridden == "":
			chain = addEdit(chain, p.Scale, experiment.Judgement)
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

func addCertificate(t rules.Tally, end history.CertificateEnd) rules.Tally {
	if end.Outcome != rules.Certified || end.Gain == nil || end.Scale != t.Scale {
		return t
	}

	return t.AddGain(*end.Gain, 1)
}

// hasGain says whether a judgement has a gain on the scale.
func hasGain(scale string, j *rules.Judgement) bool {
	return j != nil && j.Gain != nil && j.Scale == scale && j.Verdict != research.Invalid
}

// addEdit is the chain with one more edit.
func addEdit(t rules.Tally, scale string, judgement *rules.Judgement) rules.Tally {
	switch {
	case judgement != nil && judgement.Claim != nil:
		return t.AddClaim(*judgement.Claim, 1)
	case hasGain(scale, judgement):
		return t.AddGain(*judgement.Gain, 1)
	}

	return t
}

// isProvenAlone says whether a keep that stands was proven by its own verdict.
func isProvenAlone(c *history.Campaign, experiment *history.Experiment, proofs []history.CertificateEnd) bool {
	if experiment.Status != research.Kept || experiment.Overridden != "" || !hasGain(c.Rule.Scale,
		experiment.Judgement) || experiment.N >= c.ChainFrom ||
		experiment.Judgement.Verdict != research.Improved || experiment.Judgement.StoppedBy == "one_run" {
		return false
	}

	return !slices.ContainsFunc(proofs, func(b history.CertificateEnd) bool {
		return b.From <= experiment.N && experiment.N <= b.To
	})
}

// shortenHypothesis is the first line of a text in at most n characters, without
// control characters.
func shortenHypothesis(s string, n int) string {
	s = wording.FirstLine(strings.TrimSpace(strings.ToValidUTF8(s, "?")))
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == ' ' }), " ")

	return wording.Truncate(s, n)
}
