package simulate_test

import (
	"flag"
	"fmt"
	"sync"
	"testing"
	"time"

	"ratchet/internal/research/simulate"
)

var probe = flag.String("probe", "", "")
var probeN = flag.Int("probeN", 100, "")
var probeSigma = flag.Float64("probeSigma", 0, "")
var probeSeed = flag.Uint64("probeSeed", 901, "")
var probeRules = flag.String("probeRules", "certify", "")

func TestProbe(t *testing.T) {
	if *probe == "" {
		t.Skip()
	}
	var rules []simulate.Rule
	for _, r := range append(simulate.Rules(), simulate.Broken()...) {
		if *probeRules == "all" || ("|"+*probeRules+"|") != "" && contains(*probeRules, r.Name) {
			rules = append(rules, r)
		}
	}
	var cells []simulate.Cell
	if *probe == "null" {
		for _, n := range simulate.Noises()[:10] {
			cells = append(cells, simulate.Null(n, simulate.Unlimited, 100))
		}
	} else if *probe == "null300" {
		for _, n := range simulate.Noises()[:10] {
			cells = append(cells, simulate.Null(n, 300, 100))
		}
	} else {
		for _, c := range simulate.Cells() {
			if *probe == "gain" || c.Name == *probe {
				cells = append(cells, c)
			}
		}
	}
	for _, c := range cells {
		if *probeSigma > 0 {
			c.Noise = simulate.NoiseModel{Name: "s", Sigma: *probeSigma, Scale: 1}
		}
		out := make([][]simulate.Night, len(rules))
		start := time.Now()
		var wg sync.WaitGroup
		for i, r := range rules {
			out[i] = make([]simulate.Night, *probeN)
			for h := range 2 {
				wg.Add(1)
				go func() {
					defer wg.Done()
					for k := h; k < *probeN; k += 2 {
						out[i][k] = simulate.Play(r, c, *probeSeed, k)
					}
				}()
			}
		}
		wg.Wait()
		l := simulate.Compare(c, rules, out)
		fmt.Printf("%-36s %s", c.Name, l.Best)
		for _, r := range l.Results {
			if !r.Peer {
				fmt.Printf(" | %s: %.3f (%.3f) gain %.2f c/t %.3f false %.4f share %.4f r/p %.2f keeps %.1f", r.Rule, r.Ratio, r.SE, 100*r.Gain, r.Honesty, r.FalseNight, r.FalseShare, r.Runs/r.Proposals, r.Keeps)
			}
		}
		fmt.Printf(" %v\n", time.Since(start).Round(time.Millisecond))
	}
}

func contains(list, name string) bool {
	for _, s := range split(list) {
		if s == name {
			return true
		}
	}
	return false
}

func split(s string) (out []string) {
	cur := ""
	for _, r := range s {
		if r == '|' {
			out, cur = append(out, cur), ""
			continue
		}
		cur += string(r)
	}
	return append(out, cur)
}
