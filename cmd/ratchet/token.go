package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"ratchet/internal/research"
	"ratchet/internal/terminal"
	"ratchet/server"
)

func tokenCommand(cli *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "add, list and revoke the bearer tokens that `ratchet serve` lets in",
	}
	role := ""
	add := &cobra.Command{
		Use: "add NAME", Short: "make a token and print it, this once", Args: cobra.ExactArgs(1),
		Long: "Makes a token and prints it, this once. Its role says what it opens.\n" +
			"agent (the default): MCP, and reading the dashboard.\n" +
			"read: reading the dashboard.\n" +
			"person: the dashboard, with all that only a person may decide; made in a terminal only.",
		Example: "  ratchet token add laptop\n  ratchet token add phone --role read",
		RunE: func(cmd *cobra.Command, args []string) error {
			return cli.addToken(cmd.Context(), args[0], server.Role(role))
		},
	}
	add.Flags().StringVar(&role, "role", string(server.RoleAgent), "what it opens: agent, read or person")
	cmd.AddCommand(
		add,
		&cobra.Command{
			Use: "list", Short: "list the tokens' names", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error { return cli.listTokens() },
		},
		&cobra.Command{
			Use: "revoke NAME", Short: "remove a token; a server that runs refuses it from now on",
			Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
				return cli.revokeToken(args[0])
			},
		},
	)

	return cmd
}

// openTokens are the user's: ratchet/tokens.json in the configuration folder.
func openTokens() (*server.Tokens, error) {
	dir := os.Getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) {
		var err error
		if dir, err = os.UserConfigDir(); err != nil {
			return nil, research.Errorf(research.CodeUnsupported, "set HOME or XDG_CONFIG_HOME",
				"there is no folder for the user's configuration: %w", err)
		}
	}

	return server.OpenTokens(filepath.Join(dir, "ratchet", "tokens.json")), nil
}

// madeToken is a new token, which only this answer has.
type madeToken struct {
	Name  string      `json:"name"`
	Token string      `json:"token"`
	Role  server.Role `json:"role"`
}

func (a *app) addToken(ctx context.Context, name string, role server.Role) error {
	if role == server.RolePerson &&
		!terminal.IsTerminal(a.Stdin) { // an agent's shell must not get one by accident, as in ui
		return research.Errorf(research.CodeBadArgument, "run it yourself, in a terminal",
			"a person's token steers: making one is a person's decision")
	}

	if role == server.RolePerson {
		if err := unlock(ctx, a); err != nil {
			return err
		}
	}

	tokens, err := openTokens()
	if err != nil {
		return err
	}

	token, err := tokens.Add(name, role)
	if err != nil {
		return err
	}

	return a.emit(madeToken{name, token, role}, func(out io.Writer) {
		fmt.Fprintf(out, "the token %s, shown only now:\n  %s\n", name, token)

		if role == server.RoleAgent {
			fmt.Fprintln(out, "clients send it as a header: Authorization: Bearer TOKEN")
			return
		}

		what := "it can read, not steer"
		if role == server.RolePerson {
			what = "it steers too: it can accept contracts and override verdicts"
		}
		fmt.Fprintf(out,
			"the link for a browser (%s), with the address that `ratchet serve` prints:\n  http://127.0.0.1:7447/ui/#token=%s\n", what, token)
	})
}

// shownToken is what a list tells.
type shownToken struct {
	Name    string      `json:"name"`
	Created time.Time   `json:"created"`
	Role    server.Role `json:"role"`
}

func (a *app) listTokens() error {
	tokens, err := openTokens()
	if err != nil {
		return err
	}

	list, err := tokens.List()
	if err != nil {
		return err
	}

	out := make([]shownToken, len(list))
	for i, t := range list {
		out[i] = shownToken{t.Name, t.Created, cmp.Or(t.Role, server.RoleAgent)}
	}

	return a.emit(out, func(output io.Writer) {
		for _, t := range out {
			fmt.Fprintf(output, "%-32s  added %s  %s\n", t.Name, t.Created.Format("2006-01-02 15:04"), t.Role)
		}

		if len(out) == 0 {
			fmt.Fprintln(output, "no tokens; `ratchet token add NAME` makes one")
		}
	})
}

func (a *app) revokeToken(name string) error {
	tokens, err := openTokens()
	if err != nil {
		return err
	}

	if err := tokens.Revoke(name); err != nil {
		return err
	}

	return a.emit(map[string]string{"revoked": name},
		func(w io.Writer) { fmt.Fprintf(w, "the token %s is revoked\n", name) })
}
