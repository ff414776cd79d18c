package foreign

import (
	"fmt"
	"ratchet/internal/wording"
	"slices"
	"strconv"
	"strings"
)

// table decodes rows by the names of their columns. head gets the header; row gets
// the fields by name.
type table struct {
	columns []string
	usual   []string // the columns where the first line is not a header; nil: it always is one
	status  string   // the column whose values are no sentences, "" for none
	loose   bool     // rows need not have as many fields as the header: columns are given by number
	comment func(line string) Entry
	head    func(columns []string) Entry
	row     func(field func(name string) string) Entry
}

// lacksHeader says whether these fields of the first line are a row of the usual
// columns, and not their names.
func (t *table) lacksHeader(fields []string) bool {
	return t.usual != nil && len(fields) == len(t.usual) && !slices.Contains(fields, t.usual[0])
}

// decodeLine is t's decoder. A header may come again, as where files were joined.
func (t *table) decodeLine(line string) (Entry, error) {
	fields := strings.Split(line, "\t")
	if strings.HasPrefix(line, "#") {
		if t.comment != nil {
			return t.comment(line), nil
		}

		return Entry{Kind: Other}, nil
	}

	columns := splitColumns(line)
	if t.columns == nil && t.lacksHeader(columns) {
		t.columns = t.usual
	}

	if t.columns == nil || slices.Equal(columns, t.columns) {
		t.columns = columns
		entry := t.head(t.columns)
		entry.Kind = Header

		return entry, nil
	}
	n := len(t.columns)

	last := t.columns[n-1]
	isText := last == "rollback_reason" || slices.Contains(noteNames, last)

	joined := !t.loose && len(fields) > n && isText
	if joined { // free text with a tab in it
		fields = append(fields[:n-1:n-1], strings.Join(fields[n-1:], "\t"))
	}
	// An empty last field, or the last ones, may be left out with their tabs.
	if len(fields) == n-1 && isText {
		fields = append(fields, "")
	}

	if len(fields) != n && !t.loose {
		return Entry{}, fmt.Errorf("%s, and the header has %d", wording.Count(len(fields), "field"), n)
	}

	if isRule(fields[0]) {
		return Entry{Kind: Other, Description: strings.Trim(strings.Join(fields[1:], " "), " -")}, nil
	}
	field := func(name string) string { return t.fieldOf(fields, name) }

	if status := field(t.status); joined && len(status) > maxStatus {
		return Entry{}, fmt.Errorf("its %s is a sentence, so its fields stand in other columns", t.status)
	}
	e := t.row(field)
	e.Kind = Run

	return e, nil
}

// maxStatus is how many bytes a status has at most in a row with more fields than the header.
const maxStatus = 32

// isRule says whether a first field sets off a remark, as "---" does.
func isRule(field string) bool {
	field = strings.TrimSpace(field)
	return len(field) >= 3 && strings.Trim(field, "-") == ""
}

// fieldOf is the row's field in a column that is given by its name, or by its number from 1.
func (t *table) fieldOf(fields []string, name string) string {
	i := slices.Index(t.columns, name)
	if number, err := strconv.Atoi(name); i < 0 && err == nil {
		i = number - 1
	}

	if i < 0 || i >= len(fields) {
		return ""
	}

	return strings.TrimSpace(fields[i])
}

// karpathy is results.tsv: the row's order is its number, 0.000000 of a crash
// is not a value. Forks rename the second column and add others.
var karpathy = Format{
	Name:  "karpathy",
	About: "results.tsv with the columns commit, METRIC, …, status, description (karpathy/autoresearch and its forks, `ratchet export --format tsv`)",
	fits: func(s sample) bool {
		return s.hasColumns("commit", "status", "description") && s.guessColumns().unclear == ""
	},
	start: func(head sample) decoder {
		var usual []string
		if !head.hasColumns("status") { // rows without a header
			usual = []string{"commit", "val_bpb", "memory_gb", "status", "description"}
			head.columns, head.rows = usual, nil
		}
		g := head.guessColumns()
		g.Better = ""
		t := &table{usual: usual, status: g.Status, comment: directionComment, row: g.row}
		t.head = func([]string) Entry { return g.header() }

		return t.decodeLine
	},
}

