package scaffold

import (
	"cmp"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
)

// Printed is a number that a run printed, and the metric that reads it.
type Printed struct {
	Metric contract.Metric
	Line   string // the last in which it stands
	rank   int
}

// maxPrintedLines bounds how many lines of an output are looked at, from its end.
const maxPrintedLines = 2000

// FindPrinted finds the numbers in an output that can be a metric, the likeliest first.
// Each is read again by the metric that is proposed for it.
// own is the project's name, which a benchmark of several libraries gives to ours.
func FindPrinted(output []byte, own string) []Printed {
	lines := strings.Split(strings.TrimSpace(ansi().ReplaceAllString(string(output), "")), "\n")
	lines = lines[max(0, len(lines)-maxPrintedLines):]
	var found []Printed

	for _, line := range lines {
		line = strings.TrimRight(line, "\r \t")

		for _, form := range printedForms {
			metrics := form(line)
			for _, metric := range metrics {
				found = addPrinted(found, metric, line, metricName(own))
			}

			if len(metrics) > 0 {
				break
			}
		}
	}

	readable := found[:0]
	for _, p := range found {
		if p.isReadable(output) {
			readable = append(readable, p)
		}
	}
	found = readable
	slices.SortStableFunc(found, func(a, b Printed) int { return cmp.Compare(b.rank, a.rank) })

	return found
}

// addPrinted adds a metric; of one that is there already the last line counts.
func addPrinted(all []Printed, metric contract.Metric, line, own string) []Printed {
	for i := range all {
		if all[i].Metric.Name == metric.Name {
			all[i].Line = line

			return all
		}
	}

	p := Printed{Metric: metric, Line: line}
	p.rank = p.rankAsMetric()
	if len(own) > 3 && strings.Contains(metricName(metric.Name), own) {
		p.rank += 2
	}

	return append(all, p)
}

// isReadable says whether the metric reads exactly one value in the output, and has it
// read the last where several differ.
func (p *Printed) isReadable(output []byte) bool {
	for _, pick := range []string{"", "last"} {
		p.Metric.Pick = pick
		scanner := contract.NewScanner(p.Metric, nil)
		_, _ = scanner.Write(output)

		if _, err := scanner.Values(); err == nil {
			return true
		}
	}

	return false
}

// rankAsMetric is higher the more a number looks like a result, and not like a setting.
func (p *Printed) rankAsMetric() int {
	rank := 0

	switch words := strings.ToLower(p.Metric.Name); {
	case strings.Contains(words, "_per_s"): // of requests, items, …
		rank += 2
	case settingWords().MatchString(words):
		rank -= 4
	case resultWords().MatchString(words):
		rank += 2
	}

	if p.Metric.Better != "" {
		rank += 2
	}

	if p.Metric.Unit != "" {
		rank++
	}

	if p.Metric.From.Kind == "output" {
		rank++
	}

	return rank
}

var (
	ansi         = compileLazily(`\x1b\[[0-9;?]*[A-Za-z]`)
	settingWords = compileLazily(`^load_average$|(^|[_ .-])(n|iters?|iterations|steps?|epochs?|seeds?|size|batch|warm|warmups?|version|rounds?|samples|runs|threads|workers|clients|connections|lr|params|parameters|total|count|items|docs|requests|duration|elapsed|date|pid|port|stddev|std|dev|min|max|range)($|[_ .-])`)
	resultWords  = compileLazily(`(^|[_ ./-])(score|loss|acc|accuracy|bpb|ppl|perplexity|f1|auc|p50|p90|p95|p99|median|mean|avg|average|latency|throughput|ns|op|ops|time|per|sec|qps|rps|tps|time|error|errors|rmse|mae|mse|reward|val)($|[_ ./-])`)
)

// A printedForm is a way in which programs print numbers: the metrics that it finds in a line.
type printedForm func(line string) []contract.Metric

var printedForms = []printedForm{metricForm, objectForm, perOperationForm, criterionForm, googleBenchmarkForm,
	operationsForm, jmhForm, shareForm, colonForm, valueFirstForm}

// number and unit as they stand in the expressions below.
const (
	numberExpr = `[-+.0-9eE]+`
	timeExpr   = `ns|us|µs|ms|s|min`
	unitExpr   = `(?:` + timeExpr + `|sec|secs|seconds|%|x|B|KB|MB|GB|kB|KiB|MiB|GiB|bytes|[A-Za-zµ]+/(?:s|sec|second|op|iter))`
)

