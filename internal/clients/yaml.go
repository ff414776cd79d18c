package clients

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// yamlFormat edits YAML by lines: the library says where each key stands, and
// only the entry's own lines are written by it; the rest is never reformatted.
// Flow style (braces) on the way to the entry is understood, not edited.
type yamlFormat struct{}

func (yamlFormat) decode(src []byte) (map[string]any, error) {
	doc := map[string]any{}

	if _, err := parseYAMLRoot(src); err != nil {
		return nil, err
	}

	if err := yaml.Unmarshal(src, &doc); err != nil {
		return nil, unreadableError(err)
	}

	if doc == nil {
		doc = map[string]any{}
	}

	return doc, nil
}

// parseYAMLRoot is the mapping of the one document; nil if there is nothing.
func parseYAMLRoot(src []byte) (*yaml.Node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(src))

	var doc, more yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, unreadableError(err)
	}

	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		if err != nil {
			return nil, unreadableError(err)
		}

		return nil, uneditableError("line %d: the file has a second document", more.Line)
	}

	if len(doc.Content) == 0 || doc.Content[0].Tag == "!!null" {
		return nil, nil
	}

	if doc.Content[0].Kind != yaml.MappingNode {
		return nil, unreadableError(fmt.Errorf("line %d: the file holds no mapping", doc.Content[0].Line))
	}

	return doc.Content[0], nil
}

// findChild is the key and the value of that name, nil if there is none.
func findChild(node *yaml.Node, name string) (key, value *yaml.Node) {
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == name {
			return node.Content[i], node.Content[i+1]
		}
	}

	return nil, nil
}

func (yamlFormat) setEntry(src []byte, path []string, set []field, drop [][]string) ([]byte, error) {
	root, err := parseYAMLRoot(src)
	if err != nil {
		return nil, err
	}
	y := yamlLines{lines: splitLines(src), nl: lineEnding(src)}
	top, name := path[0], path[1]
	var parentKey, parent *yaml.Node

	if root != nil {
		if root.Style&yaml.FlowStyle != 0 {
			return nil, uneditableError("line %d: the file is written in flow style", root.Line)
		}
		parentKey, parent = findChild(root, top)
	}

	empty := parent != nil && len(parent.Content) == 0
	if parent != nil && !empty {
		if parent.Kind != yaml.MappingNode || parent.Style&yaml.FlowStyle != 0 {
			return nil, uneditableError("line %d: %s is not a plain block of keys", parent.Line, top)
		}

		if key, _ := findChild(parent, name); key != nil {
			return y.updateEntry(key, set, drop)
		}
	}

	entry := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, f := range set {
		setYAMLNode(entry, f.path, f.value)
	}
	key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: name}

	switch {
	case parent == nil:
		return y.appendEntry(top, key, entry)
	case empty:
		return y.fillParent(parentKey, parent, key, entry)
	}
	// The first place, not the last: a comment after the last key may belong to it.
	text, err := y.renderEntry(key, entry, parent.Content[0].Column-1)

	return y.replaceLines(parentKey.Line, parentKey.Line, text), err
}

// appendEntry adds the entry under a new key at the end of the file.
func (y yamlLines) appendEntry(top string, key, entry *yaml.Node) ([]byte, error) {
	text, err := y.renderEntry(key, entry, 2)

	at := len(y.lines)
	if at > 0 && !strings.HasSuffix(y.lines[at-1], "\n") {
		y.lines[at-1] += y.nl
	}

	return y.replaceLines(at, at, top+":"+y.nl+text), err
}

// fillParent puts the entry into a parent that is written as {} or as nothing.
func (y yamlLines) fillParent(parentKey, parent, key, entry *yaml.Node) ([]byte, error) {
	line := y.lines[parentKey.Line-1]
	sameLine := parent.Kind == yaml.MappingNode && parent.Line == parentKey.Line

	switch {
	case sameLine && strings.HasPrefix(line[parent.Column-1:], "{}"):
		line = strings.TrimRight(line[:parent.Column-1], " ") + line[parent.Column+1:]
	case parent.Kind != yaml.ScalarNode || parent.Tag != "!!null" || parent.Value != "":
		return nil, uneditableError("line %d: %s is not a plain block of keys", parent.Line, parentKey.Value)
	}

	if !strings.HasSuffix(line, "\n") {
		line += y.nl
	}
	text, err := y.renderEntry(key, entry, parentKey.Column+1)

	return y.replaceLines(parentKey.Line-1, parentKey.Line, line+text), err
}

