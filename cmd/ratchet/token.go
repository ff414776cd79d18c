package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"ratchet/internal/research"
	"ratchet/server"
)

func tokenCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "add, list and revoke the bearer tokens that `ratchet serve` lets in",
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "add NAME", Short: "make a token and print it, this once", Args: cobra.ExactArgs(1),
			RunE: func(_ *cobra.Command, args []string) error { return a.addToken(args[0]) },
		},
		&cobra.Command{
			Use: "list", Short: "list the tokens' names", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error { return a.listTokens() },
		},
		&cobra.Command{
			Use: "revoke NAME", Short: "remove a token; a server that runs refuses it from now on", Args: cobra.ExactArgs(1),
			RunE: func(_ *cobra.Command, args []string) error { return a.revokeToken(args[0]) },
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
			return nil, research.Errorf(research.CodeUnsupported, "set HOME or XDG_CONFIG_HOME", "there is no folder for the user's configuration: %w", err)
		}
	}
	return server.OpenTokens(filepath.Join(dir, "ratchet", "tokens.json")), nil
}

// madeToken is a new token, which only this answer has.
type madeToken struct {
	Name  string `json:"name"`
	Token string `json:"token"`
}

func (a *app) addToken(name string) error {
	tokens, err := openTokens()
	if err != nil {
		return err
	}
	token, err := tokens.Add(name)
	if err != nil {
		return err
	}
	return a.emit(madeToken{name, token}, func(w io.Writer) {
		fmt.Fprintf(w, "the token %s, shown only now:\n  %s\nclients send it as a header: Authorization: Bearer TOKEN\n", name, token)
	})
}

// shownToken is what a list tells.
type shownToken struct {
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
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
		out[i] = shownToken{t.Name, t.Created}
	}
	return a.emit(out, func(w io.Writer) {
		for _, t := range out {
			fmt.Fprintf(w, "%-32s  added %s\n", t.Name, t.Created.Format("2006-01-02 15:04"))
		}
		if len(out) == 0 {
			fmt.Fprintln(w, "no tokens; `ratchet token add NAME` makes one")
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
	return a.emit(map[string]string{"revoked": name}, func(w io.Writer) { fmt.Fprintf(w, "the token %s is revoked\n", name) })
}
