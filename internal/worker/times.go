package worker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"ratchet/internal/atomicfile"
	"ratchet/sandbox"
)

// dateFiles gives the files and folders of a new version's delta their time, and
// returns when that time has come: what is built from files of the future would
// look older than they are. That takes a second at most, where versions are made
// one right after the other.
func dateFiles(ctx context.Context, ws *workspace, delta string) error {
	at, err := takeTime(ctx, ws)
	if err != nil {
		return err
	}

	err = filepath.WalkDir(delta, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink != 0 { // a link's own time is nobody's key
			return err
		}

		return os.Chtimes(path, at, at)
	})
	if err != nil {
		return fmt.Errorf("date a version's files: %w", err)
	}

	wait := time.Until(at)
	if wait > time.Second { // the clock was set back
		return nil
	}

	select {
	case <-ctx.Done():
		return fmt.Errorf("wait for a version's time: %w", ctx.Err())
	case <-time.After(wait):
		return nil
	}
}

// takeTime is the time of a new version's files, in whole seconds: the present one,
// but later than the setup, the start's build and its check ended, and where there is a
// build later than any version's of the campaign before it, in any checkout. A clock that
// was set back changes nothing of that.
func takeTime(ctx context.Context, ws *workspace) (time.Time, error) {
	file := filepath.Join(ws.dir, "times")

	lock, err := sandbox.AcquireLock(ctx, file+".lock", time.Millisecond)
	if err != nil {
		return time.Time{}, err
	}
	defer lock.Release()

	at := time.Now().Unix()

	if text, err := os.ReadFile(file); err == nil {
		last, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		if err == nil && ws.program().Build != "" {
			last++
		}
		at = max(at, last)
	}

	start := ws.startVersion()
	for _, mark := range []string{stampFile(ws.setupDir()), start.builtMark(), start.checkCache()} {
		info, err := os.Stat(mark)
		if err == nil {
			at = max(at, info.ModTime().Unix()+1)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return time.Time{}, fmt.Errorf("date a version: %w", err)
		}
	}

	return time.Unix(at, 0), atomicfile.Write(file, fmt.Appendln(nil, at),
		atomicfile.Options{Durability: atomicfile.ProcessOnly})
}
