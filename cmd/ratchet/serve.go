package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/server"
)

const firstToken = "default" // the name of the one that serve makes when there is none

// serving is what serve's flags say.
type serving struct {
	listen    string
	roots     []string
	origins   []string
	cert, key string
	insecure  bool
}

func serveCommand(cli *app) *cobra.Command {
	var s serving
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "serve MCP over HTTP, to any number of clients and repositories, and the dashboard",
		Long: "Serves MCP (streamable HTTP) at /mcp?repo=ABSOLUTE-PATH for every checkout below the allowed folders,\n" +
			"to clients with a bearer token (`ratchet token`), and the dashboard at /ui/. It ends at SIGTERM or SIGINT; runs go on. See docs/http.md.",
		Example: "  ratchet serve\n" +
			"  ratchet serve --root ~/src --root /srv/repos\n" +
			"  ratchet serve --listen 0.0.0.0:7447 --tls-cert cert.pem --tls-key key.pem --allow-origin https://lab.example.org:7447",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cli.serve(cmd.Context(), s) },
	}
	f := cmd.Flags()
	f.StringVar(&s.listen, "listen", "127.0.0.1:7447", "address and port; port 0 takes a free one")
	f.StringArrayVar(&s.roots, "root", nil,
		"folder below which checkouts may be used, repeatable (default: this repository)")
	f.StringArrayVar(&s.origins, "allow-origin", nil,
		"origin that web pages may come from and by which the server is reached, such as https://lab.example.org, repeatable")
	f.StringVar(&s.cert, "tls-cert", "", "certificate file (PEM); read again when it changes")
	f.StringVar(&s.key, "tls-key", "", "the certificate's key file (PEM)")
	f.BoolVar(&s.insecure, "insecure-listen", false,
		"listen without TLS beyond this machine: a proxy in front does TLS")

	return cmd
}

// serve listens, says where, and answers until ctx is done.
func (a *app) serve(ctx context.Context, s serving) error {
	if err := s.check(); err != nil {
		return err
	}

	roots, err := a.servedRoots(ctx, s)
	if err != nil {
		return err
	}

	tokens, err := openTokens()
	if err != nil {
		return err
	}

	h, err := a.newHTTP(s, roots, tokens, slog.New(slog.NewJSONHandler(a.Stderr, nil)))
	if err != nil {
		return err
	}

	l, err := s.open()
	if err != nil {
		return err
	}
	defer l.Close()

	if err := a.greet(s, roots, tokens, l.Addr()); err != nil {
		return err
	}

	return h.Serve(ctx, l)
}

