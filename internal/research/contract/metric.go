package contract

import (
	"bytes"
	"encoding/json"
	"io"
	"regexp"
	"slices"
	"strings"
)

const maxLine = 64 << 10 // bytes of a line that can hold a metric

// Scanner reads a program's metric and guards out of a run's output while it
// comes, in any chunks. It is an io.Writer that never fails and never holds
// more than one line of at most 64 KiB; a longer line is skipped.
//
// It understands, each on a line of its own:
//
//	METRIC name=value
//	name: value
//	{"name": value, …}        (top-level keys)
//	name 26/50                (a share of items only)
//
// and, for a metric or guard from regex:, the expression's group in its matches, instead of
// these; several in one line are several values unless pick is set, and then the first
// counts. Terminal escape sequences and blanks around a line
// are ignored. Of a line that carriage returns overwrite (a progress bar), only
// the text after the last one counts; carriage returns before the newline are
// its end. A group that takes a part of a number makes the value unusable (metric_whole.go). A value is a decimal number, which x, % or the metric's unit may
// follow, or a share of items: 26/50, 0.52 (26/50), 52% (26/50).
//
// Nothing of this may hide a value that was printed: where METRIC name= stands in what is
// skipped, cut, stripped or behind something else in its line, there is no value but an
// error that says how (metric_hidden.go).
//
// A Scanner belongs to one run and one goroutine. Streams written to it in
// turn must not break each other's lines.
type Scanner struct {
	tallies []*printedValues // the metric's, where the output gives it, then the guards'
	byName  []*printedValues // those of them without an expression
	line    []byte
	skip    bool // the line is too long
	cr      bool // the last byte was a carriage return, which may belong to the line's end
	of      int  // items that the metric is a share of, see ShareOf
}

// NewScanner makes a Scanner for a metric and guards as ParseProgram gives
// them. An expression that does not compile matches nothing.
func NewScanner(metric Metric, guards []Guard) *Scanner {
	s := &Scanner{}

	switch metric.From.Kind {
	case "output":
		s.tallies = append(s.tallies, &printedValues{name: metric.Name, what: "metric", unit: metric.Unit,
			pick: metric.Pick})
	case "regex":
		t := &printedValues{name: metric.Name, what: "metric", unit: metric.Unit, pick: metric.Pick}
		t.setPattern(metric.From.Expr)
		s.tallies = append(s.tallies, t)
	}

	for _, g := range guards {
		t := &printedValues{name: g.Name, what: "guard", pick: metric.Pick}
		if g.From.Kind == "regex" {
			t.setPattern(g.From.Expr)
		}
		s.tallies = append(s.tallies, t)
	}

	return s
}

// setPattern lets the values be what an expression's group takes.
func (t *printedValues) setPattern(expr string) {
	t.expr = expr
	t.around = findNeighbours(expr)
	t.pattern, _ = regexp.Compile(expr)
}

// Write takes the next bytes of output. It returns len(p) and no error.
func (s *Scanner) Write(content []byte) (int, error) {
	for rest := content; len(rest) > 0; {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			s.addPart(rest)
			break
		}
		s.addPart(rest[:i])
		s.endLine()
		rest = rest[i+1:]
	}

	return len(content), nil
}

// addPart adds a part of a line.
func (s *Scanner) addPart(part []byte) {
	for {
		i := bytes.IndexByte(part, '\r')
		piece := part

		if i >= 0 {
			piece = part[:i]
		}

		// A carriage return overwrites the line, unless the line ends there.
		if len(piece) > 0 && s.cr {
			s.findHidden(s.line, "before a carriage return")
			s.resetLine()
		}
		s.addPiece(piece)

		if i < 0 {
			return
		}
		s.cr, part = true, part[i+1:]
	}
}

// addPiece adds to the line. A line that is too long is searched and not kept.
func (s *Scanner) addPiece(piece []byte) {
	for len(s.line)+len(piece) > maxLine {
		n := maxLine - len(s.line)
		s.line = append(s.line, piece[:n]...)
		piece, s.skip = piece[n:], true

		s.findHidden(s.line, tooLong)
		s.line = append(s.line[:0], s.line[maxLine-maxHidden:]...) // what stands across the border
	}

	s.line = append(s.line, piece...)
}

func (s *Scanner) resetLine() { s.line, s.skip, s.cr = s.line[:0], false, false }

func (s *Scanner) endLine() {
	if s.skip {
		s.findHidden(s.line, tooLong)
	} else if len(s.line) > 0 {
		s.readWholeLine(s.line)
	}
	s.resetLine()
}

// Values ends the output and gives the value of each guard and, where the
// output is its source, of the metric, by name. Otherwise the error's text says
// what is missing, not finite or contradictory, and becomes the run's reason.
func (s *Scanner) Values() (map[string]float64, error) {
	s.endLine()

	values := make(map[string]float64, len(s.tallies))
	for _, t := range s.tallies {
		v, err := t.value()
		if err != nil {
			return nil, err
		}
		values[t.name] = v.Value

		if t.what == "metric" {
			s.of = v.Of
		}
	}

	return values, nil
}

// ShareOf is how many items the metric that Values gave is a share of, 0 where the
// output does not say.
func (s *Scanner) ShareOf() int { return s.of }

