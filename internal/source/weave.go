package source

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"ratchet/internal/research"
)

// A Weave holds every line that a chain of changes ever put into some files,
// with the change that brought it and the one that took it away (Rochkind,
// "The Source Code Control System", 1975). Any subset of the changes can be read
// out of it: unlike a merge by context it tells neighbouring lines apart, and
// says for certain which change builds on which.
//
// A change that replaces lines of another, or puts lines between two lines of
// another, builds on it. Whether what is read out makes sense is for the
// program's build and check to say.
type Weave struct {
	changes int
	paths   []string
	files   map[string]*woven
	ties    []map[int]bool // by change: the later ones that build on it
}

// Link is one step of the chain: what paths hold in the commit To instead of From.
type Link struct {
	From, To string
	Paths    []string
}

// woven is one file. Changes count from 1; 0 is the start.
type woven struct {
	lines []line
	born  int // the change that made the file, -1 while there is none
}

type line struct {
	text      []byte
	put, took int // took 0: nothing took it
}

// Weave reads the chain that begins at the commit start. CodeConflict where a
// change does not begin where the one before it ended, or where a file is none.
func (o *Objects) Weave(ctx context.Context, start string, changes []Link) (*Weave, error) {
	w := &Weave{changes: len(changes), files: map[string]*woven{}, ties: make([]map[int]bool, len(changes)+1)}
	for _, c := range changes {
		for _, path := range c.Paths {
			if w.files[path] != nil {
				continue
			}

			f, err := o.unwoven(ctx, start, path)
			if err != nil {
				return nil, err
			}

			w.files[path], w.paths = f, append(w.paths, path)
		}
	}

	for i, c := range changes {
		for _, path := range c.Paths {
			if err := o.weaveIn(ctx, w, i+1, c, path); err != nil {
				return nil, err
			}
		}
	}

	return w, nil
}

func (o *Objects) unwoven(ctx context.Context, commit, path string) (*woven, error) {
	text, item, err := o.plain(ctx, commit, path)

	f := &woven{born: -1}
	if item.hash != "" {
		f.born = 0
	}

	for l := range bytes.Lines(text) {
		f.lines = append(f.lines, line{text: l})
	}

	return f, err
}

// plain is a file's content as stored.
func (o *Objects) plain(ctx context.Context, commit, path string) ([]byte, entry, error) {
	item, err := o.entryInCommit(ctx, commit, path)
	if err != nil || item.hash == "" {
		return nil, item, err
	}

	if item.mode != modeFile && item.mode != modeExec {
		return nil, item, research.Errorf(research.CodeConflict, "leave its changes in",
			"%s is not a regular file in %.9s", path, commit)
	}

	tree, err := o.Tree(ctx, commit)
	if err != nil {
		return nil, item, err
	}
	text, err := o.FileInTree(ctx, tree, path)

	return text, item, err
}

// weaveIn takes change number n of one file in.
func (o *Objects) weaveIn(ctx context.Context, w *Weave, n int, c Link, path string) error {
	was, from, err := o.plain(ctx, c.From, path)
	if err != nil {
		return err
	}

	is, to, err := o.plain(ctx, c.To, path)
	if err != nil {
		return err
	}
	f := w.files[path]

	all := func(k int) bool { return k < n }
	if !bytes.Equal(f.text(all), was) {
		return research.Errorf(research.CodeConflict, "ratchet finalize --no-ablation takes everything that was kept",
			"%s is not in %.9s what the change before it left", path, c.From)
	}

	if from.hash == to.hash {
		return nil
	}

	if f.born < 0 {
		f.born = n
	}

	hunks, err := o.hunks(ctx, c.From, c.To, path)
	if err != nil {
		return err
	}
	f.take(n, hunks, slices.Collect(bytes.Lines(is)), w.tie)

	if !bytes.Equal(f.text(func(k int) bool { return k <= n }), is) {
		return fmt.Errorf("weave %s of %.9s: its lines do not add up", path, c.To)
	}

	return nil
}

// hunk is a replacement of lines, both counted from 0.
type hunk struct{ was, wasN, is, isN int }

var hunkHead = regexp.MustCompile(`^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@`)

