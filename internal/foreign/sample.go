package foreign

import (
	"bytes"
	"encoding/json"
	"errors"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// sample is what Detect sees of a source.
//
// Its rows and objects are the first sampleRows of them.
type sample struct {
	path    string
	base    string
	head    string
	columns []string // of the first line with tabs that is not a comment, lower case
	rows    [][]string
	objects []object // of the first lines that are JSON objects
	keys    []string // of the first JSON object at the beginning of a line, if it is whole

	separator rune // of a CSV file, which head has with tabs; else 0
}

const sampleRows = 400

var errBinary = errors.New("it is binary, not text")

// readSample reads the beginning of a source.
func readSample(p string, head []byte) (sample, error) {
	head = bytes.TrimPrefix(head, []byte("\ufeff"))
	switch {
	case len(bytes.TrimSpace(head)) == 0:
		return sample{}, ErrEmpty
	case bytes.HasPrefix(head, []byte("SQLite format 3\x00")):
		return sample{},
			errors.New("it is an SQLite database; ShinkaEvolve's is read as lines: sqlite3 -json FILE 'select * from programs' > programs.jsonl")
	case bytes.IndexByte(head, 0) >= 0 || !isMostlyText(head):
		return sample{}, errBinary
	}

	s := sample{path: p, base: path.Base(p)}
	s.head, s.separator = withTabs(string(head))

	for line := range strings.Lines(s.head) {
		line = strings.TrimRight(line, "\r\n")
		if s.columns == nil && strings.Contains(line, "\t") && !strings.HasPrefix(line, "#") &&
			!strings.HasPrefix(strings.TrimSpace(line), "{") {
			s.columns = splitColumns(line)
			continue
		}

		if s.columns != nil && len(s.rows) < sampleRows && strings.Contains(line, "\t") &&
			!strings.HasPrefix(line, "#") {
			s.rows = append(s.rows, strings.Split(line, "\t"))
		}

		if len(s.objects) == sampleRows || !strings.HasPrefix(strings.TrimLeft(line, " ["), "{") {
			continue
		}

		var parsed object
		if json.Unmarshal([]byte(trimArray(line)), &parsed) == nil && len(parsed) > 0 {
			s.objects = append(s.objects, parsed)

			if s.keys == nil {
				for k := range parsed {
					s.keys = append(s.keys, k)
				}
			}
		}
	}

	if s.keys == nil && strings.HasPrefix(strings.TrimSpace(s.head), "{") {
		s.keys = findKeys(s.head)
	}

	return s, nil
}

// isMostlyText allows for a few bytes of another encoding.
func isMostlyText(head []byte) bool {
	bad := 0

	for content := head; len(content) > 0; {
		r, n := utf8.DecodeRune(content)
		if r == utf8.RuneError && n == 1 {
			bad++
		}
		content = content[n:]
	}

	return bad*20 <= len(head)
}

var keyPattern = compileLazily(`"([A-Za-z_][\w-]*)"\s*:`)

// findKeys are the keys in the beginning of a JSON text that may be cut off.
func findKeys(text string) []string {
	var keys []string
	for _, m := range keyPattern().FindAllStringSubmatch(text, -1) {
		keys = append(keys, m[1])
	}

	return keys
}

func splitColumns(line string) []string {
	columns := strings.Split(strings.TrimPrefix(line, "\ufeff"), "\t")
	for i, c := range columns {
		columns[i] = strings.ToLower(strings.TrimSpace(c))
	}

	return columns
}

// hasAll says whether the columns, or the keys, hold all names.
func (s sample) hasAll(in []string, names ...string) bool {
	for _, n := range names {
		if !slices.Contains(in, n) {
			return false
		}
	}

	return true
}

// hasKeys says whether it looks like an object, or lines of them, with all keys.
func (s sample) hasKeys(keys ...string) bool { return s.keys != nil && s.hasAll(s.keys, keys...) }

// hasColumns says whether it looks like a table with all columns.
func (s sample) hasColumns(columns ...string) bool {
	return s.columns != nil && s.hasAll(s.columns, columns...)
}

// explainUnknown is DetectFormat's error of a source that no format fits: of a table or of
// JSON lines an UnclearError with what can be told of its columns.
func (s sample) explainUnknown() error {
	columns, rows := s.grid()
	if len(columns) < 2 {
		return errors.New(s.describeUnknown())
	}

	g := s.guessColumns()
	if s.columns != nil && s.keys == nil && len(s.rows) == 0 && len(rows) == 0 {
		g.unclear += "; it has a header and no rows"
	}

	return &UnclearError{s.describeUnknown() + "; " + g.unclear, g.Columns}
}

// describeUnknown says in words what a source of no known format looks like.
func (s sample) describeUnknown() string {
	first := func(names []string) string {
		names = slices.Clone(names)
		slices.Sort(names)
		names = slices.Compact(names)

		return strings.Join(names[:min(len(names), 8)], ", ")
	}

	switch {
	case s.keys != nil:
		return "it looks like JSON with the keys " + first(s.keys)
	case s.columns != nil:
		return "it looks like a table with the columns " + strings.Join(s.columns[:min(len(s.columns), 8)], ", ")
	}

	return "it is text without a table's header and without JSON lines"
}

// trimArray removes the brackets and the comma that make an array of JSON lines, as
// `sqlite3 -json` writes it.
func trimArray(line string) string {
	line = strings.TrimSpace(line)
	if strings.HasPrefix(line, "[{") {
		line = line[1:]
	}

	if t := strings.TrimSuffix(line, "]"); t != line && strings.HasSuffix(t, "}") && strings.HasPrefix(t, "{") {
		line = t
	}

	return strings.TrimSuffix(line, ",")
}
