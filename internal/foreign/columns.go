package foreign

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Columns says which columns of a table, or which keys of JSON lines, hold what.
// A column is given by its name, or by its number from 1; "" is none.
type Columns struct {
	Metric string
	Status string
	Note   string
	Better string // lower | higher, "" where nothing says it
	Unit   string
}

// ParseColumns reads what --columns takes: metric=…,status=…,note=…,better=…,unit=….
func ParseColumns(text string) (Columns, error) {
	var c Columns

	for part := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")

		value = strings.TrimSpace(value)
		if !ok || value == "" {
			return c, fmt.Errorf("%q is not NAME=COLUMN", part)
		}

		switch strings.TrimSpace(name) {
		case "metric":
			c.Metric = strings.ToLower(value)
		case "status":
			c.Status = strings.ToLower(value)
		case "note":
			c.Note = strings.ToLower(value)
		case "unit":
			c.Unit = value
		case "better":
			if c.Better = parseDirection(value); c.Better == "" {
				return c, fmt.Errorf("better is %q, and not lower or higher", value)
			}
		default:
			return c, fmt.Errorf("there is no %q, only metric, status, note, better and unit", name)
		}
	}

	return c, nil
}

// String is c as ParseColumns reads it.
func (c Columns) String() string {
	var parts []string

	for _, p := range []struct{ name, value string }{{"metric", c.Metric}, {"status", c.Status}, {"note", c.Note},
		{"better", c.Better}, {"unit", c.Unit}} {
		if p.value != "" {
			parts = append(parts, p.name+"="+p.value)
		}
	}

	return strings.Join(parts, ",")
}

// merge puts what is given over what was found.
func (c Columns) merge(given Columns) Columns {
	for _, p := range []struct {
		to  *string
		say string
	}{{&c.Metric, given.Metric}, {&c.Status, given.Status}, {&c.Note, given.Note}, {&c.Better, given.Better},
		{&c.Unit, given.Unit}} {
		if p.say != "" {
			*p.to = p.say
		}
	}

	return c
}

// byNumber says whether a column is given by its number, so that rows need not fit the header.
func (c Columns) byNumber() bool {
	return slices.ContainsFunc([]string{c.Metric, c.Status, c.Note}, func(name string) bool {
		_, err := strconv.Atoi(name)
		return err == nil
	})
}

// UnclearError is DetectFormat's of a table, or of JSON lines, whose columns can't be told for certain.
type UnclearError struct {
	Why      string
	Proposal Columns // as far as it can be told
}

func (e *UnclearError) Error() string { return e.Why }

// UseColumns is the format of a table, or of JSON lines, with these columns; what they
// leave open is found. It fails where a column is not there, or where it is not clear
// which column holds the metric.
func UseColumns(path string, head []byte, given Columns) (Format, error) {
	s, err := readSample(path, head)
	if err != nil {
		return Format{}, err
	}

	columns, _ := s.grid()
	if columns == nil {
		return Format{}, s.explainUnknown()
	}

	for _, name := range []string{given.Metric, given.Status, given.Note} {
		n, err := strconv.Atoi(name)
		if name == "" || name == "-" || slices.Contains(columns, name) || err == nil && n > 0 && s.keys == nil {
			continue
		}

		return Format{}, fmt.Errorf("it has no column %q, only %s", name, strings.Join(columns, ", "))
	}

	g := s.guessColumns()
	if given.Metric == "" && g.unclear != "" {
		return Format{}, &UnclearError{g.unclear, g.Columns.merge(given)}
	}

	base := plainTable
	if s.keys != nil {
		base = plainLines
	}

	f := base
	f.start = func(s sample) decoder { return startPlain(s, given) }

	return f, nil
}

// HasColumns says whether columns can be given for a format.
func (f Format) HasColumns() bool {
	return slices.Contains([]string{plainTable.Name, plainLines.Name, karpathy.Name, uditgoenka.Name}, f.Name)
}

// guess is what the names of columns and the values of rows say of them.
type guess struct {
	Columns
	commit  string
	words   []string // further columns in words that describe a run
	rivals  []string // columns that are named as a metric, too
	unclear string   // why it is not certain, "" where it is
}

// grid is the sample as a table: the columns of a table, or the keys of JSON lines in
// the order of their names, and the rows that have all columns. columns is nil for other text.
func (s sample) grid() (columns []string, rows [][]string) {
	if s.keys == nil {
		for _, row := range s.rows {
			if len(row) == len(s.columns) {
				rows = append(rows, row)
			}
		}

		return s.columns, rows
	}

	if len(s.objects) == 0 {
		return nil, nil
	}

	seen := map[string]bool{}
	for _, o := range s.objects {
		for key := range o {
			if !seen[key] {
				seen[key] = true
				columns = append(columns, key)
			}
		}
	}

	slices.Sort(columns)

	for _, o := range s.objects {
		row := make([]string, len(columns))
		for i, key := range columns {
			row[i] = o.textOf(key)
		}
		rows = append(rows, row)
	}

	return columns, rows
}

