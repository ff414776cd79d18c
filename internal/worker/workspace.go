package worker

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ratchet/internal/checkout"
	"ratchet/internal/fault"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/ledger"
	"ratchet/sandbox"
)

// A campaign's workspace, below the user's cache folder:
//
//	base/                 the start commit's whole tree, made once, never written again
//	setup.<contract>/     what the setup command added to it
//	v/<tree>.<contract>/  a version: delta/ the edited files, build/ what its build
//	                      made, cache/ what its build added to the caches of
//	                      toolchains; a candidate and the keep commit made of it
//	                      are one version
//	home/                 the mount point of HOME inside a run
//	runs/<job>/           the runs' own layers, thrown away
//
// What a run sees is, topmost first: its own fresh layer, build, delta, base,
// setup; at the repository's own path. Only a kept version's cache is passed on.
type workspace struct {
	lab    *checkout.Checkout
	c      *history.Campaign
	dir    string
	folder string // of the program, relative to the root
	tier   sandbox.Tier
	carry  []sandbox.Bind
	tree   map[string]string   // the start's tracked paths
	beside map[string][]string // their names by folder, made when first asked for
	run    string              // this job's runs/<job>
	serial int
	unseen []string // dependency folders that exist but are not ignored, so that runs don't see them
}

// version is one commit of the campaign, as layers.
type version struct {
	commit string
	dir    string
	parent *version // the incumbent it was made from: its caches are read
	built  bool
}

func (v *version) delta() string { return filepath.Join(v.dir, "delta") }

func (v *version) build() string { return filepath.Join(v.dir, "build") }

func (v *version) cache() string { return filepath.Join(v.dir, "cache") }

// maxCaches bounds the cache layers under a build: the oldest, which holds the
// bulk, and the newest ones. A cache may miss; it may not be wrong.
const maxCaches = 6

// cacheQuota bounds what a repository's workspaces may hold, in bytes.
const cacheQuota = 20 << 30

func openWorkspace(
	ctx context.Context, co *checkout.Checkout, c *history.Campaign, id research.JobID,
) (*workspace, error) {
	dir, err := co.CacheDir()
	if err != nil {
		return nil, err
	}
	w := &workspace{lab: co, c: c, dir: filepath.Join(dir, c.Name), folder: checkout.SlashDir(c.ProgramPath)}

	w.run = filepath.Join(w.dir, "runs", string(id))
	if err := w.removeDeadRuns(); err != nil {
		return nil, err
	}

	for _, d := range []string{w.run, filepath.Join(w.dir, "v"), w.homeDir()} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, research.Errorf(research.CodeStorage, "free space, or make the cache folder writable",
				"make %s: %w", d, err)
		}
	}

	if w.tier, err = detectTier(ctx, co, dir); err != nil {
		return nil, err
	}

	if w.carry, err = w.carryBinds(ctx); err != nil {
		return nil, err
	}

	reads, err := w.readBinds()
	if err != nil {
		return nil, err
	}

	w.carry = append(w.carry, reads...)
	if w.tree, err = co.Repo.Tracked(ctx, c.Start); err != nil {
		return nil, err
	}

	return w, w.makeBase(ctx)
}

// detectTier is what this machine confines by, found out by trying: once a boot, user,
// version and cache folder, since each of these may change the answer.
func detectTier(ctx context.Context, co *checkout.Checkout, dir string) (sandbox.Tier, error) {
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	key := fmt.Sprintf("%s %d %s %s", strings.TrimSpace(string(boot)), os.Getuid(), co.Opt.Version,
		os.Getenv("RATCHET_TIER"))

	path := filepath.Join(dir, "tier")
	if b, err := os.ReadFile(path); err == nil && len(boot) > 0 {
		if was, tier, ok := strings.Cut(string(b), "\n"); ok && was == key {
			return sandbox.Tier(tier), nil
		}
	}

	tier, _, err := sandbox.Detect(ctx, dir)
	if err != nil {
		return "", err
	}

	return tier, writeFile(path, key+"\n"+string(tier))
}

// writeFile replaces a small file of the workspace as a whole.
func writeFile(path, text string) error {
	tmp := fmt.Sprintf("%s.%d", path, os.Getpid())
	if err := os.WriteFile(tmp, []byte(text), 0o666); err != nil {
		return err
	}

	return os.Rename(tmp, path)
}

