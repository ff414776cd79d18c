package finalize

import (
	"context"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/job"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
)

// Audit measures what the campaign has gained by fresh interleaved pairs of its start
// and its incumbent. No decision rests on them, so the estimate has no bias of
// selection. pairs 0 means rules.Outlook.AuditPairs, or 2 of a deterministic metric. A spent
// budget does not prevent it, since a person asks. Errors: CodeBadArgument for fewer
// than 2 or more than 100 pairs, CodeNoChange when nothing is kept.
func Audit(
	ctx context.Context, co *checkout.Checkout, pairs int, wait time.Duration, progress job.ProgressFunc,
) (*job.Outcome, error) {
	campaign, err := job.CurrentReaped(ctx, co)
	if err != nil {
		return nil, err
	}

	if err := co.RequireAcceptedContract(campaign); err != nil {
		return nil, err
	}

	if pairs == 0 {
		pairs = auditPairs(campaign)
	}

	if pairs < 2 || pairs > 100 {
		return nil, research.Errorf(research.CodeBadArgument, "give 2 to 100", "pairs = %d is out of range", pairs)
	}

	id, err := startAudit(ctx, co, campaign, "incumbent", campaign.Incumbent, pairs)
	if err != nil {
		return nil, err
	}

	return job.AwaitJob(ctx, co, campaign.Name, id, wait, progress)
}

// startAudit starts fresh pairs of the start and a version.
func startAudit(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, target, commit string, pairs int,
) (research.JobID, error) {
	if campaign.IncumbentTree == campaign.StartTree {
		return "", research.Errorf(research.CodeNoChange, "keep something first",
			"the incumbent is the campaign's start: there is nothing to audit")
	}

	return job.StartJob(ctx, co, campaign.Name, history.KindMeasurementStarted,
		func(now *history.Campaign) (rules.JobStart, error) {
			if target == "incumbent" {
				commit = now.Incumbent
			}

			return rules.JobStart{Job: research.NewJobID(research.AuditJob, now.Audits+1), Commit: commit,
				Paired: now.Start, Target: target, With: "start", Runs: pairs,
				Control: now.Rule.NoiseKind != research.Deterministic && pairs >= rules.SparingAuditPairs}, nil
		})
}

// Certify starts the certificate of the head now, if it has a chain; any extra
// test is paid for by e-LOND. A chain that claims too little to be proven is
// rolled back without a run. nil when there is no chain.
func Certify(
	ctx context.Context, co *checkout.Checkout, wait time.Duration, progress job.ProgressFunc,
) (*job.Outcome, error) {
	campaign, err := job.CurrentReaped(ctx, co)
	if err != nil {
		return nil, err
	}

	id := job.FindOpenJob(campaign, research.CertificateJob)
	if id == "" {
		if id, err = job.StartDueCertificate(ctx, co, campaign, true); err != nil || id == "" {
			return nil, err
		}
	}

	return job.AwaitJob(ctx, co, campaign.Name, id, wait, progress)
}
