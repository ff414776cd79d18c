package worker

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/sandbox"
)

// carryBinds are the git-ignored folders that runs see, read-only: those the
// program names, or without a setup the usual dependency folders that exist.
func (ws *workspace) carryBinds(ctx context.Context) ([]sandbox.Bind, error) {
	named := ws.program().Carry != nil

	folders, err := ws.existingFolders(named)
	if err != nil || len(folders) == 0 {
		return nil, err
	}

	ignored, err := ws.co.Repo.Ignored(ctx, folders)
	if err != nil {
		return nil, err
	}
	root := ws.co.Repo.Root()
	var binds []sandbox.Bind

	for _, folder := range folders {
		switch {
		case slices.Contains(ignored, folder):
			path := filepath.Join(root, filepath.FromSlash(folder))
			binds = append(binds, sandbox.Bind{From: path, To: path})
		case named:
			return nil, research.Errorf(research.CodeProgram,
				"carry is for git-ignored folders; tracked files come from the commit",
				"carry names %s, which git does not ignore", folder)
		default:
			ws.unseen = append(ws.unseen, folder)
		}
	}

	if ws.tier == sandbox.Copies {
		return binds, sandbox.CopiesRefuse(binds, root)
	}

	return binds, nil
}

// existingFolders are the folders to carry that exist, slash-separated and relative to
// the root. One that the program names has to.
func (ws *workspace) existingFolders(named bool) (folders []string, err error) {
	names := ws.program().Carry
	if !named && ws.program().Setup == "" {
		root := filepath.Join(ws.co.Repo.Root(), filepath.FromSlash(ws.folder))
		names = append([]string{"node_modules", ".venv", "venv", "vendor"}, nestedModules(root, "", 2)...)
	}

	for _, name := range names {
		folder := checkout.JoinSlash(ws.folder, name)

		_, err := os.Stat(filepath.Join(ws.co.Repo.Root(), filepath.FromSlash(folder)))
		if err == nil {
			folders = append(folders, folder)
		} else if named {
			return nil, research.Errorf(research.CodeProgram, "create it, or take it off `carry`",
				"carry names %s, which does not exist", folder)
		}
	}

	return folders, nil
}

// nestedModules are the dependency folders of the packages in the folders of dir, which
// lies in root, at most so many folders down; slash-separated and relative to root.
func nestedModules(root, dir string, depth int) (folders []string) {
	if depth == 0 {
		return nil
	}
	entries, _ := os.ReadDir(filepath.Join(root, filepath.FromSlash(dir))) // one that can't be read has none for runs

	for _, entry := range entries {
		if !entry.IsDir() || entry.Name() == "node_modules" {
			continue
		}
		below := checkout.JoinSlash(dir, entry.Name())

		modules := checkout.JoinSlash(below, "node_modules")
		if _, err := os.Lstat(filepath.Join(root, filepath.FromSlash(modules))); err == nil {
			folders = append(folders, modules)
		}
		folders = append(folders, nestedModules(root, below, depth-1)...)
	}

	return folders
}

// findReads finds what the program's `reads` names: the paths that runs are shown.
// A run's HOME is another folder than the user's, so what lies below home appears
// there too, read-only, under the same name: binds.
func (ws *workspace) findReads() (paths []string, binds []sandbox.Bind, err error) {
	for _, name := range ws.program().Reads {
		path, home := name, ""

		if rel, ok := strings.CutPrefix(name+"/", "~/"); ok {
			if home, err = os.UserHomeDir(); err != nil {
				return nil, nil, research.Errorf(research.CodeProgram, "set HOME",
					"reads names %s, but there is no home: %w", name, err)
			}

			path = filepath.Join(home, filepath.FromSlash(rel))
		}

		if path == "/" {
			return nil, nil, research.Errorf(research.CodeProgram, "name the folders in it that runs need",
				"reads names %s, which is everything", name)
		}

		if _, err := os.Stat(path); err != nil {
			return nil, nil, research.Errorf(research.CodeProgram, "create it, or take it off `reads`",
				"reads names %s, which does not exist", name)
		}

		paths = append(paths, path)

		if rel, ok := strings.CutPrefix(path, home+"/"); ok && home != "" {
			binds = append(binds, sandbox.Bind{From: path, To: filepath.Join(ws.homeDir(), rel)})
		}
	}

	return paths, binds, nil
}

// findToolchains finds what the program's commands need beside the system's folders.
// A carried environment leads to the interpreter that it was made with.
func findToolchains(ws *workspace) []string {
	home, _ := os.UserHomeDir() // without one there is nothing in it to find
	commands := []string{}

	for _, bind := range ws.binds {
		commands = append(commands, filepath.Join(bind.From, "bin"))
	}

	return sandbox.Toolchains(commandEnvironment(nil, ws.homeDir(), "", 0), home, commands,
		[]string{ws.co.Repo.Root(), ws.dir})
}
