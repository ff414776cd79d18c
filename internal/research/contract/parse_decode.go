package contract

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"ratchet/internal/research"
	"ratchet/internal/wording"
)

// decoder walks the front matter's nodes, fills the program and collects
// faults. It never descends deeper than the fields it knows.
type decoder struct {
	program Program
	faults  faults
	lines   map[string]int // of each key that was given, by its full name
}

// field is one key of a mapping and what reads its value.
type field struct {
	key      string
	required bool
	read     reader
}

// reader takes the value of a key, whose full name is given for messages.
type reader func(d *decoder, key string, n *yaml.Node)

// faultAt records a fault at a node. YAML's line 1 is line 2 of the file.
func (d *decoder) faultAt(n *yaml.Node, format string, args ...any) {
	d.faults = append(d.faults, fault{max(n.Line, 1) + 1, fmt.Sprintf(format, args...)})
}

// faultAbout records a fault of a key's value that only shows beside other values.
func (d *decoder) faultAbout(key, format string, args ...any) {
	line := d.lines[key]
	if line == 0 {
		line = 1
	}
	d.faults = append(d.faults, fault{line, fmt.Sprintf(format, args...)})
}

// refuseReferences refuses what makes YAML larger than its text, or typed.
func (d *decoder) refuseReferences(node *yaml.Node) {
	switch {
	case len(d.faults) > maxFaults:
		return
	case node.Kind == yaml.AliasNode:
		d.faultAt(node, "the alias *%s is not accepted; write the value out", clipText(node.Value))
		return
	case node.Anchor != "":
		d.faultAt(node, "the anchor &%s is not accepted; write the value out", clipText(node.Anchor))
	case node.Style&yaml.TaggedStyle != 0:
		d.faultAt(node, "the tag %s is not accepted; write the bare value", clipText(node.Tag))
	}

	for _, c := range node.Content {
		d.refuseReferences(c)
	}
}

// readMapping reads n, which must be a mapping of the fields, into them.
func (d *decoder) readMapping(path string, node *yaml.Node, fields []field) {
	if node.Kind != yaml.MappingNode {
		d.faultAt(node, "%s must be a mapping of %s", path, strings.Join(keysOf(fields), ", "))
		return
	}

	const meant = -1         // a key that an unknown one was meant to be, so that it is not missing as well
	seen := map[string]int{} // lines of YAML, by key

	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		f := findField(fields, key.Value)
		full := join(path, key.Value)

		switch {
		case key.Kind != yaml.ScalarNode:
			d.faultAt(key, "a key must be plain text")
		case f == nil:
			if known := d.faultUnknown(path, key, fields); known != "" && seen[known] == 0 {
				seen[known] = meant
			}
		case seen[key.Value] > 0:
			d.faultAt(key, "the key %q is given twice, first on line %d", full, seen[key.Value]+1)
		default:
			seen[key.Value] = key.Line
			d.lines[full] = key.Line + 1
			f.read(d, full, value)
		}
	}

	for _, f := range fields {
		if f.required && seen[f.key] == 0 {
			d.faultMissing(path, node, f)
		}
	}
}

// faultMissing records the lack of a key at the line of the mapping that lacks it.
func (d *decoder) faultMissing(path string, node *yaml.Node, f field) {
	line := 1
	if path != "" {
		line = node.Line + 1
		if at := d.lines[path]; at > 0 {
			line = at
		}
	}
	d.faults = append(d.faults, fault{line, fmt.Sprintf("the required key %q is missing", join(path, f.key))})
}

// faultUnknown records an unknown key and returns the key of fields that was meant.
func (d *decoder) faultUnknown(path string, key *yaml.Node, fields []field) string {
	known := keysOf(fields)

	full := join(path, key.Value)
	if place := misplacedKey(key.Value); place != "" && place != full {
		d.faultAt(key, "unknown key %q; did you mean %q?", clipText(full), place)
		return ""
	}

	if meant := research.NearestWord(key.Value, known); meant != "" {
		d.faultAt(key, "unknown key %q; did you mean %q?", clipText(full), join(path, meant))
		return meant
	}
	d.faultAt(key, "unknown key %q; valid: %s", clipText(full), strings.Join(known, ", "))

	return ""
}

func findField(fields []field, key string) *field {
	for i := range fields {
		if fields[i].key == key {
			return &fields[i]
		}
	}

	return nil
}

func keysOf(fields []field) []string {
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.key
	}

	return keys
}

func join(path, key string) string {
	if path == "" {
		return key
	}

	return path + "." + key
}

// readScalar is n's text; a list, a mapping, nothing at all or blanks are faults.
func (d *decoder) readScalar(key string, node *yaml.Node) (string, bool) {
	switch {
	case node.Kind == yaml.SequenceNode:
		d.faultAt(node, "%s takes one value, not a list", key)
	case node.Kind == yaml.MappingNode:
		d.faultAt(node, "%s takes one value, not a mapping; quote a text that holds `: ` or starts with {", key)
	case node.Tag == "!!null" || strings.TrimSpace(node.Value) == "":
		d.faultAt(node, "%s is empty; give a value or leave the key out", key)
	default:
		return node.Value, true
	}

	return "", false
}

// faultValue records an impossible value and how to write a possible one.
func (d *decoder) faultValue(key string, n *yaml.Node, hint string) {
	d.faultAt(n, "%s can't be %s; %s", key, strconv.Quote(clipText(n.Value)), hint)
}

// clipText bounds what a message repeats of the file.
func clipText(s string) string { return wording.Clip(s, 60) }