// PrintedUnit is the unit that followed the number which the metric's expression took,
// or "none" for a number without; "" for a metric that is found otherwise.
func (s *Scanner) PrintedUnit() string {
	if len(s.tallies) == 0 || s.tallies[0].what != "metric" || s.tallies[0].expr == "" {
		return ""
	}

	return s.tallies[0].printed
}

// readLine looks for values in one whole line without escape sequences: by the
// metric's expression, then as METRIC name=value, as a JSON object, or as name: value.
func (s *Scanner) readLine(line []byte) {
	named := s.named()
	for _, t := range s.tallies {
		t.matchPattern(line)
	}

	line = bytes.TrimSpace(line)
	if len(line) == 0 || len(named) == 0 {
		return
	}

	if rest, ok := afterKeyword(line); ok {
		name, value, found := bytes.Cut(rest, []byte("="))
		if t := findValues(named, bytes.TrimSpace(name)); found && t != nil {
			t.add(string(value), true)
			t.explicit = true
			t.read++
		}

		return
	}

	if line[0] == '{' {
		readObject(line, named)
		return
	}

	for _, t := range named {
		rest, ok := bytes.CutPrefix(line, []byte(t.name))
		if !ok {
			continue
		}

		blanks := len(rest)
		rest = bytes.TrimLeft(rest, " \t")
		if len(rest) > 0 && rest[0] == ':' {
			t.add(string(rest[1:]), false)
			t.read++
		} else if len(rest) < blanks && startsWithShare(string(rest)) {
			t.addBare(string(rest))
		}
	}
}

// named are the values that are found by their names.
func (s *Scanner) named() []*printedValues {
	if s.byName == nil {
		s.byName = slices.DeleteFunc(slices.Clone(s.tallies), func(t *printedValues) bool { return t.expr != "" })
	}

	return s.byName
}

// matchPattern takes the group of the expression in its matches, if there is one.
func (t *printedValues) matchPattern(line []byte) {
	if t.pattern == nil {
		return
	}

	for i, match := range t.pattern.FindAllSubmatchIndex(line, -1) {
		if i > 0 && t.pick != "" {
			return
		}

		if len(match) >= 4 && match[2] >= 0 {
			t.addMatch(string(line), match[2], match[3], i == 0)
		}
	}
}

// afterKeyword is what follows METRIC and a blank.
func afterKeyword(line []byte) ([]byte, bool) {
	const word = "METRIC"
	if len(line) <= len(word) || (line[len(word)] != ' ' && line[len(word)] != '\t') ||
		!strings.EqualFold(string(line[:len(word)]), word) {
		return nil, false
	}

	return line[len(word)+1:], true
}

func findValues(tallies []*printedValues, name []byte) *printedValues {
	for _, t := range tallies {
		if t.name == string(name) {
			return t
		}
	}

	return nil
}

// readObject takes the named top-level keys of a line that is a JSON object.
func readObject(line []byte, tallies []*printedValues) {
	wanted := false
	for _, t := range tallies {
		wanted = wanted || bytes.Contains(line, []byte(`"`+t.name+`"`))
	}

	if !wanted {
		return
	}

	pairs, ok := objectPairs(line)
	if !ok {
		if pairs, ok = objectPairs(quoteNonFinite(line)); !ok {
			return
		}
	}

	for _, t := range tallies { // a whole object hides nothing: it reads as it was written
		t.read = wholeObject
	}

	for _, p := range pairs {
		t := findValues(tallies, []byte(p.key))
		if t == nil {
			continue
		}

		var s string
		if json.Unmarshal(p.value, &s) != nil || string(p.value) == "null" {
			s = string(p.value)
		}
		t.add(s, false)
	}
}

type pair struct {
	key   string
	value json.RawMessage
}

// objectPairs lists an object's top-level pairs in order, doubled keys too.
func objectPairs(line []byte) ([]pair, bool) {
	dec := json.NewDecoder(bytes.NewReader(line))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, false
	}
	var pairs []pair

	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, false
		}

		p := pair{key: key.(string)} // the decoder takes nothing else for a key
		if err := dec.Decode(&p.value); err != nil {
			return nil, false
		}
		pairs = append(pairs, p)
	}

	if _, err := dec.Token(); err != nil {
		return nil, false
	}
	_, err := dec.Token()

	return pairs, err == io.EOF
}

// stripEscapes takes a terminal's escape sequences out of a line.
func stripEscapes(line []byte) []byte {
	if bytes.IndexByte(line, 0x1b) < 0 {
		return line
	}

	out := make([]byte, 0, len(line))
	for i := 0; i < len(line); {
		if line[i] != 0x1b {
			out = append(out, line[i])
			i++

			continue
		}
		i += escapeLength(line[i:])
	}

	return out
}

// escapeLength is the length of the escape sequence that s starts with: CSI
// (ESC [ … final), OSC (ESC ] … BEL or ESC \), or a short one.
func escapeLength(content []byte) int {
	if len(content) < 2 {
		return len(content)
	}
	i := 2

	switch content[1] {
	case '[':
		for i < len(content) && content[i] >= 0x20 && content[i] < 0x40 {
			i++
		}

		return min(i+1, len(content))
	case ']':
		for i < len(content) && content[i] != 0x07 && content[i] != 0x1b {
			i++
		}

		if i+1 < len(content) && content[i] == 0x1b && content[i+1] == '\\' {
			i++
		}

		return min(i+1, len(content))
	}

	for i = 1; i < len(content) && content[i] >= 0x20 && content[i] < 0x30; {
		i++
	}

	return min(i+1, len(content))
}
