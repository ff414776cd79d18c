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
// entry where it has nothing). Of the files only the size is looked at. held is true
// when another process held the index's lock for a quarter of a second; nothing was
// done then. Where the index is right already, no git process is started.
func (r *Repo) RefreshIndex(ctx context.Context, commit string, paths []string) (held bool, err error) {
	var feed bytes.Buffer

	for _, path := range paths {
		item, err := r.entryInCommit(ctx, commit, path)
		if err != nil {
			return false, err
		}

		if r.indexHolds(path, item) {
			continue
		}

		if item.hash == "" { // zeros remove the entry
			item.hash = strings.Repeat("0", 40)
		}

		fmt.Fprintf(&feed, "%o %s\t%s\x00", item.mode, item.hash, path)
	}

	if feed.Len() == 0 {
		return false, nil
	}

	for range 10 { // most holders, such as an editor's git status, are done in milliseconds
		err = fault.At("git.index", func() error {
			_, err := r.git(ctx, feed.Bytes(), "update-index", "--add", "--replace", "-z", "--index-info")
			return err
		})

		said := stderrOf(err)
		if isLocked := strings.Contains(said, "index.lock") && strings.Contains(said, "File exists"); !isLocked {
			return false, err
		}

		time.Sleep(25 * time.Millisecond)
	}

	return true, nil
}

// indexHolds says whether the user's index has e at path, in a way that git does
// not take the file for changed by its size alone.
func (r *Repo) indexHolds(path string, e entry) bool {
	indexed, size, ok := r.findIndexed(path)
	if !ok || indexed.hash != e.hash || indexed.mode != e.mode {
		return false
	}

	info, err := os.Lstat(r.absPath(path))

	return err == nil && (size == 0 || size == uint32(info.Size()))
}

// FirstMatching returns the first of commits that has at paths what the work tree has,
// as git add would store it: content, type and exec bit; missing in both is the same.
// It returns "" when none has. One git process.
func (r *Repo) FirstMatching(ctx context.Context, commits, paths []string) (string, error) {
	staged, err := r.stageFiles(ctx, commits[0], paths)
	if err != nil {
		return "", err
	}

	for _, commit := range commits {
		same := true

		for _, path := range paths {
			committed, err := r.entryInCommit(ctx, commit, path)
			if err != nil {
				return "", err
			}

			if committed.hash != staged[path].hash || committed.mode != staged[path].mode {
				same = false
			}
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
	if err := r.requireInside(path); err != nil {
		return err
	}

	committed, err := r.entryInCommit(ctx, commit, path)
	if err != nil {
		return err
	}

	if !committed.hasContent() {
		return research.Errorf(research.CodeNotFound, "check the path", "%s is not a file in %s", path, commit)
	}

	at := r.absPath(path)
	if info, err := os.Lstat(at); err == nil && info.IsDir() {
		return research.Errorf(research.CodeScope, "move the folder away, then call again",
			"a folder is in the place of %s", path)
	}

	if committed.mode == modeLink {
		target, err := r.Blob(ctx, commit, path)
		if err != nil {
			return err
		}

		return replaceLink(at, string(target))
	}

	content, err := r.git(ctx, nil, "cat-file", "--filters", "--path="+path, committed.hash)
	if err != nil {
		return explainFilterFailure(err)
	}

	return replaceFile(at, content, committed.mode == modeExec)
}

// tempPrefix begins the name of a file that will replace another; the process's id
// and random letters follow.
const tempPrefix = atomicfile.TempPrefix

// replaceFile writes a file beside at and renames it there. A file that has the
// content and the exec bit already is left alone.
func replaceFile(at string, content []byte, exec bool) error {
	if fileHolds(at, content, exec) {
		return nil
	}

	temp, err := tempNameBeside(at)
	if err != nil {
		return err
	}

	perm := fs.FileMode(0o666)
	if exec {
		perm = 0o777
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

// fileHolds says whether at is a plain file with this content and exec bit.
func fileHolds(at string, content []byte, exec bool) bool {
	info, err := os.Lstat(at)
	if err != nil || !info.Mode().IsRegular() || info.Size() != int64(len(content)) {
		return false
	}

	if isExec := info.Mode()&0o100 != 0; isExec != exec {
		return false
	}

	present, err := os.ReadFile(at)

	return err == nil && bytes.Equal(present, content)
}

// replaceLink makes a link beside at and renames it there.
func replaceLink(at, target string) error {
	temp, err := tempNameBeside(at)
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

// tempNameBeside returns an unused name in the folder of at, and makes that folder if it
// is missing. It removes what killed processes left there under such names.
func tempNameBeside(at string) (string, error) {
	dir := filepath.Dir(at)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", fmt.Errorf("make the folder of %s: %w", at, err)
	}

	stale, _ := filepath.Glob(filepath.Join(quoteGlob(dir), tempPrefix+"*"))
	for _, path := range stale {
		owner, _, _ := strings.Cut(filepath.Base(path)[len(tempPrefix):], "-")

		pid, err := strconv.Atoi(owner)
		if err == nil && pid > 0 && processGone(pid) {
			_ = os.Remove(path) // a file that stays does no harm
		}
	}

	return filepath.Join(dir, fmt.Sprintf("%s%d-%s", tempPrefix, os.Getpid(), rand.Text())), nil
}
