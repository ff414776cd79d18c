package source

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"ratchet/internal/atomicfile"
	"ratchet/internal/fault"
	"ratchet/internal/research"
)

// RefreshIndex makes the user's index hold what the commit has at paths (no
// entry where it has nothing). Of files nothing but the size is looked at. held
// says that somebody held the index's lock for a quarter of a second, and
// nothing was done. No git process where the index holds it already.
func (r *Repo) RefreshIndex(ctx context.Context, commit string, paths []string) (held bool, err error) {
	var feed bytes.Buffer

	for _, path := range paths {
		e, err := r.committed(ctx, commit, path)
		if err != nil {
			return false, err
		}

		if r.indexHolds(path, e) {
			continue
		}

		if e.hash == "" {
			e.hash = strings.Repeat("0", 40)
		}
		fmt.Fprintf(&feed, "%o %s\t%s\x00", e.mode, e.hash, path)
	}

	if feed.Len() == 0 {
		return false, nil
	}

	for range 10 { // most holders, such as an editor's git status, are done in milliseconds
		err = fault.At("git.index", func() error {
			_, err := r.git(ctx, feed.Bytes(), "update-index", "--add", "--replace", "-z", "--index-info")
			return err
		})
		if said := stderrOf(err); !strings.Contains(said, "index.lock") || !strings.Contains(said, "File exists") {
			return false, err
		}
		time.Sleep(25 * time.Millisecond)
	}

	return true, nil
}

// indexHolds says whether the user's index has e at path, in a way that git does
// not take the file for changed by its size alone.
func (r *Repo) indexHolds(path string, e entry) bool {
	is, size, ok := r.indexed(path)
	if !ok || is.hash != e.hash || is.mode != e.mode {
		return false
	}
	info, err := os.Lstat(r.abs(path))

	return err == nil && (size == 0 || size == uint32(info.Size()))
}

// Same is the first of commits that has at paths what the work tree has, as git
// add would store it: content, type and exec bit; missing in both is the same.
// "" when none has. One git process.
func (r *Repo) Same(ctx context.Context, commits, paths []string) (string, error) {
	held, err := r.stored(ctx, commits[0], paths)
	if err != nil {
		return "", err
	}

	for _, commit := range commits {
		same := true

		for _, path := range paths {
			is, err := r.committed(ctx, commit, path)
			if err != nil {
				return "", err
			}
			same = same && is.hash == held[path].hash && is.mode == held[path].mode
		}

		if same {
			return commit, nil
		}
	}

	return "", nil
}

// Restore makes the work tree's file the commit's: smudge filters and line
// endings applied, mode right, replaced in one step. A file that holds these
// bytes already is not touched. CodeNotFound when the commit has no file there,
// CodeScope when a folder is in its place.
func (r *Repo) Restore(ctx context.Context, commit, path string) error {
	if err := r.inside(path); err != nil {
		return err
	}

	is, err := r.committed(ctx, commit, path)
	if err != nil {
		return err
	}

	if is.hash == "" || is.mode == modeSubmodule {
		return research.Errorf(research.CodeNotFound, "check the path", "%s is not a file in %s", path, commit)
	}

	at := r.abs(path)
	if info, err := os.Lstat(at); err == nil && info.IsDir() {
		return research.Errorf(research.CodeScope, "move the folder away, then call again",
			"a folder is in the place of %s", path)
	}

	if is.mode == modeLink {
		target, err := r.Blob(ctx, commit, path)
		if err != nil {
			return err
		}

		return replaceLink(at, string(target))
	}

	content, err := r.git(ctx, nil, "cat-file", "--filters", "--path="+path, is.hash)
	if err != nil {
		return filterFailure(err)
	}

	return replaceFile(at, content, is.mode == modeExec)
}

// besidesName begins the name of a file that is about to replace another; then
// come the process and something random.
const besidesName = atomicfile.TempPrefix

// replaceFile writes a file beside at and renames it there.
func replaceFile(at string, content []byte, exec bool) error {
	perm := fs.FileMode(0o666)
	if exec {
		perm = 0o777
	}

	if info, err := os.Lstat(at); err == nil && info.Mode().IsRegular() && info.Size() == int64(len(content)) &&
		(info.Mode()&0o100 != 0) == exec {
		if now, err := os.ReadFile(at); err == nil && bytes.Equal(now, content) {
			return nil
		}
	}

	temp, err := besides(at)
	if err != nil {
		return err
	}

	f, err := atomicfile.Create(at, atomicfile.Options{Perm: perm, Temp: temp, Durability: atomicfile.ContentFirst})
	if err != nil {
		return fmt.Errorf("create a file beside %s: %w", at, err)
	}
	defer f.Discard()

	if _, err := f.Write(content); err != nil {
		return fmt.Errorf("write %s: %w", at, err)
	}

	if err := f.Flush(); err != nil {
		return fmt.Errorf("sync %s: %w", at, err)
	}

	if err := fault.At("checkout.restore", f.Commit); err != nil {
		return fmt.Errorf("replace %s: %w", at, err)
	}

	return nil
}

func replaceLink(at, target string) error {
	temp, err := besides(at)
	if err != nil {
		return err
	}

	if err := os.Symlink(target, temp); err != nil {
		return fmt.Errorf("make the link %s: %w", at, err)
	}
	defer os.Remove(temp) // fails after the rename, as it should

	if err := os.Rename(temp, at); err != nil {
		return fmt.Errorf("replace %s: %w", at, err)
	}

	return nil
}

// besides is an unused name in the folder of at, which is made if missing. What a
// killed process left there under such a name is removed.
func besides(at string) (string, error) {
	dir := filepath.Dir(at)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", fmt.Errorf("make the folder of %s: %w", at, err)
	}

	stale, _ := filepath.Glob(filepath.Join(globQuoted(dir), besidesName+"*"))
	for _, path := range stale {
		pid, _, _ := strings.Cut(filepath.Base(path)[len(besidesName):], "-")

		n, err := strconv.Atoi(pid)
		if err == nil && n > 0 && ended(n) {
			_ = os.Remove(path) // a nuisance, no more
		}
	}

	return filepath.Join(dir, fmt.Sprintf("%s%d-%s", besidesName, os.Getpid(), rand.Text())), nil
}
