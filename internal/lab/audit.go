package lab

import (
	"context"
	"fmt"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
)

// Audit measures what the campaign has gained: fresh interleaved pairs of its
// start and its incumbent, which no decision rests on, so that nothing was
// selected for them. pairs 0 is research.AuditPairs, or 2 of a deterministic
// metric. It is made beyond the
// campaign's budget too, since it is a person who asks.
func (l *Lab) Audit(ctx context.Context, pairs int, wait time.Duration, progress ProgressFunc) (*Outcome, error) {
	c, err := l.currentReaped(ctx)
	if err != nil {
		return nil, err
	}

	if err := l.requireAcceptedContract(c); err != nil {
		return nil, err
	}

	if pairs == 0 {
		pairs = auditPairs(c)
	}

	if pairs < 2 || pairs > 100 {
		return nil, research.Errorf(research.CodeBadArgument, "give 2 to 100", "pairs = %d is out of range", pairs)
	}

	id, err := l.startAudit(ctx, c, "incumbent", c.Incumbent, pairs)
	if err != nil {
		return nil, err
	}

	return l.awaitJob(ctx, c.Name, id, wait, progress)
}

// startAudit starts fresh pairs of the start and a version.
func (l *Lab) startAudit(
	ctx context.Context, c *history.Campaign, target, commit string, pairs int,
) (research.JobID, error) {
	if c.IncumbentTree == c.StartTree {
		return "", research.Errorf(research.CodeNoChange, "keep something first",
			"the incumbent is the campaign's start: there is nothing to audit")
	}

	return l.startJob(ctx, c.Name, history.KindMeasurementStarted,
		func(now *history.Campaign) (rules.JobStart, error) {
			if target == "incumbent" {
				commit = now.Incumbent
			}

			return rules.JobStart{Job: research.NewJobID(research.AuditJob, now.Audits+1), Commit: commit,
				Paired: now.Start, Target: target, With: "start", Runs: pairs}, nil
		})
}

// Certify starts the certificate of the head now, if it has a chain; any extra
// test is paid for by e-LOND. A chain that claims too little to be proven is
// rolled back without a run. nil when there is no chain.
func (l *Lab) Certify(ctx context.Context, wait time.Duration, progress ProgressFunc) (*Outcome, error) {
	c, err := l.currentReaped(ctx)
	if err != nil {
		return nil, err
	}

	id := findOpenJob(c, research.CertificateJob)
	if id == "" {
		if id, err = l.startDueCertificate(ctx, c, true); err != nil || id == "" {
			return nil, err
		}
	}

	return l.awaitJob(ctx, c.Name, id, wait, progress)
}

// describeAudit is the campaign's gain as an audit found it.
func describeAudit(c *history.Campaign, m *history.Measurement) string {
	e := m.End
	if e.Gain == nil {
		return "audit: too few pairs to say anything"
	}

	words := fmt.Sprintf("audited gain of the campaign: %s, from %d fresh pairs of start and %s",
		rules.GainWords(*e.Gain, e.Scale, c.Program.Metric), len(e.Paired), m.Target)
	if c.Certified > 0 {
		words += fmt.Sprintf("; its certificates add up to %s", c.CertifiedWords())
	}

	return words
}
