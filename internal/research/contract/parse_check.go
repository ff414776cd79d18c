package contract

import (
	"fmt"
	"path"
	"regexp"
	"slices"
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

// guardSource reads where a guard comes from, which only the output can be.
func guardSource(to *Source) reader {
	return func(dec *decoder, key string, node *yaml.Node) {
		source(to)(dec, key, node)

		switch to.Kind {
		case "", "regex":
		case "output": // the default, which contracts from before the key have too
			*to = Source{}
		default:
			dec.faultAt(node, "%s can't be %q: a guard comes from the output; write output or regex:EXPR", key, to.Kind)
		}
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
	d.checkHands()
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
			if IsWithin(e, o) || IsWithin(o, e) {
				d.faultAbout("edit", "edit names %q and %q, one inside the other; name files only", o, e)
			}
		}

		for _, w := range program.Writes {
			if IsWithin(e, w) || IsWithin(w, e) {
				d.faultAbout("writes", "writes names %q, but %q is the edited file; a run may not change it", w, e)
			}
		}

		for _, c := range program.Carry {
			if IsWithin(e, c) || IsWithin(c, e) {
				d.faultAbout("carry", "carry names %q, but %q is the edited file, which must be tracked", c, e)
			}
		}
	}
}

// checkHands refuses hands by which a candidate would choose what the evaluator runs,
// as far as that shows without the repository.
func (d *decoder) checkHands() {
	program := &d.program
	if len(program.Hands) > 0 && program.Measure == "" {
		d.faultAbout("hands",
			"hands is what `measure` sees of a run, and there is no `measure`; add it, or drop this line")

		return
	}

	for i, hand := range program.Hands {
		if strings.EqualFold(hand, "program.md") {
			d.faultAbout("hands", "hands names program.md, which no run may change; drop it")
		}

		for _, other := range program.Hands[:i] {
			if IsWithin(hand, other) || IsWithin(other, hand) {
				d.faultAbout("hands", "hands names %q and %q, one inside the other; keep one of them", other, hand)
			}
		}

		for _, edited := range program.Edit {
			switch key := program.commandThatNames(edited); {
			case hand == edited && key != "":
				d.faultAbout("hands",
					"hands names %q, the edited file, which %s names; let run copy it to a new file, and hand that",
					hand, key)
			case hand != edited && IsWithin(edited, hand):
				d.faultAbout("hands",
					"hands names the folder %q, in which the edited file %q lies; name what run leaves there", hand,
					edited)
			}
		}

		if words := commandWords(program.Measure); len(words) > 0 && IsWithin(words[0], hand) {
			d.faultAbout("hands", "hands names %q, and measure runs %q: the candidate would choose the evaluator; "+
				"let build make it, and take it off hands", hand, words[0])
		}
	}
}

// commandThatNames is the key of the command, `measure` or `check`, that names a file
// below the program's folder; "" for none.
func (p *Program) commandThatNames(file string) string {
	for _, command := range []struct{ key, text string }{{"measure", p.Measure}, {"check", p.Check}} {
		isFile := func(word string) bool { // also from another working folder, or by its whole path
			return word == file || strings.HasSuffix(file, "/"+word) || strings.HasSuffix(word, "/"+file)
		}
		if slices.ContainsFunc(commandWords(command.text), isFile) {
			return command.key
		}
	}

	return ""
}

// commandWords are the words of a shell command, as the paths that they may be.
func commandWords(command string) []string {
	words := strings.FieldsFunc(command, func(r rune) bool { return strings.ContainsRune(" \t\n;&|()<>'\"=`", r) })
	for i, word := range words {
		words[i] = path.Clean(word)
	}

	return words
}

// handedPlaceholders are tracked files that only keep a folder in git.
var handedPlaceholders = []string{".gitkeep", ".keep", ".gitignore"}

// HandsTracked says why a program can't be used whose start tracks file, which is
// relative to the program's folder; "" if it can. A tracked file may be handed under
// its own name only, and not if `measure` or `check` names it; beside a tracked file
// a run could leave code that is loaded with it.
func (p *Program) HandsTracked(file string) string {
	for _, hand := range p.Hands {
		switch key := p.commandThatNames(file); {
		case hand == file && key != "":
			return fmt.Sprintf("hands names %q, which is tracked and which %s names; let run write another file, and hand that",
				hand, key)
		case hand != file && IsWithin(file, hand) && !slices.Contains(handedPlaceholders, path.Base(file)):
			return fmt.Sprintf("hands names the folder %q, in which %q is tracked; name the files that run leaves there",
				hand, file)
		}
	}

	return ""
}

// IsWithin says whether path is dir or something inside it.
func IsWithin(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

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

	if research.IsOfItems(metric.Scale) && usageUnits(metric.From.Kind) != nil {
		d.faultAbout("metric.scale", "metric.scale can't be %q where metric.from is %s, which counts no items; "+
			"use log or linear, or leave it out", metric.Scale, metric.From.Kind)
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
