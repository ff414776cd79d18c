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
	return func(dec *decoder, key string, node *yaml.Node) {
		s, ok := dec.readScalar(key, node)
		if !ok {
			return
		}

		src, hint := parseSource(strings.TrimRight(s, "\n"))
		if hint != "" {
			dec.faultValue(key, node, hint)
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
	program := d.program

	longest := LongestRunTime(program).Hours()
	if program.Campaign.Hours < longest {
		d.faultAbout("campaign.hours",
			"campaign.hours of %s are less than the longest that one run may take, %s; raise it, or lower budget.wall",
			formatNumber(program.Campaign.Hours), LongestRunTime(program))
	}

	if program.Campaign.GPUHours > 0 && program.Campaign.GPUHours < longest*float64(program.GPUs) {
		d.faultAbout("campaign.gpu_hours",
			"campaign.gpu_hours of %s are less than the longest that one run on %d GPUs may take, %s each; raise it, or lower budget.wall", formatNumber(program.Campaign.GPUHours), program.GPUs, LongestRunTime(program))
	}
}

func (d *decoder) checkEdit() {
	program := &d.program
	for i, e := range program.Edit {
		if strings.EqualFold(e, "program.md") {
			d.faultAbout("edit", "edit names program.md; the agent can't change its own contract")
		}

		if program.Metric.From.Kind == "file" && program.Metric.From.Path == e {
			d.faultAbout("metric.from", "metric.from reads the edited file %q; the agent would write its own metric", e)
		}

		for _, o := range program.Edit[:i] {
			if isWithin(e, o) || isWithin(o, e) {
				d.faultAbout("edit", "edit names %q and %q, one inside the other; name files only", o, e)
			}
		}

		for _, w := range program.Writes {
			if isWithin(e, w) || isWithin(w, e) {
				d.faultAbout("writes", "writes names %q, but %q is the edited file; a run may not change it", w, e)
			}
		}

		for _, c := range program.Carry {
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

	for i, guard := range d.program.Guards {
		key := guardKey(i)

		switch {
		case guard.Name == d.program.Metric.Name:
			d.faultAbout(key, "the guard %q is the metric itself; guard other numbers", guard.Name)
		case seen[guard.Name]:
			d.faultAbout(key, "the guard %q is given twice; put its limits into one", guard.Name)
		case guard.MaxGrowth == nil && guard.Max == nil && guard.Min == nil:
			d.faultAbout(key, "the guard %q has no limit; give max_growth, max or min", guard.Name)
		case guard.Max != nil && guard.Min != nil && *guard.Min > *guard.Max:
			d.faultAbout(key, "the guard %q has min above max; nothing can pass", guard.Name)
		}
		seen[guard.Name] = true
	}
}

func (d *decoder) checkMetric() {
	metric := d.program.Metric
	if metric.MinGain.Relative && metric.Better == research.Lower && metric.MinGain.Value >= 1 {
		d.faultAbout("metric.min_gain",
			"metric.min_gain of %s can't be reached where lower is better; give a share below 100%%", metric.MinGain)
	}

	if valid := usageUnits(metric.From.Kind); metric.Unit != "" && valid != nil && baseOf(valid, metric.Unit) == 0 {
		var names []string
		for _, u := range valid {
			names = append(names, u.name)
		}
		d.faultAbout("metric.unit", "metric.unit can't be %q where metric.from is %s; valid: %s", metric.Unit,
			metric.From.Kind, strings.Join(names, ", "))
	}
}
