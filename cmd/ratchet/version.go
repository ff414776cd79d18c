package main

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// built is where this binary comes from. What the build did not say is "".
type built struct {
	Version   string    `json:"version"`
	Commit    string    `json:"commit"`
	Date      string    `json:"date"`     // of the commit, RFC 3339: the same sources give the same bytes
	Modified  bool      `json:"modified"` // built from files that differ from the commit
	Go        string    `json:"go"`
	Platform  string    `json:"platform"`
	Cgo       bool      `json:"cgo"` // GPUs can be leased
	Libraries []library `json:"libraries"`
}

// library is a Go module that is part of the binary.
type library struct {
	Module  string `json:"module"`
	Version string `json:"version"`
}

// buildOf reads what the Go toolchain left in the binary; what the linker was
// told, said, goes before it, so that a build without git or with
// -buildvcs=false knows its commit too.
func buildOf(said built, info *debug.BuildInfo) built {
	b := said
	b.Go, b.Platform = runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH

	b.Modified = strings.HasSuffix(b.Version, "-dirty")
	if info == nil {
		return b
	}

	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = cmp.Or(b.Commit, s.Value)
		case "vcs.time":
			b.Date = cmp.Or(b.Date, s.Value)
		case "vcs.modified":
			b.Modified = b.Modified || s.Value == "true"
		case "CGO_ENABLED":
			b.Cgo = s.Value == "1"
		}
	}

	for _, d := range info.Deps {
		if d.Replace != nil {
			d = d.Replace
		}
		b.Libraries = append(b.Libraries, library{d.Path, d.Version})
	}
	slices.SortFunc(b.Libraries, func(a, c library) int { return cmp.Compare(a.Module, c.Module) })

	return b
}

// versionOf is what the linker said, else what the Go toolchain made of the
// commit (go install, go build), else devel.
func versionOf(said string) string {
	if said != "" {
		return said
	}

	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}

	return "devel"
}

func versionCommand(cli *app) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version, the commit, its date and the libraries",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			info, _ := debug.ReadBuildInfo()
			b := buildOf(built{Version: cli.Version, Commit: cli.Commit, Date: cli.Date}, info)

			return cli.emit(b, func(w io.Writer) { printBuilt(w, b) })
		},
	}
}

func printBuilt(out io.Writer, b built) {
	commit := cmp.Or(b.Commit, "unknown")
	if b.Date != "" {
		commit += ", " + b.Date
	}

	if b.Modified {
		commit += ", modified"
	}

	gpus := "GPUs can be leased"
	if !b.Cgo || runtime.GOOS != "linux" {
		gpus = "built without cgo: no GPU can be leased"
	}
	fmt.Fprintf(out, "ratchet %s\ncommit   %s\nbuilt    by %s for %s; %s\n", b.Version, commit, b.Go, b.Platform, gpus)

	for i, l := range b.Libraries {
		head := ""
		if i == 0 {
			head = "with"
		}
		fmt.Fprintf(out, "%-8s %s %s\n", head, l.Module, l.Version)
	}
}
