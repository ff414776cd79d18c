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

// newScratch makes a folder for an index; git makes the index itself.
func newScratch() (*scratch, error) {
	dir, err := os.MkdirTemp("", "ratchet-index-")
	if err != nil {
		return nil, fmt.Errorf("make a private index: %w", err)
	}

	return &scratch{dir: dir, path: filepath.Join(dir, "index")}, nil
}

// buildScratch makes a private index with what tree holds at paths, and with the
// .gitattributes files that apply to them.
func (o *Objects) buildScratch(ctx context.Context, tree string, paths []string) (*scratch, error) {
	collected := map[string]entry{}
	for _, path := range paths {
		if err := o.collectEntries(ctx, tree, path, collected); err != nil {
			return nil, err
		}
	}

	s, err := newScratch()
	if err != nil {
		return nil, err
	}

	if err := s.writeEntries(collected); err != nil {
		s.removeFolder()
		return nil, fmt.Errorf("write a private index: %w", err)
	}

	return s, nil
}

// collectEntries adds path's entry, and the attributes of every folder above it, to into.
func (o *Objects) collectEntries(ctx context.Context, tree, path string, into map[string]entry) error {
	prefix := ""

	for {
		entries, err := o.readTree(ctx, tree)
		if err != nil {
			return err
		}

		if e := findEntry(entries, ".gitattributes"); e.mode == modeFile || e.mode == modeExec {
			into[prefix+e.name] = e
		}

		name, rest, deeper := strings.Cut(path, "/")

		item := findEntry(entries, name)
		if !deeper && item.hash != "" && item.mode != modeFolder {
			into[prefix+name] = item
		}

		if !deeper || item.mode != modeFolder {
			return nil
		}

		tree, path, prefix = item.hash, rest, prefix+name+"/"
	}
}

// writeEntries writes the index, by path.
func (s *scratch) writeEntries(entries map[string]entry) error {
	encoded := &index.Index{Version: 2}

	for _, path := range slices.Sorted(maps.Keys(entries)) {
		item := entries[path]
		encoded.Entries = append(encoded.Entries, &index.Entry{
			Name: path,
			Hash: plumbing.NewHash(item.hash),
			Mode: filemode.FileMode(item.mode),
		})
	}

	file, err := os.Create(s.path)
	if err != nil {
		return err
	}
	defer file.Close()

	w := bufio.NewWriter(file)
	if err := index.NewEncoder(w).Encode(encoded); err != nil {
		return err
	}

	if err := w.Flush(); err != nil {
		return err
	}

	return file.Close()
}

// readEntries reads the index, by path.
func (s *scratch) readEntries() (map[string]entry, error) {
	file, err := os.Open(s.path)
	if err != nil {
		return nil, err
	}
	defer file.Close()

	decoded := &index.Index{}
	if err := index.NewDecoder(bufio.NewReader(file)).Decode(decoded); err != nil {
		return nil, fmt.Errorf("read a private index: %w", err)
	}

	entries := map[string]entry{}
	for _, e := range decoded.Entries {
		entries[e.Name] = entry{mode: uint32(e.Mode), hash: e.Hash.String()}
	}

	return entries, nil
}

func (s *scratch) removeFolder() { os.RemoveAll(s.dir) }

// runOnScratch runs git with s as its index, in the work tree dir ("" for the user's).
func (o *Objects) runOnScratch(
	ctx context.Context, s *scratch, dir string, stdin []byte, args ...string,
) ([]byte, error) {
	plain := []string{"-c", "core.splitIndex=false", "-c", "core.untrackedCache=false",
		"-c", "core.sparseCheckout=false", "-c", "index.sparse=false", "-c", "index.version=2"}
	call := invocation{stdin: stdin, dir: dir, env: []string{"GIT_INDEX_FILE=" + s.path}}

	return o.run(ctx, call, append(plain, args...)...)
}
