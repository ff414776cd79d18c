package clients

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/aymanbagabas/go-udiff"

	"ratchet/internal/research"
)

// Action is what a plan does to the file.
type Action string

// The actions of a plan.
const (
	None    Action = "none"    // the file says already what it should
	Added   Action = "added"   // the entry is new
	Updated Action = "updated" // the entry was there, with other values
	Removed Action = "removed" // the entry goes
	Deleted Action = "deleted" // the file held nothing else, and we had made it: it goes
	Left    Action = "left"    // of a Loop: a person edited it, so it stays as it is
)

// Plan is a change of one file that is not carried out yet.
type Plan struct {
	File          string // as the client names it; a symlink stays one
	Action        Action
	Before, After []byte      // Before is nil if there is no file
	Mode          fs.FileMode // the file's; of a new file, the user's only, until the caller says otherwise

	target string // File with symlinks resolved
	ours   bool   // Before is all ours: nothing would be lost without a backup
}

// maxFile is more than any client writes; what is larger is no configuration.
const maxFile = 64 << 20

// Install plans the entry for s in file. Values that a person added to the
// entry stay, and so does their timeout.
func (c Client) Install(file string, server Server) (*Plan, error) {
	plan, err := open(file)
	if err != nil {
		return nil, err
	}

	return plan, plan.in(plan.install(c, server))
}

func (p *Plan) install(client Client, server Server) error {
	doc, err := client.format.decode(p.Before)
	if err != nil {
		return err
	}

	entry, err := entryOf(doc, client.path)
	if err != nil {
		return err
	}
	var set []field

	for _, f := range client.fields(server) {
		have, ok := lookup(entry, f.path)
		if !ok || !f.isDefault && !same(have, f.value) {
			set = append(set, f)
		}
	}
	drop := client.obsolete(server, entry)

	p.Action = Added
	if entry != nil {
		if p.Action = Updated; len(set)+len(drop) == 0 {
			p.Action, p.After = None, p.Before
			return nil
		}
	}

	if p.After, err = client.format.put(p.Before, client.path, set, drop); err != nil {
		return err
	}

	return p.check(client)
}

// Uninstall plans the removal of Ratchet's entry from file. What install made
// for it goes too: the file, if there was none, or the table around it.
func (c Client) Uninstall(file string) (*Plan, error) {
	plan, err := open(file)
	if err != nil {
		return nil, err
	}

	return plan, plan.in(plan.uninstall(c))
}

func (p *Plan) uninstall(client Client) error {
	doc, err := client.format.decode(p.Before)
	if err != nil {
		return err
	}

	entry, err := entryOf(doc, client.path)
	if err != nil {
		return err
	}

	if entry == nil {
		p.After = p.Before
		return nil
	}
	p.Action = Removed
	made, known := false, false // who made the table around the entry is not known without a backup

	for _, b := range backups(p.File) {
		old, err := os.ReadFile(b)
		if err != nil {
			continue
		}

		was, err := client.format.decode(old)
		if err != nil {
			continue
		}

		if e, err := entryOf(was, client.path); e != nil || err != nil {
			continue
		}

		if !known { // the newest one tells whose the table around the entry is
			_, had := lookup(was, client.path[:len(client.path)-1])
			made, known = !had, true
		}

		if client.gives(old, entry, p.Before) {
			p.After = old
			return p.check(client)
		}
	}

	if !known && client.born(p) && client.gives(nil, entry, p.Before) {
		p.Action, p.After, p.ours = Deleted, nil, client.alone(p.Before)
		return nil
	}

	if p.After, err = client.format.cut(p.Before, client.path, made); err != nil {
		return err
	}

	return p.check(client)
}

// gives is true if installing the entry into old makes now, but for the entry's
// own lines: what an update or a person did there does not matter.
func (c Client) gives(old []byte, entry map[string]any, now []byte) bool {
	e := c.read(entry)

	then, err := c.format.put(old, c.path, c.fields(Server{Command: e.Command, Args: e.Args, URL: e.URL}), nil)
	if err != nil {
		return false
	}
	content, err := c.format.cut(then, c.path, true)
	b, errb := c.format.cut(now, c.path, true)

	return err == nil && errb == nil && bytes.Equal(content, b)
}

