package tools

import (
	"fmt"
	"strings"

	"ratchet/internal/render"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/rules"
)

// contract is the program as understood, one fact a line, defaults included
// where they bind the agent.
func contractLines(p *contract.Program) []string {
	var out []string
	add := func(label, s string) {
		if s != "" {
			out = append(out, label+": "+s)
		}
	}
	add("run", p.Run)

	gain := render.FormatAmount(p.Metric.MinGain.Value, p.Metric.Unit)
	if p.Metric.MinGain.Relative {
		gain = render.FormatNumber(100*p.Metric.MinGain.Value) + " %"
	}

	if !p.Metric.MinGainSet && p.Metric.Noise == research.NoiseAuto {
		gain += " (any, if the metric proves deterministic)"
	}
	add("smallest gain that counts", gain)

	wall := plain(p.Budget.Wall.String()) + " a run"
	if p.Budget.Memory > 0 {
		wall += fmt.Sprintf(", %d MiB", p.Budget.Memory>>20)
	}
	add("budget", wall)

	for _, g := range p.Guards {
		add("guard", guard(g))
	}
	add("check", p.Check)
	add("build", p.Build)
	add("setup", p.Setup)
	add("measure", p.Measure)

	if p.GPUs > 0 {
		add("gpus", fmt.Sprint(p.GPUs))
	}
	add("network", p.Network)
	add("writes", strings.Join(p.Writes, ", "))
	add("search", map[string]string{
		rules.SearchAuto:    "auto (edits are kept on expected gain, what they add up to is certified; a deterministic metric needs neither)",
		rules.SearchCertify: "certify (every kept edit is proven on its own)",
	}[p.Search])
	add("decide", p.Decide)

	return out
}

// plain is a duration without its zero parts: 5m for 5m0s.
func plain(d string) string {
	if s, ok := strings.CutSuffix(d, "m0s"); ok {
		d = s + "m"
	}

	if s, ok := strings.CutSuffix(d, "h0m"); ok {
		d = s + "h"
	}

	return d
}

func guard(g contract.Guard) string {
	s := g.Name
	if g.MaxGrowth != nil && g.MaxGrowth.Relative {
		s += fmt.Sprintf(" at most %s %% above the start", render.FormatNumber(100*g.MaxGrowth.Value))
	} else if g.MaxGrowth != nil {
		s += fmt.Sprintf(" at most %s above the start", render.FormatNumber(g.MaxGrowth.Value))
	}

	if g.Max != nil {
		s += " at most " + render.FormatNumber(*g.Max)
	}

	if g.Min != nil {
		s += " at least " + render.FormatNumber(*g.Min)
	}

	return s
}