// autokernel is the table that its agent writes (tag is free text) and that its
// orchestrator writes (tag is the decision).
var autokernel = Format{
	Name:  "autokernel",
	About: "results.tsv or KERNEL_results.tsv with the columns experiment, tag, kernel_type, throughput_tflops, … (autokernel)",
	fits:  func(s sample) bool { return s.hasColumns("experiment", "tag", "throughput_tflops") },
	start: func(head sample) decoder {
		t := &table{}
		t.head = func([]string) Entry { return Entry{Metric: "throughput_tflops", Better: "higher"} }
		t.row = func(field func(string) string) Entry {
			e := Entry{Metric: "throughput_tflops", Status: field("correctness"), Description: field("description")}
			switch tag := field("tag"); tag {
			case "kept", "revert", "failed":
				e.Status = tag
				if field("speedup_vs_pytorch") != "" && field("latency_us") == "" {
					e = e.addNote("speedup_vs_pytorch is over the first version here, not over PyTorch")
				}
			case "":
			default:
				e.Description = strings.TrimSuffix(tag+": "+e.Description, ": ")
			}

			return e.withValue(field("throughput_tflops"))
		}

		return t.decodeLine
	},
}

// uditgoenka has its direction in a comment before the header.
var uditgoenka = Format{
	Name:  "uditgoenka",
	About: "a table with the columns iteration, commit, metric, delta, guard, status, description (uditgoenka/autoresearch)",
	fits:  func(s sample) bool { return s.hasColumns("iteration", "commit", "metric", "status", "description") },
	start: func(head sample) decoder {
		g := head.guessColumns() // its forks have other names for status and note
		g.Metric, g.rivals, g.Better = "metric", nil, ""
		t := &table{comment: directionComment, status: g.Status, row: g.row}
		t.head = func([]string) Entry { return Entry{Metric: "metric"} }

		return t.decodeLine
	},
}

// findDirection finds lower or higher in the words of a comment on the direction.
func findDirection(line string) Entry {
	if !strings.Contains(line, "metric_direction") {
		return Entry{Kind: Other}
	}

	for _, w := range strings.FieldsFunc(line, func(r rune) bool { return r < 'A' || r > 'z' || r == '_' }) {
		if better := parseDirection(w); better != "" {
			return Entry{Kind: Header, Better: better}
		}
	}

	return Entry{Kind: Other}
}

// coreline is RESULTS.tsv with the score after the change.
var coreline = Format{
	Name:  "coreline",
	About: "RESULTS.tsv with the columns iteration, hypothesis_id, status, score_after, … (coreline-ai/autoresearch-mcp-codex)",
	fits:  func(s sample) bool { return s.hasColumns("iteration", "hypothesis_id", "score_after") },
	start: func(head sample) decoder {
		t := &table{}
		t.head = func([]string) Entry { return Entry{Metric: "score"} }
		t.row = func(field func(string) string) Entry {
			e := Entry{Metric: "score", Status: field("status"), Description: field("change_summary")}
			if why := field("rollback_reason"); why != "" {
				e = e.addNote("rolled back: " + why)
			}

			return e.withValue(field("score_after"))
		}

		return t.decodeLine
	},
}

// shreemulay comes as a table or as JSON lines.
var shreemulay = Format{
	Name:  "shreemulay",
	About: "a table, or JSON lines, with iteration, score, improved, change_description (ShreeMulay/autoresearch-mcp)",
	fits: func(s sample) bool {
		return s.hasColumns("iteration", "score", "improved") || s.hasKeys("iteration", "score", "improved")
	},
	start: func(head sample) decoder {
		row := func(field func(string) string) Entry {
			e := Entry{Kind: Run, Metric: "score", Description: field("change_description"), Status: "not improved"}
			switch {
			case isTrue(field("is_baseline")):
				e.Status = "baseline"
			case isTrue(field("improved")):
				e.Status = "improved"
			}

			return e.withValue(field("score"))
		}
		t := &table{head: func([]string) Entry { return Entry{Metric: "score"} }, row: row}
		objects := lineDecoder(func(o object) Entry { return row(o.textOf) })(head)

		return func(line string) (Entry, error) {
			if strings.HasPrefix(strings.TrimSpace(line), "{") {
				return objects(line)
			}

			return t.decodeLine(line)
		}
	},
}

func isTrue(text string) bool {
	switch strings.ToLower(text) {
	case "true", "1", "yes":
		return true
	}

	return false
}
