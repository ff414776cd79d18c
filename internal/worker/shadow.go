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

// An evaluator (`measure`) is tracked code that runs where the candidate's
// process left its files. Tools look for code by name and place, so a new file
// can be loaded although nothing that is tracked changed: json.py beside
// score.py, one more .go file of a package, a module in node_modules. What is
// listed here is what Python, Go and Node do; a tool that looks elsewhere is not
// covered, and docs/confinement.md says so. A build may make code, but none
// that could be loaded so and that the start's build does not make; and of what
// builds leave in HOME (caches of bytecode, a user's modules) an evaluator gets
// what the start's left.

// selectors are names by which tools choose modules, toolchains or plugins.
var selectors = []string{"go.mod", "go.work", "modules.txt", "pyproject.toml", "setup.cfg", "tox.ini",
	".python-version", ".tool-versions", "rust-toolchain", "rust-toolchain.toml"}

// shadowsEvaluator says whether a new file could be loaded in the place of the
// evaluator's own code, or beside it. file is relative to the root.
func (w *workspace) shadowsEvaluator(file string) bool {
	dir, name := path.Dir(file), path.Base(file)

	stem, _, _ := strings.Cut(name, ".")
	switch path.Ext(name) {
	case ".py", ".pyc", ".pyd": // the commands' own folder is searched too
		return stem == "__init__" || dir == path.Clean(w.folder) || w.hasTrackedFile(dir, "", ".py")
	case ".so":
		return stem == "__init__" || w.hasTrackedFile(dir, "", ".py")
	case ".go", ".s", ".syso":
		return w.hasTrackedFile(dir, "", ".go")
	case "":
		if w.hasTrackedFile(dir, name, ".js", ".cjs") { // require takes a file of the very name first
			return true
		}
	case ".js", ".json", ".node":
		if w.hasTrackedFile(path.Join(dir, stem), "index", ".js", ".json") { // and a file before a folder
			return true
		}
	}

	return slices.Contains(selectors, name) || isInNodeModules(file)
}

// hasTrackedFile says whether a folder has a tracked file of that stem ("" is any) with
// one of the endings.
func (w *workspace) hasTrackedFile(dir, stem string, endings ...string) bool {
	if w.beside == nil {
		w.beside = map[string][]string{}
		for file := range w.tree {
			w.beside[path.Dir(file)] = append(w.beside[path.Dir(file)], path.Base(file))
		}
	}

	return slices.ContainsFunc(w.beside[dir], func(name string) bool {
		ext := path.Ext(name)
		return slices.Contains(endings, ext) && (stem == "" || name == stem+ext)
	})
}

// startVersionDir is the folder of the start's version, built under this contract at
// whatever path; "" where there is none.
func (w *workspace) startVersionDir() string {
	all := filepath.Join(w.dir, "v")

	entries, _ := os.ReadDir(all)
	for _, e := range entries {
		dir := filepath.Join(all, e.Name())
		if _, err := os.Stat(filepath.Join(dir, "built")); err == nil && strings.HasPrefix(e.Name(),
			w.c.StartTree[:20]+"."+w.c.Digest[:8]+".") {
			return dir
		}
	}

	return ""
}

// evaluatorSpec is the command `measure` on what a run left. Its HOME has nothing
// that a candidate's build wrote.
func (w *workspace) evaluatorSpec(v *version, seed uint64, left string) (sandbox.Spec, error) {
	spec, err := w.commandSpec(v, w.c.Program.Measure, seed, true)
	if err != nil {
		return spec, err
	}

	spec.Views[0].Lower = append([]string{left}, spec.Views[0].Lower...)

	spec.Views[1].Lower = nil
	if start := w.startVersionDir(); start != "" && checkout.IsDir(filepath.Join(start, "cache")) {
		spec.Views[1].Lower = []string{filepath.Join(start, "cache")}
	}

	return spec, nil
}

// plantedCode is what a version's build would have the evaluator load, "" if nothing.
func (w *workspace) plantedCode(v *version, changes []sandbox.Change) string {
	start := w.startVersionDir()
	if w.c.Program.Measure == "" || start == "" || start == v.dir {
		return ""
	}
	fresh := slices.DeleteFunc(slices.Clone(changes), func(ch sandbox.Change) bool {
		_, err := os.Lstat(filepath.Join(start, "build", filepath.FromSlash(ch.Path)))
		return err == nil
	})

	return w.forbiddenChanges(fresh, true, true)
}

// isInNodeModules says whether a file lies in a package of a node_modules folder;
// names with a dot are caches of tools.
func isInNodeModules(file string) bool {
	_, rest, ok := strings.Cut("/"+file, "/node_modules/")
	return ok && !strings.HasPrefix(rest, ".")
}
