package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"ratchet/internal/checkout"
	"ratchet/internal/finalize"
	"ratchet/internal/job"
	"ratchet/internal/lab"
	"ratchet/internal/research"
	"ratchet/internal/research/rules"
)

func auditCommand(a *app) *cobra.Command {
	var pairs int
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "measure what the campaign has gained: fresh pairs of its start and its incumbent",
		Long: `Measures the campaign's gain by fresh interleaved pairs of its start and its incumbent.
No decision rests on these runs, so the figure is unbiased whatever led to the incumbent.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := a.lab(cmd.Context())
			if err != nil {
				return err
			}

			o, err := finalize.Audit(cmd.Context(), l, pairs, 0, nil) // follow shows how it goes on
			if o, err = a.follow(cmd.Context(), l, o, err); err != nil {
				return err
			}

			return a.emit(o, func(w io.Writer) { fmt.Fprintln(w, o.Finding) })
		},
	}
	cmd.Flags().IntVar(&pairs, "pairs", 0, fmt.Sprintf("how many (default %d; 2 of a deterministic metric)",
		rules.AuditPairs))

	return cmd
}

// longWait is how long one look at a job lasts; follow looks again.
const longWait = 50 * time.Second

// follow waits until the job of first has ended. Its failure is an error.
func (a *app) follow(ctx context.Context, l *checkout.Checkout, first *job.Outcome, err error) (*job.Outcome, error) {
	o := first
	if err == nil && o.Status == "running" {
		p, wait := a.progress(jobWord(o.ID), "runs"), longWait
		if p != nil {
			wait = time.Second
		}
		defer p.End()

		for err == nil && o.Status == "running" {
			p.Job(*o)
			o, err = lab.Wait(ctx, l, job.WaitRequest{ID: string(o.ID), Wait: wait}, nil)
		}
	}

	if err == nil && o.Reason != "" {
		err = research.Errorf(research.CodeProgram, "mend it, and call again", "%s: %s", o.ID, o.Reason)
	}

	return o, err
}