// guessColumns finds the columns by their names; a number column whose name says
// nothing is the metric only where it is the only one that can be.
func (s sample) guessColumns() guess {
	columns, rows := s.grid()
	g := guess{}
	g.Status = firstNamed(columns, rows, statusNames, true)
	g.commit = firstNamed(columns, rows, commitNames, false)
	g.Note = firstNamed(columns, rows, noteNames, true)

	for _, name := range noteNames {
		if i := slices.Index(columns, name); i >= 0 && name != g.Note && name != g.Status && isInWords(rows, i) {
			g.words = append(g.words, name)
		}
	}

	if len(s.rows) > 0 && len(rows) == 0 && s.keys == nil {
		return s.guessShifted(g)
	}

	best := 0
	var unnamed []string // number columns whose names say nothing

	for i, name := range columns {
		if name == g.Status || name == g.Note || name == g.commit || !isNumeric(rows, i) {
			continue
		}

		score := scoreMetricName(name)
		if score == 0 {
			unnamed = append(unnamed, name)
		}

		switch {
		case score <= 0 || score < best:
		case score > best:
			best, g.Metric, g.rivals = score, name, nil
		default:
			g.rivals = append(g.rivals, name)
		}
	}

	switch {
	case g.Metric == "" && len(unnamed) == 1:
		g.Metric = unnamed[0]
	case g.Metric == "" && len(unnamed) > 1:
		g.unclear = "it does not say which of the number columns is the metric: " + strings.Join(unnamed, ", ")
	}
	g.Better = directionOfName(g.Metric)

	if g.unclear == "" && g.Status == "" && g.Note == "" {
		g.unclear = "no column tells a run's status, and none describes it: it may be no list of experiments"
	}

	if g.unclear == "" && g.Metric == "" && (g.Status == "" || g.Note == "") {
		g.unclear = "no number column is named as a metric"
	}

	return g
}

// guessShifted is of a table none of whose rows fits its header: only numbers can name its columns.
func (s sample) guessShifted(g guess) guess {
	shortest := len(s.rows[0])
	for _, row := range s.rows {
		shortest = min(shortest, len(row))
	}

	g.unclear = fmt.Sprintf("its header has %d columns, and no row has as many (the first has %d): the names don't tell what is where", len(s.columns), len(s.rows[0]))
	found, fractions, words := Columns{}, 0, 0

	for i := range shortest {
		switch number := strconv.Itoa(i + 1); {
		case found.Status == "" && holdsStatuses(s.rows, i):
			found.Status = number
		case isNumeric(s.rows, i) && holdsFractions(s.rows, i):
			if fractions++; fractions == 1 {
				found.Metric, found.Better = number, directionOfName(s.columns[i])
			}
		case !isNumeric(s.rows, i) && textLength(s.rows, i) > words:
			words, found.Note = textLength(s.rows, i), number
		}
	}

	if fractions > 1 {
		found.Metric = ""
	}
	g.Columns = found

	return g
}

var (
	statusNames = []string{"status", "decision", "verdict", "outcome", "result", "action", "kept", "state",
		"correctness"}
	commitNames = []string{"commit", "commit_hash", "hash", "sha", "git_commit", "git_sha"}
	noteNames   = []string{"description", "desc", "note", "notes", "change_summary", "change_description", "summary",
		"change", "changes", "hypothesis", "idea", "experiment", "detail", "details", "comment", "comments",
		"message", "evidence", "what", "title", "strategy", "label", "name", "config", "tag"}
)

// firstNamed is the first of the names that is a column which most rows fill, else the
// first that is one, "" for none. inWords wants one whose values are words.
func firstNamed(columns []string, rows [][]string, names []string, inWords bool) string {
	first := ""

	for _, name := range names {
		i := slices.Index(columns, name)
		if i < 0 || inWords && !isInWords(rows, i) {
			continue
		}

		numbers, words := countValues(rows, i)
		if 2*(numbers+words) > len(rows) || len(rows) == 0 {
			return name
		}

		if first == "" {
			first = name
		}
	}

	return first
}

// countValues counts the numbers and the words of a column.
func countValues(rows [][]string, i int) (numbers, words int) {
	for _, row := range rows {
		if i >= len(row) {
			continue
		}

		switch v, note := parseNumber(row[i]); {
		case v != nil:
			numbers++
		case note != "":
			words++
		}
	}

	return numbers, words
}

