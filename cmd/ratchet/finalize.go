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
	"ratchet/internal/wording"
)

func finalizeCommand(cli *app) *cobra.Command {
	var req finalize.FinalizeRequest
	var pr bool
	cmd := &cobra.Command{
		Use:   "finalize [--pr [FILE]]",
		Short: "certify, drop what does not pay, audit, and put the result on a branch of its own",
		Long: `Ends a night's work. It certifies what was kept provisionally since the last checkpoint (if that fails, it is
rolled back); leaves the kept changes out, in groups and one by one, and drops those that are not shown to pay;
measures the gain of what is left by fresh pairs; and makes the branch ratchet/NAME-final on the commit that you
started from: one commit with the audited gain in its message, or with --stack one for each change with its
measured effect.

The campaign's own branch, HEAD, the index and your files stay as they are, and nothing is pushed. The runs come on
top of the campaign's budget; --dry-run says how many. A finalize that was killed goes on where it was.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && !pr {
				return research.Errorf(research.CodeBadArgument, "write --pr "+args[0],
					"finalize takes a file only with --pr")
			}

			co, err := cli.lab(cmd.Context())
			if err != nil {
				return err
			}

			p := cli.progress("finalize", "runs")
			defer func() { p.End() }()
			req.Watch = func(outcome job.Outcome) {
				p.ShowJob(outcome)
				p.Say(jobWord(outcome.ID) + ": " + outcome.Phase)
			}
			req.Tell = func(words string) {
				p.End()
				fmt.Fprintln(cli.Stderr, words)
				p = cli.progress("finalize", "runs")
			}
			result, err := finalize.Finalize(cmd.Context(), co, req)
			p.End()

			if err != nil {
				return explainInterruption(cmd.Context(), err,
					"`ratchet finalize` goes on where it was; `ratchet stop` ends the runs that are under way")
			}

			if len(args) > 0 && result.Body != "" {
				if err := writeFile(args[0], []byte(result.Body)); err != nil {
					return research.Errorf(research.CodeStorage, "name a file that can be written; the branch is made",
						"the text of the pull request: %w", err)
				}
			}

			return cli.emit(result, func(w io.Writer) { finalizeText(w, result, pr, args) })
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&req.Pairs, "pairs", 0,
		fmt.Sprintf("most pairs in one comparison of the ablation; more pairs can show smaller gains (default %d, more where runs are short)", rules.SparingAblationPairs))
	flags.BoolVar(&req.NoAblation, "no-ablation", false, "leave everything in that was kept")
	flags.BoolVar(&req.Stack, "stack", false, "a commit for each change, measured against the one before")
	flags.BoolVar(&req.DryRun, "dry-run", false, "only say what would be done, and what it costs")
	flags.BoolVar(&pr, "pr", false,
		"print the title and text of a pull request, or write the text to FILE; nothing is pushed")

	return cmd
}

func finalizeText(out io.Writer, result *finalize.Finalized, pr bool, file []string) {
	if result.Plan != "" {
		fmt.Fprintf(out, "%s\nnothing was measured\nnext: %s\n", result.Plan, result.Next)
		return
	}

	if pr && len(file) == 0 {
		fmt.Fprintf(out, "%s\n\n%s", result.Title, result.Body)
		return
	}
	fmt.Fprintln(out, result.Audit.Finding)

	if n := len(result.Stack); n > 0 {
		fmt.Fprintf(out, "%s holds it as %d commits on the commit that you started from, the last is %s\n", result.Branch, n,
			result.Commit)
	} else {
		fmt.Fprintf(out, "%s holds it as one commit, %s, on the one that you started from\n", result.Branch, result.Commit)
	}

	fmt.Fprintf(out, "a merge brings %s:\n", wording.Count(len(result.Brings), "commit"))

	for _, commit := range result.Brings {
		fmt.Fprintf(out, "  %s %s\n    %s: %s added, %d removed\n", wording.ShortCommit(commit.Commit), commit.Subject,
			strings.Join(commit.Files, ", "), wording.Count(commit.Added, "line"), commit.Removed)
	}

	if pr {
		fmt.Fprintf(out, "next: git push -u origin %s && gh pr create --head %s --title '%s' --body-file %s\n",
			result.Branch, result.Branch, strings.ReplaceAll(result.Title, "'", `'\''`), file[0])

		return
	}
	fmt.Fprintf(out, "next: %s\n", result.Next)
}

// explainInterruption says how to go on after an interrupt from the keyboard.
func explainInterruption(ctx context.Context, err error, next string) error {
	if ctx.Err() == nil {
		return err
	}

	return research.Errorf(research.CodeCancelled, next, "interrupted: what was measured is kept")
}

func auditCommand(cli *app) *cobra.Command {
	var pairs int
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "measure what the campaign has gained: fresh pairs of its start and its incumbent",
		Long: `Measures the campaign's gain by fresh interleaved pairs of its start and its incumbent.
No decision rests on these runs, so the figure is unbiased whatever led to the incumbent.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			co, err := cli.lab(cmd.Context())
			if err != nil {
				return err
			}

			outcome, err := finalize.Audit(cmd.Context(), co, pairs, 0, nil) // follow shows how it goes on
			if outcome, err = cli.follow(cmd.Context(), co, outcome, err); err != nil {
				return explainInterruption(cmd.Context(), err,
					"the audit goes on: `ratchet status` shows it, `ratchet stop` ends it")
			}

			return cli.emit(outcome, func(w io.Writer) { fmt.Fprintln(w, outcome.Finding) })
		},
	}
	cmd.Flags().IntVar(&pairs, "pairs", 0, fmt.Sprintf("how many (default %d, more where runs are short; 2 of a deterministic metric)",
		rules.SparingAuditPairs))

	return cmd
}

// longWait is how long one look at a job lasts; follow looks again.
const longWait = 50 * time.Second

// follow waits until the job of first has ended. Its failure is an error.
func (a *app) follow(ctx context.Context, co *checkout.Checkout, first *job.Outcome, err error) (*job.Outcome, error) {
	outcome := first
	if err == nil && outcome.Status == "running" {
		p, wait := a.progress(jobWord(outcome.ID), "runs"), longWait
		if p != nil {
			wait = time.Second
		}
		defer p.End()

		for err == nil && outcome.Status == "running" {
			p.ShowJob(*outcome)
			outcome, err = lab.Wait(ctx, co, job.WaitRequest{ID: string(outcome.ID), Wait: wait}, nil)
		}
	}

	if err == nil && outcome.Reason != "" {
		err = research.Errorf(research.CodeProgram, "fix it, and call again", "%s: %s", outcome.ID, outcome.Reason)
	}

	return outcome, err
}
