package contract

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"ratchet/internal/research"
)

// RenderProgram writes program.md: front matter with every key that is not at
// its default and what it means, then body, byte for byte. ParseProgram reads
// the same Program and body back, given a program that it could have returned.
func RenderProgram(program Program, body string) []byte {
	w := &renderer{}
	w.WriteString("---\n")
	w.writeContract(program)
	w.WriteString("---\n")
	w.WriteString(body)

	return w.Bytes()
}

type renderer struct {
	bytes.Buffer
	bare bool // no comments
}

// writeContract writes the front matter.
func (w *renderer) writeContract(program Program) {
	def := defaultProgram("")
	w.writeScalar("", "name", program.Name, "the campaign's name")
	w.writeList("edit", program.Edit, "what the agent may change, and nothing else")
	w.writeMetric(program.Metric)
	w.writeGuards(program.Guards)
	w.writeScalar("", "setup", program.Setup, "once, on the start tree, with network")
	w.writeScalar("", "build", program.Build, "once per version, not measured")
	w.writeScalar("", "run", program.Run, "the measured command (sh -c)")
	w.writeScalar("", "measure", program.Measure, "the evaluator; only its output counts")
	w.writeList("hands", program.Hands, "what the evaluator sees of what the run left")
	w.writeScalar("", "check", program.Check, "must pass before anything is kept")
	w.writeBudget(program.Budget, def.Budget)
	w.writeCampaign(program.Campaign, def.Campaign)
	w.writeNumber("", "gpus", program.GPUs, def.GPUs, "whole GPUs a run leases")
	w.writeNumber("", "parallel", program.Parallel, def.Parallel, "measuring runs at a time")
	w.writeChoice("", "network", program.Network, def.Network, "off | loopback | on")
	w.writeList("env", program.Env, "variables let through")
	w.writeList("reads", program.Reads, "paths outside the repository that runs may read")
	w.writeList("writes", program.Writes, "tracked paths that a run may change")

	if program.Carry != nil {
		w.writeLine("", "carry", flowList(program.Carry), "git-ignored paths a run sees, read-only")
	}
	w.writeChoice("", "search", program.Search, def.Search, "auto | certify")
	w.writeChoice("", "assumptions", program.Assumptions, def.Assumptions, "of certify, on the noise: model | none")
	w.writeChoice("", "decide", program.Decide, def.Decide, "agent | auto")
	w.writeNotify(program.Notify)
	w.writeStall(program.Stall, def.Stall)
}

// writeLine writes a key, its value as YAML and a comment beside it.
func (w *renderer) writeLine(indent, key, value, comment string) {
	text := strings.TrimRight(indent+key+": "+value, " ")
	if comment == "" || w.bare {
		fmt.Fprintf(w, "%s\n", text)
		return
	}
	fmt.Fprintf(w, "%-36s # %s\n", text, comment)
}

// writeScalar writes a text unless it is empty; one of several lines as a block.
func (w *renderer) writeScalar(indent, key, value, comment string) {
	switch {
	case value == "":
	case !isBlockSafe(value):
		w.writeLine(indent, key, quoteScalar(value), comment)
	default:
		w.writeLine(indent, key, "|-", comment)

		for line := range strings.Lines(value) {
			if strings.TrimRight(line, "\n") == "" {
				w.WriteString("\n")
				continue
			}
			w.WriteString(indent + "  " + strings.TrimRight(line, "\n") + "\n")
		}
	}
}

func (w *renderer) writeChoice(indent, key, value, def, comment string) {
	if value != def {
		w.writeScalar(indent, key, value, comment)
	}
}

func (w *renderer) writeNumber(indent, key string, value, def int, comment string) {
	if value != def {
		w.writeLine(indent, key, strconv.Itoa(value), comment)
	}
}

func (w *renderer) writeDuration(key string, value, def Duration, comment string) {
	if value != def {
		w.writeLine("  ", key, formatDuration(value), comment)
	}
}

func (w *renderer) writeList(key string, values []string, comment string) {
	switch len(values) {
	case 0:
	case 1:
		w.writeScalar("", key, values[0], comment)
	default:
		w.writeLine("", key, flowList(values), comment)
	}
}

func (w *renderer) writeMetric(metric Metric) {
	w.WriteString("metric:\n")

	from, about := metric.From.String(), "as the run prints it: METRIC "+metric.Name+"=1.5"
	if from != "output" {
		about = "what the number is called"
	}
	w.writeScalar("  ", "name", metric.Name, about)
	w.writeScalar("  ", "better", string(metric.Better), "lower | higher")
	w.writeScalar("  ", "unit", metric.Unit, "")

	if from != "output" {
		w.writeScalar("  ", "from", from, "where a sample comes from")
	}
	w.writeChoice("  ", "noise", string(metric.Noise), string(research.NoiseAuto), "auto | deterministic | noisy")

	if metric.MinGainSet {
		w.writeLine("  ", "min_gain", metric.MinGain.String(), "smallest gain worth keeping")
	}
	w.writeScalar("  ", "scale", metric.Scale, "how values are compared: log | linear | count | share")
	w.writeScalar("  ", "pick", metric.Pick, "of several values in one run")
}

