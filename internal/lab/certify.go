package lab

import (
	"context"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/job"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
)

// finishCertificateFirst lets a certificate that is due, or under way, end before an
// experiment begins, since it may move the head. out is what came of it, nil
// when none was due; the experiment may begin unless it runs on or the head
// was rolled back under the checkout's edit: then out is the call's answer.
func finishCertificateFirst(
	ctx context.Context, co *checkout.Checkout, c *history.Campaign, limit time.Duration, progress job.ProgressFunc,
) (out *job.Outcome, begin bool, err error) {
	id := job.FindOpenJob(c, research.CertificateJob)
	if id == "" {
		if id, err = job.StartDueCertificate(ctx, co, c, false); err != nil || id == "" {
			return nil, true, err
		}
	}

	if out, err = job.AwaitJob(ctx, co, c.Name, id, limit, progress); err != nil {
		return nil, false, err
	}

	if out.Status == "running" {
		out.Next = "wait_run{id: \"" + string(id) + "\"}: your edit waits for it; then run_experiment again"
		return out, false, nil
	}

	return out, out.Certificate != rules.RolledBack, nil
}
