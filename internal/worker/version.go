package worker

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/ledger"
	"ratchet/sandbox"
)

// version is one commit of the campaign, as layers.
//
// Much that tools keep between builds goes by time and size: Python's bytecode, make,
// ninja, cargo. So nothing that one version's build left reaches another's, but for
// the start's: every build begins with the caches of the start's build, and every check
// with those of the start's check, in the same checkout and under the same contract. A
// version's own files are dated after all that it begins with, and a whole second from
// every other version's, so that none of it can be taken for current (dateFiles).
type version struct {
	commit string
	dir    string
	built  bool
}

func (v *version) delta() string { return filepath.Join(v.dir, "delta") }

func (v *version) build() string { return filepath.Join(v.dir, "build") }

func (v *version) cache() string { return filepath.Join(v.dir, "cache") }

// checkCache is what the check of the start left in HOME; no other version has one.
func (v *version) checkCache() string { return filepath.Join(v.dir, "check-cache") }

// builtMark is the file that holds the version's stamp once its build has succeeded.
func (v *version) builtMark() string { return filepath.Join(v.dir, "built") }

// versionAt is the version of a commit with this tree, made or not.
func versionAt(ws *workspace, commit, tree string) *version {
	return &version{commit: commit, dir: filepath.Join(ws.versionsDir(), ws.stamps.versionOf(tree).name())}
}

// startVersion is the version of the campaign's start, made or not.
func (ws *workspace) startVersion() *version {
	return versionAt(ws, ws.campaign.Start, ws.campaign.StartTree)
}

// makeVersion makes the layers of a commit that differs from the start only in the
// edited files. The start has to be set up and built before, see runner.buildStart.
func (ws *workspace) makeVersion(ctx context.Context, commit string) (*version, error) {
	tree, err := ws.co.Repo.Tree(ctx, commit)
	if err != nil {
		return nil, err
	}

	made, wanted := versionAt(ws, commit, tree), ws.stamps.versionOf(tree)
	if wanted.isIn(stampFile(made.dir)) {
		return made, nil
	}

	folder, err := ws.makeRunDir()
	if err != nil {
		return nil, err
	}
	defer ws.removeRunDir(ctx, folder)

	tmp, err := makeFolder(folder, "version-", "delta")
	if err != nil {
		return nil, err
	}

	if tree != ws.campaign.StartTree {
		delta := filepath.Join(tmp, "delta")
		if _, err := ws.co.Repo.MaterialiseDelta(ctx, ws.campaign.Start, commit, delta); err != nil {
			return nil, err
		}

		if err := dateFiles(ctx, ws, delta); err != nil {
			return nil, err
		}
	}

	return made, installFolder(tmp, made.dir, wanted)
}

// versionLayers are the version's read-only layers, topmost first.
func (ws *workspace) versionLayers(built *version, withBuild bool) (layers []string) {
	if withBuild && ws.program().Build != "" {
		layers = append(layers, built.build())
	}
	layers = append(layers, built.delta(), treeIn(ws.baseDir()))

	if ws.program().Setup != "" && checkout.IsDir(treeIn(ws.setupDir())) {
		layers = append(layers, treeIn(ws.setupDir()))
	}

	return layers
}

// startCaches are the cache layers that a version's build begins with.
func startCaches(ws *workspace, v *version) []string {
	start := ws.startVersion()
	if start.dir == v.dir || !checkout.IsDir(start.cache()) {
		return nil
	}

	return []string{start.cache()}
}

// checkLayers are the cache layers that the check of a version sees, topmost first: what
// the start's check compiled, the next one need not.
func checkLayers(ws *workspace, v *version) []string {
	layers, left := cacheLayers(ws, v), ws.startVersion().checkCache()
	if !checkout.IsDir(left) {
		return layers
	}

	above := slices.Index(layers, ws.startVersion().cache()) // on which it was made
	if above < 0 {
		above = len(layers)
	}

	return slices.Insert(layers, above, left)
}

// cacheLayers are the cache layers that a version's commands see, topmost first.
func cacheLayers(ws *workspace, v *version) []string {
	layers := startCaches(ws, v)
	if checkout.IsDir(v.cache()) {
		layers = append([]string{v.cache()}, layers...)
	}

	return layers
}

// removeUnused removes every version that nothing needs: neither given, nor the
// start, the incumbent or the checkpoint, nor of an open job.
func (r *runner) removeUnused(ctx context.Context, given ...*version) error {
	live, err := r.liveVersions(ctx)
	if err != nil {
		return err
	}

	for _, v := range given {
		live = append(live, v.dir)
	}

	entries, _ := os.ReadDir(r.space.versionsDir())
	for _, e := range entries {
		path := filepath.Join(r.space.versionsDir(), e.Name())
		if !slices.Contains(live, strings.TrimSuffix(path, lockSuffix)) {
			_ = sandbox.RemoveTree(ctx, path)
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
		dir := filepath.Join(r.space.versionsDir(), e.Name())
		text, _ := os.ReadFile(stampFile(dir))
		made := stamp(text)

		isLive := func(tree string) bool { return made.has("tree", tree) }
		if strings.HasPrefix(string(made), string(r.space.stamps.campaign)) && slices.ContainsFunc(trees, isLive) {
			dirs = append(dirs, dir)
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
		trees, commits = []string{campaign.StartTree, campaign.IncumbentTree, campaign.CheckpointTree}, nil

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
