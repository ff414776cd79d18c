package worker

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/sandbox"
)

// carryBinds are the git-ignored folders that runs see, read-only: those the
// program names, or without a setup the usual dependency folders that exist.
func (w *workspace) carryBinds(ctx context.Context) ([]sandbox.Bind, error) {
	names, root := w.c.Program.Carry, w.lab.Repo.Root()

	explicit := names != nil
	if !explicit && w.c.Program.Setup == "" {
		names = []string{"node_modules", ".venv", "venv", "vendor"}
	}
	var exist []string

	for _, n := range names {
		rel := checkout.JoinSlash(w.folder, n)
		if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(rel))); err == nil {
			exist = append(exist, rel)
		} else if explicit {
			return nil, research.Errorf(research.CodeProgram, "create it, or take it off `carry`",
				"carry names %s, which does not exist", rel)
		}
	}

	if len(exist) == 0 {
		return nil, nil
	}

	ignored, err := w.lab.Repo.Ignored(ctx, exist)
	if err != nil {
		return nil, err
	}
	var binds []sandbox.Bind

	for _, rel := range exist {
		if !slices.Contains(ignored, rel) {
			if explicit {
				return nil, research.Errorf(research.CodeProgram,
					"carry is for git-ignored folders; tracked files come from the commit",
					"carry names %s, which git does not ignore", rel)
			}

			w.unseen = append(w.unseen, rel)

			continue
		}
		path := filepath.Join(root, filepath.FromSlash(rel))
		binds = append(binds, sandbox.Bind{From: path, To: path})
	}

	if w.tier == sandbox.Copies {
		return binds, sandbox.CopiesRefuse(binds, root)
	}

	return binds, nil
}

// readBinds are the paths below the user's real home that the program names: a run's
// HOME is another folder, so they appear there, read-only, under the same name.
// Other paths outside the repository are where they always are.
func (w *workspace) readBinds() (binds []sandbox.Bind, err error) {
	for _, r := range w.c.Program.Reads {
		rel, ok := strings.CutPrefix(r, "~/")
		if !ok {
			continue
		}

		home, err := os.UserHomeDir()
		if err != nil {
			return nil, research.Errorf(research.CodeProgram, "set HOME", "reads names %s, but there is no home: %w", r,
				err)
		}

		from := filepath.Join(home, filepath.FromSlash(rel))
		if _, err := os.Stat(from); err != nil {
			return nil, research.Errorf(research.CodeProgram, "create it, or take it off `reads`",
				"reads names %s, which does not exist", r)
		}
		binds = append(binds, sandbox.Bind{From: from, To: filepath.Join(w.homeDir(), filepath.FromSlash(rel))})
	}

	return binds, nil
}

// forbiddenChanges says which changes a run was not allowed to make, "" if none. newCode
// asks for files that tools load by themselves; judged, for those that the
// evaluator would load in the place of its own.
func (w *workspace) forbiddenChanges(changes []sandbox.Change, newCode, judged bool) string {
	var bad []string

	for _, ch := range changes {
		if w.isWritable(ch.Path) {
			continue
		}

		name := path.Base(ch.Path)
		switch _, tracked := w.tree[ch.Path]; {
		case tracked: // also a folder in the place of a file
			bad = append(bad, ch.Path)
		case ch.Kind != sandbox.Written:
		case newCode && (slices.Contains(codeFiles, name) || strings.HasSuffix(name, ".pth")),
			judged && w.shadowsEvaluator(ch.Path):
			bad = append(bad, ch.Path+" (new, would be loaded as code)")
		}
	}

	if len(bad) == 0 {
		return ""
	}

	return "changed files that it may not: " + strings.Join(bad[:min(len(bad), 5)], ", ")
}

func (w *workspace) isWritable(path string) bool {
	for _, p := range w.c.Program.Writes {
		p = checkout.JoinSlash(w.folder, p)
		if path == p || strings.HasPrefix(path, p+"/") {
			return true
		}
	}

	return false
}
