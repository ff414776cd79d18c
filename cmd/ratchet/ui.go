package main

import (
	"context"
	"fmt"
	"html"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"

	"ratchet/internal/research"
	"ratchet/internal/terminal"
	"ratchet/server"
)

// looking is what ui's flags say.
type looking struct {
	listen   string
	noOpen   bool
	readOnly bool
}

func uiCommand(cli *app) *cobra.Command {
	var u looking
	cmd := &cobra.Command{
		Use:   "ui",
		Short: "open the dashboard of this repository in a browser (a person)",
		Long: "Serves the dashboard of this repository on this machine, with a token that lives as long as the command, prints\n" +
			"the link and, on a terminal, opens it. It ends with Ctrl-C; runs go on. For other machines: `ratchet serve`.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cli.ui(cmd.Context(), u) },
	}
	f := cmd.Flags()
	f.StringVar(&u.listen, "listen", "127.0.0.1:0", "address and port on this machine; port 0 takes a free one")
	f.BoolVar(&u.noOpen, "no-open", false, "only print the link")
	f.BoolVar(&u.readOnly, "read-only", false, "the link can read, not steer (without a terminal it never can)")

	return cmd
}

// ui serves the dashboard until ctx is done.
func (a *app) ui(ctx context.Context, u looking) error {
	if addr, err := net.ResolveTCPAddr("tcp", u.listen); err != nil || !addr.IP.IsLoopback() {
		return research.Errorf(research.CodeBadArgument,
			"use 127.0.0.1:PORT; for other machines there is `ratchet serve`, with TLS",
			"--listen %s is not an address of this machine alone", u.listen)
	}
	s := serving{listen: u.listen}

	roots, err := a.servedRoots(ctx, s)
	if err != nil {
		return err
	}

	role, can := server.RolePerson, "it steers: anyone who has it can do what only a person may"
	if u.readOnly || !terminal.IsTerminal(a.Stdin) { // an agent's shell must not get a person's token by accident
		role, can = server.RoleRead, "it can read, not steer"
	}
	if role == server.RolePerson {
		if err := unlock(ctx, a); err != nil {
			return err
		}
	}
	tokens := server.OpenTokens("") // of this process only

	token, err := tokens.Add("ui", role)
	if err != nil {
		return err
	}

	h, err := a.newHTTP(s, roots, tokens, nil)
	if err != nil {
		return err
	}

	l, err := s.open()
	if err != nil {
		return err
	}
	defer l.Close()
	link := fmt.Sprintf("http://%s/ui/#token=%s&repo=%s", l.Addr(), token, url.QueryEscape(roots[0]))

	err = a.emit(map[string]string{"url": link, "role": string(role)}, func(w io.Writer) {
		fmt.Fprintf(w, "the dashboard of %s (%s):\n  %s\nit ends with Ctrl-C, and the link with it; runs go on\n",
			roots[0], can, link)
	})
	if err != nil {
		return err
	}

	if !u.noOpen && terminal.IsTerminal(a.Stdin) {
		close, err := browse(link)
		if err != nil {
			fmt.Fprintf(a.Stderr, "no browser was opened (%v): open the link yourself\n", err)
		}
		defer close()
	}

	return h.Serve(ctx, l)
}

// browse opens a link in the user's browser, by way of a file that only the user
// can read: what stands on a command line, everybody on the machine sees.
func browse(link string) (remove func(), err error) {
	dir, err := os.MkdirTemp("", "ratchet-ui-")
	if err != nil {
		return func() {}, err
	}
	remove = func() { _ = os.RemoveAll(dir) }
	file := filepath.Join(dir, "dashboard.html")

	text := fmt.Sprintf("<!doctype html><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"0; url=%[1]s\"><a href=\"%[1]s\">the dashboard</a>\n", html.EscapeString(link))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return remove, err
	}
	argv := []string{"xdg-open", file}

	switch runtime.GOOS {
	case "darwin":
		argv[0] = "open"
	case "windows":
		argv = []string{"rundll32", "url.dll,FileProtocolHandler", file}
	}

	cmd := exec.Command(argv[0], argv[1:]...)
	if err := cmd.Start(); err != nil {
		return remove, err
	}

	return remove, cmd.Process.Release()
}
