package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"ratchet/internal/fault"
	"ratchet/internal/research"
)

// RefUpdate is one move of a ref. Old is what it must be now, "" when it must
// not exist; New "" deletes it.
type RefUpdate struct{ Name, New, Old string }

// UpdateRefs makes all the moves or none. Symbolic refs are not followed. why
// goes into the reflogs. CodeConflict: a ref is not what Old says, or another
// process holds it; CodeRepository: a branch's name is in the way.
func (r *Repo) UpdateRefs(ctx context.Context, updates []RefUpdate, why string) error {
	if len(updates) == 0 {
		return nil
	}

	var feed bytes.Buffer
	for _, u := range updates {
		switch {
		case u.New == "" && u.Old == "":
			return fmt.Errorf("update %s: it has neither an old nor a new value", u.Name)
		case u.New == "":
			fmt.Fprintf(&feed, "delete %s\x00%s\x00", u.Name, u.Old)
		case u.Old == "":
			fmt.Fprintf(&feed, "create %s\x00%s\x00", u.Name, u.New)
		default:
			fmt.Fprintf(&feed, "update %s\x00%s\x00%s\x00", u.Name, u.New, u.Old)
		}
	}

	err := fault.At("git.refs", func() error {
		_, err := r.git(ctx, feed.Bytes(), "update-ref", "-m", reflogMessage(why), "--no-deref", "--stdin", "-z")
		return err
	})
	if err != nil {
		return explainRefFailure(err)
	}

	return fault.At("git.sync", func() error { return r.syncRefs(updates) })
}

// syncRefs makes the renames of loose refs durable. Git syncs the files themselves
// (core.fsync) but not their folders: after a power cut the old ref could be back,
// with a lock that stays.
func (r *Repo) syncRefs(updates []RefUpdate) error {
	if runtime.GOOS == "windows" { // no fsync of folders
		return nil
	}

	done := map[string]bool{}

	for _, u := range updates {
		dir := filepath.Join(r.commonDir, filepath.FromSlash(path.Dir(u.Name)))
		if done[dir] {
			continue
		}
		done[dir] = true

		folder, err := os.Open(dir)
		if errors.Is(err, fs.ErrNotExist) { // the refs are kept elsewhere, or its last one was deleted
			continue
		}

		if err != nil {
			return fmt.Errorf("sync the refs: %w", err)
		}

		if err := errors.Join(folder.Sync(), folder.Close()); err != nil {
			return fmt.Errorf("sync the refs: %w", err)
		}
	}

	return nil
}

// reflogMessage is why, or a word of our own where it is blank: git refuses an empty message.
func reflogMessage(why string) string {
	if strings.TrimSpace(why) == "" {
		return "ratchet"
	}

	return why
}

// What update-ref says on stderr.
var (
	nameInTheWay = regexp.MustCompile(`(?:^|': )'(refs/[^\n]+?)' exists; cannot create '(refs/[^\n]+)'`)
	refMoved     = regexp.MustCompile(`cannot lock ref '([^\n]+)': (is at|reference already exists|unable to resolve reference|reference is missing)`)
	refHeld      = regexp.MustCompile(`cannot lock ref '([^\n]+)': Unable to create '([^\n]+)': File exists`)
)

// explainRefFailure gives a failed update-ref its code and next step.
func explainRefFailure(err error) error {
	said := stderrOf(err)
	withCause := func(e *research.Error) error {
		e.Err = err
		return e
	}

	if m := nameInTheWay.FindStringSubmatch(said); m != nil {
		next := "delete the ref " + m[1]
		if short, ok := strings.CutPrefix(m[1], "refs/heads/"); ok {
			next = fmt.Sprintf("rename it: git branch -m %s %s-old", short, strings.ReplaceAll(short, "/", "-"))
		}

		return withCause(research.Errorf(research.CodeRepository, next, "git can't have both %s, which exists, and %s",
			m[1], m[2]))
	}

	if m := refHeld.FindStringSubmatch(said); m != nil {
		return withCause(research.Errorf(research.CodeConflict, "call again; if no git is running, delete "+m[2],
			"another process holds %s", m[1]))
	}

	if m := refMoved.FindStringSubmatch(said); m != nil {
		return withCause(research.Errorf(research.CodeConflict, "read the state again, then decide",
			"somebody else moved %s", m[1]))
	}

	return err
}

// Ref is what a ref (a full name, refs/…) points to, "" when there is none.
func (r *Repo) Ref(ctx context.Context, name string) (string, error) {
	out, err := r.git(ctx, nil, "show-ref", "--verify", "--hash", "--", name)
	if strings.Contains(stderrOf(err), "not a valid ref") {
		return "", nil
	}

	return strings.TrimSpace(string(out)), err
}

// Refs lists the refs of these names, and all below a name that ends in '/',
// ordered by name. New and Old are both what the ref points to, so that
// emptying New makes the update that deletes it.
func (r *Repo) Refs(ctx context.Context, names ...string) ([]RefUpdate, error) {
	out, err := r.git(ctx, nil, append([]string{"for-each-ref", "--format=%(objectname) %(refname)"}, names...)...)
	if err != nil {
		return nil, err
	}

	var list []RefUpdate
	for line := range strings.Lines(string(out)) {
		hash, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		list = append(list, RefUpdate{Name: name, New: hash, Old: hash})
	}

	return list, nil
}

// Resolve is the commit that a revision (a branch, tag, hash, HEAD~1 …) names.
// CodeNotFound when it names none.
func (r *Repo) Resolve(ctx context.Context, rev string) (string, error) {
	out, err := r.git(ctx, nil, "rev-parse", "--verify", "--end-of-options", rev+"^{commit}")
	if stderrOf(err) != "" || err == nil && rev == "" {
		return "", research.Errorf(research.CodeNotFound, "name a commit, branch or tag of this repository",
			"%q names no commit", rev)
	}

	return strings.TrimSpace(string(out)), err
}
