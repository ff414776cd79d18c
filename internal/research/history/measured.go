package history

import (
	"fmt"
	"strings"

	"ratchet/internal/research"
	"ratchet/internal/research/rules"
	"ratchet/internal/wording"
)

// CertifiedWords is the sum of the certificates' gains, for readers.
func (c *Campaign) CertifiedWords() string {
	g := c.Rule.MetricScale().Gain(-c.CertifiedGain)
	return rules.FormatGain(research.Interval{Mid: g, Lo: g, Hi: g}, c.Rule.Scale, c.Program.Metric)
}

// Proof says how far a keep of the experiment is proven: certified as part of a chain,
// provisional until its chain is, unverified after a demotion, or rolled back;
// "" where the verdict is the proof.
func (c *Campaign) Proof(experiment *Experiment) string {
	switch {
	case experiment.RolledBack:
		return "rolled back"
	case experiment.Status == research.Kept && experiment.Overridden != "":
		return "kept by a person against the verdict"
	case experiment.Status != research.Kept || experiment.Judgement == nil || c.Rule.NoiseKind != research.Noisy:
		return ""
	case experiment.N < c.ChainFrom && experiment.Judgement.Verdict == research.Improved &&
		experiment.Judgement.StoppedBy != "one_run":
		return ""
	case experiment.N < c.ChainFrom:
		return "certified"
	case experiment.Judgement.StoppedBy == "one_run":
		return "unverified"
	}

	return "provisional"
}

// Standing is what a noisy campaign has gained, in words: what an audit says
// first, then what is proven, then what is only claimed. "" while there is
// nothing to say, and for a deterministic metric, whose values say it.
func (c *Campaign) Standing() string {
	if c.Rule.NoiseKind != research.Noisy {
		return ""
	}
	var parts []string

	if a := c.Audit; a != nil {
		s := fmt.Sprintf("audited gain over the start %s, %s", rules.FormatGain(a.Gain, a.Scale, c.Program.Metric),
			wording.Count(a.Pairs, "pair"))
		if a.Commit != c.Incumbent {
			s += " (of an earlier incumbent)"
		}

		parts = append(parts, s)
	}

	if f := c.Final; f != nil && f.Head == c.Incumbent && f.Dropped > 0 {
		parts = append(parts, fmt.Sprintf("finalized as %s without %s that did not pay: audited gain %s, %s",
			strings.TrimPrefix(f.Branch, "refs/heads/"), wording.Count(f.Dropped, "change"), rules.FormatGain(f.Gain,
				f.Scale, c.Program.Metric), wording.Count(f.Pairs, "pair")))
	}

	if c.CertifiedGain > 0 {
		s := "proven gains add up to about " + c.CertifiedWords()
		if c.Certified > 0 {
			s = fmt.Sprintf("certified: about %s in %s", c.CertifiedWords(), wording.Count(c.Certified, "certificate"))
		}

		parts = append(parts, s)
	}

	if c.GainsAfter > 0 {
		parts = append(parts,
			fmt.Sprintf("the contract changed after experiment %d: what was gained until then is another number",
				c.GainsAfter))
	}

	if c.Overridden > 0 {
		parts = append(parts, wording.Count(c.Overridden,
			"edit")+" kept by a person against the verdict, in no figure but an audit's")
	}

	if s := c.Rule.DescribeChain(c.Program.Metric, c.Outlook(), nil); s != "" {
		parts = append(parts, "provisional: "+s)
	}

	return strings.Join(parts, "; ")
}
