package clients

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/tailscale/hujson"
)

// jsonFormat edits JSON, with or without comments and trailing commas. What it
// adds looks like its neighbours: their indentation, or one line among one-line
// neighbours.
type jsonFormat struct{}

func (jsonFormat) decode(src []byte) (map[string]any, error) {
	root, _, err := parseJSON(bytes.Clone(src)) // Standardize writes into it
	if err != nil {
		return nil, err
	}
	root.Standardize()

	doc := map[string]any{}
	if err := json.Unmarshal(root.Pack(), &doc); err != nil {
		return nil, unreadableError(err)
	}

	return doc, nil
}

func (jsonFormat) setEntry(src []byte, path []string, set []field, drop [][]string) ([]byte, error) {
	root, writer, err := parseJSON(src)
	if err != nil {
		return nil, err
	}

	entry, at, err := writer.ensureObject(root.Value.(*hujson.Object), path, objectLayout{})
	if err != nil {
		return nil, err
	}

	for _, p := range drop {
		if err := writer.removePath(entry, p, false); err != nil {
			return nil, err
		}
	}

	for _, f := range set {
		obj, here, err := writer.ensureObject(entry, f.path[:len(f.path)-1], at)
		if err != nil {
			return nil, err
		}
		key := f.path[len(f.path)-1]

		m, err := writer.findMember(obj, key)
		if err != nil {
			return nil, err
		}

		if m == nil {
			m = writer.addMember(obj, key, here)
		}
		m.Value.Value = jsonValue(f.value)
	}

	return writer.encode(root), nil
}

func (jsonFormat) removePath(src []byte, path []string, parents bool) ([]byte, error) {
	root, writer, err := parseJSON(src)
	if err != nil {
		return nil, err
	}

	if err := writer.removePath(root.Value.(*hujson.Object), path, parents); err != nil {
		return nil, err
	}

	return writer.encode(root), nil
}

// jsonWriter is how this file is written.
type jsonWriter struct {
	src     []byte // without the mark
	hasMark bool
	nl      string
	unit    string // one step of indentation
}

// objectLayout is where an object stands: the indentation of its key, and whether it
// is written on one line.
type objectLayout struct {
	indent string
	inline bool
}

func parseJSON(src []byte) (*hujson.Value, *jsonWriter, error) {
	writer := &jsonWriter{src: bytes.TrimPrefix(src, byteOrderMark), hasMark: bytes.HasPrefix(src, byteOrderMark),
		nl: lineEnding(src), unit: "  "}

	text := writer.src
	if len(bytes.TrimSpace(text)) == 0 {
		text = []byte("{}" + writer.nl)
	}

	root, err := hujson.Parse(text)
	if err != nil {
		return nil, nil, unreadableError(errors.New(strings.TrimPrefix(err.Error(), "hujson: ")))
	}

	obj, ok := root.Value.(*hujson.Object)
	if !ok {
		return nil, nil, unreadableError(fmt.Errorf("line %d: the file holds no object",
			writer.lineNumber(root.StartOffset)))
	}

	if len(obj.Members) > 0 {
		if in := indentation(obj.Members[0].Name.BeforeExtra); in != "" {
			writer.unit = in
		}
	}

	return &root, writer, nil
}

func (w *jsonWriter) encode(root *hujson.Value) []byte {
	out := root.Pack()
	if w.hasMark {
		out = append(bytes.Clone(byteOrderMark), out...)
	}

	return out
}

// indentation is the white space that begins the last line of extra, "" if
// extra has no line end.
func indentation(extra hujson.Extra) string {
	i := bytes.LastIndexByte(extra, '\n')
	if i < 0 {
		return ""
	}
	line := extra[i+1:]

	return string(line[:len(line)-len(bytes.TrimLeft(line, " \t"))])
}

// isOneLine is true if the object has members, and no line end between them.
func isOneLine(obj *hujson.Object) bool {
	for _, m := range obj.Members {
		if bytes.ContainsRune(m.Name.BeforeExtra, '\n') {
			return false
		}
	}

	return len(obj.Members) > 0 && !bytes.ContainsRune(obj.AfterExtra, '\n')
}

// ensureObject walks to the object that path names, and makes what is missing.
func (w *jsonWriter) ensureObject(
	obj *hujson.Object, path []string, at objectLayout,
) (*hujson.Object, objectLayout, error) {
	for _, key := range path {
		at.inline = at.inline || isOneLine(obj)

		m, err := w.findMember(obj, key)
		if err != nil {
			return nil, at, err
		}

		if m == nil {
			m = w.addMember(obj, key, at)
			m.Value.Value = &hujson.Object{}
		}
		at.indent = w.memberIndent(obj, at)

		inner, ok := m.Value.Value.(*hujson.Object)
		if !ok {
			return nil, at, uneditableError("line %d: %q is not an object", w.lineNumber(m.Value.StartOffset), key)
		}
		obj = inner
	}
	at.inline = at.inline || isOneLine(obj)

	return obj, at, nil
}

