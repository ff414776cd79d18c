package worker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ratchet/internal/atomicfile"
	"ratchet/internal/checkout"
	"ratchet/internal/fault"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/sandbox"
	"ratchet/sandbox/pagecache"
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
//	runs/<random>/        a command's own layers, thrown away; its worker holds the lock
//	                      runs/<random>.lock meanwhile
//
// What a run sees is, topmost first: its own fresh layer, build, delta, base,
// setup; at the repository's own path. Only a kept version's cache is passed on. Of the
// workspace itself a run sees its own folders, whose names say nothing: an edit that
// could tell which job or which side it runs in could be slow in one of them alone.
type workspace struct {
	co       *checkout.Checkout
	campaign *history.Campaign // as it was when the workspace was opened
	dir      string
	folder   string                    // of the program, slash-separated, relative to the root
	held     map[string]*sandbox.Lock  // the folders of this job's commands, in runs/
	visible  map[string]*pagecache.Set // the files of a command's view, by what it is made of
	tier     sandbox.Tier
	binds    []sandbox.Bind      // folders outside the commit that runs see, read-only
	unseen   []string            // dependency folders that exist but are not ignored, so that runs don't see them
	tracked  map[string]string   // the start's tracked paths
	siblings map[string][]string // their names by folder; nil until hasTrackedFile makes it
}

// openWorkspace finds or makes the campaign's workspace, for one job.
func openWorkspace(ctx context.Context, co *checkout.Checkout, campaign *history.Campaign) (*workspace, error) {
	cache, err := co.CacheDir()
	if err != nil {
		return nil, err
	}

	dir := filepath.Join(cache, campaign.Name)
	ws := &workspace{co: co, campaign: campaign, dir: dir, folder: checkout.SlashDir(campaign.ProgramPath),
		held: map[string]*sandbox.Lock{}, visible: map[string]*pagecache.Set{}}

	if err := ws.removeDeadRuns(); err != nil {
		return nil, err
	}

	for _, d := range []string{ws.runsDir(), ws.versionsDir(), ws.homeDir()} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, research.Errorf(research.CodeStorage, "free space, or make the cache folder writable",
				"make %s: %w", d, err)
		}
	}

	if ws.tier, err = detectTier(ctx, co, cache); err != nil {
		return nil, err
	}

	carried, err := ws.carryBinds(ctx)
	if err != nil {
		return nil, err
	}

	read, err := ws.readBinds()
	if err != nil {
		return nil, err
	}
	ws.binds = append(carried, read...)

	if ws.tracked, err = co.Repo.TrackedFiles(ctx, campaign.Start); err != nil {
		return nil, err
	}

	return ws, ws.makeBase(ctx)
}

// close removes the layers of this job's commands.
func (ws *workspace) close() {
	for dir := range ws.held {
		ws.removeRunDir(dir)
	}
}

// makeRunDir makes a folder for one command, under a name that tells nothing.
func (ws *workspace) makeRunDir() (dir string, err error) {
	dir = filepath.Join(ws.runsDir(), strings.ToLower(rand.Text()))

	lock, ok, err := sandbox.TryLock(dir + lockSuffix)
	if err == nil && !ok {
		err = fs.ErrExist
	}

	if err == nil {
		ws.held[dir] = lock
		err = os.Mkdir(dir, 0o755)
	}

	if err != nil {
		return "", research.Errorf(research.CodeStorage, "free space, or make the cache folder writable",
			"make a run's folder: %w", err)
	}

	return dir, nil
}

// removeRunDir removes what makeRunDir made, and gives up its lock last.
func (ws *workspace) removeRunDir(dir string) {
	_ = checkout.RemoveTree(dir)
	_ = os.Remove(dir + lockSuffix)
	_ = ws.held[dir].Release()
	delete(ws.held, dir)
}

// lockSuffix ends the name of the lock on a command's folder.
const lockSuffix = ".lock"

