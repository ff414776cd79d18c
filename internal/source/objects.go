package source

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/storage/filesystem"

	"ratchet/internal/research"
)

// maxPackIndexes is the size of pack indexes up to which they are held in
// memory. Past it git reads the objects.
const maxPackIndexes = 48 << 20

// objectStore reads the repository's objects in this process.
type objectStore struct {
	dir   string // the common git directory
	mu    sync.Mutex
	store *filesystem.Storage
}

// read returns an object's content, or false where git must be asked: the
// object is new since the packs were listed, in an odd place, or missing.
func (o *objectStore) read(kind plumbing.ObjectType, hash string) ([]byte, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()

	if o.store == nil && !o.open() {
		return nil, false
	}

	content, err := o.content(kind, hash)
	if err != nil {
		o.store = nil // its list of packs may be stale
	}

	return content, err == nil
}

func (o *objectStore) content(kind plumbing.ObjectType, hash string) ([]byte, error) {
	object, err := o.store.EncodedObject(kind, plumbing.NewHash(hash))
	if err != nil {
		return nil, err
	}

	from, err := object.Reader()
	if err != nil {
		return nil, err
	}
	defer from.Close()
	var b bytes.Buffer
	b.Grow(int(object.Size()))
	_, err = io.Copy(&b, from)

	return b.Bytes(), err
}

func (o *objectStore) open() bool {
	size := int64(0)

	indexes, _ := filepath.Glob(filepath.Join(globQuoted(o.dir), "objects", "pack", "*.idx"))
	for _, name := range indexes {
		if info, err := os.Stat(name); err == nil {
			size += info.Size()
		}
	}

	if size > maxPackIndexes {
		return false
	}

	options := filesystem.Options{}
	if filepath.VolumeName(o.dir) == "" {
		options.AlternatesFS = osfs.New("/")
	}
	o.store = filesystem.NewStorageWithOptions(osfs.New(o.dir), cache.NewObjectLRU(4*cache.MiByte), options)

	return true
}

func globQuoted(path string) string {
	if filepath.Separator == '\\' {
		return path
	}

	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

// object is the content of an object that must exist.
func (r *Objects) object(ctx context.Context, kind plumbing.ObjectType, hash string) ([]byte, error) {
	if content, ok := r.store.read(kind, hash); ok {
		return content, nil
	}

	content, err := r.git(ctx, nil, "cat-file", kind.String(), hash)
	if said := stderrOf(err); strings.Contains(said, "Not a valid object name") || strings.Contains(said, "bad file") ||
		strings.Contains(said, "could not get object info") {
		return nil, research.Errorf(research.CodeNotFound, "name a commit of this repository", "there is no %s %s here",
			kind, hash)
	}

	return content, err
}

// Tree is the hash of a commit's tree. CodeNotFound where there is no such commit.
func (r *Objects) Tree(ctx context.Context, commit string) (string, error) {
	content, err := r.object(ctx, plumbing.CommitObject, commit)
	if err != nil {
		return "", err
	}

	hash, ok := strings.CutPrefix(string(content[:min(len(content), 45)]), "tree ")
	if !ok || len(hash) != 40 {
		return "", fmt.Errorf("read commit %s: it names no tree", commit)
	}

	return hash, nil
}

// Blob is the content of a file or link in a commit, as stored (before smudge
// filters). CodeNotFound where the commit has no file there.
func (r *Objects) Blob(ctx context.Context, commit, path string) ([]byte, error) {
	e, err := r.committed(ctx, commit, path)
	if err != nil {
		return nil, err
	}

	if e.hash == "" || e.mode == modeSubmodule {
		return nil, research.Errorf(research.CodeNotFound, "check the path; it is relative to the repository's root",
			"%s is not a file in %s", path, commit)
	}

	return r.object(ctx, plumbing.BlobObject, e.hash)
}

// FileIn is the content of a file or link in a tree, as stored; nil where it has none.
func (r *Objects) FileIn(ctx context.Context, tree, path string) ([]byte, error) {
	e, err := r.lookUp(ctx, tree, path)
	if err != nil || e.hash == "" || e.mode == modeFolder || e.mode == modeSubmodule {
		return nil, err
	}

	return r.object(ctx, plumbing.BlobObject, e.hash)
}

// Tracked maps the path of every file and link of a commit to its blob's hash.
// Submodules are left out.
func (r *Objects) Tracked(ctx context.Context, commit string) (map[string]string, error) {
	root, err := r.Tree(ctx, commit)
	if err != nil {
		return nil, err
	}
	all := map[string]string{}

	return all, r.walk(ctx, root, "", func(path string, e entry) {
		if e.mode != modeSubmodule {
			all[path] = e.hash
		}
	})
}

// walk visits all that is not a folder under a tree.
func (r *Objects) walk(ctx context.Context, tree, prefix string, visit func(path string, e entry)) error {
	entries, err := r.entries(ctx, tree)
	if err != nil {
		return err
	}

	for _, e := range entries {
		if e.mode != modeFolder {
			visit(prefix+e.name, e)
		} else if err := r.walk(ctx, e.hash, prefix+e.name+"/", visit); err != nil {
			return err
		}
	}

	return ctx.Err()
}

// The modes that git stores.
const (
	modeFolder    = 0o040000
	modeFile      = 0o100644
	modeExec      = 0o100755
	modeLink      = 0o120000
	modeSubmodule = 0o160000
)

// entry is one line of a tree. The zero entry stands for nothing there.
type entry struct {
	name string
	mode uint32
	hash string
}

// entries decodes a tree; "" is the empty one.
func (r *Objects) entries(ctx context.Context, tree string) ([]entry, error) {
	if tree == "" {
		return nil, nil
	}

	content, err := r.object(ctx, plumbing.TreeObject, tree)
	if err != nil {
		return nil, err
	}
	var list []entry

	for len(content) > 0 {
		head, rest, ok := bytes.Cut(content, []byte{0})
		octal, name, spaced := bytes.Cut(head, []byte{' '})

		mode, err := strconv.ParseUint(string(octal), 8, 32)
		if !ok || !spaced || err != nil || len(rest) < 20 {
			return nil, fmt.Errorf("decode tree %s: it is damaged", tree)
		}
		list = append(list, entry{name: string(name), mode: uint32(mode), hash: hex.EncodeToString(rest[:20])})
		content = rest[20:]
	}

	return list, nil
}

// committed is what a commit has at path: a file, link or submodule, else the zero entry.
func (r *Objects) committed(ctx context.Context, commit, path string) (entry, error) {
	tree, err := r.Tree(ctx, commit)
	if err != nil {
		return entry{}, err
	}

	return r.lookUp(ctx, tree, path)
}

func (r *Objects) lookUp(ctx context.Context, tree, path string) (entry, error) {
	for {
		name, rest, deeper := strings.Cut(path, "/")

		entries, err := r.entries(ctx, tree)
		if err != nil {
			return entry{}, err
		}

		e := find(entries, name)
		if !deeper && e.mode != modeFolder {
			return e, nil
		}

		if !deeper || e.mode != modeFolder {
			return entry{}, nil
		}
		tree, path = e.hash, rest
	}
}

func find(entries []entry, name string) entry {
	for _, e := range entries {
		if e.name == name {
			return e
		}
	}

	return entry{}
}