func (w *workspace) close() { _ = checkout.RemoveTree(w.run) }

func (w *workspace) baseDir() string { return filepath.Join(w.dir, "base") }

func (w *workspace) homeDir() string { return filepath.Join(w.dir, "home") }

// makeBase checks out the start commit, once.
func (w *workspace) makeBase(ctx context.Context) error {
	if _, err := os.Stat(w.baseDir()); err == nil {
		return nil
	}

	tmp, err := os.MkdirTemp(w.dir, "base-")
	if err != nil {
		return research.Errorf(research.CodeStorage, "free space, or make the cache folder writable",
			"make a workspace: %w", err)
	}

	if err := w.lab.Repo.Materialise(ctx, w.c.Start, tmp); err != nil {
		_ = checkout.RemoveTree(tmp)
		return err
	}

	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}

	return w.installDir(tmp, w.baseDir())
}

// installDir makes what was prepared in tmp the folder path, or removes it where
// another supervisor was faster with the same.
func (w *workspace) installDir(tmp, path string) error {
	err := fault.At("workspace.rename", func() error { return os.Rename(tmp, path) })
	if err != nil && checkout.IsDir(path) {
		return checkout.RemoveTree(tmp)
	}

	return err
}

// removeDeadRuns removes what dead supervisors left of their runs, and of this job's
// own earlier ones.
func (w *workspace) removeDeadRuns() error {
	entries, err := os.ReadDir(filepath.Dir(w.run))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}

	for _, e := range entries {
		if e.Name() != filepath.Base(w.run) && w.lab.HasWorker(w.c.Name, research.JobID(e.Name())) {
			continue
		}

		if err := checkout.RemoveTree(filepath.Join(filepath.Dir(w.run), e.Name())); err != nil {
			return err
		}
	}

	return err
}

// makeVersion makes the layers of a commit that differs from the start only in the
// edited files.
func (w *workspace) makeVersion(ctx context.Context, commit string) (*version, error) {
	tree, err := w.lab.Repo.Tree(ctx, commit)
	if err != nil {
		return nil, err
	}

	v := &version{commit: commit, dir: filepath.Join(w.dir, "v", w.versionName(tree))}
	if _, err := os.Stat(v.delta()); err == nil {
		return v, nil
	}

	tmp, err := os.MkdirTemp(w.run, "delta-")
	if err != nil {
		return nil, fmt.Errorf("make a version: %w", err)
	}

	if err := os.Chmod(tmp, 0o755); err != nil {
		return nil, err
	}

	if commit != w.c.Start {
		if _, err := w.lab.Repo.MaterialiseDelta(ctx, w.c.Start, commit, tmp); err != nil {
			return nil, err
		}
	}

	if err := os.MkdirAll(v.dir, 0o755); err != nil {
		return nil, fmt.Errorf("make a version: %w", err)
	}

	return v, w.installDir(tmp, v.delta())
}

// versionName names a version's folder: by what it holds, the contract that it
// was built under, and the path at which it was built.
func (w *workspace) versionName(tree string) string {
	root := sha256.Sum256([]byte(w.lab.Repo.Root()))
	return fmt.Sprintf("%s.%s.%x", tree[:20], w.c.Digest[:8], root[:4])
}

// readLayers are the version's read-only layers, topmost first.
func (w *workspace) readLayers(v *version, withBuild bool) []string {
	var out []string
	if withBuild && w.c.Program.Build != "" {
		out = append(out, v.build())
	}

	out = append(out, v.delta(), w.baseDir())
	if setup := w.setupDir(); w.c.Program.Setup != "" && checkout.IsDir(setup) {
		out = append(out, setup)
	}

	return out
}

// setupDir is what the contract's setup command made; another contract has another.
func (w *workspace) setupDir() string { return filepath.Join(w.dir, "setup."+w.c.Digest[:8]) }

// cacheLayers are the cache layers that a version's build may read, topmost first.
func (w *workspace) cacheLayers(v *version) []string {
	b, err := os.ReadFile(filepath.Join(v.dir, "caches.json"))

	var names []string
	if err != nil || json.Unmarshal(b, &names) != nil {
		return nil
	}

	return slices.DeleteFunc(names, func(d string) bool { return !checkout.IsDir(d) })
}