func (w *renderer) writeGuards(guards []Guard) {
	if len(guards) == 0 {
		return
	}
	w.writeLine("", "guards", "", "other numbers that must not get worse")

	for _, guard := range guards {
		parts := []string{"name: " + flowItem(guard.Name)}
		if guard.From.Kind != "" {
			parts = append(parts, "from: "+flowItem(guard.From.String()))
		}

		if guard.MaxGrowth != nil {
			parts = append(parts, "max_growth: "+guard.MaxGrowth.String())
		}

		if guard.Max != nil {
			parts = append(parts, "max: "+formatNumber(*guard.Max))
		}

		if guard.Min != nil {
			parts = append(parts, "min: "+formatNumber(*guard.Min))
		}
		fmt.Fprintf(w, "  - {%s}\n", strings.Join(parts, ", "))
	}
}

func (w *renderer) writeBudget(budget, def Budget) {
	if budget == def {
		return
	}
	w.writeLine("", "budget", "", "per run")
	w.writeDuration("wall", budget.Wall, def.Wall, "")
	w.writeDuration("grace", budget.Grace, def.Grace, "to write the metric after SIGTERM")
	w.writeDuration("gpu", budget.GPU, def.GPU, "leased GPUs × wall")
	w.writeScalar("  ", "gpu_clock", budget.GPUClock, "")
	w.writeDuration("cpu", budget.CPU, def.CPU, "user + system of the whole tree")

	if budget.Memory != def.Memory {
		w.writeLine("  ", "memory", formatSize(budget.Memory), "")
	}
	w.writeNumber("  ", "processes", budget.Processes, def.Processes, "")

	if budget.Output != def.Output {
		w.writeLine("  ", "output", formatSize(budget.Output), "")
	}

	if budget.Disk != def.Disk {
		w.writeLine("  ", "disk", formatSize(budget.Disk), "")
	}
	w.writeScalar("  ", "cache", budget.Cache, "")
}

func (w *renderer) writeCampaign(c, def CampaignLimit) {
	if c == def {
		return
	}
	w.writeLine("", "campaign", "", "totals; any one reached ends it")
	w.writeNumber("  ", "experiments", c.Experiments, def.Experiments, "")

	if c.Hours != def.Hours {
		w.writeLine("  ", "hours", formatNumber(c.Hours), "summed run time")
	}

	if c.GPUHours != def.GPUHours {
		w.writeLine("  ", "gpu_hours", formatNumber(c.GPUHours), "leased GPUs × wall")
	}
}

func (w *renderer) writeNotify(all []Target) {
	if len(all) == 0 {
		return
	}
	w.writeLine("", "notify", "", "who is told what")

	for _, target := range all {
		var parts []string

		for _, kv := range [][2]string{{"command", target.Command}, {"webhook", target.Webhook}, {"ntfy", target.Ntfy},
			{"hook", target.Hook}, {"secret_env", target.SecretEnv}, {"token_env", target.TokenEnv}, {"click",
				target.Click}} {
			if kv[1] != "" {
				parts = append(parts, kv[0]+": "+flowItem(kv[1]))
			}
		}

		if target.Desktop {
			parts = append(parts, "desktop: true")
		}

		var on []string
		for _, e := range target.On {
			on = append(on, string(e))
		}

		if len(on) > 0 {
			parts = append(parts, "on: "+flowList(on))
		}
		fmt.Fprintf(w, "  - {%s}\n", strings.Join(parts, ", "))
	}
}

func (w *renderer) writeStall(s, def Stall) {
	if s = s.WithDefaults(); s == def {
		return
	}
	w.writeLine("", "stall", "", "when the campaign is thought to stand still")
	w.writeNumber("  ", "experiments", s.Experiments, def.Experiments, "in a row without a keep")

	if s.Hours != def.Hours {
		w.writeLine("  ", "hours", formatNumber(s.Hours), "without any record")
	}
}

// String is the source as program.md writes it.
func (s Source) String() string {
	switch s.Kind {
	case "file":
		return "file:" + s.Path + "#" + s.Expr
	case "regex":
		return "regex:" + s.Expr
	}

	return s.Kind
}

func flowList(values []string) string {
	items := make([]string, len(values))
	for i, v := range values {
		items[i] = flowItem(v)
	}

	return "[" + strings.Join(items, ", ") + "]"
}

// flowItem is a text inside [] or {}.
func flowItem(s string) string {
	if strings.ContainsAny(s, "[]{},") {
		return strconv.Quote(s)
	}

	return quoteScalar(s)
}

// quoteScalar leaves a text plain where YAML reads it as itself, and otherwise
// writes it between double quotes, whose escapes are the same as Go's.
func quoteScalar(s string) string {
	plainStart := s != "" && (s[0] == '.' || s[0] == '/' || s[0] == '_' || isAlphanumeric(s[0]))

	null := strings.EqualFold(s, "null")
	if !plainStart || null || strings.HasSuffix(s, ":") || strings.HasSuffix(s, " ") ||
		strings.Contains(s, ": ") || strings.Contains(s, " #") || strings.HasPrefix(s, "...") ||
		strings.ContainsFunc(s, isNotPlain) {
		return strconv.Quote(s)
	}

	return s
}

func isAlphanumeric(c byte) bool {
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
}

func isNotPlain(r rune) bool { return !strconv.IsPrint(r) }

// isBlockSafe says whether a text has several lines that a literal block gives
// back unchanged.
func isBlockSafe(s string) bool {
	lines := strings.Split(s, "\n")
	if len(lines) < 2 || lines[0] == "" || lines[len(lines)-1] == "" {
		return false
	}

	return !slices.ContainsFunc(lines, func(l string) bool {
		return strings.HasPrefix(l, " ") || strings.HasPrefix(l, "\t") ||
			strings.ContainsFunc(l, func(r rune) bool { return r != '\t' && isNotPlain(r) }) ||
			(l != "" && strings.TrimSpace(l) == "")
	})
}
