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
	"time"

	"ratchet/internal/atomicfile"
	"ratchet/internal/checkout"
	"ratchet/internal/fault"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/sandbox"
)

// A campaign's workspace, below the user's cache folder:
//
//	base.NAME/tree   the start commit's whole tree, made once, never written again
//	setup.NAME/tree  what the setup command added to it
//	v/NAME/          a version: delta/ the edited files, build/ what its build made,
//	                 cache/ what its build added to the caches of toolchains; a
//	                 candidate and the keep commit made of it are one version
//	times            the time that the latest version's files got
//	shared/          what was removed from shared memory after runs of tier copies
//	home/            the mount point of HOME inside a run
//	runs/<random>/   a command's own layers, thrown away; its worker holds the lock
//	                 runs/<random>.lock meanwhile
//
// A NAME is the hash of what the folder is made from, and its file `stamp` says that
// in full (stamp.go).
//
// What a run sees is, topmost first: its own fresh layer, build, delta, base,
// setup; at the repository's own path. Of caches, a version's commands see its
// own and the start's: no other version's, see version.go. Of the workspace itself a
// run sees its own folders, whose names say nothing: an edit that could tell which job
// or which side it runs in could be slow in one of them alone.
type workspace struct {
	co       *checkout.Checkout
	campaign *history.Campaign // as it was when the workspace was opened
	stamps   stamps
	dir      string
	folder   string                   // of the program, slash-separated, relative to the root
	held     map[string]*sandbox.Lock // the folders of this job's commands, in runs/
	visible  visibleFiles
	tier     sandbox.Tier
	binds    []sandbox.Bind    // folders outside the commit that runs see, read-only
	shown    []string          // paths outside of all this that runs see: toolchains, and the program's reads
	hidden   []string          // what of that they don't
	unseen   []string          // dependency folders that exist but are not ignored, so that runs don't see them
	tracked  map[string]string // the start's tracked paths
}

