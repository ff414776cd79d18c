package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"ratchet/internal/simulate"
)

func simulateCommand(cli *app) *cobra.Command {
	var s simulate.Study
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "play whole virtual nights by Ratchet's rules and by other tools', and print what each is worth",
		Long: "Plays nights of proposed edits with known true effects on virtual machines with known noise, by Ratchet's own\n" +
			"rules and by eleven that other tools use, on the same proposals. Prints docs/evidence.md, or with --cell or\n" +
			"--rule the tables of what they select. Nothing on this machine is read, but for the recordings of real runs\n" +
			"that --recordings names, and nothing is written.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p := cli.progress("playing", "nights")
			s.Played = p.Step
			report, err := s.Run(cmd.Context())
			p.End()

			if err == nil {
				err = s.AddRecordings(&report)
			}

			if err != nil {
				return err
			}

			return cli.emit(report, func(out io.Writer) {
				if s.Cell == "" && s.Rule == "" {
					fmt.Fprint(out, report.RenderDocument())
					return
				}
				fmt.Fprintln(out,
					strings.Join(nonEmpty(simulate.RenderNullTable(report.Null),
						simulate.RenderNullTable(report.Broken), simulate.RenderGainTable(report.Gains)), "\n"))
			})
		},
	}
	cmd.Flags().IntVar(&s.Nights, "nights", 100, "nights of every rule in every cell")
	cmd.Flags().Uint64Var(&s.Seed, "seed", 1, "seed of the nights")
	cmd.Flags().StringVar(&s.Cell, "cell", "",
		"only cells whose name contains this, such as \"late-stage\" or \"null, drift\"")
	cmd.Flags().StringVar(&s.Rule, "rule", "", "of Ratchet's rules only this one: auto or certify")
	cmd.Flags().StringVar(&s.Recordings, "recordings", "",
		"folder with "+simulate.NightsFile+" and "+simulate.WordfreqFile+", to show them in the document too")

	return cmd
}

func nonEmpty(texts ...string) []string {
	var some []string

	for _, t := range texts {
		if t != "" {
			some = append(some, t)
		}
	}

	return some
}
