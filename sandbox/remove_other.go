//go:build !linux

package sandbox

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

func removeTree(ctx context.Context, path string) error {
	if err := ctx.Err(); err != nil {
		return err
	}

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
