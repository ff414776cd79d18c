package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ratchet/internal/checkout"
	"ratchet/internal/finalize"
	"ratchet/internal/job"
	"ratchet/internal/lab"
	"ratchet/internal/research"
	"ratchet/internal/research/rules"
	"ratchet/internal/terminal"
)

func finalizeCommand(a *app) *cobra.Command {
	var req finalize.FinalizeRequest
	var pr bool
	cmd := &cobra.Command{
		Use:   "finalize [--pr [FILE]]",
		Short: "certify, drop what does not pay, audit, and put the result on a branch of its own",
		Long: `Ends a night's work. It certifies what was kept provisionally since the last checkpoint (if that fails, it is
rolled back); leaves the kept changes out, in groups and one by one, and drops those that are not shown to pay;
measures the gain of what is left by fresh pairs; and makes the branch ratchet/NAME-final on the campaign's start:
one commit with the audited gain in its message, or with --stack one for each change with its measured effect.

The campaign's own branch, HEAD, the index and your files stay as they are, and nothing is pushed. The runs come on
top of the campaign's budget; --dry-run says how many. A finalize that was killed goes on where it was.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && !pr {
				return research.Errorf(research.CodeBadArgument, "write --pr "+args[0],
					"finalize takes a file only with --pr")
			}

			l, err := a.lab(cmd.Context())
			if err != nil {
				return err
			}

			var p *terminal.Progress // of the job under way, if it is to be shown
			defer func() { p.End() }()
			var shown research.JobID
			req.Watch = func(o job.Outcome) {
				if p == nil || shown != o.ID {
					p.End()
					p, shown = a.progress(jobWord(o.ID), "runs"), o.ID
				}
				p.Job(o)
			}
			req.Tell = func(words string) {
				p.End()
				p = nil
				fmt.Fprintln(a.Stderr, words)
			}
			f, err := finalize.Finalize(cmd.Context(), l, req)
			p.End()

			if err != nil {
				return err
			}

			if len(args) > 0 && f.Body != "" {
				if err := writeFile(args[0], []byte(f.Body)); err != nil {
					return research.Errorf(research.CodeStorage, "name a file that can be written; the branch is made",
						"the text of the pull request: %w", err)
				}
			}

			return a.emit(f, func(w io.Writer) { finalizeText(w, f, pr, args) })
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&req.Pairs, "pairs", 0,
		fmt.Sprintf("at most so many pairs in a comparison of the ablation; more of them tell smaller gains from none (default %d)", rules.AblationPairs))
	flags.BoolVar(&req.NoAblation, "no-ablation", false, "leave everything in that was kept")
	flags.BoolVar(&req.Stack, "stack", false, "a commit for each change, measured against the one before")
	flags.BoolVar(&req.DryRun, "dry-run", false, "only say what would be done, and what it costs")
	flags.BoolVar(&pr, "pr", false,
		"print the title and text of a pull request, or write the text to FILE; nothing is pushed")

	return cmd
}

func finalizeText(w io.Writer, f *finalize.Finalized, pr bool, file []string) {
	if f.Plan != "" {
		fmt.Fprintf(w, "%s\nnothing was measured\nnext: %s\n", f.Plan, f.Next)
		return
	}

	if pr && len(file) == 0 {
		fmt.Fprintf(w, "%s\n\n%s", f.Title, f.Body)
		return
	}
	fmt.Fprintln(w, f.Audit.Finding)

	if n := len(f.Stack); n > 0 {
		fmt.Fprintf(w, "%s holds it as %d commits on the campaign's start, the last is %s\n", f.Branch, n, f.Commit)
	} else {
		fmt.Fprintf(w, "%s holds it as one commit, %s, on the campaign's start\n", f.Branch, f.Commit)
	}

	if pr {
		fmt.Fprintf(w, "next: git push -u origin %s && gh pr create --head %s --title '%s' --body-file %s\n",
			f.Branch, f.Branch, strings.ReplaceAll(f.Title, "'", `'\''`), file[0])

		return
	}
	fmt.Fprintf(w, "next: %s\n", f.Next)
}

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
