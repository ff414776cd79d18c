package job

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/research/history"
	"ratchet/ledger"
)

// CollectGarbage removes what runs left in the cache: workspaces of campaigns that have
// ended, and private indexes whose process died. It returns the folders removed.
func CollectGarbage(ctx context.Context, co *checkout.Checkout) (removed []string, err error) {
	var all []history.Campaign

	if err := co.Ledger.View(ctx, func(tx *ledger.Tx) (err error) {
		all, err = tx.Campaigns()
		return err
	}); err != nil {
		return nil, err
	}

	if removed, err = removeStaleIndexes(co); err != nil {
		return removed, err
	}

	if old, err := checkout.OldCacheDir(co); err != nil {
		return removed, err
	} else if checkout.IsDir(old) && !slices.ContainsFunc(all, hasOpenJobs) {
		if err := checkout.RemoveTree(old); err != nil {
			return removed, err
		}
		removed = append(removed, old)
	}

	dir, err := co.CacheDir()
	if err != nil {
		return removed, err
	}

	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return removed, nil
	}

	if err != nil {
		return removed, err
	}

	for _, e := range entries {
		i := slices.IndexFunc(all, func(c history.Campaign) bool { return c.Name == e.Name() })
		if i >= 0 && (all[i].Ended == "" || hasOpenJobs(all[i])) {
			continue
		}

		path := filepath.Join(dir, e.Name())
		if err := checkout.RemoveTree(path); err != nil {
			return removed, err
		}
		removed = append(removed, path)
	}

	return removed, nil
}

func hasOpenJobs(campaign history.Campaign) bool { return len(campaign.Open) > 0 }

// removeStaleIndexes removes the private indexes that killed processes left in the git
// directory: a living call needs its own for a moment only.
func removeStaleIndexes(co *checkout.Checkout) (removed []string, err error) {
	entries, err := os.ReadDir(co.Repo.GitDir())
	if err != nil {
		return nil, err
	}

	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !strings.HasPrefix(e.Name(), "ratchet-index-") || time.Since(info.ModTime()) < time.Hour {
			continue
		}

		path := filepath.Join(co.Repo.GitDir(), e.Name())
		if err := checkout.RemoveTree(path); err != nil {
			return removed, err
		}
		removed = append(removed, path)
	}

	return removed, nil
}
