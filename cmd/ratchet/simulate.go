package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/spf13/cobra"

	"ratchet/internal/research"
	"ratchet/internal/simulate"
)

func simulateCommand(a *app) *cobra.Command {
	var s simulation
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "play whole virtual nights by Ratchet's rules and by other tools', and print what each is worth",
		Long: "Plays nights of proposed edits with known true effects on virtual machines with known noise, by Ratchet's own\n" +
			"rules and by eleven that other tools use, on the same proposals. Prints docs/evidence.md, or with --cell or\n" +
			"--rule the tables of what they select. Nothing on this machine is read, but for the recordings of real runs\n" +
			"that --recordings names, and nothing is written.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p := a.progress("playing", "nights")
			s.played = p.Step
			report, err := s.run(cmd.Context())
			p.End()

			if err == nil {
				err = s.recorded(&report)
			}

			if err != nil {
				return err
			}

			return a.emit(report, func(w io.Writer) {
				if s.cell == "" && s.rule == "" {
					fmt.Fprint(w, report.RenderDocument())
					return
				}
				fmt.Fprintln(w, strings.Join(filled(simulate.RenderNullTable(report.Null), simulate.RenderNullTable(report.Broken),
					simulate.RenderGainTable(report.Gains)), "\n"))
			})
		},
	}
	cmd.Flags().IntVar(&s.nights, "nights", 100, "nights of every rule in every cell")
	cmd.Flags().Uint64Var(&s.seed, "seed", 1, "seed of the nights")
	cmd.Flags().StringVar(&s.cell, "cell", "",
		"only cells whose name contains this, such as \"late-stage\" or \"null, drift\"")
	cmd.Flags().StringVar(&s.rule, "rule", "", "of Ratchet's rules only this one: auto or certify")
	cmd.Flags().StringVar(&s.recordings, "recordings", "",
		"folder with "+nightsName+" and "+wordfreqName+", to show them in the document too")

	return cmd
}

func filled(texts ...string) []string {
	var some []string

	for _, t := range texts {
		if t != "" {
			some = append(some, t)
		}
	}

	return some
}

// simulation is what the command's flags ask for.
type simulation struct {
	nights     int
	seed       uint64
	cell, rule string
	recordings string // folder, "" for none

	played      func(done, total int) // is told of every night
	done, total atomic.Int64
}

func (s *simulation) run(ctx context.Context) (simulate.Report, error) {
	report := simulate.Report{Nights: s.nights, Seed: s.seed}
	if s.nights < 1 {
		return report, research.Errorf(research.CodeBadArgument, "give --nights a number from 1",
			"%d nights show nothing", s.nights)
	}

	rules, broken := s.rules(simulate.Rules()), s.rules(simulate.BrokenRules())
	if !slices.ContainsFunc(rules, func(r simulate.Rule) bool { return !r.Peer }) {
		return report, research.Errorf(research.CodeBadArgument, "give --rule auto or --rule certify",
			"no rule of Ratchet's is named %q", s.rule)
	}
	var null, fast []simulate.Cell

	for _, n := range simulate.NoiseModels() {
		if n.Sigma > 0 {
			null = append(null, simulate.NullCell(n, 300, 100))
		}
	}

	fast = append(fast, null[1], null[4], simulate.NullCell(simulate.FastDrift(), 300, 100))
	gains := simulate.Cells()
	s.total.Store(int64(s.nights * (len(s.cells(null)) + len(s.cells(gains))) * len(rules)))

	if s.cell == "" {
		s.total.Add(int64(s.nights * len(fast) * len(broken)))
	}

	report.Null = s.play(ctx, s.cells(null), rules)
	if s.cell == "" {
		report.Broken = s.play(ctx, fast, broken)
	}

	report.Gains = s.play(ctx, s.cells(gains), rules)
	if len(report.Null)+len(report.Gains) == 0 {
		return report, research.Errorf(research.CodeBadArgument, "leave out --cell to see all names",
			"no cell's name contains %q", s.cell)
	}

	return report, ctx.Err()
}

// rules are the peers' and, of Ratchet's, those that --rule names.
func (s *simulation) rules(all []simulate.Rule) []simulate.Rule {
	var some []simulate.Rule

	for _, r := range all {
		if name, _, _ := strings.Cut(r.Name, ","); r.Peer || s.rule == "" || name == s.rule {
			some = append(some, r)
		}
	}

	return some
}

func (s *simulation) cells(all []simulate.Cell) []simulate.Cell {
	var some []simulate.Cell

	for _, c := range all {
		if strings.Contains(c.Name, s.cell) {
			some = append(some, c)
		}
	}

	return some
}

// play makes every rule's nights in every cell, on all processors. Cancelled,
// it gives what it has; the caller looks at ctx.
func (s *simulation) play(ctx context.Context, cells []simulate.Cell, rules []simulate.Rule) []simulate.Line {
	lines := make([]simulate.Line, len(cells))
	for i, c := range cells {
		nights := make([][]simulate.Night, len(rules))
		for r := range rules {
			nights[r] = make([]simulate.Night, s.nights)
		}
		todo := make(chan [2]int)

		var workers sync.WaitGroup
		for range runtime.GOMAXPROCS(0) {
			workers.Go(func() {
				for t := range todo {
					nights[t[0]][t[1]] = simulate.PlayNight(rules[t[0]], c, s.seed, t[1])
					s.played(int(s.done.Add(1)), int(s.total.Load()))
				}
			})
		}

		for t := 0; t < len(rules)*s.nights && ctx.Err() == nil; t++ {
			todo <- [2]int{t / s.nights, t % s.nights}
		}
		close(todo)
		workers.Wait()
		lines[i] = simulate.CompareRules(c, rules, nights)
	}

	return lines
}
