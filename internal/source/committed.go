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
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"ratchet/internal/research"
)

// requireCommitted refuses files that git has checked out of a tree into dir with other
// content than the tree has: a run must see what a merge will bring. Content may differ
// by its line endings, and where a .gitattributes of the tree itself asks for a filter,
// an encoding or an ident. Attributes of the repository's own (.git/info/attributes) and
// of the user's configuration travel with no commit and don't count.
// Errors: CodeRepository.
func (o *Objects) requireCommitted(ctx context.Context, tree string, files map[string]entry, dir string) error {
	var converted []string

	for path, item := range files {
		at := filepath.Join(dir, filepath.FromSlash(path))

		hash, err := hashFile(at)
		if err != nil {
			return fmt.Errorf("read %s as checked out: %w", path, err)
		}

		if hash == item.hash {
			continue
		}

		same, err := o.differsByLineEndings(ctx, item.hash, at)
		if err != nil {
			return err
		}

		if !same {
			converted = append(converted, path)
		}

		if ctx.Err() != nil {
			return research.Errorf(research.CodeCancelled, "call again", "the check of a checkout was interrupted: %w",
				ctx.Err())
		}
	}

	if len(converted) == 0 {
		return nil
	}
	slices.Sort(converted)

	unasked, err := o.withoutOwnFilter(ctx, tree, converted)
	if err != nil || len(unasked) == 0 {
		return err
	}

	return research.Errorf(research.CodeRepository,
		"take its line out of .git/info/attributes or core.attributesFile, or put it into a .gitattributes and commit that",
		"git checks %s out with other content than is committed, by a filter that no .gitattributes of the repository names",
		unasked[0])
}

// hashFile is the hash of the blob that a file's or a link's content would be.
func hashFile(path string) (string, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return "", err
	}

	if info.Mode()&os.ModeSymlink != 0 {
		target, err := os.Readlink(path)
		return hashObject(plumbing.BlobObject, []byte(target)), err
	}

	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("it is %s", describeKind(info.Mode()))
	}

	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()

	sum := sha1.New()
	fmt.Fprintf(sum, "%s %d\x00", plumbing.BlobObject, info.Size())
	_, err = io.Copy(sum, file)

	return hex.EncodeToString(sum.Sum(nil)), err
}

// hashObject is the hash of an object with this content.
func hashObject(kind plumbing.ObjectType, content []byte) string {
	sum := sha1.New()
	fmt.Fprintf(sum, "%s %d\x00", kind, len(content))
	sum.Write(content)

	return hex.EncodeToString(sum.Sum(nil))
}

// differsByLineEndings says whether a file has a blob's content but for its line endings.
func (o *Objects) differsByLineEndings(ctx context.Context, blob, path string) (bool, error) {
	committed, err := o.readObject(ctx, plumbing.BlobObject, blob)
	if err != nil {
		return false, err
	}

	found, err := os.ReadFile(path)
	if err != nil {
		return false, fmt.Errorf("read a file as checked out: %w", err)
	}

	plain := func(text []byte) []byte { return bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")) }

	return bytes.Equal(plain(committed), plain(found)), nil
}

// convertingAttributes are those by which git changes more of a file than its line endings.
var convertingAttributes = []string{"filter", "working-tree-encoding", "ident"}

// withoutOwnFilter returns those of paths to which no .gitattributes of the tree gives a
// converting attribute. Git is asked in a bare folder with the tree's attributes, where
// it finds no info/attributes.
func (o *Objects) withoutOwnFilter(ctx context.Context, tree string, paths []string) ([]string, error) {
	s, err := o.buildScratch(ctx, tree, paths)
	if err != nil {
		return nil, err
	}
	defer s.removeFolder()

	for _, folder := range []string{"refs", "objects"} {
		if err := os.Mkdir(filepath.Join(s.dir, folder), 0o700); err != nil {
			return nil, fmt.Errorf("make a private git folder: %w", err)
		}
	}

	if err := os.WriteFile(filepath.Join(s.dir, "HEAD"), []byte("ref: refs/heads/none\n"), 0o600); err != nil {
		return nil, fmt.Errorf("make a private git folder: %w", err)
	}

	env := []string{"GIT_DIR=" + s.dir, "GIT_INDEX_FILE=" + s.path, "GIT_ATTR_NOSYSTEM=1",
		"GIT_OBJECT_DIRECTORY=" + filepath.Join(o.commonDir, "objects")}
	args := append([]string{"-c", "core.attributesFile=/dev/null", "check-attr", "--cached", "-z", "--stdin"},
		convertingAttributes...)

	out, err := o.run(ctx, invocation{stdin: joinFields(paths), env: env}, args...)
	if err != nil {
		return nil, err
	}

	asked := map[string]bool{}
	for triple := range slices.Chunk(splitFields(out), 3) { // path, attribute, value
		if len(triple) == 3 && triple[2] != "unspecified" && triple[2] != "unset" {
			asked[triple[0]] = true
		}
	}

	return slices.DeleteFunc(paths, func(path string) bool { return asked[path] }), nil
}

// requireHash refuses an object whose content has another hash than its name: neither
// git nor go-git looks at that when they read. Errors: CodeRepository.
func requireHash(kind plumbing.ObjectType, hash string, content []byte) error {
	if strings.EqualFold(hashObject(kind, content), hash) {
		return nil
	}

	return research.Errorf(research.CodeRepository,
		"`git fsck` lists what is damaged; put the object back from a clone or a backup (a copy of its file or pack below .git/objects)",
		"the %s %s of this repository is damaged: its content has another hash", kind, hash)
}
