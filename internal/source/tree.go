package source

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// edits says what a tree shall hold at some paths. The zero entry removes.
type edits map[string]entry

// treeWriter collects the trees that an edit makes, deepest first, in the
// form that `git mktree --batch -z` reads.
type treeWriter struct {
	repo *Objects
	feed bytes.Buffer
	made []string
}

// editTree is the tree with the edits made. It is one git process, and none
// when nothing changes: all the new trees' hashes are known before git is asked
// to store them, and must be what git answers.
func (r *Objects) editTree(ctx context.Context, tree string, changes edits) (string, error) {
	w := &treeWriter{repo: r}

	root, err := w.edit(ctx, tree, changes)
	if err != nil {
		return "", err
	}

	if root == "" {
		root = w.add(nil)
	}

	if len(w.made) == 0 {
		return root, nil
	}

	out, err := r.git(ctx, w.feed.Bytes(), "mktree", "--batch", "--missing", "-z")
	if err != nil {
		return "", err
	}

	if got := strings.Fields(string(out)); !slices.Equal(got, w.made) {
		return "", fmt.Errorf("store trees: git made %v instead of %v", got, w.made)
	}

	return root, nil
}

// edit returns the hash of the edited tree, "" when nothing is left in it.
func (w *treeWriter) edit(ctx context.Context, tree string, changes edits) (string, error) {
	entries, err := w.repo.entries(ctx, tree)
	if err != nil {
		return "", err
	}
	below := map[string]edits{}

	for path, e := range changes {
		name, rest, deeper := strings.Cut(path, "/")
		if !deeper {
			e.name = name
			entries = replace(entries, e)

			continue
		}

		if below[name] == nil {
			below[name] = edits{}
		}
		below[name][rest] = e
	}

	for name, deeper := range below {
		old := find(entries, name)
		if old.mode != modeFolder {
			if !slices.ContainsFunc(values(deeper), func(e entry) bool { return e.hash != "" }) {
				continue // removes what isn't there
			}
			old.hash = ""
		}

		hash, err := w.edit(ctx, old.hash, deeper)
		if err != nil {
			return "", err
		}
		entries = replace(entries, entry{name: name, mode: modeFolder, hash: hash})
	}

	if len(entries) == 0 {
		return "", nil
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.sortKey(), b.sortKey()) })

	if hash := hashTree(entries); hash == tree {
		return hash, nil
	}

	return w.add(entries), nil
}

// add appends one tree to the feed and returns its hash.
func (w *treeWriter) add(entries []entry) string {
	for _, e := range entries {
		fmt.Fprintf(&w.feed, "%06o %s %s\t%s\x00", e.mode, e.kind(), e.hash, e.name)
	}
	w.feed.WriteByte(0)
	hash := hashTree(entries)
	w.made = append(w.made, hash)

	return hash
}

// replace puts e in the place of the entry of its name; an e without a hash removes it.
func replace(entries []entry, e entry) []entry {
	kept := slices.DeleteFunc(entries, func(x entry) bool { return x.name == e.name })
	if e.hash == "" {
		return kept
	}

	return append(kept, e)
}

func values(changes edits) []entry {
	var list []entry
	for _, e := range changes {
		list = append(list, e)
	}

	return list
}

// sortKey orders a tree as git does: a folder's name as if it ended in a slash.
func (e entry) sortKey() string {
	if e.mode == modeFolder {
		return e.name + "/"
	}

	return e.name
}

func (e entry) kind() string {
	switch e.mode {
	case modeFolder:
		return "tree"
	case modeSubmodule:
		return "commit"
	}

	return "blob"
}

func hashTree(entries []entry) string {
	var b bytes.Buffer
	for _, e := range entries {
		fmt.Fprintf(&b, "%o %s\x00", e.mode, e.name)
		raw, _ := hex.DecodeString(e.hash)
		b.Write(raw)
	}
	h := sha1.New()
	fmt.Fprintf(h, "tree %d\x00", b.Len())
	h.Write(b.Bytes())

	return hex.EncodeToString(h.Sum(nil))
}

// treeDelta visits what differs between two trees, in no order; was or is is
// the zero entry where there is nothing.
func (r *Objects) treeDelta(ctx context.Context, a, b, prefix string, visit func(path string, was, is entry)) error {
	if a == b {
		return ctx.Err()
	}

	before, err := r.entries(ctx, a)
	if err != nil {
		return err
	}

	after, err := r.entries(ctx, b)
	if err != nil {
		return err
	}

	names := map[string][2]entry{}
	for _, e := range before {
		names[e.name] = [2]entry{e, {}}
	}

	for _, e := range after {
		names[e.name] = [2]entry{names[e.name][0], e}
	}

	for name, pair := range names {
		was, is := pair[0], pair[1]
		if was == is {
			continue
		}
		folders := [2]string{}

		for i, e := range pair {
			if e.mode == modeFolder {
				folders[i] = e.hash
				pair[i] = entry{}
			}
		}

		if err := r.treeDelta(ctx, folders[0], folders[1], prefix+name+"/", visit); err != nil {
			return err
		}

		if was, is = pair[0], pair[1]; was != is {
			visit(prefix+name, was, is)
		}
	}

	return nil
}