var (
	processors    = compileLazily(`-\d+$`) // behind the name of a Go benchmark
	metricExpr    = compileLazily(`^METRIC ([^\s=:,"{}]+)=`)
	perOperation  = compileLazily(`^(\S.*?)\s+(?:[0-9,]+\s+)?(` + numberExpr + `) (ns|us|µs|ms|s)/(op|iter)\b`)
	criterionTime = compileLazily(`^(\S.*?)?\s*time:\s+\[` + numberExpr + ` (?:ps|ns|µs|ms|s) ` +
		`(` + numberExpr + `) (ps|ns|µs|ms|s) `)
	googleBench = compileLazily(`^(\S+)\s+` + numberExpr + ` (ns|us|ms|s)\s+` +
		`(` + numberExpr + `) (ns|us|ms|s)\s+[0-9]+\b`)
	operations = compileLazily(`^(\S.*?[^\s:=])(?: x |:\s*|\s+)(` + numberExpr + `) (ops/s(?:ec)?|req/s(?:ec)?|requests/s(?:ec)?|MB/s|MiB/s|GB/s|tokens/s(?:ec)?|items/s(?:ec)?|rows/s(?:ec)?)\b`)
	jmhRow     = compileLazily(`^(\S+)\s+(thrpt|avgt|sample|ss)\s+[0-9]+\s+(` + numberExpr + `)\s+±\s+\S+\s+(\S+)$`)
	shareExpr  = compileLazily(`^([A-Za-z_][\w.-]*)(?::| )\s*(?:` + numberExpr + `%? ?)?\(?([0-9]+)/([0-9]+)\)?$`)
	colonExpr  = compileLazily(`^\s*([\w][\w .()/%@*+#'"<>±σ-]{0,60}?)\s*([:=])\s*` +
		`(` + numberExpr + `)\s*(` + unitExpr + `)?(?:$|[\s,;(|±])`)
	valueFirst = compileLazily(`^\s*([A-Za-z][\w .-]{0,40}?)\s+` +
		`(` + numberExpr + `)\s*(` + unitExpr + `)(?:$|[\s,;(|±])`)
)

func metricForm(line string) []contract.Metric {
	m := metricExpr().FindStringSubmatch(line)
	if m == nil {
		return nil
	}

	return []contract.Metric{newPrinted(m[1], "", contract.Source{Kind: "output"})}
}

// objectForm is a JSON object on a line of its own.
func objectForm(line string) (metrics []contract.Metric) {
	var object map[string]any
	if !strings.HasPrefix(line, "{") || json.Unmarshal([]byte(line), &object) != nil {
		return nil
	}

	names := make([]string, 0, len(object))
	for name, value := range object {
		if _, ok := value.(float64); ok && !strings.ContainsAny(name, " =:,\"{}") {
			names = append(names, name)
		}
	}
	slices.Sort(names)

	for _, name := range names {
		metrics = append(metrics, newPrinted(name, "", contract.Source{Kind: "output"}))
	}

	return metrics
}

// perOperationForm is that of Go's and mitata's benchmarks: a name, and a time per operation.
func perOperationForm(line string) []contract.Metric {
	m := perOperation().FindStringSubmatch(line)
	if m == nil {
		return nil
	}
	m[1] = processors().ReplaceAllString(m[1], "")
	expr := "^" + spaced(m[1]) + `(?:-\d+)?\s.*?(` + numberExpr + ` (?:` + timeExpr + `))/` + m[4]

	return []contract.Metric{newPrinted(m[1]+"_"+m[3]+"_per_"+m[4], m[3], contract.Source{Kind: "regex", Expr: expr})}
}

func criterionForm(line string) []contract.Metric {
	m := criterionTime().FindStringSubmatch(line)
	if m == nil || m[1] == "" || m[3] == "ps" {
		return nil
	}
	expr := "^" + spaced(m[1]) + `\s+time:\s+\[\S+ \S+ (` + numberExpr + ` (?:` + timeExpr + `)) `

	return []contract.Metric{newPrinted(m[1]+"_time", m[3], contract.Source{Kind: "regex", Expr: expr})}
}

func googleBenchmarkForm(line string) []contract.Metric {
	m := googleBench().FindStringSubmatch(line)
	if m == nil {
		return nil
	}
	expr := "^" + spaced(m[1]) + `\s+\S+ ` + m[2] + `\s+(` + numberExpr + `) ` + m[4] + `\s`

	return []contract.Metric{newPrinted(m[1]+"_cpu_"+m[4], m[4], contract.Source{Kind: "regex", Expr: expr})}
}

// operationsForm is a rate: of these more is better.
func operationsForm(line string) []contract.Metric {
	m := operations().FindStringSubmatch(line)
	if m == nil {
		return nil
	}
	expr := "^" + spaced(m[1]) + `(?: x |:\s*|\s+)(` + numberExpr + `) ` + regexp.QuoteMeta(m[3])
	name := m[1] + " " + strings.ReplaceAll(m[3], "/", "_per_")
	metric := newPrinted(name, m[3], contract.Source{Kind: "regex", Expr: expr})
	metric.Better = research.Higher

	return []contract.Metric{metric}
}

func jmhForm(line string) []contract.Metric {
	m := jmhRow().FindStringSubmatch(line)
	if m == nil {
		return nil
	}
	expr := "^" + spaced(m[1]) + `\s+` + m[2] + `\s+[0-9]+\s+(` + numberExpr + `)\s`

	metric := newPrinted(m[1], m[4], contract.Source{Kind: "regex", Expr: expr})
	metric.Better = research.Lower

	if m[2] == "thrpt" {
		metric.Better = research.Higher
	}

	return []contract.Metric{metric}
}

