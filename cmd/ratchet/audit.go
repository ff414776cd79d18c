package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"ratchet/internal/lab"
	"ratchet/internal/research"
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
			o, err := l.Audit(cmd.Context(), pairs, 0, nil) // follow shows how it goes on
			if o, err = a.follow(cmd.Context(), l, o, err); err != nil {
				return err
			}
			return a.emit(o, func(w io.Writer) { fmt.Fprintln(w, o.Finding) })
		},
	}
	cmd.Flags().IntVar(&pairs, "pairs", 0, fmt.Sprintf("how many (default %d; 2 of a deterministic metric)", research.AuditPairs))
	return cmd
}

func finalizeCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "finalize",
		Short: "certify what is not, audit the gain, and put the result on a branch of its own as one commit",
		Long: `Ends a night's work: certifies what was kept provisionally since the last checkpoint (if that fails, it is
rolled back), measures the campaign's gain by fresh pairs, and makes the branch ratchet/NAME-final: one commit on
the campaign's start, with the audited gain in its message. The campaign's own branch is not rewritten.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := a.lab(cmd.Context())
			if err != nil {
				return err
			}
			proof, err := l.Certify(cmd.Context(), longWait, nil)
			if proof != nil && err == nil {
				if proof, err = a.follow(cmd.Context(), l, proof, err); err == nil && !a.JSON {
					fmt.Fprintln(a.Stdout, proof.Finding)
				}
			}
			if err != nil {
				return err
			}
			audit, err := l.Audit(cmd.Context(), 0, longWait, nil)
			if audit, err = a.follow(cmd.Context(), l, audit, err); err != nil {
				return err
			}
			f, err := l.Finalize(cmd.Context(), audit)
			if err != nil {
				return err
			}
			f.Certificate = proof
			return a.emit(f, func(w io.Writer) {
				fmt.Fprintf(w, "%s\n%s holds it as one commit, %s, on the campaign's start\n", audit.Finding, f.Branch, f.Commit)
				fmt.Fprintf(w, "next: %s\n", f.Next)
			})
		},
	}
	return cmd
}

// longWait is how long one look at a job lasts; follow looks again.
const longWait = 50 * time.Second

// follow waits until the job of first has ended. Its failure is an error.
func (a *app) follow(ctx context.Context, l *lab.Lab, first *lab.Outcome, err error) (*lab.Outcome, error) {
	o := first
	if err == nil && o.Status == "running" {
		p, wait := a.progress(jobWord(o.ID), "runs"), longWait
		if p != nil {
			wait = time.Second
		}
		defer p.End()
		for err == nil && o.Status == "running" {
			p.Job(*o)
			o, err = l.Wait(ctx, lab.WaitRequest{ID: string(o.ID), Wait: wait}, nil)
		}
	}
	if err == nil && o.Reason != "" {
		err = research.Errorf(research.CodeProgram, "mend it, and call again", "%s: %s", o.ID, o.Reason)
	}
	return o, err
}
