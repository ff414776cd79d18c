package sandbox

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"ratchet/internal/queue"
	"ratchet/internal/research"
)

// SharedLocks is the folder of the machine's locks, where all users can share one. What
// lies in it says who measures now.
const SharedLocks = "/run/lock/ratchet"

const slotTick = 20 * time.Millisecond // between two tries for a free slot

// LocksVariable names a folder to use instead of the machine-wide one. Runs
// that use different folders do not take turns: it is for tests, and for
// machines that are partitioned by other means.
const LocksVariable = "RATCHET_LOCKS"

// LockDir is the folder of machine-wide locks, made if absent: shared by all
// users where the machine has a place for that, else one of this user alone
// (shared is false: other users are not seen).
func LockDir() (dir string, shared bool, err error) {
	if dir := os.Getenv(LocksVariable); dir != "" {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return "", false, roomError("make a folder for locks", err)
		}

		return dir, false, nil
	}

	if runtime.GOOS == "linux" && makeSharedDir(SharedLocks) {
		return SharedLocks, true, nil
	}

	dir = filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "ratchet")
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(os.TempDir(), fmt.Sprintf("ratchet-%d", os.Getuid()))
	}

	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", false, roomError("make a folder for locks", err)
	}

	if fi, err := os.Lstat(dir); err != nil || !fi.IsDir() || !isOwnedByUs(fi) {
		return "", false, research.Errorf(research.CodeStorage,
			"remove it, or set XDG_RUNTIME_DIR to a folder of your own",
			"the folder for locks %s belongs to somebody else", dir)
	}

	return dir, false, nil
}

// makeSharedDir says whether dir is, or could be made, a folder in which every
// user may lock and nobody may remove another's files.
func makeSharedDir(dir string) bool {
	if os.Mkdir(dir, 0o777) == nil && os.Chmod(dir, 0o777|os.ModeSticky) != nil {
		return false
	}

	fi, err := os.Lstat(dir)

	return err == nil && fi.IsDir() && fi.Mode()&os.ModeSticky != 0 && fi.Mode().Perm() == 0o777
}

// AcquireSlot waits for one of the machine's n slots of that name (letters,
// digits, dot, dash and underscore) and returns the lock on it, in whose file
// the holder may say who it is. Slots are given in the order of arrival, on
// Linux. waiting, if not nil, is called with the place in the queue, from 1, and
// what the first slot's holder wrote, once and whenever either changes. It fails
// with ctx's error when ctx ends.
func AcquireSlot(ctx context.Context, name string, n int, waiting func(place int, holder string)) (*Lock, error) {
	if name == "" || strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789._-") != "" || n < 1 {
		return nil, research.Errorf(research.CodeBadArgument,
			"use letters, digits, dots and dashes, and at least one slot",
			"no slot can have the name %q and the number %d", name, n)
	}

	dir, _, err := LockDir()
	if err != nil {
		return nil, err
	}

	path := func(slot int) string { return filepath.Join(dir, fmt.Sprintf("%s.%d", name, slot)) }
	readHolder := func() string {
		b, _ := os.ReadFile(path(0)) // a hint; without it nobody is named
		return string(b)
	}

	turn, err := queue.Enter(ctx, filepath.Join(dir, name+".queue"), queue.Options{
		Tick: slotTick / 4,
		Mode: 0o666,
		Waiting: func(ahead int, _ queue.Holder) {
			if waiting != nil {
				waiting(ahead+2, readHolder())
			}
		},
	})
	if err != nil {
		return nil, fmt.Errorf("queue for a slot of %s: %w", name, err)
	}
	defer turn.Close()

	// First in the queue: the next free slot is ours.
	lastHolder, first := "", true

	for {
		for slot := range n {
			if l, ok, err := TryLock(path(slot)); err != nil || ok {
				return l, err
			}
		}

		if holder := readHolder(); waiting != nil && (first || holder != lastHolder) {
			lastHolder, first = holder, false
			waiting(1, holder)
		}

		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for a slot of %s: %w", name, ctx.Err())
		case <-time.After(slotTick):
		}
	}
}