// inheritCaches notes which caches v's build reads: its parent's own, then what its
// parent read. The list is cut in the middle.
func (w *workspace) inheritCaches(v *version) ([]string, error) {
	var list []string

	if v.parent != nil {
		if checkout.IsDir(v.parent.cache()) {
			list = append(list, v.parent.cache())
		}
		list = append(list, w.cacheLayers(v.parent)...)
	}

	if len(list) > maxCaches {
		list = append(list[:maxCaches-1], list[len(list)-1])
	}

	b, err := json.Marshal(list)
	if err != nil {
		return nil, err
	}

	return list, os.WriteFile(filepath.Join(v.dir, "caches.json"), b, 0o666)
}

// removeUnused removes every version that is not in play: neither given, nor of an open
// job, nor the incumbent or the checkpoint, nor read, for its caches, by one that is.
func (s *worker) removeUnused(ctx context.Context, play ...*version) error {
	w, used := s.space, map[string]bool{}

	dirs, err := s.liveVersions(ctx)
	if err != nil {
		return err
	}

	for _, v := range play {
		dirs = append(dirs, v.dir)
	}

	for _, dir := range dirs {
		used[dir] = true
		for _, c := range w.cacheLayers(&version{dir: dir}) {
			used[filepath.Dir(c)] = true
		}
	}

	entries, _ := os.ReadDir(filepath.Join(w.dir, "v"))
	for _, e := range entries {
		if path := filepath.Join(w.dir, "v", e.Name()); !used[strings.TrimSuffix(path, ".lock")] {
			_ = checkout.RemoveTree(path)
		}
	}

	return nil
}

// liveVersions are the folders of the versions that some job of the campaign may need
// now, at whichever path it builds them.
func (s *worker) liveVersions(ctx context.Context) (dirs []string, err error) {
	trees := map[string]bool{}
	var commits []string

	err = s.Ledger.View(ctx, func(tx *ledger.Tx) error {
		c, err := tx.Campaign(s.campaign)
		if err != nil {
			return err
		}

		trees[c.IncumbentTree], trees[c.CheckpointTree] = true, true
		for _, id := range c.Open {
			if id.Kind() == research.ExperimentJob {
				x, err := tx.Experiment(c.Name, id.N())
				if err != nil {
					return err
				}

				trees[x.Tree], commits = true, append(commits, x.Parent)

				continue
			}

			m, err := tx.Measurement(c.Name, id)
			if err != nil {
				return err
			}

			commits = append(commits, m.Commit)
			if m.Paired != "" {
				commits = append(commits, m.Paired)
			}
		}

		return nil
	})
	if err != nil {
		return nil, err
	}

	for _, commit := range commits {
		tree, err := s.Repo.Tree(ctx, commit)
		if err != nil {
			return nil, err
		}
		trees[tree] = true
	}

	entries, _ := os.ReadDir(filepath.Join(s.space.dir, "v"))
	for _, e := range entries {
		for tree := range trees {
			if strings.HasPrefix(e.Name(), tree[:20]+".") {
				dirs = append(dirs, filepath.Join(s.space.dir, "v", strings.TrimSuffix(e.Name(), ".lock")))
			}
		}
	}

	return dirs, nil
}

// codeFiles are names that interpreters and tools load by themselves: a run
// that leaves one could steer what comes after it.
var codeFiles = []string{"conftest.py", "sitecustomize.py", "usercustomize.py", ".npmrc", "package.json", ".pnp.cjs",
	"pytest.ini", "Makefile", "makefile", "GNUmakefile"}

// requireQuota refuses to go on when the repository's workspaces hold too much.
func (w *workspace) requireQuota() error {
	var sum int64

	err := filepath.WalkDir(w.dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // a vanished file counts nothing
		}

		if info, err := d.Info(); err == nil {
			sum += info.Size()
		}

		return nil
	})
	if err == nil && sum > cacheQuota {
		return research.Errorf(research.CodeStorage, "run `ratchet gc`, or make the build smaller",
			"the workspace %s holds %d GiB, the quota is %d GiB", w.dir, sum>>30, int64(cacheQuota)>>30)
	}

	return err
}
