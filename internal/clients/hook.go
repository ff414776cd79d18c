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

// foundHook is a hook in a decoded file.
type foundHook struct {
	group, at int
	command   string
}

// findOwnHooks lists Ratchet's hooks of the event in a decoded file.
func (k hook) findOwnHooks(doc map[string]any) ([]foundHook, error) {
	if v, ok := doc["hooks"]; ok {
		if _, isTable := v.(map[string]any); !isTable {
			return nil, uneditableError("hooks is not a table of keys and values")
		}
	}

	v, ok := lookupPath(doc, []string{"hooks", k.event})
	if !ok {
		return nil, nil
	}

	groups, ok := v.([]any)
	if !ok {
		return nil, uneditableError("hooks.%s is not a list", k.event)
	}
	var out []foundHook

	for g, group := range groups {
		inner, _ := lookupPath(group, []string{"hooks"})

		list, _ := inner.([]any)
		for i, h := range list {
			command, _ := lookupPath(h, []string{"command"})
			if s, ok := command.(string); ok && hookPattern().MatchString(s) {
				out = append(out, foundHook{g, i, s})
			}
		}
	}

	return out, nil
}

func (k hook) readState(text []byte) (ExtraState, error) {
	doc, err := jsonFormat{}.decode(text)
	if err != nil {
		return ExtraState{}, err
	}

	all, err := k.findOwnHooks(doc)
	if len(all) == 0 || err != nil {
		return ExtraState{}, err
	}
	m := hookPattern().FindStringSubmatch(all[0].command)

	return ExtraState{Exists: true, Program: strings.ReplaceAll(m[1], `'\''`, "'") + m[2] + m[3]}, nil
}

func (k hook) planInstall(plan *Plan, l Loop) error {
	doc, err := jsonFormat{}.decode(plan.Before)
	if err != nil {
		return err
	}

	have, err := k.findOwnHooks(doc)
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

	if plan.Action == None {
		plan.After = plan.Before
		return nil
	}

	if plan.After, err = k.setCommand(plan.Before, l.Hook, have); err != nil {
		return err
	}

	return k.checkPlan(plan)
}

// setCommand is src with the command: in the place of those that it has, else added.
func (k hook) setCommand(src []byte, command string, have []foundHook) ([]byte, error) {
	root, writer, err := parseJSON(src)
	if err != nil {
		return nil, err
	}

	obj, at, err := writer.ensureObject(root.Value.(*hujson.Object), []string{"hooks"}, objectLayout{})
	if err != nil {
		return nil, err
	}

	m, err := writer.findMember(obj, k.event)
	if err != nil {
		return nil, err
	}

	if m == nil {
		m = writer.addMember(obj, k.event, at)
		m.Value.Value = &hujson.Array{}
	}

	list := m.Value.Value.(*hujson.Array) // the decoded file says so
	for _, h := range have {
		inner, err := writer.hookList(list, h)
		if err != nil {
			return nil, err
		}

		said, err := writer.findMember(inner.Elements[h.at].Value.(*hujson.Object), "command")
		if err != nil {
			return nil, err
		}
		said.Value.Value = hujson.String(command)
	}

	if len(have) == 0 {
		if err := writer.appendElement(list, k.groupText(command),
			objectLayout{writer.memberIndent(obj, at), at.inline}); err != nil {
			return nil, err
		}
	}

	return writer.encode(root), nil
}

// hookList is the list that the hook stands in.
func (w *jsonWriter) hookList(list *hujson.Array, h foundHook) (*hujson.Array, error) {
	m, err := w.findMember(list.Elements[h.group].Value.(*hujson.Object), "hooks")
	if err != nil {
		return nil, err
	}

	return m.Value.Value.(*hujson.Array), nil
}

