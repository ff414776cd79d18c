package job

import (
	"context"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
)

// This file is the life of a certificate: search auto keeps edits on their
// expected gain, and the head that they make is judged as a whole.
//
//	StartDueCertificate       the rule's plan says when → certificate.started → a worker
//	worker.certifyHead        fresh pairs of checkpoint and head → the outcome
//	worker.recordCertificate  certified: the head is the checkpoint; else a commit with
//	                          the checkpoint's tree is the incumbent, and the chain is
//	                          reverted

// StartDueCertificate starts the certificate of the head when the plan says that it is
// time, or when a person wants it now. The job is "" when none is due.
func StartDueCertificate(
	ctx context.Context, co *checkout.Checkout, campaign *history.Campaign, now bool,
) (id research.JobID, err error) {
	if !isCertificateDue(campaign, now) || co.RequireAcceptedContract(campaign) != nil {
		return "", nil
	}

	return StartJob(ctx, co, campaign.Name, history.KindCertificateStarted,
		func(held *history.Campaign) (job rules.JobStart, err error) {
			if isCertificateDue(held, now) {
				job = rules.JobStart{Job: research.NewJobID(research.CertificateJob, held.Certificates+1),
					Commit: held.Incumbent, Paired: held.Checkpoint, Target: "incumbent", With: "checkpoint"}
			}

			return job, nil
		})
}

// isCertificateDue says whether a certificate should start: the rule's plan says
// so, or with now a person, and nothing that it would disturb runs.
func isCertificateDue(campaign *history.Campaign, now bool) bool {
	switch {
	case campaign.Ended != "", campaign.Broken != "", !campaign.Calibrated:
		return false
	case campaign.Program.Search == rules.SearchCertify, len(campaign.Open) > 0:
		return false
	case campaign.Rests != nil && !now:
		return false
	}

	return campaign.Plan() == rules.PlanCertify || now && campaign.Rule.Auto != nil && campaign.Rule.Auto.Chain > 0
}
