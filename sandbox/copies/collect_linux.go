package copies

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"syscall"

	"ratchet/internal/research"
	"ratchet/sandbox/layers"
)

// Collect moves what the run changed in the copies to the views' upper
// folders. Call it once, when nothing of the run lives any more; the copies are
// of no use afterwards. It ends with ctx's error when ctx ends. A tree that can't be
// listed for its own sake is a *layers.UnlistableError.
func (t *Tree) Collect(ctx context.Context) error {
	for i, v := range t.views {
		if v.Upper == "" {
			continue
		}

		c := collector{
			ctx: ctx, tree: t, view: v, folder: t.folders[i], before: t.manifests[i],
			closedModes: map[string]fs.FileMode{}, upperModes: map[string]fs.FileMode{},
		}
		if err := c.collectFolder("", v.Lower); err != nil {
			return layers.AsUnlistable(err)
		}

		if err := c.setUpperModes(); err != nil {
			return err
		}
	}

	return nil
}

// collector turns one view's copy into its upper folder. In its methods rel is
// a path relative to either.
type collector struct {
	ctx         context.Context
	tree        *Tree
	view        View
	folder      string // the copy
	before      map[string]entryState
	closedModes map[string]fs.FileMode // of folders of the copy that had to be made writable
	upperModes  map[string]fs.FileMode // of folders made in the upper one, set at the end
}

// collectFolder moves what changed in one folder; lower are the folders that
// merged there before the run.
func (c *collector) collectFolder(rel string, lower []string) error {
	dir := filepath.Join(c.folder, rel)

	// The run may have taken the right to look into its own folder.
	if fi, err := os.Stat(dir); err == nil && fi.Mode().Perm()&0o700 != 0o700 {
		c.closedModes[rel] = fi.Mode()

		if err := os.Chmod(dir, 0o700); err != nil {
			return err
		}
	}

	names, err := layers.ListNames(append([]string{dir}, lower...))
	if err != nil {
		return err
	}

	for _, name := range names {
		if err := c.ctx.Err(); err != nil {
			return err
		}

		old, err := layers.Lookup(lower, name)
		if err != nil {
			return err
		}

		if err := c.collectEntry(path.Join(rel, name), old); err != nil {
			return err
		}
	}

	return nil
}

// collectEntry moves one entry if it changed; old is what was there before.
func (c *collector) collectEntry(rel string, old layers.Entry) error {
	at := filepath.Join(c.folder, rel)
	if c.tree.foreign[at] {
		return nil
	}

	fi, err := os.Lstat(at)
	if errors.Is(err, fs.ErrNotExist) {
		if old.Info == nil || c.holdsForeign(at) {
			return nil
		}

		return c.markDeleted(rel)
	}

	if err != nil {
		return err
	}

	if fi.IsDir() {
		if old.Info == nil && c.holdsOnlyForeign(at) {
			return nil
		}

		if old.Dirs == nil || old.Info.Mode() != fi.Mode() {
			if err := c.makeUpperDirs(rel); err != nil {
				return err
			}
		}

		return c.collectFolder(rel, old.Dirs)
	}

	if state, ok := c.before[rel]; ok && state == stateOf(fi.Sys().(*syscall.Stat_t)) {
		return nil
	}

	if err := c.makeUpperDirs(filepath.Dir(rel)); err != nil {
		return err
	}

	return os.Rename(at, filepath.Join(c.view.Upper, rel))
}

// holdsForeign says whether something foreign lies at or below a path of the copy.
func (c *collector) holdsForeign(at string) bool {
	for foreign := range c.tree.foreign {
		if _, ok := cutRoot(at, foreign); ok {
			return true
		}
	}

	return false
}

// holdsOnlyForeign says whether a new folder is there only to hold something foreign.
func (c *collector) holdsOnlyForeign(at string) bool {
	if !c.holdsForeign(at) {
		return false
	}

	entries, err := os.ReadDir(at)
	if err != nil {
		return false
	}

	return !slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		child := filepath.Join(at, e.Name())
		return !c.tree.foreign[child] && !(e.IsDir() && c.holdsOnlyForeign(child))
	})
}

// makeUpperDirs makes a folder of the upper one and those that it lies in, to
// get at the end the modes that they have in the copy.
func (c *collector) makeUpperDirs(rel string) error {
	if rel == "." || rel == "" {
		return nil
	}

	if err := c.makeUpperDirs(filepath.Dir(rel)); err != nil {
		return err
	}

	fi, err := os.Stat(filepath.Join(c.folder, rel))
	if err != nil {
		return err
	}

	mode, ok := c.closedModes[rel]
	if !ok {
		mode = fi.Mode()
	}

	to := filepath.Join(c.view.Upper, rel)
	if err := os.Mkdir(to, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}

	c.upperModes[rel] = mode

	return layers.CopyOwner(to, fi)
}

// setUpperModes gives the folders made in the upper one their modes: what is in
// a folder before the folder, which may lose its write permission.
func (c *collector) setUpperModes() error {
	made := slices.Sorted(maps.Keys(c.upperModes))
	slices.Reverse(made)

	for _, rel := range made {
		if err := os.Chmod(filepath.Join(c.view.Upper, rel), c.upperModes[rel]); err != nil {
			return err
		}
	}

	return nil
}

// markDeleted notes in the upper folder that the run deleted a name.
func (c *collector) markDeleted(rel string) error {
	if err := c.makeUpperDirs(filepath.Dir(rel)); err != nil {
		return err
	}

	if err := layers.MakeWhiteout(filepath.Join(c.view.Upper, rel)); err != nil {
		return research.Errorf(research.CodeUnsupported, "use a Linux kernel of at least 5.8",
			"this machine can't note that the run deleted %s: %w", rel, err)
	}

	return nil
}
