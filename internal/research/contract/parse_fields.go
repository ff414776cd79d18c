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
	var b strings.Builder
	for _, r := range strings.ToLower(path.Base(strings.ReplaceAll(folder, `\`, "/"))) {
		if (r >= 'a' && r <= 'z') || (r >= '0' && r <= '9') {
			b.WriteRune(r)
		} else if s := b.String(); s != "" && !strings.HasSuffix(s, "-") {
			b.WriteByte('-')
		}
	}
	name := b.String()

	name = strings.TrimRight(name[:min(len(name), maxName)], "-")
	if name == "" {
		return "campaign"
	}

	return name
}

func programFields(p *Program) []field {
	return []field{
		{"name", false, campaignName(&p.Name)},
		{"edit", true, list(&p.Edit, true, filePath)},
		{"metric", true, section(metricFields(&p.Metric))},
		{"guards", false, guards(&p.Guards)},
		{"setup", false, command(&p.Setup)},
		{"build", false, command(&p.Build)},
		{"run", true, command(&p.Run)},
		{"measure", false, command(&p.Measure)},
		{"check", false, command(&p.Check)},
		{"budget", false, section(budgetFields(&p.Budget))},
		{"campaign", false, section(campaignFields(&p.Campaign))},
		{"gpus", false, wholeNumber(&p.GPUs, 0, 1024)},
		{"parallel", false, wholeNumber(&p.Parallel, 1, 1024)},
		{"network", false, choice(&p.Network, "off", "loopback", "on")},
		{"env", false, list(&p.Env, false, variable)},
		{"reads", false, list(&p.Reads, false, outsidePath)},
		{"writes", false, list(&p.Writes, false, treePath)},
		{"carry", false, optionalList(&p.Carry)},
		{"search", false, choice(&p.Search, "auto", "certify")},
		{"assumptions", false, choice(&p.Assumptions, AssumeModel, AssumeNone)},
		{"decide", false, choice(&p.Decide, "agent", "auto")},
		{"notify", false, targets(&p.Notify)},
		{"stall", false, section(stallFields(&p.Stall))},
	}
}

func metricFields(m *Metric) []field {
	return []field{
		{"name", true, metricName(&m.Name)},
		{"better", true, choice(&m.Better, research.Lower, research.Higher)},
		{"unit", false, unit(&m.Unit)},
		{"from", false, source(&m.From)},
		{"noise", false, choice(&m.Noise, research.NoiseAuto, research.Deterministic, research.Noisy)},
		{"min_gain", false, func(d *decoder, key string, n *yaml.Node) {
			gain(&m.MinGain)(d, key, n)
			m.MinGainSet = true
		}},
		{"pick", false, choice(&m.Pick, "last", "first", "min", "max", "median")},
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
	var p Program
	for _, s := range []struct {
		path   string
		fields []field
	}{
		{"", programFields(&p)}, {"metric", metricFields(&p.Metric)}, {"budget", budgetFields(&p.Budget)},
		{"campaign", campaignFields(&p.Campaign)}, {"guards", guardFields(&Guard{})},
		{"notify", targetFields(&Target{})}, {"stall", stallFields(&p.Stall)},
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
	return func(d *decoder, key string, n *yaml.Node) {
		if n.Kind != yaml.SequenceNode {
			d.faultAt(n, "%s must be a list such as [{name: errors, max: 0}]", key)
			return
		}

		for i, item := range n.Content {
			var g Guard
			name := guardKey(i)
			d.lines[name] = item.Line + 1
			d.readMapping(name, item, guardFields(&g))
			*to = append(*to, g)
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
	var p Program
	required = map[string]bool{}

	sections := map[string][]field{
		"metric": metricFields(&p.Metric), "guards": guardFields(&Guard{}),
		"budget": budgetFields(&p.Budget), "campaign": campaignFields(&p.Campaign),
		"notify": targetFields(&Target{}), "stall": stallFields(&p.Stall),
	}
	for _, f := range programFields(&p) {
		keys, required[f.key] = append(keys, f.key), f.required
		for _, inner := range sections[f.key] {
			name := join(f.key, inner.key)
			keys, required[name] = append(keys, name), inner.required
		}
	}

	return keys, required
}
