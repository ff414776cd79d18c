package contract

import (
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"

	"ratchet/internal/research"
)

// sourceKinds are metric.from's values; file: and regex: take an argument.
var sourceKinds = []string{"output", "wall", "cpu", "max_rss", "file:", "regex:"}

const sourceHint = "valid: output, wall, cpu, max_rss, file:PATH#/json/pointer, regex:EXPR"

// source reads metric.from.
func source(to *Source) reader {
	return func(d *decoder, key string, n *yaml.Node) {
		s, ok := d.readScalar(key, n)
		if !ok {
			return
		}

		src, hint := parseSource(strings.TrimRight(s, "\n"))
		if hint != "" {
			d.faultValue(key, n, hint)
			return
		}
		*to = src
	}
}

// parseSource reads a source, or says how to write one.
func parseSource(s string) (Source, string) {
	kind, arg, found := strings.Cut(s, ":")
	switch {
	case found && kind == "file":
		return parseFileSource(arg)
	case found && kind == "regex":
		return parseRegexSource(strings.TrimSpace(arg))
	case found:
	case kind == "file":
		return Source{}, "write file:PATH#/json/pointer"
	case kind == "regex":
		return Source{}, "write regex:EXPR with one group"
	default:
		for _, k := range sourceKinds {
			if k == s {
				return Source{Kind: k}, ""
			}
		}
	}

	if meant := research.NearestWord(s, sourceKinds); meant != "" {
		return Source{}, fmt.Sprintf("did you mean %q? %s", meant, sourceHint)
	}

	return Source{}, sourceHint
}

func parseFileSource(arg string) (Source, string) {
	name, pointer, found := strings.Cut(strings.TrimSpace(arg), "#")
	if !found {
		return Source{}, "write file:PATH#/json/pointer; the part after # says where the number is"
	}

	file, hint := filePath(name)
	if hint != "" {
		return Source{}, hint
	}

	if err := checkPointer(pointer); err != nil {
		return Source{}, err.Error()
	}

	return Source{Kind: "file", Path: file, Expr: pointer}, ""
}

func parseRegexSource(expr string) (Source, string) {
	if len(expr) > 1000 {
		return Source{}, "use at most 1000 characters"
	}

	re, err := regexp.Compile(expr)
	if err != nil {
		return Source{}, "the expression doesn't compile: " + strings.TrimPrefix(err.Error(), "error parsing regexp: ")
	}

	if n := re.NumSubexp(); n != 1 {
		return Source{},
			fmt.Sprintf("the expression has %d groups; give exactly one, around the number: regex:time ([0-9.]+) ms", n)
	}

	return Source{Kind: "regex", Expr: expr}, ""
}

// crossCheck refuses values that are possible alone but not together.
func (d *decoder) crossCheck() {
	d.checkEdit()
	d.checkGuards()
	d.checkMetric()
	d.checkHours()
	d.checkNotify()
}

// checkHours refuses totals that leave no room for a single run: one begins only
// while its longest time is left.
func (d *decoder) checkHours() {
	p := d.program

	longest := LongestRunTime(p).Hours()
	if p.Campaign.Hours < longest {
		d.faultAbout("campaign.hours",
			"campaign.hours of %s are less than the longest that one run may take, %s; raise it, or lower budget.wall",
			formatNumber(p.Campaign.Hours), LongestRunTime(p))
	}

	if p.Campaign.GPUHours > 0 && p.Campaign.GPUHours < longest*float64(p.GPUs) {
		d.faultAbout("campaign.gpu_hours",
			"campaign.gpu_hours of %s are less than the longest that one run on %d GPUs may take, %s each; raise it, or lower budget.wall", formatNumber(p.Campaign.GPUHours), p.GPUs, LongestRunTime(p))
	}
}

func (d *decoder) checkEdit() {
	p := &d.program
	for i, e := range p.Edit {
		if strings.EqualFold(e, "program.md") {
			d.faultAbout("edit", "edit names program.md; the agent can't change its own contract")
		}

		if p.Metric.From.Kind == "file" && p.Metric.From.Path == e {
			d.faultAbout("metric.from", "metric.from reads the edited file %q; the agent would write its own metric", e)
		}

		for _, o := range p.Edit[:i] {
			if isWithin(e, o) || isWithin(o, e) {
				d.faultAbout("edit", "edit names %q and %q, one inside the other; name files only", o, e)
			}
		}

		for _, w := range p.Writes {
			if isWithin(e, w) || isWithin(w, e) {
				d.faultAbout("writes", "writes names %q, but %q is the edited file; a run may not change it", w, e)
			}
		}

		for _, c := range p.Carry {
			if isWithin(e, c) || isWithin(c, e) {
				d.faultAbout("carry", "carry names %q, but %q is the edited file, which must be tracked", c, e)
			}
		}
	}
}

// isWithin says whether path is dir or something inside it.
func isWithin(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

func (d *decoder) checkGuards() {
	seen := map[string]bool{}

	for i, g := range d.program.Guards {
		key := guardKey(i)

		switch {
		case g.Name == d.program.Metric.Name:
			d.faultAbout(key, "the guard %q is the metric itself; guard other numbers", g.Name)
		case seen[g.Name]:
			d.faultAbout(key, "the guard %q is given twice; put its limits into one", g.Name)
		case g.MaxGrowth == nil && g.Max == nil && g.Min == nil:
			d.faultAbout(key, "the guard %q has no limit; give max_growth, max or min", g.Name)
		case g.Max != nil && g.Min != nil && *g.Min > *g.Max:
			d.faultAbout(key, "the guard %q has min above max; nothing can pass", g.Name)
		}
		seen[g.Name] = true
	}
}

func (d *decoder) checkMetric() {
	m := d.program.Metric
	if m.MinGain.Relative && m.Better == research.Lower && m.MinGain.Value >= 1 {
		d.faultAbout("metric.min_gain",
			"metric.min_gain of %s can't be reached where lower is better; give a share below 100%%", m.MinGain)
	}

	if valid := usageUnits(m.From.Kind); m.Unit != "" && valid != nil && baseOf(valid, m.Unit) == 0 {
		var names []string
		for _, u := range valid {
			names = append(names, u.name)
		}
		d.faultAbout("metric.unit", "metric.unit can't be %q where metric.from is %s; valid: %s", m.Unit, m.From.Kind,
			strings.Join(names, ", "))
	}
}
