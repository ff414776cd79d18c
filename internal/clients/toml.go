package clients

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
	"github.com/tailscale/hujson"
)

// tomlFormat edits TOML by lines: the library says where each key and table
// stands, and everything between them is left as it is. An entry that somebody
// wrote with dotted keys or as an inline table is understood, and removed, but
// not updated.
type tomlFormat struct{}

func (tomlFormat) decode(src []byte) (map[string]any, error) {
	doc := map[string]any{}
	err := toml.Unmarshal(bytes.TrimPrefix(src, byteOrderMark), &doc)

	var at *toml.DecodeError
	if errors.As(err, &at) {
		row, col := at.Position()
		return nil, unreadableError(fmt.Errorf("line %d, column %d: %w", row, col, err))
	}

	if err != nil {
		return nil, unreadableError(err)
	}

	return doc, nil
}

// statement is one table header or one key with its value, as it stands in the
// file.
type statement struct {
	table      bool
	path       []string // whole, with the table's
	start, end int      // its lines, the last line end included
	value      [2]int   // of a key
}

func (tomlFormat) setEntry(src []byte, path []string, set []field, drop [][]string) ([]byte, error) {
	all, err := parseStatements(src)
	if err != nil {
		return nil, err
	}
	nl := lineEnding(src)

	header := slices.IndexFunc(all, func(s statement) bool { return s.table && slices.Equal(s.path, path) })
	if header < 0 {
		if i := slices.IndexFunc(all, func(s statement) bool {
			return isAtOrBelow(s.path, path) || !s.table && isAtOrBelow(path, s.path)
		}); i >= 0 {
			return nil, uneditableError("line %d: %s is not written as a table [%s]", lineNumber(src, all[i].start),
				strings.Join(all[i].path, "."), strings.Join(path, "."))
		}

		return appendTable(src, path, set, nl), nil
	}

	last := all[header]
	for _, s := range all[header+1:] {
		if s.table {
			break
		}
		last = s
	}
	var e edits

	for _, f := range set {
		full := append(slices.Clone(path), f.path...)

		i := slices.IndexFunc(all, func(s statement) bool { return !s.table && slices.Equal(s.path, full) })
		if i >= 0 {
			e = append(e, edit{all[i].value[0], all[i].value[1], formatTOMLValue(f.value)})
			continue
		}

		line := formatTOMLKey(f.path) + " = " + formatTOMLValue(f.value) + nl
		if last.end == len(src) && !bytes.HasSuffix(src, []byte("\n")) {
			line = nl + strings.TrimSuffix(line, nl)
		}
		e = append(e, edit{last.end, last.end, line})
	}

	for _, p := range drop {
		full := append(slices.Clone(path), p...)
		for _, s := range all {
			if isAtOrBelow(s.path, full) {
				e = append(e, edit{s.start, s.end, ""})
			}
		}
	}

	return e.applyTo(src), nil
}

func (tomlFormat) removePath(src []byte, path []string, _ bool) ([]byte, error) {
	all, err := parseStatements(src)
	if err != nil {
		return nil, err
	}
	var e edits

	for i := 0; i < len(all); i++ {
		if !isAtOrBelow(all[i].path, path) {
			continue
		}

		j := i // a run of statements goes with the comments inside it
		for j+1 < len(all) && isAtOrBelow(all[j+1].path, path) {
			j++
		}
		start, end := all[i].start, all[j].end

		rest := src[end:]
		if blank := blankLineBefore(src, start); blank < start && all[i].table &&
			(len(rest) == 0 || rest[0] == '\n' || rest[0] == '\r') {
			start = blank
		}
		e = append(e, edit{start, end, ""})
		i = j
	}

	return e.applyTo(src), nil
}

