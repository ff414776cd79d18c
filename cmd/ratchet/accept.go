package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"ratchet/internal/research"
)

func acceptCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "accept",
		Short: "accept a changed contract (a person, in a terminal)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := a.lab(cmd.Context())
			if err != nil {
				return err
			}
			c, now, digest, err := l.Pending(cmd.Context())
			if err != nil {
				return err
			}
			if digest == c.Digest {
				a.printf("the contract of %s is the accepted one; nothing to do\n", c.Name)
				return nil
			}
			if !isTerminal(a.Stdin) {
				return research.Errorf(research.CodeContract, "run it yourself, in a terminal",
					"accepting a contract is a person's decision")
			}
			printChange(a.Stdout, c.Program, now)
			a.printf("\nThe next run calibrates anew. Type the campaign's name (%s) to accept: ", c.Name)
			line, _ := bufio.NewReader(a.Stdin).ReadString('\n')
			if strings.TrimSpace(line) != c.Name {
				return research.Errorf(research.CodeContract, "run `ratchet accept` again", "not accepted: the name differs")
			}
			if err := l.Accept(cmd.Context(), digest); err != nil {
				return err
			}
			a.printf("accepted\n")
			return nil
		},
	}
}

// printChange shows the keys whose values differ.
func printChange(w io.Writer, was, now research.Program) {
	old, new := keys(was), keys(now)
	for _, k := range append(sorted(old), missing(new, old)...) {
		if string(old[k]) != string(new[k]) {
			fmt.Fprintf(w, "%s:\n  - %s\n  + %s\n", k, old[k], new[k])
		}
	}
}

func keys(p research.Program) map[string]json.RawMessage {
	var m map[string]json.RawMessage
	b, err := json.Marshal(p)
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil {
		panic(err) // a Program always encodes
	}
	return m
}

func isTerminal(r io.Reader) bool {
	f, ok := r.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func sorted(m map[string]json.RawMessage) []string {
	return slices.Sorted(maps.Keys(m))
}

// missing are the keys of a that b lacks.
func missing(a, b map[string]json.RawMessage) (out []string) {
	for _, k := range sorted(a) {
		if _, ok := b[k]; !ok {
			out = append(out, k)
		}
	}
	return out
}