// updateEntry writes the entry's own lines again, from themselves.
func (y yamlLines) updateEntry(key *yaml.Node, set []field, drop [][]string) ([]byte, error) {
	from, to := y.entryLines(key)

	own := []string{}
	for _, line := range y.lines[from:to] {
		own = append(own, line[min(key.Column-1, len(line)-len(strings.TrimLeft(line, " "))):])
	}

	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(strings.Join(own, "")), &doc); err != nil ||
		doc.Content[0].Kind != yaml.MappingNode || len(doc.Content[0].Content) != 2 {
		return nil, uneditableError("line %d: %s can't be read by itself", key.Line, key.Value)
	}

	name, entry := doc.Content[0].Content[0], doc.Content[0].Content[1]
	if entry.Kind != yaml.MappingNode {
		return nil, uneditableError("line %d: %s is not a block of keys", key.Line, key.Value)
	}

	for _, p := range drop {
		removeYAMLNode(entry, p)
	}

	for _, f := range set {
		setYAMLNode(entry, f.path, f.value)
	}
	text, err := y.renderEntry(name, entry, key.Column-1)

	return y.replaceLines(from, to, text), err
}

func (yamlFormat) removePath(src []byte, path []string, parents bool) ([]byte, error) {
	root, err := parseYAMLRoot(src)
	if err != nil || root == nil {
		return src, err
	}

	parentKey, parent := findChild(root, path[0])
	if parent == nil || parent.Kind != yaml.MappingNode {
		return src, nil
	}

	key, _ := findChild(parent, path[1])
	if key == nil {
		return src, nil
	}

	if parent.Style&yaml.FlowStyle != 0 || root.Style&yaml.FlowStyle != 0 {
		return nil, uneditableError("line %d: %s is written in flow style", parent.Line, path[0])
	}
	y := yamlLines{lines: splitLines(src), nl: lineEnding(src)}

	from, to := y.entryLines(key)
	if len(parent.Content) > 2 {
		return y.replaceLines(from, to, ""), nil
	}
	at := parentKey.Line - 1
	line := strings.TrimRight(y.lines[at], "\r\n")

	colon := strings.IndexByte(line[parentKey.Column-1:], ':') + parentKey.Column
	if comments := line[colon:] + strings.Join(y.lines[at+1:from], ""); parents && strings.TrimSpace(comments) == "" {
		return y.replaceLines(at, to, ""), nil
	}
	y.lines[at] = line[:colon] + " {}" + line[colon:] + y.nl

	return y.replaceLines(from, to, ""), nil
}

// yamlLines is the file as lines, each with its end.
type yamlLines struct {
	lines []string
	nl    string
}

func splitLines(src []byte) []string {
	lines := strings.SplitAfter(string(src), "\n")
	if n := len(lines); lines[n-1] == "" {
		lines = lines[:n-1]
	}

	return lines
}

// replaceLines puts text in the place of lines [from, to).
func (y yamlLines) replaceLines(from, to int, text string) []byte {
	return []byte(strings.Join(y.lines[:from], "") + text + strings.Join(y.lines[to:], ""))
}

// entryLines is the lines [from, to) of a key in block style with what belongs to
// it: all that is indented deeper, without blank lines and comments at the end
// that are not.
func (y yamlLines) entryLines(key *yaml.Node) (from, to int) {
	from = key.Line - 1

	to = from + 1
	for i := to; i < len(y.lines); i++ {
		text := strings.TrimSpace(y.lines[i])
		indent := len(y.lines[i]) - len(strings.TrimLeft(y.lines[i], " "))

		if text == "" {
			continue
		}

		if indent < key.Column {
			break
		}
		to = i + 1
	}

	return from, to
}

// renderEntry is the entry as lines, indented.
func (y yamlLines) renderEntry(key, entry *yaml.Node, indent int) (string, error) {
	var text bytes.Buffer
	enc := yaml.NewEncoder(&text)
	enc.SetIndent(2)

	err := enc.Encode(&yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: []*yaml.Node{key, entry}})
	if err := errors.Join(err, enc.Close()); err != nil {
		return "", fmt.Errorf("write the entry: %w", err)
	}
	var out strings.Builder

	for line := range strings.Lines(text.String()) {
		if line = strings.TrimRight(line, "\n"); line != "" {
			out.WriteString(strings.Repeat(" ", indent) + line)
		}
		out.WriteString(y.nl)
	}

	return out.String(), nil
}

func setYAMLNode(node *yaml.Node, path []string, v any) {
	_, value := findChild(node, path[0])
	if value == nil {
		value = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		node.Content = append(node.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: path[0]}, value)
	}

	if len(path) > 1 {
		setYAMLNode(value, path[1:], v)
		return
	}

	var fresh yaml.Node
	if err := fresh.Encode(v); err == nil { // strings, numbers, booleans and lists of strings always encode
		fresh.HeadComment = value.HeadComment
		fresh.LineComment = value.LineComment
		fresh.FootComment = value.FootComment
		*value = fresh
	}
}

func removeYAMLNode(node *yaml.Node, path []string) {
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value != path[0] {
			continue
		}

		if len(path) > 1 {
			removeYAMLNode(node.Content[i+1], path[1:])
			return
		}
		node.Content = slices.Delete(node.Content, i, i+2)

		return
	}
}