// parseStatements reads src, which is well-formed.
func parseStatements(src []byte) ([]statement, error) {
	text := bytes.TrimPrefix(src, byteOrderMark)
	skip := len(src) - len(text)
	var p unstable.Parser
	p.Reset(text)
	var out []statement
	var table []string

	for p.NextExpression() {
		n := p.Expression()
		var keys []string
		first, stop := -1, 0

		for it := n.Key(); it.Next(); {
			k := it.Node()
			keys = append(keys, string(k.Data))

			if first < 0 {
				first = int(k.Raw.Offset)
			}
			stop = int(k.Raw.Offset + k.Raw.Length)
		}

		s := statement{table: n.Kind != unstable.KeyValue, path: keys}
		if s.table {
			if n.Kind == unstable.ArrayTable {
				s.path = append(keys, "[]")
			}
			table = s.path
		} else {
			from := stop + bytes.IndexByte(text[stop:], '=') + 1
			from += len(text[from:]) - len(bytes.TrimLeft(text[from:], " \t"))
			stop = int(n.Raw.Offset + n.Raw.Length)

			s.path = append(slices.Clone(table), keys...)
			s.value = [2]int{skip + from, skip + stop}
		}
		s.start = skip + bytes.LastIndexByte(text[:first], '\n') + 1

		s.end = len(src)
		if i := bytes.IndexByte(src[skip+stop:], '\n'); i >= 0 {
			s.end = skip + stop + i + 1
		}

		out = append(out, s)
	}

	if err := p.Error(); err != nil {
		return nil, unreadableError(err)
	}

	return out, nil
}

// appendTable adds the entry as a table of its own at the end.
func appendTable(src []byte, path []string, set []field, nl string) []byte {
	var text bytes.Buffer
	text.Write(src)

	if len(src) > 0 && !bytes.HasSuffix(src, []byte("\n")) {
		text.WriteString(nl)
	}

	if len(bytes.TrimSpace(src)) > 0 {
		text.WriteString(nl)
	}
	text.WriteString("[" + formatTOMLKey(path) + "]" + nl)

	for _, f := range set {
		text.WriteString(formatTOMLKey(f.path) + " = " + formatTOMLValue(f.value) + nl)
	}

	return text.Bytes()
}

// isAtOrBelow is true if path is at or below top.
func isAtOrBelow(path, top []string) bool {
	return len(path) >= len(top) && slices.Equal(path[:len(top)], top)
}

// blankLineBefore is where the one blank line before offset at begins, or at.
func blankLineBefore(src []byte, at int) int {
	head := src[:at]
	for _, end := range []string{"\n\r\n", "\n\n"} {
		if bytes.HasSuffix(head, []byte(end)) {
			return at - len(end) + 1
		}
	}

	return at
}

func lineNumber(src []byte, offset int) int { return 1 + bytes.Count(src[:offset], []byte("\n")) }

// edit replaces src[from:to].
type edit struct {
	from, to int
	text     string
}

type edits []edit

// applyTo carries out edits that do not overlap; those at one place in their order.
func (e edits) applyTo(src []byte) []byte {
	slices.SortStableFunc(e, func(a, b edit) int { return a.from - b.from })
	var out []byte

	at := 0
	for _, x := range e {
		out = append(append(out, src[at:x.from]...), x.text...)
		at = x.to
	}

	return append(out, src[at:]...)
}

func formatTOMLKey(path []string) string {
	parts := make([]string, len(path))
	for i, k := range path {
		parts[i] = k
		if strings.ContainsFunc(k, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-')
		}) {
			parts[i] = formatTOMLValue(k)
		}
	}

	return strings.Join(parts, ".")
}

func formatTOMLValue(v any) string {
	switch v := v.(type) {
	case bool:
		return strconv.FormatBool(v)
	case int:
		return strconv.Itoa(v)
	case []string:
		parts := make([]string, len(v))
		for i, s := range v {
			parts[i] = formatTOMLValue(s)
		}

		return "[" + strings.Join(parts, ", ") + "]"
	}

	return string(hujson.String(v.(string))) // a JSON string is a basic string of TOML
}
