package main

import (
	"context"
	"log/slog"

	"github.com/spf13/cobra"

	"ratchet/internal/checkout"
	"ratchet/server"
)

func mcpCommand(cli *app) *cobra.Command {
	return &cobra.Command{
		Use:   "mcp",
		Short: "serve MCP on standard input and output (what a client's configuration starts)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s := server.New(server.Options{
				Version: cli.Version,
				Log:     slog.New(slog.NewTextHandler(cli.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
				Open: func(ctx context.Context, name, version string) (*checkout.Checkout, error) {
					return cli.labFor(ctx, checkout.Client{Name: name, Version: version})
				},
				At: func(ctx context.Context, dir, name, version string) (*checkout.Checkout, error) {
					at := *cli
					at.Dir = dir

					return at.labFor(ctx, checkout.Client{Name: name, Version: version})
				},
			})

			return s.ServeStdio(cmd.Context(), cli.Stdin, cli.Stdout)
		},
	}
}
