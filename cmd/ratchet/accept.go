package main

import (
	"context"
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
			"calibrates again. If a further campaign waits to be accepted, this starts it.",
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
				return acceptStart(cli, cmd, co, start)
			case name != "":
				return research.Errorf(research.CodeBadArgument,
					"leave --name out to accept for this checkout's campaign; start_campaign{name} starts or resumes the other",
					"no campaign %q waits to be accepted", name)
			}

			return acceptChange(cli, cmd, co)
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "of the campaign to start, where start_campaign was given one")

	return cmd
}

// acceptStart asks the person about a further campaign's contract, and starts it.
func acceptStart(a *app, cmd *cobra.Command, co *checkout.Checkout, start *lab.PendingStart) error {
	if err := requirePerson(a,
		"starting a campaign on a contract that is not accepted is a person's decision"); err != nil {
		return err
	}
	fmt.Fprintln(a.talk(), "A new campaign, "+start.Describe())

	if !start.IsSpent {
		printChange(a.talk(), start.Was, start.Now)
	}

	if err := a.typed(start.Campaign, "accept it and start the campaign"); err != nil {
		return err
	}

	word, err := askWord(a, co)
	if err != nil {
		return err
	}

	started, err := lab.StartCampaign(cmd.Context(), co, lab.StartRequest{Name: start.Campaign,
		Accepted: start.Acceptance(word)})
	if err != nil {
		return err
	}
	a.print(tools.RenderStarted(started))

	return nil
}

// acceptChange asks the person about the changed contract of the checkout's campaign.
func acceptChange(a *app, cmd *cobra.Command, co *checkout.Checkout) error {
	campaign, now, digest, err := lab.PendingContract(cmd.Context(), co)
	if err != nil {
		return err
	}

	if digest == campaign.Digest {
		return a.emit(accepted{campaign.Name, digest, false}, func(w io.Writer) {
			fmt.Fprintf(w, "the contract of %s is the accepted one; nothing to do\n", campaign.Name)
		})
	}

	if err := requirePerson(a, "accepting a contract is a person's decision"); err != nil {
		return err
	}
	printChange(a.talk(), campaign.Program, now)

	allow, err := a.newTargets(cmd, co, campaign.Program, now)
	if err != nil {
		return err
	}
	fmt.Fprint(a.talk(), "\nThe next run calibrates again.")

	if err := a.typed(campaign.Name, "accept"); err != nil {
		return err
	}

	word, err := askWord(a, co)
	if err != nil {
		return err
	}

	if err := lab.AcceptContract(cmd.Context(), co, digest, word); err != nil {
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
func requirePerson(a *app, decision string) error {
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

func lockCommand(cli *app) *cobra.Command {
	var off bool
	cmd := &cobra.Command{
		Use:   "lock",
		Short: "ask for a passphrase where a person decides (a person, in a terminal)",
		Long: "From then on accept, override, and making a person's token (token add --role person, ui) ask for the\n" +
			"passphrase, in this repository and all its checkouts. A client's form can't answer any more, the dashboard\n" +
			"asks for it. Without a lock a program that has a terminal of its own (a pseudo-terminal) passes for a person.\n\n" +
			"`ratchet lock` again changes the passphrase, --off removes it; both ask for the present one. Its argon2id\n" +
			"hash lies in ratchet/passphrase.json of the git directory: removing that file is the way out for somebody\n" +
			"who forgot it, and open to every program that may write there.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !terminal.IsTerminal(cli.Stdin) {
				return research.Errorf(research.CodeLocked, "run it yourself, in a terminal",
					"locking is a person's decision")
			}

			co, err := cli.lab(cmd.Context())
			if err != nil {
				return err
			}

			return setLock(cli, co, off)
		},
	}
	cmd.Flags().BoolVar(&off, "off", false, "remove the passphrase")

	return cmd
}

// setLock sets, changes or removes the repository's passphrase.
func setLock(a *app, co *checkout.Checkout, off bool) error {
	kept := checkout.Passphrase(co)

	wasSet, err := kept.IsSet()
	if err != nil {
		return err
	}

	if off && !wasSet {
		return a.emit(locked{false}, func(w io.Writer) { fmt.Fprintln(w, "not locked; nothing to do") })
	}

	if wasSet {
		present, err := askPassphrase(a, co)
		if err != nil {
			return err
		}

		if err := kept.Check(present); err != nil {
			return err
		}
	}

	if off {
		if err := kept.Remove(); err != nil {
			return err
		}

		return a.emit(locked{false}, func(w io.Writer) { fmt.Fprintln(w, "unlocked") })
	}

	fresh, err := terminal.ReadSecret(a.Stdin, a.talk(), "a new passphrase: ")
	if err != nil {
		return err
	}

	again, err := terminal.ReadSecret(a.Stdin, a.talk(), "the same again: ")
	if err != nil {
		return err
	}

	if fresh != again {
		return research.Errorf(research.CodeBadArgument, "run `ratchet lock` again",
			"nothing is changed: the two passphrases differ")
	}

	if err := kept.Set(fresh); err != nil {
		return err
	}

	return a.emit(locked{true}, func(w io.Writer) { fmt.Fprintln(w, "locked") })
}

// locked is what lock answers.
type locked struct {
	Locked bool `json:"locked"`
}

// askPassphrase asks for the passphrase of a locked repository, without an echo; "" where it
// is not locked.
func askPassphrase(a *app, co *checkout.Checkout) (string, error) {
	isSet, err := checkout.Passphrase(co).IsSet()
	if err != nil || !isSet {
		return "", err
	}

	return terminal.ReadSecret(a.Stdin, a.talk(), "the passphrase of `ratchet lock`: ")
}

// askWord is the person's at this terminal, who is asked for the passphrase where the
// repository is locked.
func askWord(a *app, co *checkout.Checkout) (lab.Word, error) {
	given, err := askPassphrase(a, co)
	return lab.Word{By: history.ByTerminal, Passphrase: given}, err
}

// unlock asks for the passphrase where the command stands in a repository that is locked.
func unlock(ctx context.Context, a *app) error {
	co, err := a.lab(ctx)
	if research.HasCode(err, research.CodeRepository) || research.HasCode(err, research.CodeUnsupported) {
		return nil // in no repository
	}

	if err != nil {
		return err
	}

	given, err := askPassphrase(a, co)
	if err != nil {
		return err
	}

	return checkout.Passphrase(co).Check(given)
}
