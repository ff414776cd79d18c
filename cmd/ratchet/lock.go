package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"ratchet/internal/checkout"
	"ratchet/internal/lab"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/terminal"
)

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

			return cli.lock(co, off)
		},
	}
	cmd.Flags().BoolVar(&off, "off", false, "remove the passphrase")

	return cmd
}

// lock sets, changes or removes the repository's passphrase.
func (a *app) lock(co *checkout.Checkout, off bool) error {
	kept := co.Passphrase()

	wasSet, err := kept.IsSet()
	if err != nil {
		return err
	}

	if off && !wasSet {
		return a.emit(locked{false}, func(w io.Writer) { fmt.Fprintln(w, "not locked; nothing to do") })
	}

	if wasSet {
		present, err := a.passphrase(co)
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

// passphrase asks for the passphrase of a locked repository, without an echo; "" where it
// is not locked.
func (a *app) passphrase(co *checkout.Checkout) (string, error) {
	isSet, err := co.Passphrase().IsSet()
	if err != nil || !isSet {
		return "", err
	}

	return terminal.ReadSecret(a.Stdin, a.talk(), "the passphrase of `ratchet lock`: ")
}

// word is the person's at this terminal, who is asked for the passphrase where the
// repository is locked.
func (a *app) word(co *checkout.Checkout) (lab.Word, error) {
	given, err := a.passphrase(co)
	return lab.Word{By: history.ByTerminal, Passphrase: given}, err
}

// unlock asks for the passphrase where the command stands in a repository that is locked.
func (a *app) unlock(ctx context.Context) error {
	co, err := a.lab(ctx)
	if research.HasCode(err, research.CodeRepository) || research.HasCode(err, research.CodeUnsupported) {
		return nil // in no repository
	}

	if err != nil {
		return err
	}

	given, err := a.passphrase(co)
	if err != nil {
		return err
	}

	return co.Passphrase().Check(given)
}
