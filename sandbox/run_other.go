//go:build !linux

package sandbox

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"ratchet/internal/research"
)

func checkSystem() error { return unsupported() }

func unsupported() error {
	return research.Errorf(research.CodeUnsupported, "run Ratchet on Linux, or in a Linux virtual machine or container",
		"runs need Linux: on %s a process tree can't be ended for certain", runtime.GOOS)
}

func run(context.Context, Spec) (Result, error) { return Result{}, unsupported() }

func detect(context.Context, string) (Tier, string, error) { return "", "", unsupported() }

func detach([]string, []string, string, string) (int, error) { return 0, unsupported() }

func handOver(Handover) ([]string, string, error) { return nil, "", unsupported() }

func promises(Tier) (gives, lacks []string) {
	return nil, []string{"runs: " + research.Describe(unsupported()).Msg}
}

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
