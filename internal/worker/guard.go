package worker

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"ratchet/internal/checkout"
	"ratchet/sandbox"
)

// This file is what a command may not change. Tracked files are frozen, and so are
// files that tools load by themselves: a run that leaves one could steer what
// comes after it.
//
// An evaluator (`measure`) is tracked code that runs where the candidate's
// process left its files. Tools look for code by name and place, so a new file
// can be loaded although nothing that is tracked changed: json.py beside
// score.py, one more .go file of a package, a module in node_modules. What is
// listed here is what Python, Go and Node do; a tool that looks elsewhere is not
// covered, and docs/confinement.md says so. A build may make code, but none
// that could be loaded so and that the start's build does not make; and of what
// builds leave in HOME (caches of bytecode, a user's modules) an evaluator gets
// what the start's left.

// codeFiles are names that interpreters and tools load by themselves.
var codeFiles = []string{"conftest.py", "sitecustomize.py", "usercustomize.py", ".npmrc", "package.json", ".pnp.cjs",
	"pytest.ini", "Makefile", "makefile", "GNUmakefile"}

// selectors are names by which tools choose modules, toolchains or plugins.
var selectors = []string{"go.mod", "go.work", "modules.txt", "pyproject.toml", "setup.cfg", "tox.ini",
	".python-version", ".tool-versions", "rust-toolchain", "rust-toolchain.toml"}

// forbiddenChanges says which changes a command was not allowed to make, "" if none. newCode
// asks for files that tools load by themselves; judged, for those that the
// evaluator would load in the place of its own.
func (ws *workspace) forbiddenChanges(changes []sandbox.Change, newCode, judged bool) string {
	var forbidden []string

	for _, change := range changes {
		if ws.isWritable(change.Path) {
			continue
		}

		_, tracked := ws.tracked[change.Path]
		isNew := change.Kind == sandbox.Written

		switch {
		case tracked && change.Kind == sandbox.Restored:
			forbidden = append(forbidden, change.Path+" (changed meanwhile and put back, or opened for writing)")
		case tracked: // also a folder in the place of a file
			forbidden = append(forbidden, change.Path)
		case isNew && newCode && isCodeFile(change.Path),
			isNew && judged && ws.shadowsEvaluator(change.Path):
			forbidden = append(forbidden, change.Path+" (new, would be loaded as code)")
		}
	}

	if len(forbidden) == 0 {
		return ""
	}

	return "changed files that it may not: " + strings.Join(forbidden[:min(len(forbidden), 5)], ", ")
}

// newlyRestored are the changes of a version's build without the files that it puts back as
// they were and that the start's build puts back too: build tools write what they
// make anew, also where it is tracked and comes out the same.
func (ws *workspace) newlyRestored(v *version, changes []sandbox.Change) []sandbox.Change {
	start := ws.startVersion()
	usual := start.dir != v.dir && checkout.IsDir(start.build())

	return slices.DeleteFunc(slices.Clone(changes), func(change sandbox.Change) bool {
		if change.Kind != sandbox.Restored || !usual {
			return change.Kind == sandbox.Restored
		}
		_, err := os.Lstat(filepath.Join(start.build(), filepath.FromSlash(change.Path)))

		return err == nil
	})
}

// isWritable says whether the program lets its commands write there.
func (ws *workspace) isWritable(file string) bool {
	return slices.ContainsFunc(ws.program().Writes, func(writable string) bool {
		writable = checkout.JoinSlash(ws.folder, writable)
		return file == writable || strings.HasPrefix(file, writable+"/")
	})
}

// isCodeFile says whether tools load a file by itself, for its name.
func isCodeFile(file string) bool {
	return slices.Contains(codeFiles, path.Base(file)) || path.Ext(file) == ".pth"
}

// plantedCode says what a version's build would have the evaluator load, "" if nothing.
func (ws *workspace) plantedCode(v *version, changes []sandbox.Change) string {
	start := ws.startVersion()
	if ws.program().Measure == "" || start.dir == v.dir {
		return ""
	}

	fresh := slices.DeleteFunc(slices.Clone(changes), func(change sandbox.Change) bool {
		_, err := os.Lstat(filepath.Join(start.build(), filepath.FromSlash(change.Path)))
		return err == nil
	})

	return ws.forbiddenChanges(fresh, true, true)
}

// shadowsEvaluator says whether a new file could be loaded in the place of the
// evaluator's own code, or beside it. file is relative to the root.
func (ws *workspace) shadowsEvaluator(file string) bool {
	dir, name := path.Dir(file), path.Base(file)
	stem, _, _ := strings.Cut(name, ".")

	switch path.Ext(name) {
	case ".py", ".pyc", ".pyd": // the commands' own folder is searched too
		return stem == "__init__" || dir == path.Clean(ws.folder) || ws.hasTrackedFile(dir, "", ".py")
	case ".so":
		return stem == "__init__" || ws.hasTrackedFile(dir, "", ".py")
	case ".go", ".s", ".syso":
		return ws.hasTrackedFile(dir, "", ".go")
	case "": // require takes a file of the very name first
		if ws.hasTrackedFile(dir, name, ".js", ".cjs") {
			return true
		}
	case ".js", ".json", ".node": // and a file before a folder
		if ws.hasTrackedFile(path.Join(dir, stem), "index", ".js", ".json") {
			return true
		}
	}

	return slices.Contains(selectors, name) || isInNodeModules(file)
}

// hasTrackedFile says whether a folder has a tracked file of that stem ("" is any) with
// one of the endings.
func (ws *workspace) hasTrackedFile(dir, stem string, endings ...string) bool {
	if ws.siblings == nil {
		ws.siblings = map[string][]string{}
		for file := range ws.tracked {
			ws.siblings[path.Dir(file)] = append(ws.siblings[path.Dir(file)], path.Base(file))
		}
	}

	return slices.ContainsFunc(ws.siblings[dir], func(name string) bool {
		ext := path.Ext(name)
		return slices.Contains(endings, ext) && (stem == "" || name == stem+ext)
	})
}

// isInNodeModules says whether a file lies in a package of a node_modules folder;
// names with a dot are caches of tools.
func isInNodeModules(file string) bool {
	_, rest, ok := strings.Cut("/"+file, "/node_modules/")
	return ok && !strings.HasPrefix(rest, ".")
}