// born is true if install made the file: its oldest version that is known is
// what install makes of nothing.
func (c Client) born(p *Plan) bool {
	oldest := p.Before
	if all := backups(p.File); len(all) > 0 {
		var err error
		if oldest, err = os.ReadFile(all[len(all)-1]); err != nil {
			return false
		}
	}

	return c.alone(oldest)
}

// alone is true if text is what install makes of nothing.
func (c Client) alone(text []byte) bool {
	doc, err := c.format.decode(text)
	if err != nil {
		return false
	}

	entry, err := entryOf(doc, c.path)
	if entry == nil || err != nil {
		return false
	}
	added := c.read(entry)

	server := Server{Command: added.Command, Args: added.Args, URL: added.URL}
	if !c.Expands() {
		server.Token = bearer(added.Auth)
	}
	made, err := c.format.put(nil, c.path, c.fields(server), nil)

	return err == nil && bytes.Equal(made, text)
}

// check reads what was planned, as the client will.
func (p *Plan) check(client Client) error {
	before, err := client.format.decode(p.Before)
	if err != nil {
		return err
	}

	after, err := client.format.decode(p.After)
	if err != nil {
		return strange("the file is written in a way that can't be edited: the edit would break it (%w)", err)
	}

	return onlyOurs(before, after, client.path)
}

// in names the file in an error about it.
func (p *Plan) in(err error) error {
	if err == nil {
		return nil
	}

	var e *research.Error
	if errors.As(err, &e) {
		return research.Errorf(e.Code, e.Next, "%s: %w", p.File, err)
	}

	return fmt.Errorf("%s: %w", p.File, err)
}

// Read is Ratchet's entry in file, and whether there is one. A file that is
// missing has none.
func (c Client) Read(file string) (Entry, bool, error) {
	plan, err := open(file)
	if err != nil {
		return Entry{}, false, err
	}

	doc, err := c.format.decode(plan.Before)
	if err != nil {
		return Entry{}, false, plan.in(err)
	}

	entry, err := entryOf(doc, c.path)
	if entry == nil || err != nil {
		return Entry{}, false, plan.in(err)
	}

	return c.read(entry), true, nil
}

// Snippet is the entry in a file of its own, to be added by hand.
func (c Client) Snippet(s Server) (string, error) {
	out, err := c.format.put(nil, c.path, c.fields(s), nil)
	return string(out), err
}

// Generic is an entry in the shape that most clients understand.
func Generic(server Server) (string, error) {
	client := Client{format: jsonFormat{}, path: []string{"mcpServers", EntryName},
		shape: shape{command: "command", args: "args", url: "url", header: "headers",
			expand: "${" + TokenVariable + "}"}}

	return client.Snippet(server)
}

// Diff is the change as a unified diff, "" if there is none. secret, if it is
// not empty, does not appear in it.
func (p *Plan) Diff(secret string) string {
	out := udiff.Unified(p.File, p.File, string(p.Before), string(p.After))
	if secret != "" {
		out = string(bytes.ReplaceAll([]byte(out), []byte(secret), []byte("…")))
	}

	return out
}

// open reads file, which may be missing, and refuses what no client can have
// written.
func open(file string) (*Plan, error) {
	plan := &Plan{File: file, Action: None, target: file, Mode: 0o600}
	if _, err := os.Lstat(file); errors.Is(err, fs.ErrNotExist) {
		return plan, nil
	}

	target, err := filepath.EvalSymlinks(file)
	if err != nil {
		return nil, research.Errorf(research.CodeStorage, "make what it points to, or remove it",
			"%s can't be followed: %w", file, err)
	}

	info, err := os.Stat(target)
	if err != nil {
		return nil, research.Errorf(research.CodeStorage, "check its permissions", "%s can't be read: %w", file, err)
	}

	switch {
	case !info.Mode().IsRegular():
		return nil, research.Errorf(research.CodeUnsupported, "move it away", "%s is not a file", file)
	case info.Size() > maxFile:
		return nil, research.Errorf(research.CodeUnsupported, "check what it is",
			"%s has %d MiB: that is no configuration file", file, info.Size()>>20)
	}

	plan.target, plan.Mode = target, info.Mode().Perm()
	if plan.Before, err = os.ReadFile(target); err != nil {
		return nil, research.Errorf(research.CodeStorage, "check its permissions", "%s can't be read: %w", file, err)
	}

	if plan.Before == nil {
		plan.Before = []byte{}
	}

	return plan, nil
}
