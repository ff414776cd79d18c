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
func contractLines(program *contract.Program) []string {
	var out []string
	add := func(label, s string) {
		if s != "" {
			out = append(out, label+": "+s)
		}
	}
	add("run", program.Run)

	gain := render.FormatAmount(program.Metric.MinGain.Value, program.Metric.Unit)
	if program.Metric.MinGain.Relative {
		gain = render.FormatNumber(100*program.Metric.MinGain.Value) + " %"
	}

	if !program.Metric.MinGainSet && program.Metric.Noise == research.NoiseAuto {
		gain += " (any, if the metric proves deterministic)"
	}
	add("smallest gain that counts", gain)

	wall := plain(program.Budget.Wall.String()) + " a run"
	if program.Budget.Memory > 0 {
		wall += fmt.Sprintf(", %d MiB", program.Budget.Memory>>20)
	}
	add("budget", wall)

	for _, g := range program.Guards {
		add("guard", guard(g))
	}
	add("check", program.Check)
	add("build", program.Build)
	add("setup", program.Setup)
	add("measure", program.Measure)
	add("hands", strings.Join(program.Hands, ", "))

	if program.GPUs > 0 {
		add("gpus", fmt.Sprint(program.GPUs))
	}
	add("network", program.Network)
	add("writes", strings.Join(program.Writes, ", "))
	add("search", map[string]string{
		rules.SearchAuto:    "auto (edits are kept on expected gain, and certified together; does not apply to a deterministic metric)",
		rules.SearchCertify: "certify (every kept edit is proven on its own)",
	}[program.Search])
	add("decide", program.Decide)

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
