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
	ctx context.Context, co *checkout.Checkout, c *history.Campaign, now bool,
) (id research.JobID, err error) {
	if !isCertificateDue(c, now) || co.RequireAcceptedContract(c) != nil {
		return "", nil
	}

	return StartJob(ctx, co, c.Name, history.KindCertificateStarted,
		func(c *history.Campaign) (job rules.JobStart, err error) {
			if isCertificateDue(c, now) {
				job = rules.JobStart{Job: research.NewJobID(research.CertificateJob, c.Certificates+1),
					Commit: c.Incumbent, Paired: c.Checkpoint, Target: "incumbent", With: "checkpoint"}
			}

			return job, nil
		})
}

// isCertificateDue says whether a certificate should start: the rule's plan says
// so, or with now a person, and nothing that it would disturb runs.
func isCertificateDue(c *history.Campaign, now bool) bool {
	switch {
	case c.Ended != "", c.Broken != "", !c.Calibrated:
		return false
	case c.Program.Search == rules.SearchCertify, len(c.Open) > 0:
		return false
	case c.Rests != nil && !now:
		return false
	}

	return c.Plan() == rules.PlanCertify || now && c.Rule.Auto != nil && c.Rule.Auto.Chain > 0
}
