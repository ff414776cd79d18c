package source

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/format/index"
)

// scratch is an index of our own, so that git's rules for filters, line
// endings and modes (which look at the index) can be used without the user's.
type scratch struct {
	dir  string
	path string
}

func newScratch() (*scratch, error) {
	dir, err := os.MkdirTemp("", "ratchet-index-")
	if err != nil {
		return nil, fmt.Errorf("make a private index: %w", err)
	}

	return &scratch{dir: dir, path: filepath.Join(dir, "index")}, nil
}

// scratchOf is a private index with what tree holds at paths, and with the
// .gitattributes files that apply to them.
func (r *Objects) scratchOf(ctx context.Context, tree string, paths []string) (*scratch, error) {
	held := map[string]entry{}
	for _, path := range paths {
		if err := r.collect(ctx, tree, path, held); err != nil {
			return nil, err
		}
	}

	s, err := newScratch()
	if err != nil {
		return nil, err
	}

	if err := s.write(held); err != nil {
		s.remove()
		return nil, fmt.Errorf("write a private index: %w", err)
	}

	return s, nil
}

// collect adds path's entry, and the attributes of every folder above it.
func (r *Objects) collect(ctx context.Context, tree, path string, held map[string]entry) error {
	prefix := ""

	for {
		entries, err := r.entries(ctx, tree)
		if err != nil {
			return err
		}

		if e := find(entries, ".gitattributes"); e.mode == modeFile || e.mode == modeExec {
			held[prefix+e.name] = e
		}
		name, rest, deeper := strings.Cut(path, "/")

		e := find(entries, name)
		if !deeper && e.hash != "" && e.mode != modeFolder {
			held[prefix+name] = e
		}

		if !deeper || e.mode != modeFolder {
			return nil
		}
		tree, path, prefix = e.hash, rest, prefix+name+"/"
	}
}

func (s *scratch) write(held map[string]entry) error {
	idx := &index.Index{Version: 2}

	for _, path := range slices.Sorted(maps.Keys(held)) {
		e := held[path]
		idx.Entries = append(idx.Entries, &index.Entry{Name: path, Hash: plumbing.NewHash(e.hash),
			Mode: filemode.FileMode(e.mode)})
	}

	f, err := os.Create(s.path)
	if err != nil {
		return err
	}
	defer f.Close()

	w := bufio.NewWriter(f)
	if err := index.NewEncoder(w).Encode(idx); err != nil {
		return err
	}

	if err := w.Flush(); err != nil {
		return err
	}

	return f.Close()
}

func (s *scratch) read() (map[string]entry, error) {
	f, err := os.Open(s.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()

	idx := &index.Index{}
	if err := index.NewDecoder(bufio.NewReader(f)).Decode(idx); err != nil {
		return nil, fmt.Errorf("read a private index: %w", err)
	}

	held := map[string]entry{}
	for _, e := range idx.Entries {
		held[e.Name] = entry{mode: uint32(e.Mode), hash: e.Hash.String()}
	}

	return held, nil
}

func (s *scratch) remove() { os.RemoveAll(s.dir) }

// onScratch runs git with s as its index, in the work tree dir ("" for the user's).
func (r *Objects) onScratch(ctx context.Context, s *scratch, dir string, stdin []byte, args ...string) ([]byte, error) {
	args = append([]string{"-c", "core.splitIndex=false", "-c", "core.untrackedCache=false",
		"-c", "core.sparseCheckout=false", "-c", "index.sparse=false", "-c", "index.version=2"}, args...)

	return r.run(ctx, invocation{stdin: stdin, dir: dir, env: []string{"GIT_INDEX_FILE=" + s.path}}, args...)
}
