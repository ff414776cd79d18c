package contract

import (
	"fmt"
	"path"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"ratchet/internal/research"
)

// defaultProgram is what a program says that gives no key at all.
func defaultProgram(folder string) Program {
	return Program{
		Name:   defaultName(folder),
		Metric: Metric{From: Source{Kind: "output"}, Noise: research.NoiseAuto},
		Budget: Budget{
			Wall: Duration(5 * time.Minute), Grace: Duration(10 * time.Second),
			Processes: 512, Output: 4 << 20,
		},
		Campaign: CampaignLimit{Experiments: 200, Hours: 10},
		Parallel: 1,
		Network:  "loopback",
		Search:   "auto", Assumptions: AssumeModel,
		Decide: "agent",
		Stall:  DefaultStall(),
	}
}

// defaultGain is min_gain where the program gives none.
func defaultGain(n research.NoiseKind) Amount {
	if n == research.Deterministic {
		return Amount{}
	}

	return Amount{Value: 0.005, Relative: true}
}

const maxName = 48

// defaultName is the folder's name as [a-z0-9][a-z0-9-]{0,47}.
func defaultName(folder string) string {
	var out strings.Builder
	for _, r := range strings.ToLower(path.Base(strings.ReplaceAll(folder, `\`, "/"))) {
		if (r >= 'a' && r <= 'z') || (r >= '0' && r <= '9') {
			out.WriteRune(r)
		} else if s := out.String(); s != "" && !strings.HasSuffix(s, "-") {
			out.WriteByte('-')
		}
	}
	name := out.String()

	name = strings.TrimRight(name[:min(len(name), maxName)], "-")
	if name == "" {
		return "campaign"
	}

	return name
}

func programFields(program *Program) []field {
	return []field{
		{"name", false, campaignName(&program.Name)},
		{"edit", true, list(&program.Edit, true, filePath)},
		{"metric", true, section(metricFields(&program.Metric))},
		{"guards", false, guards(&program.Guards)},
		{"setup", false, command(&program.Setup)},
		{"build", false, command(&program.Build)},
		{"run", true, command(&program.Run)},
		{"measure", false, command(&program.Measure)},
		{"hands", false, list(&program.Hands, false, plainTreePath)},
		{"check", false, command(&program.Check)},
		{"budget", false, section(budgetFields(&program.Budget))},
		{"campaign", false, section(campaignFields(&program.Campaign))},
		{"gpus", false, wholeNumber(&program.GPUs, 0, 1024)},
		{"parallel", false, wholeNumber(&program.Parallel, 1, 1024)},
		{"network", false, choice(&program.Network, "off", "loopback", "on")},
		{"env", false, list(&program.Env, false, variable)},
		{"reads", false, list(&program.Reads, false, outsidePath)},
		{"writes", false, list(&program.Writes, false, treePath)},
		{"carry", false, optionalList(&program.Carry)},
		{"search", false, choice(&program.Search, "auto", "certify")},
		{"assumptions", false, choice(&program.Assumptions, AssumeModel, AssumeNone)},
		{"decide", false, choice(&program.Decide, "agent", "auto")},
		{"notify", false, targets(&program.Notify)},
		{"stall", false, section(stallFields(&program.Stall))},
	}
}

func metricFields(metric *Metric) []field {
	return []field{
		{"name", true, metricName(&metric.Name)},
		{"better", true, choice(&metric.Better, research.Lower, research.Higher)},
		{"unit", false, unit(&metric.Unit)},
		{"from", false, source(&metric.From)},
		{"noise", false, choice(&metric.Noise, research.NoiseAuto, research.Deterministic, research.Noisy)},
		{"min_gain", false, func(d *decoder, key string, n *yaml.Node) {
			gain(&metric.MinGain)(d, key, n)
			metric.MinGainSet = true
		}},
		{"scale", false, func(dec *decoder, key string, node *yaml.Node) {
			choice(&metric.Scale, ScaleAuto, research.LogScale, research.LinearScale, research.CountScale,
				research.ShareScale)(dec, key, node)

			if metric.Scale == ScaleAuto { // the default, which contracts from before the key have too
				metric.Scale = ""
			}
		}},
		{"pick", false, choice(&metric.Pick, "last", "first", "min", "max", "median")},
	}
}

func budgetFields(b *Budget) []field {
	return []field{
		{"wall", false, duration(&b.Wall, time.Millisecond, 7*24*time.Hour)},
		{"grace", false, duration(&b.Grace, 0, time.Hour)},
		{"gpu", false, duration(&b.GPU, time.Millisecond, 1024*7*24*time.Hour)},
		{"gpu_clock", false, choice(&b.GPUClock, "first_use")},
		{"cpu", false, duration(&b.CPU, time.Millisecond, 1024*7*24*time.Hour)},
		{"memory", false, size(&b.Memory, 1<<20, 1<<50)},
		{"processes", false, wholeNumber(&b.Processes, 1, 1<<22)},
		{"output", false, size(&b.Output, 1<<10, 1<<30)},
		{"disk", false, size(&b.Disk, 1<<20, 1<<50)},
		{"cache", false, func(dec *decoder, key string, node *yaml.Node) {
			choice(&b.Cache, CacheWarm, CacheCold)(dec, key, node)

			if b.Cache == CacheWarm { // the default, which contracts from before the key have too
				b.Cache = ""
			}
		}},
	}
}

func campaignFields(c *CampaignLimit) []field {
	return []field{
		{"experiments", false, wholeNumber(&c.Experiments, 1, 1_000_000)},
		{"hours", false, hours(&c.Hours)},
		{"gpu_hours", false, hours(&c.GPUHours)},
	}
}

func guardFields(g *Guard) []field {
	return []field{
		{"name", true, metricName(&g.Name)},
		{"from", false, guardSource(&g.From)},
		{"max_growth", false, func(d *decoder, key string, n *yaml.Node) {
			g.MaxGrowth = new(Amount)
			gain(g.MaxGrowth)(d, key, n)
		}},
		{"max", false, optionalNumber(&g.Max)},
		{"min", false, optionalNumber(&g.Min)},
	}
}

// misplacedKey is the full name of a key that is misplaced, "" when there is none.
func misplacedKey(key string) string {
	var program Program
	for _, s := range []struct {
		path   string
		fields []field
	}{
		{"", programFields(&program)}, {"metric", metricFields(&program.Metric)}, {"budget",
			budgetFields(&program.Budget)},
		{"campaign", campaignFields(&program.Campaign)}, {"guards", guardFields(&Guard{})},
		{"notify", targetFields(&Target{})}, {"stall", stallFields(&program.Stall)},
	} {
		if findField(s.fields, key) != nil {
			return join(s.path, key)
		}
	}

	return ""
}

func section(fields []field) reader {
	return func(d *decoder, key string, n *yaml.Node) { d.readMapping(key, n, fields) }
}

func guards(to *[]Guard) reader {
	return func(dec *decoder, key string, node *yaml.Node) {
		if node.Kind != yaml.SequenceNode {
			dec.faultAt(node, "%s must be a list such as [{name: errors, max: 0}]", key)
			return
		}

		for i, item := range node.Content {
			var guard Guard
			name := guardKey(i)
			dec.lines[name] = item.Line + 1
			dec.readMapping(name, item, guardFields(&guard))
			*to = append(*to, guard)
		}
	}
}

// guardKey is how messages name the guard at index i.
func guardKey(i int) string { return fmt.Sprintf("guards[%d]", i+1) }

// deriveDefaults fills the defaults that hang on other keys.
func (d *decoder) deriveDefaults() {
	m := &d.program.Metric
	if !m.MinGainSet {
		m.MinGain = defaultGain(m.Noise)
	}
}

// ListKeys are the full names of all keys that a program may have, in the order in
// which the reference explains them: a section before its keys, "guards.max"
// for a key of each guard. required says which must be given.
func ListKeys() (keys []string, required map[string]bool) {
	var program Program
	required = map[string]bool{}

	sections := map[string][]field{
		"metric": metricFields(&program.Metric), "guards": guardFields(&Guard{}),
		"budget": budgetFields(&program.Budget), "campaign": campaignFields(&program.Campaign),
		"notify": targetFields(&Target{}), "stall": stallFields(&program.Stall),
	}
	for _, f := range programFields(&program) {
		keys, required[f.key] = append(keys, f.key), f.required
		for _, inner := range sections[f.key] {
			name := join(f.key, inner.key)
			keys, required[name] = append(keys, name), inner.required
		}
	}

	return keys, required
}