// isNumeric says whether a column may hold numbers: most of its values are some, or it has none.
func isNumeric(rows [][]string, i int) bool {
	numbers, words := countValues(rows, i)
	return numbers > words || numbers+words == 0
}

// isInWords says whether a column may hold words: most of its values are some, or it has none.
func isInWords(rows [][]string, i int) bool {
	numbers, words := countValues(rows, i)
	return words > numbers || numbers+words == 0
}

// holdsFractions says whether a column has a value with a decimal point.
func holdsFractions(rows [][]string, i int) bool {
	return slices.ContainsFunc(rows, func(row []string) bool { return strings.Contains(row[i], ".") })
}

// textLength is the length of a column's values, in bytes.
func textLength(rows [][]string, i int) (length int) {
	for _, row := range rows {
		length += len(row[i])
	}

	return length
}

// holdsStatuses says whether every value of a column is a word that logs have for a status.
func holdsStatuses(rows [][]string, i int) bool {
	for _, row := range rows {
		if !isStatusWord(row[i]) {
			return false
		}
	}

	return len(rows) > 0
}

func isStatusWord(text string) bool {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "keep", "kept", "discard", "discarded", "baseline", "ok", "pass", "revert", "reverted", "ref", "accepted",
		"rejected":
		return true
	}

	return isFailure(text)
}

// The words of names, of which a column's name consists.
var (
	nameWords = map[string]int{ // how much a name with this word says that it is the metric
		"metric": 100, "value": 90, "measurement": 90, "score": 85, "objective": 85, "fitness": 85, "result": 85,
		"reward": 80, "primary": 85,
	}
	measureWords = strings.Fields("bpb bpc loss acc accuracy f1 auc sharpe ppl perplexity latency throughput tflops " +
		"gflops flops tok tokens tps qps rps ops fps iops speedup error err wer bleu rouge mse rmse mae mape map " +
		"ndcg recall precision iou psnr ssim return pnl profit duration time runtime elapsed ns us µs ms ess cpu p50 " +
		"p90 p95 p99 median mean geomean")
	weakWords = strings.Fields("ratio rate quality cost size bytes kb mb gb words lines chars instructions allocs " +
		"gap gaps hit hits s sec secs seconds minutes failures wins")
	// what is not a metric of an experiment log, whatever else the name says
	otherWords = strings.Fields("id exp experiment iteration iter round cycle run trial attempt step steps epoch epochs index no " +
		"number seed n num count commit hash sha timestamp date ts started ended ctx batch batches ubatch threads layers " +
		"layer width depth dim heads params param lr gpu gpus vram ram mem memory rss power delta improvement change " +
		"diff gain pct percent peak std stddev stdev var ci low high lower upper confidence baseline prev previous old " +
		"best before drawdown trades pass ok guard conc concurrency total samples segment generation gen parent revision " +
		"fraction vs version tokens_total")
	overheadWords = strings.Fields("compile training total setup startup warmup wall build eval elapsed")
)

// scoreMetricName tells how likely a column of this name is the metric: above 0 it is
// named as one, below 0 as something else, at 0 the name says nothing.
func scoreMetricName(name string) int {
	words := strings.FieldsFunc(name, isBetweenWords)
	score := 0
	other := false

	for _, w := range words {
		switch {
		case nameWords[w] > 0:
			score = max(score, nameWords[w])
		case slices.Contains(measureWords, w):
			score = max(score, 60)
		case slices.Contains(weakWords, w):
			score = max(score, 40)
		}
		other = other || slices.Contains(otherWords, w) || strings.Trim(w, "0123456789") == ""
	}

	switch {
	case len(words) == 0:
		return -1
	case words[0] == "peak" && score >= 60 && !slices.Contains(words, "mem") && !slices.Contains(words, "memory"):
		return 10 // the best moment of a run
	case other && score < 80:
		return -1
	}

	switch first := words[0]; {
	case first == "train":
		return max(score-40, 1)
	case slices.Contains(overheadWords, first) && score < 80:
		return 10
	case slices.Contains([]string{"val", "valid", "validation", "test"}, first):
		return max(score, 50) + 20
	}

	return score
}

// directionOfName is lower or higher where a metric's name says it, else "".
func directionOfName(name string) string {
	for w := range strings.FieldsFuncSeq(name, isBetweenWords) {
		switch w {
		case "tok", "tps", "qps", "rps", "ops", "fps", "throughput", "tflops", "gflops", "acc", "accuracy", "f1", "auc",
			"sharpe", "speedup", "ess", "recall", "precision", "reward":
			return "higher"
		case "bpb", "loss", "ppl", "perplexity", "latency", "ns", "us", "µs", "ms", "error", "mse", "rmse", "mae",
			"bytes":
			return "lower"
		}
	}

	return ""
}