// newHTTP is the server for checkouts below the roots; access, if it is not nil,
// gets a line a request.
func (a *app) newHTTP(
	s serving, roots []string, tokens *server.Tokens, access *slog.Logger,
) (h *server.HTTP, err error) {
	host, _, _ := net.SplitHostPort(s.listen)
	h, err = server.NewHTTP(server.HTTPOptions{
		Version: a.Version, Tokens: tokens, Roots: roots, Listen: host, Origins: s.origins,
		Open: func(ctx context.Context, dir, name, version string) (*checkout.Checkout, error) {
			at := *a
			at.Dir, at.observe = dir, h.Observe

			return at.labFor(ctx, checkout.Client{Name: name, Version: version})
		},
		Log:    slog.New(slog.NewTextHandler(a.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Access: access,
	})

	return h, err
}

// check refuses flags that would send tokens over a network in the clear.
func (s serving) check() error {
	if (s.cert == "") != (s.key == "") {
		return research.Errorf(research.CodeBadArgument, "give both --tls-cert and --tls-key",
			"TLS needs a certificate and its key")
	}

	addr, err := net.ResolveTCPAddr("tcp", s.listen)
	if err != nil {
		return research.Errorf(research.CodeBadArgument, "write it like 127.0.0.1:7447",
			"--listen %s is not an address: %w", s.listen, err)
	}

	if !addr.IP.IsLoopback() && s.cert == "" && !s.insecure {
		return research.Errorf(research.CodeBadArgument,
			"add --tls-cert and --tls-key; or --insecure-listen if a proxy in front does TLS; or listen on 127.0.0.1",
			"%s can be reached from other machines: tokens and source code would cross the network readable by everybody", s.listen)
	}

	return nil
}

// servedRoots are --root, or the repository of -C.
func (a *app) servedRoots(ctx context.Context, s serving) ([]string, error) {
	if len(s.roots) > 0 {
		return s.roots, nil
	}

	co, err := a.lab(ctx)
	if err != nil {
		return nil, research.Errorf(research.Describe(err).Code, "start it in a repository, or say --root DIR",
			"no folder to serve: %w", err)
	}

	// a worktree's git folder lies in another
	if common := filepath.Dir(co.Ledger.Dir()); filepath.Base(common) == ".git" {
		if rel, err := filepath.Rel(co.Root(), common); err != nil || rel != ".git" {
			return []string{co.Root(), filepath.Dir(common)}, nil
		}
	}

	return []string{co.Root()}, nil
}

// open listens, with TLS if there is a certificate.
func (s serving) open() (net.Listener, error) {
	l, err := net.Listen("tcp", s.listen)
	if err != nil {
		return nil, research.Errorf(research.CodeUnsupported, "choose another port with --listen, or stop what uses it",
			"listen: %w", err)
	}

	if s.cert == "" {
		return l, nil
	}

	c := &certificate{cert: s.cert, key: s.key}
	if _, err := c.get(nil); err != nil {
		l.Close()
		return nil, research.Errorf(research.CodeBadArgument, "check --tls-cert and --tls-key", "%w", err)
	}

	return tls.NewListener(l, &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		GetCertificate: c.get}), nil
}

// certificate is a pair of files that may be replaced while it is in use.
type certificate struct {
	cert, key string

	mu     sync.Mutex
	loaded *tls.Certificate
	of     time.Time
}

// get reads the files again when the certificate is newer; one that can't be
// read leaves the old one in use.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()

	info, err := os.Stat(c.cert)
	if err == nil && c.loaded != nil && info.ModTime().Equal(c.of) {
		return c.loaded, nil
	}

	pair, lerr := tls.LoadX509KeyPair(c.cert, c.key)
	if err == nil && lerr == nil {
		c.loaded, c.of = &pair, info.ModTime()
	}

	if c.loaded == nil {
		return nil, fmt.Errorf("load the certificate: %w", lerr)
	}

	return c.loaded, nil
}

// greeting is what serve says when it is ready.
type greeting struct {
	URL       string   `json:"url"`
	Dashboard string   `json:"dashboard"`
	Roots     []string `json:"roots"`
	Token     string   `json:"token,omitempty"` // new, shown only now
}

// greet says where the server is, and makes a token if there is none.
func (a *app) greet(s serving, roots []string, tokens *server.Tokens, addr net.Addr) error {
	scheme := "http"
	if s.cert != "" {
		scheme = "https"
	}

	base := scheme + "://" + addr.String()
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		base = fmt.Sprintf("%s://THIS-HOST:%d", scheme, tcp.Port)
	}

	if len(s.origins) > 0 {
		base = s.origins[0]
	}
	g := greeting{URL: base + "/mcp", Dashboard: base + "/ui/", Roots: roots}

	list, err := tokens.List()
	if err != nil {
		return err
	}

	if len(list) == 0 {
		if g.Token, err = tokens.Add(firstToken, server.RoleAgent); err != nil {
			return err
		}
	}

	repo := "ABSOLUTE-PATH-OF-A-CHECKOUT"
	if len(s.roots) == 0 {
		repo = strings.ReplaceAll(url.QueryEscape(roots[0]), "%2F", "/")
	}

	return a.emit(g, func(out io.Writer) {
		fmt.Fprintf(out, "serving MCP at %s?repo=%s\n", g.URL, repo)

		token := "TOKEN"
		if g.Token != "" {
			token = g.Token
			fmt.Fprintf(out, "a new token, %s, shown only now: %s\n", firstToken, g.Token)
		}
		fmt.Fprintf(out,
			"add it to a client, for example:\n  claude mcp add -t http ratchet '%s?repo=%s' --header 'Authorization: Bearer %s'\n", g.URL, repo, token)
		fmt.Fprintf(out,
			"dashboard: %s, with a token of `ratchet token add NAME --role person`, or `--role read` to read only\n",
			g.Dashboard)
		fmt.Fprintln(out, "other clients, TLS and limits: docs/http.md; it ends with Ctrl-C, and runs go on")
	})
}