// hunks are the differences of a file between two commits, without context.
func (o *Objects) hunks(ctx context.Context, from, to, path string) (list []hunk, err error) {
	out, err := o.git(ctx, nil, "diff-tree", "-p", "--unified=0", "--inter-hunk-context=0", "--text", "--no-ext-diff",
		"--no-textconv", "--no-renames", "--no-color", "--diff-algorithm=histogram", from, to, "--", path)
	if err != nil {
		return nil, err
	}

	for l := range bytes.Lines(out) {
		m := hunkHead.FindSubmatch(l)
		if m == nil {
			continue
		}
		at := func(place, size int) (int, int) {
			p, _ := strconv.Atoi(string(m[place]))

			n := 1
			if len(m[size]) > 0 {
				n, _ = strconv.Atoi(string(m[size]))
			}

			if n > 0 {
				p-- // of no lines, it names the one before
			}

			return p, n
		}
		var h hunk
		h.was, h.wasN = at(1, 2)
		h.is, h.isN = at(3, 4)
		list = append(list, h)
	}

	return list, nil
}

// take puts change n into the file, whose new lines are given; tie is told on
// whose lines it builds.
func (f *woven) take(n int, hunks []hunk, lines [][]byte, tie func(on, n int)) {
	var out []line

	i, visible := 0, 0 // in f.lines, and of them those that the change saw
	for _, h := range hunks {
		for ; i < len(f.lines) && (visible < h.was || f.lines[i].took != 0 && visible == h.was && h.wasN > 0); i++ {
			if f.lines[i].took == 0 {
				visible++
			}
			out = append(out, f.lines[i])
		}

		if h.wasN == 0 {
			if before, after := lastSeen(out), nextSeen(f.lines[i:]); before > 0 && before == after {
				tie(before, n)
			}
		}

		for end := h.was + h.wasN; i < len(f.lines) && visible < end; i++ {
			l := f.lines[i]
			if l.took == 0 {
				visible++
				l.took = n
				tie(l.put, n)
			}
			out = append(out, l)
		}

		for _, text := range lines[h.is : h.is+h.isN] {
			out = append(out, line{text: text, put: n})
		}
	}

	f.lines = append(out, f.lines[i:]...)
}

// lastSeen is who put the last line that is still there; -1 for none.
func lastSeen(lines []line) int {
	for _, l := range slices.Backward(lines) {
		if l.took == 0 {
			return l.put
		}
	}

	return -1
}

func nextSeen(lines []line) int {
	for _, l := range lines {
		if l.took == 0 {
			return l.put
		}
	}

	return -1
}

// text is the file with the changes that in says, and the start.
func (f *woven) text(in func(change int) bool) []byte {
	var out [][]byte

	for _, l := range f.lines {
		if (l.put == 0 || in(l.put)) && (l.took == 0 || !in(l.took)) {
			out = append(out, l.text)
		}
	}

	for i, l := range out {
		if i+1 < len(out) && !bytes.HasSuffix(l, []byte("\n")) { // it was the last line once
			out[i] = append(slices.Clone(l), '\n')
		}
	}

	return bytes.Join(out, nil)
}

func (w *Weave) tie(on, n int) {
	if on <= 0 {
		return
	}

	if w.ties[on] == nil {
		w.ties[on] = map[int]bool{}
	}
	w.ties[on][n] = true
}

// Ties are the later changes that build on change i, and those that build on
// them, counted from 0: without i they can't be.
func (w *Weave) Ties(i int) []int {
	in := map[int]bool{i + 1: true}
	var all []int

	for n := i + 1; n <= w.changes; n++ {
		if n > i+1 && in[n] {
			all = append(all, n-1)
		}

		if in[n] {
			for t := range w.ties[n] {
				in[t] = true
			}
		}
	}

	return all
}

// Woven is head's tree, which must hold all the changes, with only those of
// them that in says, counted from 0. The files' modes stay head's.
func (o *Objects) Woven(ctx context.Context, w *Weave, head string, in func(change int) bool) (tree string, err error) {
	if tree, err = o.Tree(ctx, head); err != nil {
		return "", err
	}
	has := func(k int) bool { return in(k - 1) }
	changes := edits{}

	for _, path := range w.paths {
		f := w.files[path]

		item, err := o.entryInTree(ctx, tree, path)
		if err != nil {
			return "", err
		}

		text := f.text(has)
		switch {
		case f.born < 0 || f.born > 0 && !has(f.born):
			changes[path] = entry{}
		case bytes.Equal(text, f.text(func(int) bool { return true })):
		default:
			if text == nil {
				text = []byte{}
			}

			out, err := o.git(ctx, text, "hash-object", "-w", "--no-filters", "--stdin")
			if err != nil {
				return "", err
			}
			item.hash = strings.TrimSpace(string(out))
			changes[path] = item
		}
	}

	return o.editTree(ctx, tree, changes)
}