// memberIndent is the indentation of obj's members.
func (w *jsonWriter) memberIndent(obj *hujson.Object, at objectLayout) string {
	if n := len(obj.Members); n > 0 {
		if before := obj.Members[n-1].Name.BeforeExtra; bytes.ContainsRune(before, '\n') {
			return indentation(before)
		}
	}

	return at.indent + w.unit
}

// findMember is the member with that name, nil if there is none. Clients disagree
// on which of two counts, so two are refused.
func (w *jsonWriter) findMember(obj *hujson.Object, key string) (*hujson.ObjectMember, error) {
	var found *hujson.ObjectMember

	for i := range obj.Members {
		name, _ := obj.Members[i].Name.Value.(hujson.Literal)
		if name.String() != key {
			continue
		}

		if found != nil {
			return nil, uneditableError("line %d: %q stands here a second time",
				w.lineNumber(obj.Members[i].Name.StartOffset), key)
		}
		found = &obj.Members[i]
	}

	return found, nil
}

// addMember appends a member whose value is still to be set. Comments after the last
// member stay where they are, before the new one; a trailing comma stays one.
func (w *jsonWriter) addMember(obj *hujson.Object, key string, at objectLayout) *hujson.ObjectMember {
	m := hujson.ObjectMember{Name: hujson.Value{Value: hujson.String(key)},
		Value: hujson.Value{BeforeExtra: hujson.Extra(" ")}}
	n := len(obj.Members)
	tail := string(obj.AfterExtra)
	comments := strings.TrimRight(tail, " \t\r\n")
	closing := tail[len(comments):]

	if at.inline {
		sep := ""
		if n > 0 {
			sep = " "
			if len(obj.Members[0].Value.BeforeExtra) == 0 { // as dense as its neighbours
				sep, m.Value.BeforeExtra = "", nil
			}
		}
		m.Name.BeforeExtra = hujson.Extra(comments + sep)
	} else {
		ind := w.memberIndent(obj, at)

		m.Name.BeforeExtra = hujson.Extra(comments + w.nl + ind)
		if i := strings.LastIndexByte(closing, '\n'); i >= 0 && n > 0 {
			closing = w.nl + closing[i+1:]
		} else {
			closing = w.nl + at.indent
		}
	}

	if n > 0 && obj.Members[n-1].Value.AfterExtra != nil {
		m.Value.AfterExtra = hujson.Extra{}
	}
	obj.AfterExtra = hujson.Extra(closing)
	obj.Members = append(obj.Members, m)

	return &obj.Members[n]
}

// removePath removes what path names below obj, if it is there; with parents, also
// the objects on the way that are empty then.
func (w *jsonWriter) removePath(obj *hujson.Object, path []string, parents bool) error {
	m, err := w.findMember(obj, path[0])
	if m == nil || err != nil {
		return err
	}

	if len(path) > 1 {
		inner, ok := m.Value.Value.(*hujson.Object)
		if !ok {
			return nil
		}

		if err := w.removePath(inner, path[1:], parents); err != nil {
			return err
		}

		if !parents || len(inner.Members) > 0 || len(bytes.TrimSpace(inner.AfterExtra)) > 0 {
			return nil
		}
	}

	for i := range obj.Members {
		if &obj.Members[i] == m {
			removeMember(obj, i)
			break
		}
	}

	return nil
}

// removeMember removes member i, and keeps the comments before it.
func removeMember(obj *hujson.Object, i int) {
	m, n := obj.Members[i], len(obj.Members)
	before := string(m.Name.BeforeExtra)

	comments := strings.TrimRight(before, " \t\r\n")
	switch {
	case i < n-1:
		next := &obj.Members[i+1].Name
		if comments != "" {
			next.BeforeExtra = hujson.Extra(comments + string(next.BeforeExtra))
		} else if len(bytes.TrimSpace(next.BeforeExtra)) == 0 {
			next.BeforeExtra = m.Name.BeforeExtra
		}
	case n == 1 && comments == "" && len(bytes.TrimSpace(obj.AfterExtra)) == 0:
		obj.AfterExtra = nil
	default:
		obj.AfterExtra = hujson.Extra(comments + string(obj.AfterExtra))
		if n > 1 {
			last := &obj.Members[n-2].Value
			switch trailing := m.Value.AfterExtra != nil; {
			case trailing && last.AfterExtra == nil:
				last.AfterExtra = hujson.Extra{}
			case !trailing:
				obj.AfterExtra = append(bytes.Clone(last.AfterExtra), obj.AfterExtra...)
				last.AfterExtra = nil
			}
		}
	}

	obj.Members = append(obj.Members[:i:i], obj.Members[i+1:]...)
}

func (w *jsonWriter) lineNumber(offset int) int {
	return 1 + bytes.Count(w.src[:min(offset, len(w.src))], []byte("\n"))
}

func jsonValue(v any) hujson.ValueTrimmed {
	switch v := v.(type) {
	case bool:
		return hujson.Bool(v)
	case int:
		return hujson.Int(int64(v))
	case []string:
		list := &hujson.Array{}

		for i, s := range v {
			e := hujson.Value{Value: hujson.String(s)}
			if i > 0 {
				e.BeforeExtra = hujson.Extra(" ")
			}

			list.Elements = append(list.Elements, e)
		}

		return list
	}

	return hujson.String(v.(string))
}
