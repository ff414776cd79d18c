package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ratchet/internal/checkout"
	"ratchet/internal/lab"
	"ratchet/internal/notify"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/terminal"
	"ratchet/internal/wording"
	"ratchet/tools"
)

func acceptCommand(cli *app) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "accept",
		Short: "accept a changed contract, or that of a further campaign (a person, in a terminal)",
		Long: "Accepts the front matter of program.md as it is now. For a campaign that runs on another one, the next run\n" +
			"calibrates anew. A further campaign of a repository whose contract is not that of one that exists is started.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			co, err := cli.lab(cmd.Context())
			if err != nil {
				return err
			}

			start, err := lab.FindPendingStart(cmd.Context(), co, lab.StartRequest{Name: name})
			switch {
			case err != nil:
				return err
			case start != nil:
				return cli.acceptStart(cmd, co, start)
			case name != "":
				return research.Errorf(research.CodeBadArgument,
					"without --name it is about this checkout's campaign; start_campaign starts or resumes the other",
					"no campaign %q waits to be accepted", name)
			}

			return cli.acceptChange(cmd, co)
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "of the campaign to start, where start_campaign was given one")

	return cmd
}

// acceptStart asks the person about a further campaign's contract, and starts it.
func (a *app) acceptStart(cmd *cobra.Command, co *checkout.Checkout, start *lab.PendingStart) error {
	if err := a.requirePerson("starting a campaign on a contract that is not accepted is a person's decision"); err != nil {
		return err
	}
	fmt.Fprintf(a.talk(), "A new campaign, %s, with the contract in %s. From that of campaign %s it differs:\n",
		start.Campaign, start.Path, start.Like)
	printChange(a.talk(), start.Was, start.Now)

	if err := a.typed(start.Campaign, "accept it and start the campaign"); err != nil {
		return err
	}

	started, err := lab.StartCampaign(cmd.Context(), co, lab.StartRequest{Name: start.Campaign,
		Accepted: start.Acceptance(history.ByTerminal)})
	if err != nil {
		return err
	}
	a.print(tools.RenderStarted(started))

	return nil
}

// acceptChange asks the person about the changed contract of the checkout's campaign.
func (a *app) acceptChange(cmd *cobra.Command, co *checkout.Checkout) error {
	campaign, now, digest, err := lab.PendingContract(cmd.Context(), co)
	if err != nil {
		return err
	}

	if digest == campaign.Digest {
		return a.emit(accepted{campaign.Name, digest, false}, func(w io.Writer) {
			fmt.Fprintf(w, "the contract of %s is the accepted one; nothing to do\n", campaign.Name)
		})
	}

	if err := a.requirePerson("accepting a contract is a person's decision"); err != nil {
		return err
	}
	printChange(a.talk(), campaign.Program, now)

	allow, err := a.newTargets(cmd, co, campaign.Program, now)
	if err != nil {
		return err
	}
	fmt.Fprint(a.talk(), "\nThe next run calibrates anew.")

	if err := a.typed(campaign.Name, "accept"); err != nil {
		return err
	}

	if err := lab.AcceptContract(cmd.Context(), co, digest, history.ByTerminal); err != nil {
		return err
	}

	if allow != nil {
		if err := notify.StoreAllowance(co, allow); err != nil {
			return err
		}
	}

	return a.emit(accepted{campaign.Name, digest, true}, func(w io.Writer) { fmt.Fprintln(w, "accepted") })
}

// requirePerson refuses where no terminal is there, with what is a person's decision.
func (a *app) requirePerson(decision string) error {
	if terminal.IsTerminal(a.Stdin) {
		return nil
	}

	return research.Errorf(research.CodeContract, "run it yourself, in a terminal", "%s", decision)
}

// accepted is what accept answers.
type accepted struct {
	Campaign string `json:"campaign"`
	Digest   string `json:"digest"`  // of the contract that is accepted now
	Changed  bool   `json:"changed"` // by this call
}

// talk is where a person is asked: stdout, but with --json, which has that for itself.
func (a *app) talk() io.Writer {
	if a.JSON {
		return a.Stderr
	}

	return a.Stdout
}

// newTargets shows what notify names, where it was changed: who accepts that
// allows it, too. nil where it was not.
func (a *app) newTargets(
	cmd *cobra.Command, co *checkout.Checkout, was, now contract.Program,
) (*notify.Allowance, error) {
	changed := slices.ContainsFunc(contract.ListChanges(was, now),
		func(c contract.Change) bool { return c.Key == "notify" })
	if !changed || len(now.Notify) == 0 {
		return nil, nil
	}

	allow, err := notify.PendingAllowance(cmd.Context(), co)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(a.talk(), "\nTo accept it allows this to run as you, unconfined, and to send what it says:\n")

	for _, line := range allow.Lines {
		fmt.Fprintf(a.talk(), "  %s\n", wording.PlainLine(line))
	}

	return allow, nil
}

// printChange shows the lines of the contract that differ.
func printChange(w io.Writer, was, now contract.Program) {
	for line := range strings.Lines(contract.RenderDiff(was, now)) {
		fmt.Fprintln(w, notify.Visible(strings.TrimSuffix(line, "\n")))
	}
}
