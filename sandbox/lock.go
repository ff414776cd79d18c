package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// Lock is a lock on a file that this process has. It excludes other processes
// and other Locks of this one, is not inherited by what is executed, and falls
// with this process, however that ends. The file stays when the lock is released.
type Lock struct{ f *os.File }

// TryLock takes the lock on the file path, made if absent, if it is free; ok
// says whether. What a former holder wrote in the file is gone then. Every
// user may lock a file that this makes, if the folder lets them.
func TryLock(path string) (l *Lock, ok bool, err error) {
	for {
		file, err := openLock(path)
		if err != nil {
			return nil, false, fmt.Errorf("open a lock: %w", err)
		}

		ok, err := lockFile(file)
		if err != nil {
			file.Close()
			return nil, false, fmt.Errorf("lock %s: %w", path, err)
		}

		if !ok {
			file.Close()
			return nil, false, nil
		}

		if !isStillAt(file, path) { // removed meanwhile: somebody else may have locked its successor
			file.Close()
			continue
		}

		if err := file.Truncate(0); err != nil {
			file.Close()
			return nil, false, fmt.Errorf("lock %s: %w", path, err)
		}

		return &Lock{file}, true, nil
	}
}

// AcquireLock waits for the lock, looking again every tick (50 ms if that is
// not positive). It is not fair. It fails with ctx's error when ctx ends.
func AcquireLock(ctx context.Context, path string, tick time.Duration) (*Lock, error) {
	if tick <= 0 {
		tick = 50 * time.Millisecond
	}

	for {
		if l, ok, err := TryLock(path); err != nil || ok {
			return l, err
		}

		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the lock %s: %w", path, ctx.Err())
		case <-time.After(tick):
		}
	}
}

// Write makes b the content of the lock's file, which others may read while it
// is held. It is not durable.
func (l *Lock) Write(content []byte) error {
	if _, err := l.f.WriteAt(content, 0); err != nil {
		return fmt.Errorf("write in a lock: %w", err)
	}

	return l.f.Truncate(int64(len(content)))
}

// Release gives the lock back; nil and released locks are fine.
func (l *Lock) Release() error {
	if l == nil || l.f == nil {
		return nil
	}

	err := l.f.Close()
	l.f = nil

	return err
}

// Locked says whether any process, this one included, has the lock on path. On
// Linux it disturbs nobody; elsewhere a TryLock at the same instant may find it taken.
func Locked(path string) (bool, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}

	if err != nil {
		return false, fmt.Errorf("look at a lock: %w", err)
	}

	defer file.Close()

	locked, err := isFileLocked(file)
	if err != nil {
		return false, fmt.Errorf("look at the lock %s: %w", path, err)
	}

	return locked, nil
}

// openLock opens a lock's file, made if absent. It opens without making first:
// the kernel refuses to "make" another user's existing file in a sticky folder.
func openLock(path string) (*os.File, error) {
	for range 100 {
		file, err := os.OpenFile(path, os.O_RDWR, 0)
		if err == nil {
			return file, nil
		}

		if errors.Is(err, fs.ErrPermission) { // perhaps just made, its mode not yet set
			time.Sleep(time.Millisecond)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}

		file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if err == nil {
			file.Chmod(0o666) // whatever the umask is; where that fails, others are kept out, not let in
			return file, nil
		}

		if !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}

	return os.OpenFile(path, os.O_RDWR, 0)
}

// isStillAt says whether path still names the open file.
func isStillAt(f *os.File, path string) bool {
	open, err := f.Stat()
	if err != nil {
		return false
	}

	named, err := os.Lstat(path)

	return err == nil && os.SameFile(open, named)
}
