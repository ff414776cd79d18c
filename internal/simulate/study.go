package simulate

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"ratchet/internal/research"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Study is which nights are played and compared.
type Study struct {
	Nights     int // of every rule in every cell
	Seed       uint64
	Cell, Rule string // only those whose names contain Cell, of Ratchet's rules only Rule
	Recordings string // folder, "" for none

	Played      func(done, total int) // called after every night, by several goroutines
	done, total atomic.Int64
}

// Run plays the study's nights. Cancelled, it returns what it has and ctx's error.
func (s *Study) Run(ctx context.Context) (Report, error) {
	report := Report{Nights: s.Nights, Seed: s.Seed}
	if s.Nights < 1 {
		return report, research.Errorf(research.CodeBadArgument, "give --nights a number from 1",
			"%d nights show nothing", s.Nights)
	}

	rules, broken := s.selectRules(Rules()), s.selectRules(BrokenRules())
	if !slices.ContainsFunc(rules, func(r Rule) bool { return !r.Peer }) {
		return report, research.Errorf(research.CodeBadArgument, "give --rule auto or --rule certify",
			"no rule of Ratchet's is named %q", s.Rule)
	}
	var null, fast []Cell

	for _, n := range NoiseModels() {
		if n.Sigma > 0 {
			null = append(null, NullCell(n, 300, 100))
		}
	}

	fast = append(fast, null[1], null[4], NullCell(FastDrift(), 300, 100))
	gains := Cells()
	s.total.Store(int64(s.Nights * (len(s.selectCells(null)) + len(s.selectCells(gains))) * len(rules)))

	if s.Cell == "" {
		s.total.Add(int64(s.Nights*len(fast)*len(broken)) + s.countBarNights())
	}

	report.Null = s.playCells(ctx, s.selectCells(null), rules)
	if s.Cell == "" {
		report.Broken = s.playCells(ctx, fast, broken)
	}

	report.Gains = s.playCells(ctx, s.selectCells(gains), rules)
	if len(report.Null)+len(report.Gains) == 0 {
		return report, research.Errorf(research.CodeBadArgument, "leave out --cell to see all names",
			"no cell's name contains %q", s.Cell)
	}

	if s.Cell == "" {
		report.Bars = s.playBars(ctx)
	}

	return report, ctx.Err()
}

// selectRules returns the peers' and, of Ratchet's, those that --rule names.
func (s *Study) selectRules(all []Rule) []Rule {
	var some []Rule

	for _, r := range all {
		if name, _, _ := strings.Cut(r.Name, ","); r.Peer || s.Rule == "" || name == s.Rule {
			some = append(some, r)
		}
	}

	return some
}

func (s *Study) selectCells(all []Cell) []Cell {
	var some []Cell

	for _, c := range all {
		if strings.Contains(c.Name, s.Cell) {
			some = append(some, c)
		}
	}

	return some
}

// playCells makes every rule's nights in every cell, on all processors. Cancelled,
// it gives what it has; the caller looks at ctx.
func (s *Study) playCells(ctx context.Context, cells []Cell, rules []Rule) []Line {
	lines := make([]Line, len(cells))
	for i, c := range cells {
		nights := make([][]Night, len(rules))
		for r := range rules {
			nights[r] = make([]Night, s.Nights)
		}

		playInParallel(ctx, len(rules)*s.Nights, func(t int) {
			r, night := t/s.Nights, t%s.Nights
			nights[r][night] = PlayNight(rules[r], c, s.Seed, night)
			s.Played(int(s.done.Add(1)), int(s.total.Load()))
		})
		lines[i] = CompareRules(c, rules, nights)
	}

	return lines
}

// playInParallel calls play for each number below n, on all processors. Cancelled, it
// leaves out what has not begun.
func playInParallel(ctx context.Context, n int, play func(i int)) {
	numbers := make(chan int)
	var players sync.WaitGroup

	for range runtime.GOMAXPROCS(0) {
		players.Go(func() {
			for i := range numbers {
				play(i)
			}
		})
	}

	for i := 0; i < n && ctx.Err() == nil; i++ {
		numbers <- i
	}
	close(numbers)
	players.Wait()
}

// The recordings that the evidence rests on, made by `make nights` and
// `make evidence-wordfreq`.
const (
	NightsFile   = "evidence-nights.jsonl"
	WordfreqFile = "evidence-wordfreq.jsonl"
)

// AddRecordings adds what was recorded on a real machine to the report: the nights
// as they were, and the samples with what every rule makes of them.
func (s *Study) AddRecordings(report *Report) error {
	if s.Recordings == "" {
		return nil
	}

	text, err := s.readRecording(NightsFile)
	if err != nil {
		return err
	}

	if report.Played, err = ParseNights(text); err != nil {
		return fmt.Errorf("read %s: %w", NightsFile, err)
	}

	if text, err = s.readRecording(WordfreqFile); err != nil {
		return err
	}

	rec, err := ParseRecording(text)
	if err != nil {
		return fmt.Errorf("read %s: %w", WordfreqFile, err)
	}
	report.Recording, report.Replayed = &rec, ReplayRecording(rec, ReplayNights)

	return nil
}

func (s *Study) readRecording(name string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(s.Recordings, name))
	if err != nil {
		return nil, research.Errorf(research.CodeBadArgument,
			"name the folder that holds "+NightsFile+" and "+WordfreqFile, "read a recording: %w", err)
	}

	return text, nil
}
