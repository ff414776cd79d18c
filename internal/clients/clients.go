// Package clients knows where each coding agent keeps its MCP servers, and
// writes Ratchet's entry there: one table of clients (table.go), one editor
// for each file format (json.go, toml.go, yaml.go), one plan that is shown
// before it is carried out (plan.go).
//
// What holds: only the entry named ratchet is touched; comments, order,
// indentation and line endings of the rest stay byte for byte; a second
// install changes nothing; uninstall gives back the very bytes that were there
// before, as long as nobody edited in between. A file that can't be understood
// is refused and left alone. Nothing is written but through Plan.Apply.
//
// Not promised: a client that rewrites its file while it runs (Claude Code does
// so with ~/.claude.json) may undo what was written in the same moment.
package clients

import (
	"slices"
	"strings"

	"ratchet/internal/research"
)

// EntryName is the name of Ratchet's entry in every client.
const EntryName = "ratchet"

// TokenVariable is the environment variable that clients read the bearer token
// of `ratchet serve` from.
const TokenVariable = "RATCHET_TOKEN"

// Scope says for whom an entry holds.
type Scope string

// The two scopes: every repository of this user, or everybody in one repository.
const (
	User    Scope = "user"
	Project Scope = "project"
)

// Client is one coding agent.
type Client struct {
	ID   string // as it is typed: claude-code
	Name string // as it is written: Claude Code

	// Evidence says how we know: which cells were tried on the real client,
	// which follow its documentation only.
	Evidence string
	// Approve is what a person must still do in the client, "" if nothing.
	Approve map[Scope]string
	// Timeout says what is known of the client's limit for one call.
	Timeout string

	format  format
	path    []string // to the entry
	shape   shape
	user    []place  // candidates: the one with the entry, else the first that exists, else the first
	project []place  // the same, below the repository; none if the client has no such file
	folder  []place  // one of these exists where the client is installed …
	binary  []string // … or one of these is on PATH
	loop    []extra  // what keeps its agent going

	// LoopNote is what a person should know of the loop in this client.
	LoopNote []string
}

// shape says how a client writes an entry. A key that is "" is not written.
type shape struct {
	kind, kindStdio, kindHTTP string // the key that names the transport, and its two values
	command                   string
	joined                    bool // command and arguments are one list
	args                      string
	here                      []string // arguments that name the open folder, where the client can say it
	url                       string
	bearer                    string // the key that names the token's variable
	header                    string // or the key of the headers,
	expand                    string // with this as the token; "" if the client expands nothing
	timeout                   string
	perSecond                 int     // units of the timeout in a second
	fixed                     []field // set where they are missing
	fixedHTTP                 []field
}

// callTimeout is what is asked of clients that have a limit, in seconds. A call
// answers within 50 s; the rest is for machines under load.
const callTimeout = 300

// field is one value of an entry. A default is set only where there is none.
type field struct {
	path      []string
	value     any // string, int, bool or []string
	isDefault bool
}

// Server is what an entry starts or calls.
type Server struct {
	Command string   // absolute path; "" for HTTP
	Args    []string // of the command
	URL     string   // "" for a command
	Token   string   // the token itself, for clients that expand no variables
}

// AllClients returns every client that Ratchet knows, in the order of the docs.
func AllClients() []Client { return clientTable() }

// FindClient returns the client with that id.
func FindClient(id string) (Client, error) {
	var ids []string

	for _, client := range clientTable() {
		if client.ID == id {
			return client, nil
		}
		ids = append(ids, client.ID)
	}

	return Client{}, research.Errorf(research.CodeBadArgument,
		"choose one of "+strings.Join(ids, ", ")+"; or `ratchet install --print` for anything else",
		"there is no client %q in the table", id)
}

// Scopes are the scopes that the client has files for.
func (c Client) Scopes() []Scope {
	if len(c.project) == 0 {
		return []Scope{User}
	}

	return []Scope{User, Project}
}

// ExpandsVariables is true if the client puts an environment variable's value into the
// header, so that the token need not stand in the file.
func (c Client) ExpandsVariables() bool { return c.shape.bearer != "" || c.shape.expand != "" }

// CommandArguments are those of a command that serves the repository at dir, an
// absolute path; with "" the one that the client has open.
func (c Client) CommandArguments(dir string) []string {
	if dir != "" {
		return []string{"-C", dir, "mcp"}
	}

	return append(slices.Clone(c.shape.here), "mcp")
}