// shareForm is a share of items, such as accuracy: 0.52 (26/50).
func shareForm(line string) []contract.Metric {
	m := shareExpr().FindStringSubmatch(line)
	if m == nil {
		return nil
	}

	return []contract.Metric{newPrinted(m[1], "", contract.Source{Kind: "output"})}
}

// colonForm is name: value or name = value, with or without a unit. A name without
// blanks before a colon is read as it is; everything else by an expression.
func colonForm(line string) []contract.Metric {
	m := colonExpr().FindStringSubmatch(line)
	if m == nil || metricName(m[1]) == "" {
		return nil
	}
	name, unit := m[1], m[4]

	if plain := plainName().MatchString(name); plain && m[2] == ":" && strings.HasPrefix(line, name) &&
		strings.TrimSpace(strings.TrimPrefix(line, name+":")) == strings.TrimSpace(m[3]+afterNumber(line, m[3])) {
		rest := strings.TrimSpace(afterNumber(line, m[3]))
		if rest == "" || rest == unit {
			return []contract.Metric{newPrinted(name, unit, contract.Source{Kind: "output"})}
		}
	}
	expr := `^\s*` + spaced(name) + `\s*` + m[2] + `\s*` + valueGroup(unit)

	return []contract.Metric{newPrinted(name, unit, contract.Source{Kind: "regex", Expr: expr})}
}

// valueGroup is the group of an expression that takes a number: with its unit where that
// is one of time, which programs choose by the size of the number.
func valueGroup(unit string) string {
	switch {
	case unit == "":
		return "(" + numberExpr + ")"
	case unit != plainUnit(unit): // a word that a value can't have behind it
		return "(" + numberExpr + `)\s*` + regexp.QuoteMeta(unit)
	case isTime().MatchString(unit):
		return "(" + numberExpr + `\s*(?:` + timeExpr + `))\b`
	default:
		return "(" + numberExpr + `)\s*` + regexp.QuoteMeta(unit)
	}
}

// afterNumber is what follows a number in its line.
func afterNumber(line, number string) string {
	_, rest, _ := strings.Cut(line, number)
	return rest
}

var plainName = compileLazily(`^[A-Za-z_][\w.-]*$`)

// valueFirstForm is a name, a number and its unit with blanks between them.
func valueFirstForm(line string) []contract.Metric {
	m := valueFirst().FindStringSubmatch(line)
	if m == nil {
		return nil
	}
	expr := `^\s*` + spaced(m[1]) + `\s+` + valueGroup(m[3])

	return []contract.Metric{newPrinted(m[1], m[3], contract.Source{Kind: "regex", Expr: expr})}
}

// spaced is an expression for a text in which the number of blanks may change.
func spaced(text string) string {
	words := strings.Fields(text)
	for i := range words {
		words[i] = regexp.QuoteMeta(words[i])
	}

	return strings.Join(words, `\s+`)
}

// newPrinted makes a metric of what a program printed. A name that a metric can't have
// is changed, unless the output is searched for it.
func newPrinted(name, unit string, from contract.Source) contract.Metric {
	if from.Kind != "output" {
		name = metricName(name)
	}
	metric := contract.Metric{Name: name, Unit: plainUnit(unit), From: from, Better: guessDirection(name)}

	switch {
	case metric.Better != "":
	case strings.Contains(unit, "/s"):
		metric.Better = research.Higher
	case isTime().MatchString(unit) || isSizeUnit(unit) || strings.HasSuffix(unit, "/op"):
		metric.Better = research.Lower
	}

	return metric
}

var (
	isTime   = compileLazily(`^(?:` + timeExpr + `|sec|secs|seconds)$`)
	nameless = compileLazily(`[^A-Za-z0-9]+`)
	perWord  = compileLazily(`(?i)/(s|sec|second|op|iter)\b`)
)

func isSizeUnit(unit string) bool { return strings.HasSuffix(unit, "B") || unit == "bytes" }

// metricName is a name that a metric can have, such as requests_per_sec; "" for a text
// without letters.
func metricName(text string) string {
	name := nameless().ReplaceAllString(perWord().ReplaceAllString(text, " per $1"), "_")
	name = strings.Trim(strings.TrimLeft(name, "_0123456789"), "_")

	return strings.ToLower(name[:min(len(name), 60)])
}

// plainUnit is a unit as a contract has it.
func plainUnit(unit string) string {
	switch unit {
	case "sec", "secs", "seconds":
		return "s"
	}

	return unit
}

// setPrinted takes the metric that the text of a file prints, else what the run uses.
func (p *Proposal) setPrinted(folder *tree, file string) {
	metric, ok := findPrintedMetric(folder.readStart(file))
	if !ok {
		p.setUsage()
		return
	}
	p.Metric = metric
	p.What = metric.Name + ", which " + file + " prints"
	p.addReasonf("%s: prints %s", file, metric.Name)

	if p.kind == ofBenchScript {
		p.kind = ofPrintedNumber
	}
}
