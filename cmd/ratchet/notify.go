package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ratchet/internal/checkout"
	"ratchet/internal/notify"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/terminal"
	"ratchet/internal/wording"
)

func notifyCommand(cli *app) *cobra.Command {
	lines := 10
	cmd := &cobra.Command{
		Use:   "notify",
		Short: "show what became of the campaign's notices; `notify test` tries its targets",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			co, err := cli.lab(cmd.Context())
			if err != nil {
				return err
			}

			t, err := notify.ReadDeliveries(cmd.Context(), co, lines)
			if err != nil {
				return err
			}

			return cli.emit(t, func(w io.Writer) { printTelling(w, t) })
		},
	}
	cmd.Flags().IntVarP(&lines, "limit", "n", lines, "how many lines of the log")
	cmd.AddCommand(notifyTestCommand(cli), notifyAllowCommand(cli), notifySendCommand(cli))

	return cmd
}

func notifyTestCommand(cli *app) *cobra.Command {
	return &cobra.Command{
		Use:   "test [EVENT]",
		Short: "send a test to every target of program.md, and tell what happened; `test before` and `test after` run the hooks",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			co, err := cli.lab(cmd.Context())
			if err != nil {
				return err
			}

			tried, err := notify.TryTargets(cmd.Context(), co, contract.Event(append(args, "")[0]))
			if err != nil {
				return err
			}

			err = cli.emit(tried, func(out io.Writer) {
				for _, t := range tried {
					fmt.Fprintf(out, "%s: %s\n", t.Target, cmp.Or(t.Error, "done"))

					if t.Said != "" {
						fmt.Fprintf(out, "  it said: %s\n", wording.PlainLine(t.Said))
					}
				}
			})
			if err == nil && slices.ContainsFunc(tried, func(t notify.TargetTrial) bool { return !t.OK }) {
				err = silent(exitFailed)
			}

			return err
		},
	}
}

func notifyAllowCommand(cli *app) *cobra.Command {
	return &cobra.Command{
		Use:   "allow",
		Short: "allow what program.md's notify names to run as you and to send (a person, in a terminal)",
		Long: `Commands and hooks of notify: run as you, unconfined, and addresses get what the named variables hold. An agent can
write a program too, so nothing of it happens until you allow it: just these targets, in this repository, with the
present content of the files that they name. Any change of these asks again.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			co, err := cli.lab(cmd.Context())
			if err != nil {
				return err
			}

			allow, err := notify.PendingAllowance(cmd.Context(), co)
			if err != nil {
				return err
			}

			for _, line := range allow.Lines {
				fmt.Fprintf(cli.talk(), "  %s\n", wording.PlainLine(line))
			}

			if allow.Given {
				return cli.emit(allow, func(w io.Writer) { fmt.Fprintln(w, "allowed already; nothing to do") })
			}

			if !terminal.IsTerminal(cli.Stdin) {
				return research.Errorf(research.CodeContract, "run it yourself, in a terminal",
					"allowing what runs unconfined is a person's decision")
			}

			if err := cli.typed(allow.Name, "allow"); err != nil {
				return err
			}

			if err := notify.StoreAllowance(co, allow); err != nil {
				return err
			}
			allow.Given = true

			return cli.emit(allow, func(w io.Writer) { fmt.Fprintln(w, "allowed; `ratchet notify test` tries it") })
		},
	}
}

// typed asks the person at the terminal to type the campaign's name.
func (a *app) typed(name, to string) error {
	fmt.Fprintf(a.talk(), "\nType the campaign's name (%s) to %s: ", name, to)

	line, _ := bufio.NewReader(a.Stdin).ReadString('\n')
	if strings.TrimSpace(line) != name {
		return research.Errorf(research.CodeContract, "run it again", "nothing is changed: the name differs")
	}

	return nil
}

// notifySendCommand is the notifier's process: a worker starts it, nobody
// types it.
func notifySendCommand(cli *app) *cobra.Command {
	var campaign string
	cmd := &cobra.Command{
		Use:    "send",
		Short:  "carry a campaign's notices to their targets (started by Ratchet itself)",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			co, err := cli.labFor(cmd.Context(), checkout.Client{Name: "notices", Version: cli.Version})
			if err != nil {
				return err
			}

			return notify.RunNotifier(cmd.Context(), co, campaign)
		},
	}
	cmd.Flags().StringVar(&campaign, "campaign", "", "the campaign's name")

	return cmd
}

func printTelling(out io.Writer, t *notify.Deliveries) {
	if len(t.Targets) == 0 {
		fmt.Fprintf(out, "%s has no targets for notices: add `notify:` to program.md, and `ratchet accept` it\n", t.Campaign)
		return
	}

	for _, s := range t.Targets {
		fmt.Fprintln(out, toldWords(s))
	}

	if t.Waits != "" {
		fmt.Fprintln(out, "nothing is sent, and no hook run:", t.Waits)
	}

	for _, line := range t.Log {
		fmt.Fprintln(out, " ", line)
	}

	if t.Running {
		fmt.Fprintln(out, "a process carries the notices now")
	}
}

// toldWords is how one target stands.
func toldWords(s notify.LastDelivery) string {
	words := s.Name + ": "
	switch {
	case s.Hook:
		words += "runs inside the calls that decide an experiment"
	case s.At.IsZero():
		words += "nothing was sent yet"
	case s.Failed == "":
		words += "last message delivered " + s.At.Format(time.RFC3339)
	default:
		words += fmt.Sprintf("last message failed %s (%s): %s", s.At.Format(time.RFC3339), s.Failed, s.Why)
	}

	if s.Waiting > 0 {
		words += fmt.Sprintf("; %d not delivered yet", s.Waiting)
	}

	return words
}

// untold prints on stderr the targets whose last message failed, for `ratchet
// status`, whose stdout is what an agent gets.
func (a *app) untold(ctx context.Context) {
	co, err := a.lab(ctx)
	if err != nil {
		return
	}

	t, err := notify.ReadDeliveries(ctx, co, 0)
	if err != nil {
		return
	}

	if t.Waits != "" {
		fmt.Fprintf(a.Stderr, "notify: %s\n", t.Waits)
	}

	for _, s := range t.Targets {
		if s.Failed != "" {
			fmt.Fprintf(a.Stderr, "notify: %s\n", toldWords(s))
		}
	}
}
