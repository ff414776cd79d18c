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

// maxFile is more than any client writes; what is larger is not a configuration.
const maxFile = 64 << 20

// PlanInstall plans the entry for s in file. Values that a person added to the
// entry stay, and so does their timeout.
func (c Client) PlanInstall(file string, server Server) (*Plan, error) {
	plan, err := openPlan(file)
	if err != nil {
		return nil, err
	}

	return plan, plan.wrapError(plan.planInstall(c, server))
}

func (p *Plan) planInstall(client Client, server Server) error {
	doc, err := client.format.decode(p.Before)
	if err != nil {
		return err
	}

	entry, err := entryAt(doc, client.path)
	if err != nil {
		return err
	}
	var set []field

	for _, f := range client.entryFields(server) {
		have, ok := lookupPath(entry, f.path)
		if !ok || !f.isDefault && !isSameValue(have, f.value) {
			set = append(set, f)
		}
	}
	drop := client.obsoletePaths(server, entry)

	p.Action = Added
	if entry != nil {
		if len(set)+len(drop) == 0 {
			p.Action, p.After = None, p.Before
			return nil
		}

		p.Action = Updated
	}

	if p.After, err = client.format.setEntry(p.Before, client.path, set, drop); err != nil {
		return err
	}

	return p.checkEdit(client)
}

// PlanUninstall plans the removal of Ratchet's entry from file. What install made
// for it goes too: the file, if there was none, or the table around it.
func (c Client) PlanUninstall(file string) (*Plan, error) {
	plan, err := openPlan(file)
	if err != nil {
		return nil, err
	}

	return plan, plan.wrapError(plan.planUninstall(c))
}

func (p *Plan) planUninstall(client Client) error {
	doc, err := client.format.decode(p.Before)
	if err != nil {
		return err
	}

	entry, err := entryAt(doc, client.path)
	if err != nil {
		return err
	}

	if entry == nil {
		p.After = p.Before
		return nil
	}
	p.Action = Removed
	made, known := false, false // who made the table around the entry is not known without a backup

	for _, b := range listBackups(p.File) {
		old, err := os.ReadFile(b)
		if err != nil {
			continue
		}

		was, err := client.format.decode(old)
		if err != nil {
			continue
		}

		if e, err := entryAt(was, client.path); e != nil || err != nil {
			continue
		}

		if !known { // the newest one tells whose the table around the entry is
			_, had := lookupPath(was, client.path[:len(client.path)-1])
			made, known = !had, true
		}

		if client.reproducesFile(old, entry, p.Before) {
			p.After = old
			return p.checkEdit(client)
		}
	}

	if !known && client.isMadeByInstall(p) && client.reproducesFile(nil, entry, p.Before) {
		p.Action, p.After, p.ours = Deleted, nil, client.isOnlyEntry(p.Before)
		return nil
	}

	if p.After, err = client.format.removePath(p.Before, client.path, made); err != nil {
		return err
	}

	return p.checkEdit(client)
}

// reproducesFile is true if installing the entry into old makes now, but for the entry's
// own lines: what an update or a person did there does not matter.
func (c Client) reproducesFile(old []byte, entry map[string]any, now []byte) bool {
	e := c.decodeEntry(entry)

	then, err := c.format.setEntry(old, c.path, c.entryFields(Server{Command: e.Command, Args: e.Args, URL: e.URL}),
		nil)
	if err != nil {
		return false
	}
	content, err := c.format.removePath(then, c.path, true)
	b, errb := c.format.removePath(now, c.path, true)

	return err == nil && errb == nil && bytes.Equal(content, b)
}

// isMadeByInstall is true if install made the file: its oldest version that is known is
// what install makes of nothing.
func (c Client) isMadeByInstall(p *Plan) bool {
	oldest := p.Before
	if all := listBackups(p.File); len(all) > 0 {
		var err error
		if oldest, err = os.ReadFile(all[len(all)-1]); err != nil {
			return false
		}
	}

	return c.isOnlyEntry(oldest)
}

// isOnlyEntry is true if text is what install makes of nothing.
func (c Client) isOnlyEntry(text []byte) bool {
	doc, err := c.format.decode(text)
	if err != nil {
		return false
	}

	entry, err := entryAt(doc, c.path)
	if entry == nil || err != nil {
		return false
	}
	added := c.decodeEntry(entry)

	server := Server{Command: added.Command, Args: added.Args, URL: added.URL}
	if !c.ExpandsVariables() {
		server.Token = trimBearer(added.Auth)
	}
	made, err := c.format.setEntry(nil, c.path, c.entryFields(server), nil)

	return err == nil && bytes.Equal(made, text)
}

// checkEdit reads what was planned, as the client will.
func (p *Plan) checkEdit(client Client) error {
	before, err := client.format.decode(p.Before)
	if err != nil {
		return err
	}

	after, err := client.format.decode(p.After)
	if err != nil {
		return uneditableError("the file is written in a way that can't be edited: the edit would break it (%w)", err)
	}

	return checkOnlyEntryChanged(before, after, client.path)
}

// wrapError names the file in an error about it.
func (p *Plan) wrapError(err error) error {
	if err == nil {
		return nil
	}

	var e *research.Error
	if errors.As(err, &e) {
		return research.Errorf(e.Code, e.Next, "%s: %w", p.File, err)
	}

	return fmt.Errorf("%s: %w", p.File, err)
}

// ReadEntry is Ratchet's entry in file, and whether there is one. A file that is
// missing has none.
func (c Client) ReadEntry(file string) (Entry, bool, error) {
	plan, err := openPlan(file)
	if err != nil {
		return Entry{}, false, err
	}

	doc, err := c.format.decode(plan.Before)
	if err != nil {
		return Entry{}, false, plan.wrapError(err)
	}

	entry, err := entryAt(doc, c.path)
	if entry == nil || err != nil {
		return Entry{}, false, plan.wrapError(err)
	}

	return c.decodeEntry(entry), true, nil
}

// RenderSnippet is the entry in a file of its own, to be added by hand.
func (c Client) RenderSnippet(s Server) (string, error) {
	out, err := c.format.setEntry(nil, c.path, c.entryFields(s), nil)
	return string(out), err
}

// RenderGenericSnippet is an entry in the shape that most clients understand.
func RenderGenericSnippet(server Server) (string, error) {
	client := Client{format: jsonFormat{}, path: []string{"mcpServers", EntryName},
		shape: shape{command: "command", args: "args", url: "url", header: "headers",
			expand: "${" + TokenVariable + "}"}}

	return client.RenderSnippet(server)
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

// openPlan reads file, which may be missing, and refuses what no client can have
// written.
func openPlan(file string) (*Plan, error) {
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
			"%s has %d MiB: that is not a configuration file", file, info.Size()>>20)
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