// program is the campaign's contract.
func (ws *workspace) program() *contract.Program { return &ws.campaign.Program }

func (ws *workspace) baseDir() string { return filepath.Join(ws.dir, "base") }

func (ws *workspace) homeDir() string { return filepath.Join(ws.dir, "home") }

func (ws *workspace) runsDir() string { return filepath.Join(ws.dir, "runs") }

func (ws *workspace) versionsDir() string { return filepath.Join(ws.dir, "v") }

// setupDir is what the contract's setup command made; another contract has another.
func (ws *workspace) setupDir() string { return filepath.Join(ws.dir, "setup."+ws.campaign.Digest[:8]) }

// detectTier is what this machine confines by, found out by trying: once a boot, user,
// version of Ratchet and cache folder, since each of these may change the answer.
func detectTier(ctx context.Context, co *checkout.Checkout, cache string) (sandbox.Tier, error) {
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	key := fmt.Sprintf("%s %d %s %s", strings.TrimSpace(string(boot)), os.Getuid(), co.Opt.Version,
		os.Getenv("RATCHET_TIER"))

	path := filepath.Join(cache, "tier")
	if b, err := os.ReadFile(path); err == nil && len(boot) > 0 {
		if was, tier, ok := strings.Cut(string(b), "\n"); ok && was == key {
			return sandbox.Tier(tier), nil
		}
	}

	tier, _, err := sandbox.Detect(ctx, cache)
	if err != nil {
		return "", err
	}

	return tier, atomicfile.Write(path, []byte(key+"\n"+string(tier)),
		atomicfile.Options{Durability: atomicfile.ProcessOnly})
}

// makeBase checks out the start commit, once.
func (ws *workspace) makeBase(ctx context.Context) error {
	if _, err := os.Stat(ws.baseDir()); err == nil {
		return nil
	}

	tmp, err := os.MkdirTemp(ws.dir, "base-")
	if err != nil {
		return research.Errorf(research.CodeStorage, "free space, or make the cache folder writable",
			"make a workspace: %w", err)
	}

	if err := ws.co.Repo.Materialise(ctx, ws.campaign.Start, tmp); err != nil {
		_ = checkout.RemoveTree(tmp)
		return err
	}

	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}

	return ws.installDir(tmp, ws.baseDir())
}

// installDir makes what was prepared in tmp the folder path, or removes it where
// another worker was faster with the same.
func (ws *workspace) installDir(tmp, path string) error {
	err := fault.At("workspace.rename", func() error { return os.Rename(tmp, path) })
	if err != nil && checkout.IsDir(path) {
		return checkout.RemoveTree(tmp)
	}

	return err
}

// removeDeadRuns removes what dead workers left of their commands: the folders whose
// lock nobody holds.
func (ws *workspace) removeDeadRuns() error {
	entries, err := os.ReadDir(ws.runsDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}

	for _, e := range entries {
		dir := filepath.Join(ws.runsDir(), strings.TrimSuffix(e.Name(), lockSuffix))

		if ws.co.HasWorker(ws.campaign.Name, research.JobID(e.Name())) {
			continue // of a version of Ratchet that named them so, and held no lock
		}

		lock, free, lockErr := sandbox.TryLock(dir + lockSuffix)
		if lockErr != nil || !free {
			continue
		}

		removed := errors.Join(checkout.RemoveTree(dir), os.Remove(dir+lockSuffix), lock.Release())
		if removed != nil {
			return removed
		}
	}

	return err
}

// cacheQuota bounds what a campaign's workspace may hold, in bytes.
const cacheQuota = 20 << 30

// requireQuota refuses to go on when the campaign's workspace holds too much.
func (ws *workspace) requireQuota() error {
	var sum int64

	err := filepath.WalkDir(ws.dir, func(_ string, d fs.DirEntry, err error) error {
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
			"the workspace %s holds %d GiB, the quota is %d GiB", ws.dir, sum>>30, int64(cacheQuota)>>30)
	}

	return err
}
