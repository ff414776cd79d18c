package simulate_test

import (
	"flag"
	"fmt"
	"testing"

	"ratchet/internal/simulate"
	"ratchet/internal/testform"
)

var ablations = flag.Int("ablations", 0, "ablations of every planted head in TestAblation (0: 12, or 6 with -short)")

func ablationsOfEach() int {
	switch {
	case *ablations > 0:
		return *ablations
	case testing.Short():
		return 6
	default:
		return 12
	}
}

// plantings are heads of riders and gains under every noise model, then what
// changes do to each other.
func plantings() []simulate.Planted {
	var all []simulate.Planted

	for _, n := range simulate.NoiseModels() {
		if n.Sigma > 0 {
			all = append(all, simulate.Planted{Name: "10 riders, 4 gains of 3 sd", Noise: n, Riders: 8, Lucky: 2,
				Gains: 4, Size: 3})
		}
	}

	n := simulate.NoiseModels()[1]
	if *ablations >= 100 { // it takes long
		all = append(all, simulate.Planted{Name: "10 riders, 4 gains of 1 sd, 48 pairs", Noise: n, Riders: 8, Lucky: 2,
			Gains: 4, Size: 1, Pairs: 48})
	}

	return append(all,
		simulate.Planted{Name: "40 riders, 8 gains of 3 sd", Noise: n, Riders: 36, Lucky: 4, Gains: 8, Size: 3},
		simulate.Planted{Name: "10 riders, 4 gains of 20 sd", Noise: n, Riders: 8, Lucky: 2, Gains: 4, Size: 20},
		simulate.Planted{Name: "10 riders, 4 gains of 1 sd", Noise: n, Riders: 8, Lucky: 2, Gains: 4, Size: 1},
		simulate.Planted{Name: "20 gains of .4 sd", Noise: n, Gains: 20, Size: .4},
		simulate.Planted{Name: "6 riders, 3 redundant pairs, 3 sd", Noise: n, Riders: 6, Redundant: 3, Size: 3},
		simulate.Planted{Name: "6 riders, 3 synergistic pairs, 3 sd", Noise: n, Riders: 6, Synergies: 3, Size: 3},
	)
}

func trims(t simulate.Trimmer, p simulate.Planted, n int) (all simulate.Trim) {
	for i := range n {
		x := simulate.PlayAblation(t, p, 11, i)
		all.Riders, all.Dropped = all.Riders+x.Riders, all.Dropped+x.Dropped
		all.Gains, all.Kept = all.Gains+x.Gains, all.Kept+x.Kept
		all.Retained, all.Runs = all.Retained+x.Retained/float64(n), all.Runs+x.Runs
	}
	all.Runs /= n

	return all
}

func share(a, b int) float64 {
	if b == 0 {
		return 1
	}

	return float64(a) / float64(b)
}

// Riders go, real gains stay, and the mutants would be noticed. With -v
// and -ablations 1000 it prints the table of docs/performance.md.
func TestAblation(t *testing.T) {
	testform.SkipQuick(t, "internal/research/rules: the ablation's tests")
	t.Parallel()
	table := "| planted head | noise | riders dropped | gains kept | gain retained | runs |\n|---|---|---|---|---|---|\n"

	for _, p := range plantings() {
		x := trims(simulate.Trimmers()[0], p, ablationsOfEach())
		dropped, kept := share(x.Dropped, x.Riders), share(x.Kept, x.Gains)

		words := fmt.Sprintf("%.1f %%", 100*dropped)
		if x.Riders == 0 {
			words = "-"
		}

		table += fmt.Sprintf("| %s | %s | %s | %.1f %% | %.3f | %d |\n", p.Name, p.Noise.Name, words, 100*kept,
			x.Retained, x.Runs)
		if p.Size >= 3 && (dropped < .9 || kept < .985) {
			t.Errorf("%s, %s: %.3f of the riders dropped (.9 is wanted), %.3f of the gains kept (.985)", p.Name,
				p.Noise.Name, dropped, kept)
		}

		if x.Retained < .9 {
			t.Errorf("%s, %s: %.3f of the gain is left", p.Name, p.Noise.Name, x.Retained)
		}
	}
	t.Log("\n" + table)

	for _, broken := range simulate.Trimmers()[1:] {
		missed := true

		for _, p := range plantings()[:8] {
			x := trims(broken, p, ablationsOfEach()/2)
			if share(x.Dropped, x.Riders) < .9 || share(x.Kept, x.Gains) < .985 {
				missed = false
			}
		}

		if missed {
			t.Errorf("%s passes everywhere: these heads show nothing", broken.Name)
		}
	}
}
