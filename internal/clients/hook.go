package clients

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/tailscale/hujson"
)

// hookSeconds is how long a client may wait for the hook; it answers within one.
const hookSeconds = 10

// hook is an entry among the client's own: {"hooks": {EVENT: [{"hooks":
// [{"type": "command", "command": …}]}]}}, as Claude Code, Codex and Gemini CLI
// have it. Ratchet's is known by its command.
type hook struct {
	event     string
	perSecond int    // units of the timeout in a second
	name      string // where the client shows one, else ""
}

// hooked is a hook in a decoded file.
type hooked struct {
	group, at int
	command   string
}

// mine lists Ratchet's hooks of the event in a decoded file.
func (k hook) mine(doc map[string]any) ([]hooked, error) {
	if v, ok := doc["hooks"]; ok {
		if _, isTable := v.(map[string]any); !isTable {
			return nil, strange("hooks is not a table of keys and values")
		}
	}

	v, ok := lookup(doc, []string{"hooks", k.event})
	if !ok {
		return nil, nil
	}

	groups, ok := v.([]any)
	if !ok {
		return nil, strange("hooks.%s is not a list", k.event)
	}
	var out []hooked

	for g, group := range groups {
		inner, _ := lookup(group, []string{"hooks"})

		list, _ := inner.([]any)
		for i, h := range list {
			command, _ := lookup(h, []string{"command"})
			if s, ok := command.(string); ok && hookPattern.MatchString(s) {
				out = append(out, hooked{g, i, s})
			}
		}
	}

	return out, nil
}

func (k hook) find(text []byte) (Found, error) {
	doc, err := jsonFormat{}.decode(text)
	if err != nil {
		return Found{}, err
	}

	all, err := k.mine(doc)
	if len(all) == 0 || err != nil {
		return Found{}, err
	}
	m := hookPattern.FindStringSubmatch(all[0].command)

	return Found{There: true, Program: strings.ReplaceAll(m[1], `'\''`, "'") + m[2] + m[3]}, nil
}

func (k hook) put(plan *Plan, l Loop) error {
	doc, err := jsonFormat{}.decode(plan.Before)
	if err != nil {
		return err
	}

	have, err := k.mine(doc)
	if err != nil {
		return err
	}

	plan.Action = Added
	if len(have) > 0 {
		plan.Action = None

		for _, h := range have {
			if h.command != l.Hook {
				plan.Action = Updated
			}
		}
	}

	if plan.After = plan.Before; plan.Action == None {
		return nil
	}

	if plan.After, err = k.with(plan.Before, l.Hook, have); err != nil {
		return err
	}

	return k.check(plan)
}

// with is src with the command: in the place of those that it has, else added.
func (k hook) with(src []byte, command string, have []hooked) ([]byte, error) {
	root, writer, err := parseJSON(src)
	if err != nil {
		return nil, err
	}

	obj, at, err := writer.descend(root.Value.(*hujson.Object), []string{"hooks"}, spot{})
	if err != nil {
		return nil, err
	}

	m, err := writer.member(obj, k.event)
	if err != nil {
		return nil, err
	}

	if m == nil {
		m = writer.add(obj, k.event, at)
		m.Value.Value = &hujson.Array{}
	}

	list := m.Value.Value.(*hujson.Array) // the decoded file says so
	for _, h := range have {
		inner, err := writer.inner(list, h)
		if err != nil {
			return nil, err
		}

		said, err := writer.member(inner.Elements[h.at].Value.(*hujson.Object), "command")
		if err != nil {
			return nil, err
		}
		said.Value.Value = hujson.String(command)
	}

	if len(have) == 0 {
		if err := writer.append(list, k.fields(command), spot{writer.within(obj, at), at.inline}); err != nil {
			return nil, err
		}
	}

	return writer.pack(root), nil
}

// inner is the list that the hook stands in.
func (w *jsonWriter) inner(list *hujson.Array, h hooked) (*hujson.Array, error) {
	m, err := w.member(list.Elements[h.group].Value.(*hujson.Object), "hooks")
	if err != nil {
		return nil, err
	}

	return m.Value.Value.(*hujson.Array), nil
}

// fields are a new group's lines, one value each.
func (k hook) fields(command string) string {
	said, err := json.Marshal(command)
	if err != nil {
		panic(err) // a string always encodes
	}
	said = bytes.ReplaceAll(said, []byte(`\u0026`), []byte("&"))

	name := ""
	if k.name != "" {
		name = fmt.Sprintf("\t\t\t\"name\": %q,\n", k.name)
	}

	return fmt.Sprintf("{\n\t\"hooks\": [\n\t\t{\n%s\t\t\t\"type\": \"command\",\n\t\t\t\"command\": %s,\n\t\t\t\"timeout\": %d\n\t\t}\n\t]\n}",
		name, said, hookSeconds*k.perSecond)
}

