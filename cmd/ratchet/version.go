package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func versionCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version, the commit and the libraries",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := map[string]string{"ratchet": a.Version, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH}
			info, _ := debug.ReadBuildInfo()
			for _, s := range info.Settings {
				if s.Key == "vcs.revision" || s.Key == "vcs.time" {
					v[s.Key[4:]] = s.Value
				}
			}
			for _, d := range info.Deps {
				v[d.Path] = d.Version
			}
			return a.emit(v, func(w io.Writer) {
				fmt.Fprintf(w, "ratchet %s (commit %s, %s, %s)\n", a.Version, v["revision"], v["go"], v["platform"])
				for _, d := range info.Deps {
					fmt.Fprintf(w, "  %s %s\n", d.Path, d.Version)
				}
			})
		},
	}
}