// StartSentence is the sentence that says how a campaign begins.
func (c Client) StartSentence() string {
	return "open " + c.Name + " in your repository and say: start the campaign"
}

// entryFields are the entry's values for s.
func (c Client) entryFields(server Server) []field {
	form := c.shape
	var out []field

	set := func(v any, path ...string) {
		if path[0] != "" && v != "" {
			out = append(out, field{path: path, value: v})
		}
	}
	if server.URL == "" {
		set(form.kindStdio, form.kind)

		if form.joined {
			set(append([]string{server.Command}, server.Args...), form.command)
		} else {
			set(server.Command, form.command)
			set(server.Args, form.args)
		}
	} else {
		set(form.kindHTTP, form.kind)
		set(server.URL, form.url)

		switch {
		case form.bearer != "":
			set(TokenVariable, form.bearer)
		case form.expand != "":
			set("Bearer "+form.expand, form.header, "Authorization")
		default:
			set("Bearer "+server.Token, form.header, "Authorization")
		}

		out = append(out, form.fixedHTTP...)
	}

	if form.timeout != "" {
		out = append(out, field{path: []string{form.timeout}, value: callTimeout * form.perSecond, isDefault: true})
	}

	return append(out, form.fixed...)
}

// obsoletePaths are the values of entry that belong to the other transport.
func (c Client) obsoletePaths(server Server, entry map[string]any) [][]string {
	form := c.shape

	keys := []string{form.command, form.args}
	if form.kindHTTP == "" {
		keys = append(keys, form.kind)
	}

	if server.URL == "" {
		keys = []string{form.url, form.bearer}
		for _, f := range form.fixedHTTP {
			keys = append(keys, f.path[0])
		}
	}
	var out [][]string

	for _, k := range keys {
		if _, ok := entry[k]; ok && k != "" {
			out = append(out, []string{k})
		}
	}

	if headers, ok := entry[form.header].(map[string]any); ok && server.URL == "" {
		if _, ours := headers["Authorization"]; ours && len(headers) == 1 {
			out = append(out, []string{form.header})
		} else if ours {
			out = append(out, []string{form.header, "Authorization"})
		}
	}

	return out
}

// Entry is what a client's file says of Ratchet.
type Entry struct {
	Command  string
	Args     []string
	Env      map[string]string // the client adds these to the command's environment
	URL      string
	Auth     string // the header's value, as it stands there, or the variable's name with $
	Disabled bool   // the person switched it off in the client
}

// decodeEntry understands an entry.
func (c Client) decodeEntry(entry map[string]any) Entry {
	form := c.shape
	added := Entry{Env: map[string]string{}}
	str := func(v any) string { s, _ := v.(string); return s }

	added.URL = str(entry[form.url])
	if form.joined {
		if list := stringList(entry[form.command]); len(list) > 0 {
			added.Command, added.Args = list[0], list[1:]
		}
	} else {
		added.Command, added.Args = str(entry[form.command]), stringList(entry[form.args])
	}

	if name := str(entry[form.bearer]); name != "" {
		added.Auth = "Bearer ${" + name + "}"
	}

	if headers, ok := entry[form.header].(map[string]any); ok && added.Auth == "" {
		added.Auth = str(headers["Authorization"])
	}

	for _, k := range []string{"env", "environment", "envs"} {
		vars, _ := entry[k].(map[string]any)
		for name, v := range vars {
			added.Env[name] = str(v)
		}
	}
	off, _ := entry["disabled"].(bool)
	on, said := entry["enabled"].(bool)
	added.Disabled = off || said && !on

	return added
}

// stringList are the strings of a list.
func stringList(v any) []string {
	list, _ := v.([]any)
	out := []string{}

	for _, x := range list {
		if s, ok := x.(string); ok {
			out = append(out, s)
		}
	}

	return out
}

// isSameValue is true if have, as it was decoded, is want.
func isSameValue(have, want any) bool {
	switch w := want.(type) {
	case []string:
		list, ok := have.([]any)
		return ok && len(list) == len(w) && slices.Equal(stringList(have), w)
	case int:
		switch h := have.(type) {
		case int:
			return h == w
		case int64:
			return h == int64(w)
		case float64:
			return h == float64(w)
		}

		return false
	default:
		return have == want
	}
}
