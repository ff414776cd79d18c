package checkout

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"ratchet/internal/research"
)

// CacheDir is the folder of this repository's workspaces.
func (co *Checkout) CacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", research.Errorf(research.CodeStorage, "set HOME or XDG_CACHE_HOME", "no cache folder: %w", err)
	}
	sum := sha256.Sum256([]byte(co.Repo.CommonDir()))

	return filepath.Join(base, "ratchet", fmt.Sprintf("%x", sum[:8])), nil
}

func IsDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// RemoveTree removes a folder even where its folders are read-only, as module
// caches make them.
func RemoveTree(path string) error {
	err := os.RemoveAll(path)
	if err == nil || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	_ = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(p, 0o700)
		}

		return nil
	})

	return os.RemoveAll(path)
}

func RemoveIfEmpty(path string) error {
	if info, err := os.Stat(path); err != nil || info.Size() > 0 {
		return nil
	}

	return os.Remove(path)
}
