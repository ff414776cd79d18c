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

// edits is what a tree shall hold at some paths. The zero entry removes.
type edits map[string]entry

// treeWriter collects the trees that an edit makes, deepest first, in the
// form that `git mktree --batch -z` reads.
type treeWriter struct {
	repo *Objects
	feed bytes.Buffer
	made []string
}

// editTree returns the tree with the edits made. It starts one git process, none when
// nothing changes: the hashes of all new trees are computed before git is asked to
// store them, and git's answer must agree.
func (o *Objects) editTree(ctx context.Context, tree string, changes edits) (string, error) {
	w := &treeWriter{repo: o}

	root, err := w.editFolder(ctx, tree, changes)
	if err != nil {
		return "", err
	}

	if root == "" {
		root = w.addTree(nil)
	}

	if len(w.made) == 0 {
		return root, nil
	}

	out, err := o.git(ctx, w.feed.Bytes(), "mktree", "--batch", "--missing", "-z")
	if err != nil {
		return "", err
	}

	if got := strings.Fields(string(out)); !slices.Equal(got, w.made) {
		return "", fmt.Errorf("store trees: git made %v instead of %v", got, w.made)
	}

	return root, nil
}

// editFolder returns the hash of the edited tree, "" when nothing is left in it.
func (w *treeWriter) editFolder(ctx context.Context, tree string, changes edits) (string, error) {
	entries, err := w.repo.readTree(ctx, tree)
	if err != nil {
		return "", err
	}

	// Replace what lies in this folder, and sort the other edits by subfolder.
	below := map[string]edits{}
	for path, item := range changes {
		name, rest, deeper := strings.Cut(path, "/")
		if !deeper {
			item.name = name
			entries = replaceEntry(entries, item)

			continue
		}

		if below[name] == nil {
			below[name] = edits{}
		}

		below[name][rest] = item
	}

	for name, inside := range below {
		folder := findEntry(entries, name)
		if folder.mode != modeFolder {
			if inside.onlyRemove() { // there is nothing to remove
				continue
			}

			folder.hash = "" // a new folder, in the place of a file if there is one
		}

		hash, err := w.editFolder(ctx, folder.hash, inside)
		if err != nil {
			return "", err
		}

		entries = replaceEntry(entries, entry{name: name, mode: modeFolder, hash: hash})
	}

	if len(entries) == 0 {
		return "", nil
	}

	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.sortKey(), b.sortKey()) })

	if hash := hashTree(entries); hash == tree {
		return hash, nil
	}

	return w.addTree(entries), nil
}

// addTree appends one tree to the feed and returns its hash.
func (w *treeWriter) addTree(entries []entry) string {
	for _, e := range entries {
		fmt.Fprintf(&w.feed, "%06o %s %s\t%s\x00", e.mode, e.kind(), e.hash, e.name)
	}
	w.feed.WriteByte(0)

	hash := hashTree(entries)
	w.made = append(w.made, hash)

	return hash
}

// replaceEntry puts e in the place of the entry of its name; an e without a hash removes it.
func replaceEntry(entries []entry, item entry) []entry {
	kept := slices.DeleteFunc(entries, func(x entry) bool { return x.name == item.name })
	if item.hash == "" {
		return kept
	}

	return append(kept, item)
}

// onlyRemove says whether no edit puts anything in its place.
func (c edits) onlyRemove() bool {
	for _, e := range c {
		if e.hash != "" {
			return false
		}
	}

	return true
}

// sortKey orders a tree as git does: a folder's name as if it ended in a slash.
func (e entry) sortKey() string {
	if e.mode == modeFolder {
		return e.name + "/"
	}

	return e.name
}

// kind is the type of object that an entry names.
func (e entry) kind() string {
	switch e.mode {
	case modeFolder:
		return "tree"
	case modeSubmodule:
		return "commit"
	}

	return "blob"
}

// hashTree is the hash of a tree with these entries, in this order.
func hashTree(entries []entry) string {
	var content bytes.Buffer

	for _, e := range entries {
		fmt.Fprintf(&content, "%o %s\x00", e.mode, e.name)
		raw, _ := hex.DecodeString(e.hash)
		content.Write(raw)
	}

	sum := sha1.New()
	fmt.Fprintf(sum, "tree %d\x00", content.Len())
	sum.Write(content.Bytes())

	return hex.EncodeToString(sum.Sum(nil))
}

// treeDelta visits what differs between two trees, in no order; was or is is
// the zero entry where there is nothing.
func (o *Objects) treeDelta(ctx context.Context, a, b, prefix string, visit func(path string, was, is entry)) error {
	if a == b {
		return ctx.Err()
	}

	before, err := o.readTree(ctx, a)
	if err != nil {
		return err
	}

	after, err := o.readTree(ctx, b)
	if err != nil {
		return err
	}

	pairs := map[string][2]entry{}
	for _, e := range before {
		pairs[e.name] = [2]entry{e, {}}
	}

	for _, e := range after {
		pairs[e.name] = [2]entry{pairs[e.name][0], e}
	}

	for name, pair := range pairs {
		if pair[0] == pair[1] {
			continue
		}

		// A folder on either side is compared by what is in it; a file or link
		// in the place of a folder is visited too.
		var folders [2]string
		for i, e := range pair {
			if e.mode == modeFolder {
				folders[i] = e.hash
				pair[i] = entry{}
			}
		}

		if err := o.treeDelta(ctx, folders[0], folders[1], prefix+name+"/", visit); err != nil {
			return err
		}

		if pair[0] != pair[1] {
			visit(prefix+name, pair[0], pair[1])
		}
	}

	return nil
}