// groupText are a new group's lines, one value each.
func (k hook) groupText(command string) string {
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

// appendElement adds an element, given with tabs and line ends, to a list whose key
// stands at at. Comments after the last element stay before the new one.
func (w *jsonWriter) appendElement(list *hujson.Array, text string, at objectLayout) error {
	indent, n := at.indent+w.unit, len(list.Elements)
	if n > 0 && bytes.ContainsRune(list.Elements[n-1].BeforeExtra, '\n') {
		indent = indentation(list.Elements[n-1].BeforeExtra)
	} else if n > 0 {
		at.inline = true
	}

	parts := strings.Split(text, "\n")
	for i, line := range parts {
		parts[i] = strings.TrimLeft(line, "\t")

		if depth := len(line) - len(parts[i]); !at.inline && i > 0 {
			parts[i] = indent + strings.Repeat(w.unit, depth) + parts[i]
		}
	}

	if at.inline {
		text = strings.ReplaceAll(strings.Join(parts, ""), `,"`, `, "`)
	} else {
		text = strings.Join(parts, w.nl)
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

func (k hook) planUninstall(plan *Plan) error {
	doc, err := jsonFormat{}.decode(plan.Before)
	if err != nil {
		return err
	}

	have, err := k.findOwnHooks(doc)
	if len(have) == 0 || err != nil {
		return err
	}
	plan.Action = Removed

	gives := func(src []byte) bool {
		doc, err := jsonFormat{}.decode(src)
		if err != nil {
			return false
		}

		if was, err := k.findOwnHooks(doc); len(was) > 0 || err != nil {
			return false
		}
		then, err := k.setCommand(src, have[0].command, nil)

		return err == nil && bytes.Equal(then, plan.Before)
	}
	for _, old := range readBackups(plan.File) {
		if gives(old) {
			plan.After = old
			return k.checkPlan(plan)
		}
	}

	if gives(nil) {
		plan.Action, plan.After, plan.ours = Deleted, nil, true
		return nil
	}

	if plan.After, err = k.removeHooks(plan.Before, have); err != nil {
		return err
	}

	return k.checkPlan(plan)
}

// removeHooks is src less these hooks, and what they leave empty.
func (k hook) removeHooks(src []byte, have []foundHook) ([]byte, error) {
	root, writer, err := parseJSON(src)
	if err != nil {
		return nil, err
	}

	obj, _, err := writer.ensureObject(root.Value.(*hujson.Object), []string{"hooks"}, objectLayout{})
	if err != nil {
		return nil, err
	}

	m, err := writer.findMember(obj, k.event)
	if err != nil {
		return nil, err
	}

	list := m.Value.Value.(*hujson.Array)
	for i := len(have) - 1; i >= 0; i-- {
		inner, err := writer.hookList(list, have[i])
		if err != nil {
			return nil, err
		}

		removeElement(inner, have[i].at)

		if len(inner.Elements) == 0 {
			removeElement(list, have[i].group)
		}
	}

	if len(list.Elements) == 0 && len(bytes.TrimSpace(list.AfterExtra)) == 0 {
		if err := writer.removePath(root.Value.(*hujson.Object), []string{"hooks", k.event}, true); err != nil {
			return nil, err
		}
	}

	return writer.encode(root), nil
}

// removeElement removes element i, and keeps the comments before it.
func removeElement(list *hujson.Array, i int) {
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

// checkPlan reads what was planned, as the client will: only Ratchet's hooks may differ.
func (k hook) checkPlan(plan *Plan) error {
	var docs [2]map[string]any

	for i, text := range [][]byte{plan.Before, plan.After} {
		doc, err := jsonFormat{}.decode(text)
		if err != nil {
			return uneditableError("the file is written in a way that can't be edited: the edit would break it (%w)",
				err)
		}

		have, err := k.findOwnHooks(doc)
		if err != nil {
			return err
		}
		stripHooks(doc, k.event, have)
		docs[i] = doc
	}

	if !reflect.DeepEqual(docs[0], docs[1]) {
		return uneditableError("the file is written in a way that can't be edited: more than one hook would change")
	}

	return nil
}

// stripHooks removes the hooks from a decoded file, and what they leave empty.
func stripHooks(doc map[string]any, event string, have []foundHook) {
	hooks, ok := doc["hooks"].(map[string]any)
	if !ok {
		return
	}

	list, _ := hooks[event].([]any)
	for i := len(have) - 1; i >= 0; i-- {
		h := have[i]
		group := list[h.group].(map[string]any)
		inner := group["hooks"].([]any)

		inner = append(inner[:h.at:h.at], inner[h.at+1:]...)
		group["hooks"] = inner

		if len(inner) == 0 {
			list = append(list[:h.group:h.group], list[h.group+1:]...)
		}
	}

	hooks[event] = list
	if len(list) == 0 {
		delete(hooks, event)
	}

	if len(hooks) == 0 {
		delete(doc, "hooks")
	}
}
