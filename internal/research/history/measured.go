package history

import (
	"fmt"
	"strings"

	"ratchet/internal/research"
	"ratchet/internal/wording"
)

// CertifiedWords is the sum of the certificates' gains, for readers.
func (c *Campaign) CertifiedWords() string {
	return c.Program.Metric.Words(c.Rule.Scale).FormatAmount(c.Rule.MetricScale().Gain(-c.CertifiedGain))
}

// DescribeOverStart is a gain over the start for readers: with the start's value and the
// one that the gain leads to, where the start was measured on the present machine.
func (c *Campaign) DescribeOverStart(gain research.Interval, scale string) string {
	words := c.Program.Metric.Words(scale)
	return words.FormatChange(words.Over(c.ComparableStart(), gain))
}

// ComparableStart is the start's value, nil where it was measured on another machine or not
// at all.
func (c *Campaign) ComparableStart() *float64 {
	if c.BaselineClass != c.Class {
		return nil
	}

	return c.Baseline
}

// ExactWords says where a deterministic metric stands, "" for any other: its values say
// all of it.
func (c *Campaign) ExactWords() string {
	gain, ok := c.Exact()
	if !ok {
		return ""
	}

	return c.Program.Metric.Words(c.Rule.Scale).FormatChange(wording.Change{From: c.Baseline, To: &c.Rule.Incumbent,
		Gain: &research.Interval{Mid: gain, Lo: gain, Hi: gain}})
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
		s := fmt.Sprintf("audited: %s, %s", c.DescribeOverStart(a.Gain, a.Scale), wording.Count(a.Pairs, "pair"))
		if a.Commit != c.Incumbent {
			s += " (of an earlier incumbent)"
		}

		parts = append(parts, s)
	}

	if f := c.Final; f != nil && f.Head == c.Incumbent && f.Dropped > 0 {
		parts = append(parts, fmt.Sprintf("finalized as %s without %s that did not pay: audited, %s, %s",
			strings.TrimPrefix(f.Branch, "refs/heads/"), wording.Count(f.Dropped, "change"),
			c.DescribeOverStart(f.Gain, f.Scale), wording.Count(f.Pairs, "pair")))
	}

	if c.CertifiedGain > 0 {
		gain := c.Rule.MetricScale().Gain(-c.CertifiedGain)
		sum := c.DescribeOverStart(research.Interval{Mid: gain, Lo: gain, Hi: gain}, c.Rule.Scale)

		s := "proven edit by edit: " + sum
		if c.Certified > 0 {
			s = fmt.Sprintf("certified: %s, in %s", sum, wording.Count(c.Certified, "certificate"))
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
		parts = append(parts, "on trial: "+s)
	}

	return strings.Join(parts, "; ")
}
