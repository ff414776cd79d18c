package source

import (
	"bytes"
	"context"
	"crypto/sha1"
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
	dir     string // the common git directory
	mu      sync.Mutex
	storage *filesystem.Storage
}

// readObject returns an object's content, or false where git must be asked: the
// object is new since the packs were listed, in an odd place, or missing.
func (o *objectStore) readObject(kind plumbing.ObjectType, hash string) ([]byte, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()

	if o.storage == nil && !o.openStorage() {
		return nil, false
	}

	content, err := o.readContent(kind, hash)
	if err != nil {
		o.storage = nil // its list of packs may be stale
	}

	return content, err == nil
}

// readContent reads an object from the storage, which must be open.
func (o *objectStore) readContent(kind plumbing.ObjectType, hash string) ([]byte, error) {
	object, err := o.storage.EncodedObject(kind, plumbing.NewHash(hash))
	if err != nil {
		return nil, err
	}

	from, err := object.Reader()
	if err != nil {
		return nil, err
	}
	defer from.Close()

	var content bytes.Buffer
	content.Grow(int(object.Size()))
	_, err = io.Copy(&content, from)

	return content.Bytes(), err
}

// openStorage lists the packs. It returns false where their indexes are too big.
func (o *objectStore) openStorage() bool {
	size := int64(0)
	indexes, _ := filepath.Glob(filepath.Join(quoteGlob(o.dir), "objects", "pack", "*.idx"))

	for _, name := range indexes {
		if info, err := os.Stat(name); err == nil {
			size += info.Size()
		}
	}

	if size > maxPackIndexes {
		return false
	}

	options := filesystem.Options{}
	if filepath.VolumeName(o.dir) == "" { // alternates have absolute paths
		options.AlternatesFS = osfs.New("/")
	}

	o.storage = filesystem.NewStorageWithOptions(osfs.New(o.dir), cache.NewObjectLRU(4*cache.MiByte), options)

	return true
}

// quoteGlob makes a path a pattern that matches only itself.
func quoteGlob(path string) string {
	if filepath.Separator == '\\' {
		return path
	}

	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

// readObject is the content of an object that must exist.
func (o *Objects) readObject(ctx context.Context, kind plumbing.ObjectType, hash string) ([]byte, error) {
	if content, ok := o.store.readObject(kind, hash); ok {
		return content, requireHash(kind, hash, content)
	}

	content, err := o.git(ctx, nil, "cat-file", kind.String(), hash)
	if isMissingObject(stderrOf(err)) {
		return nil, research.Errorf(research.CodeNotFound,
			"name a commit of this repository; in a partial clone get the rest first: git fetch --refetch --no-filter",
			"there is no %s %s here", kind, hash)
	}

	if err != nil {
		return nil, err
	}

	return content, requireHash(kind, hash, content)
}

// isMissingObject says whether cat-file failed since there is no such object.
func isMissingObject(stderr string) bool {
	return strings.Contains(stderr, "Not a valid object name") || strings.Contains(stderr, "bad file") ||
		strings.Contains(stderr, "could not get object info") || strings.Contains(stderr, "could not fetch")
}

// Tree is the hash of a commit's tree. CodeNotFound where there is no such commit.
func (o *Objects) Tree(ctx context.Context, commit string) (string, error) {
	content, err := o.readObject(ctx, plumbing.CommitObject, commit)
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
func (o *Objects) Blob(ctx context.Context, commit, path string) ([]byte, error) {
	item, err := o.entryInCommit(ctx, commit, path)
	if err != nil {
		return nil, err
	}

	if !item.hasContent() {
		return nil, research.Errorf(research.CodeNotFound, "check the path; it is relative to the repository's root",
			"%s is not a file in %s", path, commit)
	}

	return o.readObject(ctx, plumbing.BlobObject, item.hash)
}

// FileInTree is the content of a file or link in a tree, as stored; nil where it has none.
func (o *Objects) FileInTree(ctx context.Context, tree, path string) ([]byte, error) {
	item, err := o.entryInTree(ctx, tree, path)
	if err != nil || !item.hasContent() {
		return nil, err
	}

	return o.readObject(ctx, plumbing.BlobObject, item.hash)
}

// TrackedFiles maps the path of every file and link of a commit to its blob's hash.
// Submodules are left out.
func (o *Objects) TrackedFiles(ctx context.Context, commit string) (map[string]string, error) {
	root, err := o.Tree(ctx, commit)
	if err != nil {
		return nil, err
	}
	blobs := map[string]string{}
	err = o.walkTree(ctx, root, "", func(path string, e entry) {
		if e.mode != modeSubmodule {
			blobs[path] = e.hash
		}
	})

	return blobs, err
}

// walkTree visits every file, link and submodule under a tree.
func (o *Objects) walkTree(ctx context.Context, tree, prefix string, visit func(path string, e entry)) error {
	entries, err := o.readTree(ctx, tree)
	if err != nil {
		return err
	}

	for _, item := range entries {
		if item.mode != modeFolder {
			visit(prefix+item.name, item)
			continue
		}

		if err := o.walkTree(ctx, item.hash, prefix+item.name+"/", visit); err != nil {
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

// hasContent says whether the entry is a file or a link.
func (e entry) hasContent() bool {
	return e.hash != "" && e.mode != modeFolder && e.mode != modeSubmodule
}

// readTree returns the entries of one tree, in their stored order; "" is the empty tree.
func (o *Objects) readTree(ctx context.Context, tree string) ([]entry, error) {
	if tree == "" {
		return nil, nil
	}

	content, err := o.readObject(ctx, plumbing.TreeObject, tree)
	if err != nil {
		return nil, err
	}

	// An entry is "MODE NAME", NUL and the 20 bytes of the hash.
	var list []entry
	for len(content) > 0 {
		head, rest, terminated := bytes.Cut(content, []byte{0})
		octal, name, spaced := bytes.Cut(head, []byte{' '})

		mode, err := strconv.ParseUint(string(octal), 8, 32)
		if !terminated || !spaced || err != nil || len(rest) < sha1.Size {
			return nil, fmt.Errorf("decode tree %s: it is damaged", tree)
		}

		hash := hex.EncodeToString(rest[:sha1.Size])
		list = append(list, entry{name: string(name), mode: uint32(mode), hash: hash})
		content = rest[sha1.Size:]
	}

	return list, nil
}

// entryInCommit is the file, link or submodule that a commit has at path, else the zero entry.
func (o *Objects) entryInCommit(ctx context.Context, commit, path string) (entry, error) {
	tree, err := o.Tree(ctx, commit)
	if err != nil {
		return entry{}, err
	}

	return o.entryInTree(ctx, tree, path)
}

// entryInTree is the file, link or submodule that a tree has at path, else the zero entry.
func (o *Objects) entryInTree(ctx context.Context, tree, path string) (entry, error) {
	for {
		name, rest, deeper := strings.Cut(path, "/")

		entries, err := o.readTree(ctx, tree)
		if err != nil {
			return entry{}, err
		}

		item := findEntry(entries, name)
		isFolder := item.mode == modeFolder

		if !deeper && !isFolder {
			return item, nil
		}

		if !deeper || !isFolder {
			return entry{}, nil
		}

		tree, path = item.hash, rest
	}
}

// findEntry is the entry of a name, the zero entry where there is none.
func findEntry(entries []entry, name string) entry {
	for _, e := range entries {
		if e.name == name {
			return e
		}
	}

	return entry{}
}
