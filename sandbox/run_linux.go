package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"ratchet/internal/fault"
	"ratchet/internal/research"
	"ratchet/internal/wording"
	"ratchet/sandbox/layers"
	"ratchet/sandbox/stage"
)

func checkSystem() error { return nil }

func run(ctx context.Context, spec Spec) (Result, error) {
	if err := spec.check(); err != nil {
		return Result{}, err
	}

	temporary, err := spec.makeScratch()
	if err != nil {
		return Result{}, roomError("make the run's folder", err)
	}

	if temporary {
		defer layers.Remove(context.WithoutCancel(ctx), spec.Scratch)
	}

	if spec.Tier == Copies {
		return runCopies(ctx, spec)
	}

	return runNamespaces(ctx, spec)
}

// makeScratch makes Scratch. Where the spec names none it is a new folder, to
// be removed after the run.
func (s *Spec) makeScratch() (temporary bool, err error) {
	if s.Scratch != "" {
		return false, os.MkdirAll(s.Scratch, 0o700)
	}

	s.Scratch, err = os.MkdirTemp("", "ratchet-run-")

	return true, err
}

// check refuses what can't be a run, before anything is made. It cleans the
// roots of views and the targets of binds.
func (s *Spec) check() error {
	if s.Tier != Namespaces && s.Tier != Copies {
		return badSpec("unknown tier %q", s.Tier)
	}

	if s.Command == "" || !filepath.IsAbs(s.Dir) {
		return badSpec("a run needs a command and an absolute folder")
	}

	for i := range s.Views {
		s.Views[i].Root = filepath.Clean(s.Views[i].Root)

		if err := s.checkView(s.Views[i]); err != nil {
			return err
		}
	}

	if err := s.checkConfinement(); err != nil {
		return err
	}

	for i := range s.Binds {
		b := &s.Binds[i]

		b.To = filepath.Clean(b.To)
		if !filepath.IsAbs(b.From) || !filepath.IsAbs(b.To) {
			return badSpec("a carried folder needs absolute paths, not %q and %q", b.From, b.To)
		}
	}

	return nil
}

// checkView refuses paths that can't be mounted, and an upper folder in use.
func (s *Spec) checkView(view View) error {
	for _, path := range append([]string{view.Root}, view.Lower...) {
		if !filepath.IsAbs(path) || path == "/" {
			return badSpec("a view needs absolute paths other than /, not %q", path)
		}
	}

	if view.Upper == "" {
		return nil
	}

	if !filepath.IsAbs(view.Upper) || (s.Tier == Namespaces && !filepath.IsAbs(view.Work)) {
		return badSpec("the view %s needs absolute upper and work folders", view.Root)
	}

	if entries, err := os.ReadDir(view.Upper); err == nil && len(entries) > 0 {
		return badSpec("the upper folder %s is not empty", view.Upper)
	}

	return nil
}

func badSpec(format string, args ...any) error {
	return research.Errorf(research.CodeBadArgument, "this is a defect of Ratchet; run `ratchet doctor`", format,
		args...)
}

// commandPlan is the part of a plan that is the same in every tier.
func (s *Spec) commandPlan() *stage.Plan {
	return &stage.Plan{Argv: []string{"/bin/sh", "-c", s.Command}, Dir: s.Dir, Env: s.Env, Wall: s.Wall, Grace: s.Grace}
}

// findView finds the last of the first n views whose tree holds path, and the
// path relative to its root; index is -1 when there is none.
func (s *Spec) findView(path string, n int) (index int, rel string) {
	for i := n - 1; i >= 0; i-- {
		if rel, ok := cutRoot(s.Views[i].Root, path); ok {
			return i, rel
		}
	}

	return -1, ""
}

// cutRoot says whether path is root or lies in it, and returns the rest.
func cutRoot(root, path string) (rel string, ok bool) {
	if path == root {
		return "", true
	}

	return strings.CutPrefix(path, root+"/")
}

// addChanges lists what the run changed in its first view, once collect, if not nil,
// has put that in its place. It takes CollectLimit at most, and obeys ctx. A tree that
// can't be listed, or not in time, is the run's fault; the error is for the machine's.
func (r *Result) addChanges(ctx context.Context, views []View, collect func(context.Context) error) error {
	limited, stop := context.WithTimeout(ctx, CollectLimit)
	defer stop()

	err := fault.At("run.list", func() error { return r.listChanges(limited, views, collect) })

	var unlistable *layers.UnlistableError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		r.Cancelled = true
		return nil
	case limited.Err() != nil:
		r.Unlisted = fmt.Sprintf("it left more than could be listed in %s", CollectLimit)
		return nil
	case errors.As(layers.AsUnlistable(err), &unlistable):
		r.Unlisted = fmt.Sprintf("it left what can't be listed, below %s: %s", clipPath(views, unlistable.Path),
			unlistable.Why)

		return nil
	}

	return roomError("list what the run changed", err)
}

func (r *Result) listChanges(ctx context.Context, views []View, collect func(context.Context) error) error {
	if collect != nil {
		if err := collect(ctx); err != nil {
			return err
		}
	}

	if len(views) == 0 || views[0].Upper == "" {
		return nil
	}

	found, err := layers.ListChanges(ctx, views[0].Upper, views[0].Lower)
	for _, c := range found {
		r.Changes = append(r.Changes, Change(c))
	}

	return err
}

// clipPath is a path of an upper folder, relative to it and short enough to be shown.
func clipPath(views []View, path string) string {
	const longest = 80

	for _, v := range views {
		if rel, ok := cutRoot(v.Upper, path); ok && v.Upper != "" {
			path = rel
			break
		}
	}

	return strconv.Quote(wording.ClipBytes(path, longest))
}

// removeAll removes a tree of a run. Once ctx has ended it takes stopRemoval at most:
// what is left then is removed by the next job.
func removeAll(ctx context.Context, dir string) {
	if err := layers.Remove(ctx, dir); err == nil || ctx.Err() == nil {
		return
	}
	short, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopRemoval)
	defer cancel()

	_ = layers.Remove(short, dir)
}

// stopRemoval bounds what a stopped run still removes.
const stopRemoval = time.Second

func removeTree(ctx context.Context, path string) error { return layers.Remove(ctx, path) }
