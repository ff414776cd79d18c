package main

import (
	"bufio"
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
)

func acceptCommand(cli *app) *cobra.Command {
	return &cobra.Command{
		Use:   "accept",
		Short: "accept a changed contract (a person, in a terminal)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			co, err := cli.lab(cmd.Context())
			if err != nil {
				return err
			}

			campaign, now, digest, err := lab.PendingContract(cmd.Context(), co)
			if err != nil {
				return err
			}

			if digest == campaign.Digest {
				return cli.emit(accepted{campaign.Name, digest, false}, func(w io.Writer) {
					fmt.Fprintf(w, "the contract of %s is the accepted one; nothing to do\n", campaign.Name)
				})
			}

			if !terminal.IsTerminal(cli.Stdin) {
				return research.Errorf(research.CodeContract, "run it yourself, in a terminal",
					"accepting a contract is a person's decision")
			}
			printChange(cli.talk(), campaign.Program, now)

			allow, err := cli.newTargets(cmd, co, campaign.Program, now)
			if err != nil {
				return err
			}
			fmt.Fprintf(cli.talk(), "\nThe next run calibrates anew. Type the campaign's name (%s) to accept: ",
				campaign.Name)

			line, _ := bufio.NewReader(cli.Stdin).ReadString('\n')
			if strings.TrimSpace(line) != campaign.Name {
				return research.Errorf(research.CodeContract, "run `ratchet accept` again",
					"not accepted: the name differs")
			}

			if err := lab.AcceptContract(cmd.Context(), co, digest, history.ByTerminal); err != nil {
				return err
			}

			if allow != nil {
				if err := notify.StoreAllowance(co, allow); err != nil {
					return err
				}
			}

			return cli.emit(accepted{campaign.Name, digest, true}, func(w io.Writer) { fmt.Fprintln(w, "accepted") })
		},
	}
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