// openWorkspace finds or makes the campaign's workspace, for one job.
func openWorkspace(ctx context.Context, co *checkout.Checkout, campaign *history.Campaign) (*workspace, error) {
	cache, err := co.CacheDir()
	if err != nil {
		return nil, err
	}

	repository, err := checkout.RepositoryID(co)
	if err != nil {
		return nil, err
	}

	dir := filepath.Join(cache, campaign.Name)
	ws := &workspace{co: co, campaign: campaign, stamps: newStamps(co, repository, campaign), dir: dir,
		folder: checkout.SlashDir(campaign.ProgramPath), held: map[string]*sandbox.Lock{},
		visible: visibleFiles{sets: map[string]*visibleSet{}}}

	if err := ws.removeDeadRuns(ctx); err != nil {
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

	if ws.binds, err = ws.carryBinds(ctx); err != nil {
		return nil, err
	}
	ws.shown, ws.hidden = findToolchains(ws), ws.listHidden()

	paths, binds, err := ws.findReads()
	if err != nil {
		return nil, err
	}
	ws.shown, ws.binds = append(ws.shown, paths...), append(ws.binds, binds...)

	if ws.tracked, err = co.Repo.TrackedFiles(ctx, campaign.Start); err != nil {
		return nil, err
	}

	return ws, ws.makeBase(ctx)
}

// closeLimit is how long the end of a job may wait for the removal of its runs' layers.
const closeLimit = 5 * time.Second

// close removes the layers of this job's commands. What takes too long is removed
// before the next job.
func (ws *workspace) close() {
	ctx, stop := context.WithTimeout(context.Background(), closeLimit)
	defer stop()

	for dir := range ws.held {
		ws.removeRunDir(ctx, dir)
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

// removeRunDir removes what makeRunDir made, and gives up its lock last. What is left
// when ctx ends is removed before the next job.
func (ws *workspace) removeRunDir(ctx context.Context, dir string) {
	if sandbox.RemoveTree(ctx, dir) == nil {
		_ = os.Remove(dir + lockSuffix)
	}
	_ = ws.held[dir].Release()
	delete(ws.held, dir)
}

// lockSuffix ends the name of the lock on a folder of the workspace.
const lockSuffix = ".lock"

// program is the campaign's contract.
func (ws *workspace) program() *contract.Program { return &ws.campaign.Program }

func (ws *workspace) baseDir() string { return filepath.Join(ws.dir, "base."+ws.stamps.base.name()) }

func (ws *workspace) homeDir() string { return filepath.Join(ws.dir, "home") }

func (ws *workspace) runsDir() string { return filepath.Join(ws.dir, "runs") }

func (ws *workspace) versionsDir() string { return filepath.Join(ws.dir, "v") }

func (ws *workspace) setupDir() string { return filepath.Join(ws.dir, "setup."+ws.stamps.setup.name()) }

// treeIn is the layer in a base's or a setup's folder.
func treeIn(dir string) string { return filepath.Join(dir, "tree") }

// detectTier is what this machine confines by, found out by trying: once a boot, user,
// container, version of Ratchet and cache folder, since each of these may change the answer.
func detectTier(ctx context.Context, co *checkout.Checkout, cache string) (sandbox.Tier, error) {
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	users, _ := os.Readlink("/proc/self/ns/user")
	mounts, _ := os.Readlink("/proc/self/ns/mnt")
	key := fmt.Sprintf("%s %d %s %s %s %s", strings.TrimSpace(string(boot)), os.Getuid(), users, mounts,
		co.Opt.Version, os.Getenv(sandbox.TierVariable))

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
	made := ws.stamps.base
	if made.isIn(stampFile(ws.baseDir())) {
		return nil
	}

	folder, err := ws.makeRunDir()
	if err != nil {
		return err
	}
	defer ws.removeRunDir(ctx, folder)

	tmp, err := makeFolder(folder, "base-", "tree")
	if err != nil {
		return err
	}

	if err := ws.co.Repo.Materialise(ctx, ws.campaign.Start, treeIn(tmp)); err != nil {
		_ = checkout.RemoveTree(tmp)
		return err
	}

	return installFolder(tmp, ws.baseDir(), made)
}

// makeFolder makes a folder with an empty one in it.
func makeFolder(below, prefix, inner string) (dir string, err error) {
	if dir, err = os.MkdirTemp(below, prefix); err == nil {
		err = errors.Join(os.Chmod(dir, 0o755), os.Mkdir(filepath.Join(dir, inner), 0o755))
	}

	if err != nil {
		return "", research.Errorf(research.CodeStorage, "free space, or make the cache folder writable",
			"make a folder of the workspace: %w", err)
	}

	return dir, nil
}

// installFolder stamps what was prepared in tmp and makes it the folder path, or
// removes it where another worker was faster with the same. What lies there
// without the stamp was made from something else, and is removed.
func installFolder(tmp, path string, made stamp) error {
	if err := made.write(stampFile(tmp)); err != nil {
		return err
	}

	install := func() error { return os.Rename(tmp, path) }

	err := fault.At("workspace.rename", install)
	if err == nil || !checkout.IsDir(path) {
		return err
	}

	if made.isIn(stampFile(path)) {
		return checkout.RemoveTree(tmp)
	}

	return errors.Join(checkout.RemoveTree(path), install())
}

// keepCheckCache keeps what the start's check left in upper, its layer of HOME. Another
// session may have been faster.
func keepCheckCache(ws *workspace, v *version, upper string) {
	if start := ws.startVersion(); v.dir == start.dir && !checkout.IsDir(start.checkCache()) {
		now := time.Now()
		_ = os.Chtimes(upper, now, now) // what versions are dated after, see takeTime
		_ = os.Rename(upper, start.checkCache())
	}
}

// removeDeadRuns removes what dead workers left of their commands: the folders whose
// lock nobody holds.
func (ws *workspace) removeDeadRuns(ctx context.Context) error {
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

		removed := errors.Join(sandbox.RemoveTree(ctx, dir), os.Remove(dir+lockSuffix), lock.Release())
		if removed != nil {
			return removed
		}
	}

	return err
}

// cacheQuota bounds what a campaign's workspace may hold, in bytes.
const cacheQuota = 20 << 30

// requireQuota refuses to go on when the campaign's workspace holds too much.
func (ws *workspace) requireQuota(ctx context.Context) error {
	var sum int64

	err := filepath.WalkDir(ws.dir, func(_ string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}

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