// append adds an element, given with tabs and line ends, to a list whose key
// stands at at. Comments after the last element stay before the new one.
func (w *jsonWriter) append(list *hujson.Array, text string, at spot) error {
	indent, n := at.indent+w.unit, len(list.Elements)
	if n > 0 && bytes.ContainsRune(list.Elements[n-1].BeforeExtra, '\n') {
		indent = indentation(list.Elements[n-1].BeforeExtra)
	} else if n > 0 {
		at.inline = true
	}

	parts := strings.Split(text, "\n")
	for i, line := range parts {
		rest := strings.TrimLeft(line, "\t")
		if parts[i] = rest; !at.inline && i > 0 {
			parts[i] = indent + strings.Repeat(w.unit, len(line)-len(rest)) + rest
		}
	}
	sep := map[bool]string{true: "", false: w.nl}[at.inline]

	text = strings.Join(parts, sep)
	if at.inline {
		text = strings.ReplaceAll(text, `,"`, `, "`)
	}

	v, err := hujson.Parse([]byte(text))
	if err != nil {
		return fmt.Errorf("make the hook: %w", err)
	}
	tail := string(list.AfterExtra)
	comments := strings.TrimRight(tail, " \t\r\n")

	switch {
	case !at.inline:
		v.BeforeExtra, list.AfterExtra = hujson.Extra(comments+w.nl+indent), hujson.Extra(w.nl+at.indent)
	case n > 0:
		v.BeforeExtra, list.AfterExtra = hujson.Extra(comments+" "), hujson.Extra(tail[len(comments):])
	}

	if n > 0 && list.Elements[n-1].AfterExtra != nil {
		v.AfterExtra = hujson.Extra{}
	}
	list.Elements = append(list.Elements, v)

	return nil
}

func (k hook) cut(plan *Plan) error {
	doc, err := jsonFormat{}.decode(plan.Before)
	if err != nil {
		return err
	}

	have, err := k.mine(doc)
	if len(have) == 0 || err != nil {
		return err
	}
	plan.Action = Removed

	gives := func(src []byte) bool {
		doc, err := jsonFormat{}.decode(src)
		if err != nil {
			return false
		}

		if was, err := k.mine(doc); len(was) > 0 || err != nil {
			return false
		}
		then, err := k.with(src, have[0].command, nil)

		return err == nil && bytes.Equal(then, plan.Before)
	}
	for _, old := range older(plan.File) {
		if gives(old) {
			plan.After = old
			return k.check(plan)
		}
	}

	if gives(nil) {
		plan.Action, plan.After, plan.ours = Deleted, nil, true
		return nil
	}

	if plan.After, err = k.without(plan.Before, have); err != nil {
		return err
	}

	return k.check(plan)
}

// without is src less these hooks, and what they leave empty.
func (k hook) without(src []byte, have []hooked) ([]byte, error) {
	root, writer, err := parseJSON(src)
	if err != nil {
		return nil, err
	}

	obj, _, err := writer.descend(root.Value.(*hujson.Object), []string{"hooks"}, spot{})
	if err != nil {
		return nil, err
	}

	m, err := writer.member(obj, k.event)
	if err != nil {
		return nil, err
	}

	list := m.Value.Value.(*hujson.Array)
	for i := len(have) - 1; i >= 0; i-- {
		inner, err := writer.inner(list, have[i])
		if err != nil {
			return nil, err
		}

		if takeElement(inner, have[i].at); len(inner.Elements) == 0 {
			takeElement(list, have[i].group)
		}
	}

	if len(list.Elements) == 0 && len(bytes.TrimSpace(list.AfterExtra)) == 0 {
		if err := writer.drop(root.Value.(*hujson.Object), []string{"hooks", k.event}, true); err != nil {
			return nil, err
		}
	}

	return writer.pack(root), nil
}

// takeElement removes element i, and keeps the comments before it.
func takeElement(list *hujson.Array, i int) {
	e, n := list.Elements[i], len(list.Elements)

	comments := strings.TrimRight(string(e.BeforeExtra), " \t\r\n")
	switch {
	case i < n-1 && comments != "":
		list.Elements[i+1].BeforeExtra = hujson.Extra(comments + string(list.Elements[i+1].BeforeExtra))
	case i < n-1:
	case n == 1 && comments == "" && len(bytes.TrimSpace(list.AfterExtra)) == 0:
		list.AfterExtra = nil
	default:
		list.AfterExtra = hujson.Extra(comments + string(list.AfterExtra))
		if n > 1 && e.AfterExtra == nil {
			list.AfterExtra = append(bytes.Clone(list.Elements[n-2].AfterExtra), list.AfterExtra...)
			list.Elements[n-2].AfterExtra = nil
		} else if n > 1 && list.Elements[n-2].AfterExtra == nil {
			list.Elements[n-2].AfterExtra = hujson.Extra{}
		}
	}

	list.Elements = append(list.Elements[:i:i], list.Elements[i+1:]...)
}

// check reads what was planned, as the client will: only Ratchet's hooks may differ.
func (k hook) check(plan *Plan) error {
	var docs [2]map[string]any

	for i, text := range [][]byte{plan.Before, plan.After} {
		doc, err := jsonFormat{}.decode(text)
		if err != nil {
			return strange("the file is written in a way that can't be edited: the edit would break it (%w)", err)
		}

		have, err := k.mine(doc)
		if err != nil {
			return err
		}
		strip(doc, k.event, have)
		docs[i] = doc
	}

	if !reflect.DeepEqual(docs[0], docs[1]) {
		return strange("the file is written in a way that can't be edited: more than one hook would change")
	}

	return nil
}

// strip removes the hooks from a decoded file, and what they leave empty.
func strip(doc map[string]any, event string, have []hooked) {
	hooks, ok := doc["hooks"].(map[string]any)
	if !ok {
		return
	}

	list, _ := hooks[event].([]any)
	for i := len(have) - 1; i >= 0; i-- {
		g := list[have[i].group].(map[string]any)
		inner := g["hooks"].([]any)

		inner = append(inner[:have[i].at:have[i].at], inner[have[i].at+1:]...)
		if g["hooks"] = inner; len(inner) == 0 {
			list = append(list[:have[i].group:have[i].group], list[have[i].group+1:]...)
		}
	}

	if hooks[event] = list; len(list) == 0 {
		delete(hooks, event)
	}

	if len(hooks) == 0 {
		delete(doc, "hooks")
	}
}
