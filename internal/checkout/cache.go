package checkout

import (
	"context"
	"os"

	"ratchet/sandbox"
)

func IsDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// RemoveTree removes a folder even where its folders are read-only, as module
// caches make them.
func RemoveTree(path string) error { return sandbox.RemoveTree(context.Background(), path) }

func RemoveIfEmpty(path string) error {
	if info, err := os.Stat(path); err != nil || info.Size() > 0 {
		return nil
	}

	return os.Remove(path)
}
