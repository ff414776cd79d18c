package simulate_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"ratchet/internal/simulate"
	"ratchet/internal/testform"
)

var more = flag.Int("nights", 0, "nights of every cell (0: the short form's)")

// size is the number of nights to play: n, or short with -short.
func size(n, short int) int {
	switch {
	case *more > 0:
		return *more
	case testing.Short():
		return short
	default:
		return n
	}
}

func ruleNamed(t *testing.T, name string) simulate.Rule {
	t.Helper()

	for _, r := range slices.Concat(simulate.Rules(), simulate.BrokenRules(), simulate.MistakenRules()) {
		if r.Name == name {
			return r
		}
	}
	t.Fatalf("no rule %q", name)

	return simulate.Rule{}
}

func play(r simulate.Rule, c simulate.Cell, n int, seed uint64) []simulate.Night {
	nights := make([]simulate.Night, n)
	for i := range nights {
		nights[i] = simulate.PlayNight(r, c, seed, i)
	}

	return nights
}

// against is a cell with its strongest peer, and what auto must gain over it.
type against struct {
	cell, peer string
	nights     int
	least      float64
}

func strongest() []against {
	return []against{
		{"100/300, lognormal 0.5%", "up to 5 runs, normal posterior", 40, .98},
		{"100/300, lognormal 2%", "up to 5 runs, normal posterior", 40, 1.0},
		{"100/300, drift+heavy", "one run", 40, 1.10},
		// Proposals without end and without price bind no rule; they show that it does not break down.
		{"unlimited/300, lognormal 0.5%", "one run", 30, .8},
		{"unlimited/300, lognormal 2%", "one run", 30, .8},
		{"unlimited/100, loss s=.003", "one run", 60, .8},
	}
}

// faults says what is wrong with a rule's gain in the cell, and with what it
// claims; "" for nothing.
func (c against) faults(t *testing.T, rule string, nights int) (gainFault, claimFault string) {
	t.Helper()

	cell, ok := simulate.FindCell(c.cell)
	if !ok {
		t.Fatalf("no cell %q", c.cell)
	}
	own := play(ruleNamed(t, rule), cell, nights, 21)
	ratio, se := simulate.GainRatio(own, play(ruleNamed(t, c.peer), cell, nights, 21))
	s := simulate.SummariseNights(own)
	t.Logf("%s, %s: gain/peer %.3f (se %.3f), claimed/true %.3f", rule, c.cell, ratio, se, s.Honesty)

	if ratio < c.least {
		gainFault = fmt.Sprintf("gain is %.3f of the peer's, at least %.2f is wanted", ratio, c.least)
	}

	return gainFault, outside(s.Honesty, .93, 1.06)
}

func outside(claimedOverTrue, low, high float64) string {
	if claimedOverTrue >= low && claimedOverTrue <= high {
		return ""
	}

	return fmt.Sprintf("claimed/true = %.3f", claimedOverTrue)
}

// Gain against the strongest peer of the cell, and honest claims.
func TestAutoBeatsThePeers(t *testing.T) {
	testform.SkipQuick(t, "it compares with the rules of others, and nothing here depends on it")
	for _, c := range strongest() {
		t.Run(c.cell, func(t *testing.T) {
			t.Parallel()

			gain, claim := c.faults(t, "auto", size(c.nights, c.nights/6))
			if gain != "" || claim != "" {
				t.Error(gain, claim)
			}
		})
	}
}

// docs/evidence.md is made by `ratchet simulate`; this small part of it is made
// again. Processors that fuse multiplications and additions may round otherwise.
func TestEvidenceIsFresh(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the figures were made on amd64")
	}

	doc, err := os.ReadFile("../../docs/evidence.md")
	if err != nil {
		t.Fatal(err)
	}

	if want := simulate.RenderSample(); !strings.Contains(string(doc), want) {
		t.Errorf("docs/evidence.md is stale: run the command that its head names; it lacks\n%s", want)
	}
}

// Whole nights of 300 runs, as the command plays them.
func BenchmarkNight(b *testing.B) {
	c, _ := simulate.FindCell("100/300, lognormal 2%")
	for i := 0; b.Loop(); i++ {
		simulate.PlayNight(simulate.Rules()[0], c, 3, i)
	}
}
