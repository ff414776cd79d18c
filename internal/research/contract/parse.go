package contract

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"ratchet/internal/research"
)

// Document is program.md: the contract and the research direction.
type Document struct {
	Program Program // with every default filled in
	Named   bool    // it gives its name; otherwise that is the folder's
	Body    string  // Markdown, byte for byte what follows the closing line ---
}

const (
	maxProgram = 256 << 10 // bytes of program.md
	maxFaults  = 5         // reported at once
)

// ParseProgram reads program.md. folder is the name of the folder it lies in,
// which gives the campaign its default name.
//
// It is strict: an unknown, doubled or missing key, a wrong type and an
// impossible value are faults. The error's code is CodeProgram; its text has
// one line for each fault (at most 5), each beginning "program.md:LINE: ".
// Anchors, aliases and tags are refused, so that a short file can't grow.
func ParseProgram(text []byte, folder string) (*Document, error) {
	front, body, f := splitProgram(text)
	if f != nil {
		return nil, faults{*f}.err()
	}

	root, f := loadFront(front)
	if f != nil {
		return nil, faults{*f}.err()
	}
	dec := &decoder{program: defaultProgram(folder), lines: map[string]int{}}
	dec.refuseReferences(root)

	if len(dec.faults) == 0 {
		dec.readMapping("", root, programFields(&dec.program))
		dec.deriveDefaults()
	}

	if len(dec.faults) == 0 {
		dec.crossCheck()
	}

	if len(dec.faults) > 0 {
		return nil, dec.faults.err()
	}

	return &Document{Program: dec.program, Named: dec.lines["name"] > 0, Body: body}, nil
}

// splitProgram cuts the text at its two lines ---. The front matter's first
// line is line 2 of the file.
func splitProgram(text []byte) (front []byte, body string, _ *fault) {
	if len(text) > maxProgram {
		return nil, "", &fault{1, fmt.Sprintf("the file has %d bytes; at most %d are read", len(text), maxProgram)}
	}
	rest := bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))

	first, rest, _ := bytes.Cut(rest, []byte("\n"))
	if !isFence(first) {
		return nil, "", &fault{1, "the file must start with a line of --- and the front matter"}
	}

	for at, line := 0, 2; at < len(rest); line++ {
		end := len(rest)
		if i := bytes.IndexByte(rest[at:], '\n'); i >= 0 {
			end = at + i + 1
		}

		if isFence(rest[at:end]) {
			return rest[:at], string(rest[end:]), nil
		}

		if reason := unreadableReason(rest[at:end]); reason != "" {
			return nil, "", &fault{line, reason}
		}
		at = end
	}

	return nil, "", &fault{1, "the front matter has no end; close it with a line of ---"}
}

func isFence(line []byte) bool { return string(bytes.TrimRight(line, " \t\r\n")) == "---" }

// unreadableReason says what keeps a line of front matter from being text.
func unreadableReason(line []byte) string {
	if !utf8.Valid(line) {
		return "the line is not valid UTF-8"
	}

	for _, c := range line {
		if (c < ' ' && c != '\t' && c != '\n' && c != '\r') || c == 0x7f {
			return fmt.Sprintf("the line holds the control character 0x%02x", c)
		}
	}

	return ""
}

// loadFront parses YAML into nodes; a nil node stands for an empty document.
func loadFront(front []byte) (*yaml.Node, *fault) {
	if isBlank(front) {
		return &yaml.Node{Kind: yaml.MappingNode}, nil
	}

	var doc yaml.Node
	if err := yaml.Load(front, &doc); err != nil {
		return nil, yamlFault(err)
	}

	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, &fault{2, "the front matter must be lines of `key: value`"}
	}

	return doc.Content[0], nil
}

// isBlank says whether the front matter holds nothing but comments.
func isBlank(front []byte) bool {
	for line := range bytes.Lines(front) {
		if t := bytes.TrimSpace(line); len(t) > 0 && t[0] != '#' {
			return false
		}
	}

	return true
}

func yamlFault(err error) *fault {
	var one *yaml.LoadError
	if !errors.As(err, &one) || one.Mark.Line < 1 {
		return &fault{2, "the front matter is not one YAML document"}
	}

	line := one.Mark.Line
	if one.ContextMark.Line > 0 { // where the broken construct starts is where to look
		line = one.ContextMark.Line
	}

	return &fault{line + 1, "not valid YAML: " + one.Message}
}

// fault is one thing that is wrong with program.md, at a line of the file.
type fault struct {
	line int
	text string
}

type faults []fault

// err is the faults as one error, in the order of their lines.
func (fs faults) err() error {
	slices.SortStableFunc(fs, func(a, b fault) int { return cmp.Compare(a.line, b.line) })
	var lines []string

	for i, f := range fs {
		if i == maxFaults {
			lines = append(lines, fmt.Sprintf("and %d more", len(fs)-maxFaults))
			break
		}

		lines = append(lines, fmt.Sprintf("program.md:%d: %s", f.line, f.text))
	}

	return research.Errorf(research.CodeProgram, "correct program.md there and call again", "%s",
		strings.Join(lines, "\n"))
}
