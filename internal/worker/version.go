package worker

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/ledger"
)

// version is one commit of the campaign, as layers.
type version struct {
	commit string
	dir    string
	parent *version // whose caches its build reads; nil for none
	built  bool
}

func (v *version) delta() string { return filepath.Join(v.dir, "delta") }

func (v *version) build() string { return filepath.Join(v.dir, "build") }

func (v *version) cache() string { return filepath.Join(v.dir, "cache") }

// makeVersion makes the layers of a commit that differs from the start only in the
// edited files.
func (ws *workspace) makeVersion(ctx context.Context, commit string) (*version, error) {
	tree, err := ws.co.Repo.Tree(ctx, commit)
	if err != nil {
		return nil, err
	}

	built := &version{commit: commit, dir: filepath.Join(ws.versionsDir(), ws.versionName(tree))}
	if _, err := os.Stat(built.delta()); err == nil {
		return built, nil
	}

	dir, err := ws.makeRunDir()
	if err != nil {
		return nil, err
	}
	defer ws.removeRunDir(dir)

	tmp := filepath.Join(dir, "delta")
	if err := os.Mkdir(tmp, 0o755); err != nil {
		return nil, fmt.Errorf("make a version: %w", err)
	}

	if commit != ws.campaign.Start {
		if _, err := ws.co.Repo.MaterialiseDelta(ctx, ws.campaign.Start, commit, tmp); err != nil {
			return nil, err
		}
	}

	if err := os.MkdirAll(built.dir, 0o755); err != nil {
		return nil, fmt.Errorf("make a version: %w", err)
	}

	return built, ws.installDir(tmp, built.delta())
}

// versionName names a version's folder: by what it holds, the contract that it
// was built under, and the path at which it was built.
func (ws *workspace) versionName(tree string) string {
	root := sha256.Sum256([]byte(ws.co.Repo.Root()))
	return fmt.Sprintf("%s.%s.%x", tree[:20], ws.campaign.Digest[:8], root[:4])
}

// startVersionDir is the folder of the start's version, built under this contract at
// whatever path; "" where there is none.
func (ws *workspace) startVersionDir() string {
	prefix := ws.campaign.StartTree[:20] + "." + ws.campaign.Digest[:8] + "."

	entries, _ := os.ReadDir(ws.versionsDir())
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), prefix) {
			continue
		}

		dir := filepath.Join(ws.versionsDir(), e.Name())
		if _, err := os.Stat(filepath.Join(dir, "built")); err == nil {
			return dir
		}
	}

	return ""
}

// versionLayers are the version's read-only layers, topmost first.
func (ws *workspace) versionLayers(built *version, withBuild bool) (layers []string) {
	if withBuild && ws.program().Build != "" {
		layers = append(layers, built.build())
	}
	layers = append(layers, built.delta(), ws.baseDir())

	if ws.program().Setup != "" && checkout.IsDir(ws.setupDir()) {
		layers = append(layers, ws.setupDir())
	}

	return layers
}

// cacheLayers are the cache layers that a version's build may read, topmost first.
func (ws *workspace) cacheLayers(v *version) []string {
	text, err := os.ReadFile(filepath.Join(v.dir, "caches.json"))

	var dirs []string
	if err != nil || json.Unmarshal(text, &dirs) != nil {
		return nil
	}

	return slices.DeleteFunc(dirs, func(d string) bool { return !checkout.IsDir(d) })
}

// maxCaches bounds the cache layers under a build: the oldest, which holds the
// bulk, and the newest ones. A cache may miss; it may not be wrong.
const maxCaches = 6

// inheritCaches notes which caches v's build reads: its parent's own, then what its
// parent read. The list is cut in the middle.
func (ws *workspace) inheritCaches(built *version) ([]string, error) {
	var dirs []string

	if built.parent != nil {
		if checkout.IsDir(built.parent.cache()) {
			dirs = append(dirs, built.parent.cache())
		}
		dirs = append(dirs, ws.cacheLayers(built.parent)...)
	}

	if len(dirs) > maxCaches {
		dirs = append(dirs[:maxCaches-1], dirs[len(dirs)-1])
	}

	text, err := json.Marshal(dirs)
	if err != nil {
		return nil, err
	}

	return dirs, os.WriteFile(filepath.Join(built.dir, "caches.json"), text, 0o666)
}

// removeUnused removes every version that nothing needs: neither given, nor of an
// open job, nor the incumbent or the checkpoint, nor read, for its caches, by one that is.
func (r *runner) removeUnused(ctx context.Context, given ...*version) error {
	live, err := r.liveVersions(ctx)
	if err != nil {
		return err
	}

	for _, v := range given {
		live = append(live, v.dir)
	}

	used := map[string]bool{}
	for _, dir := range live {
		used[dir] = true
		for _, cache := range r.space.cacheLayers(&version{dir: dir}) {
			used[filepath.Dir(cache)] = true
		}
	}

	entries, _ := os.ReadDir(r.space.versionsDir())
	for _, e := range entries {
		path := filepath.Join(r.space.versionsDir(), e.Name())
		if !used[strings.TrimSuffix(path, ".lock")] {
			_ = checkout.RemoveTree(path)
		}
	}

	return nil
}

// liveVersions are the folders of the versions that some job of the campaign may need
// now, at whichever path it builds them.
func (r *runner) liveVersions(ctx context.Context) (dirs []string, err error) {
	trees, commits, err := r.liveTrees(ctx)
	if err != nil {
		return nil, err
	}

	for _, commit := range commits {
		tree, err := r.Repo.Tree(ctx, commit)
		if err != nil {
			return nil, err
		}
		trees = append(trees, tree)
	}

	entries, _ := os.ReadDir(r.space.versionsDir())
	for _, e := range entries {
		isLive := func(tree string) bool { return strings.HasPrefix(e.Name(), tree[:20]+".") }
		if slices.ContainsFunc(trees, isLive) {
			dirs = append(dirs, filepath.Join(r.space.versionsDir(), strings.TrimSuffix(e.Name(), ".lock")))
		}
	}

	return dirs, nil
}

// liveTrees are the trees that some job of the campaign may need now, and the
// commits whose trees are needed too.
func (r *runner) liveTrees(ctx context.Context) (trees, commits []string, err error) {
	err = r.Ledger.View(ctx, func(tx *ledger.Tx) error {
		campaign, err := tx.Campaign(r.campaign)
		if err != nil {
			return err
		}
		trees, commits = []string{campaign.IncumbentTree, campaign.CheckpointTree}, nil

		for _, id := range campaign.Open {
			if id.Kind() == research.ExperimentJob {
				experiment, err := tx.Experiment(campaign.Name, id.N())
				if err != nil {
					return err
				}

				trees, commits = append(trees, experiment.Tree), append(commits, experiment.Parent)

				continue
			}

			measurement, err := tx.Measurement(campaign.Name, id)
			if err != nil {
				return err
			}

			commits = append(commits, measurement.Commit)
			if measurement.Paired != "" {
				commits = append(commits, measurement.Paired)
			}
		}

		return nil
	})

	return trees, commits, err
}
