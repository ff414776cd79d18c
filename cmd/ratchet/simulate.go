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
	var machines simulate.MachineStudy
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "play whole virtual nights by Ratchet's rules and by other tools', and print what each is worth",
		Long: "Plays nights of proposed edits with known true effects on virtual machines with known noise, by Ratchet's own\n" +
			"rules and by eleven that other tools use, on the same proposals. Prints docs/evidence.md, or with --cell or\n" +
			"--rule the tables of what they select. With --streams the noise is that of recorded values (ratchet measure\n" +
			"--record writes such a file), and only search: auto is compared with the others. Nothing on this machine is\n" +
			"read, but for the recordings that --recordings and --streams name, and nothing is written.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p := cli.progress("playing", "nights")
			if machines.Folder != "" {
				machines.Nights, machines.Seed, machines.Cell, machines.Played = s.Nights, s.Seed, s.Cell, p.Step
				played, err := machines.Run(cmd.Context())
				p.End()

				if err != nil {
					return err
				}

				return cli.emit(simulate.MachineReport{Streams: played}, func(out io.Writer) {
					fmt.Fprint(out, simulate.RenderMachines(played))
				})
			}

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
		"only cells, or machines, whose name contains this, such as \"late-stage\" or \"null, drift\"")
	cmd.Flags().StringVar(&s.Rule, "rule", "", "of Ratchet's rules only this one: auto or certify")
	cmd.Flags().StringVar(&machines.Folder, "streams", "",
		"folder of recorded values, to play the rule on that noise: .tsv files with a column value, or one number a line")
	cmd.Flags().BoolVar(&machines.Models, "models", false, "with --streams: play the noise models too")
	cmd.Flags().IntVar(&machines.NullNights, "null", 0,
		"with --streams: play so many nights of useless edits and nothing else, and print how many end with a false certificate")
	cmd.Flags().Float64Var(&machines.Error, "error", 0,
		"with --streams: go on until the gain over the best peer is known to this standard error, up to 2,000 nights")
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
