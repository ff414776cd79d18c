package worker

import (
	"bytes"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"ratchet/internal/checkout"
	"ratchet/internal/research/contract"
	"ratchet/sandbox"
)

// This file is what an evaluator (`measure`) sees: the start's tree, as its setup and
// build left it, and of what a run left what `hands` names, with the file that holds the
// metric. The candidate's edit, what its build made, everything else that its run left
// and what `writes` lets it change are not there, so nothing of them can be loaded in
// the place of the evaluator's code, whatever its tools look for.

// evaluatorSpec is the command `measure` on what a run of a version left in the layer
// left. why says what of that can't be handed to it, "" for nothing.
func (ws *workspace) evaluatorSpec(
	built *version, seed uint64, left string,
) (spec sandbox.Spec, why string, err error) {
	if spec, err = ws.commandSpec(ws.startVersion(), ws.program().Measure, seed, true); err != nil {
		return spec, "", err
	}

	var paths []string
	for _, name := range handedNames(ws.program()) {
		paths = append(paths, checkout.JoinSlash(ws.folder, name))
	}

	handed := sandbox.Handover{
		Paths:  paths,
		From:   append([]string{left}, ws.versionLayers(built, true)...),
		To:     spec.Views[0].Lower,
		Dir:    filepath.Join(filepath.Dir(spec.Scratch), "handed"),
		Refuse: ws.refuseHanded,
	}

	made, why, err := sandbox.HandOver(handed)
	if err != nil || why != "" {
		return spec, why, err
	}

	spec.Views[0].Lower = append(made, spec.Views[0].Lower...)

	return spec, "", nil
}

// handedNames are the files and folders that the evaluator gets, relative to the program's
// folder: what `hands` names, and the file that holds the metric.
func handedNames(program *contract.Program) []string {
	names := slices.Clone(program.Hands)
	if from := program.Metric.From; from.Kind == "file" && !isHanded(names, from.Path) {
		names = append(names, from.Path)
	}

	return names
}

// isHanded says whether a file is one of these names, or lies in one.
func isHanded(names []string, file string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return contract.IsWithin(file, name) })
}

// codeEndings are those of files that some tool looks for in every folder (tests,
// modules, packages) or loads by the name of another file.
var codeEndings = []string{".py", ".pyc", ".pyd", ".so", ".go", ".s", ".syso", ".mod", ".work", ".js", ".cjs", ".mjs",
	".ts", ".node", ".rs", ".rb", ".pl", ".pm", ".lua", ".php", ".sh", ".class", ".jar", ".java", ".kt", ".cs", ".ex",
	".exs", ".hs", ".jl", ".r", ".c", ".cc", ".cpp", ".h", ".toml", ".cfg", ".ini"}

// refuseHanded says why a file that a run left can't be handed, "" if it can: it would
// replace a tracked file, or lies, as code, in a folder that is handed as a whole.
// file is relative to the root, at is the layer's file.
func (ws *workspace) refuseHanded(file, at string) string {
	_, isTracked := ws.tracked[file]
	isStarts := strings.HasPrefix(at, ws.baseDir()+"/")
	name, inProgram := programPath(ws.folder, file)
	isNamed := inProgram && slices.Contains(ws.program().Hands, name)

	switch {
	case isNamed || isStarts:
		return ""
	case isTracked:
		return fmt.Sprintf("%s is tracked, and handed only under its own name: %s", name,
			handsLine(ws.program(), []string{name}))
	case isCodeFile(file), slices.Contains(codeEndings, strings.ToLower(path.Ext(file))):
		return fmt.Sprintf("%s would be loaded as code, and is handed only under its own name: %s", name,
			handsLine(ws.program(), []string{name}))
	}

	return ""
}

// programPath is a file relative to the program's folder; ok is false for one outside.
func programPath(folder, file string) (name string, ok bool) {
	if folder == "." {
		return file, true
	}

	return strings.CutPrefix(file, folder+"/")
}

// handsLine is the line of the program that hands these files too.
func handsLine(program *contract.Program, names []string) string {
	return "`hands: [" + strings.Join(append(slices.Clone(program.Hands), names...), ", ") + "]`"
}

// completeReason is the reason of a run whose evaluator ended well, with what program.md
// lacks. A metric of an evaluator that gets nothing is one of no candidate.
func (ws *workspace) completeReason(reason string, changes []sandbox.Change) string {
	hint := ws.handsHint(changes, nil)

	switch from := ws.program().Metric.From.Kind; {
	case reason != "":
		return reason + hint
	case len(handedNames(ws.program())) > 0 || from == "wall" || from == "cpu" || from == "max_rss":
		return ""
	case hint != "":
		return "measure: its number says nothing of the candidate" + hint
	}

	return "measure: its number says nothing of the candidate: it sees only what `hands` names in program.md, " +
		"the files that it judges (" + handsLine(ws.program(), ws.program().Edit) + " for the edited ones)"
}

// maxHinted is how many files a hint names.
const maxHinted = 3

// handsHint says what the run left and the evaluator did not see, with the line of
// the program that hands it; "" for nothing. Files that the evaluator's command or
// output mentions come first, and then alone.
func (ws *workspace) handsHint(changes []sandbox.Change, output []byte) string {
	var left, mentioned []string

	for _, change := range changes {
		name, ok := programPath(ws.folder, change.Path)
		if _, tracked := ws.tracked[change.Path]; tracked || !ok || change.Kind != sandbox.Written ||
			isHanded(handedNames(ws.program()), name) || isCodeFile(name) {
			continue
		}

		left = append(left, name)
		if strings.Contains(ws.program().Measure, path.Base(name)) || bytes.Contains(output, []byte(path.Base(name))) {
			mentioned = append(mentioned, name)
		}
	}

	if len(mentioned) > 0 {
		left = mentioned
	}

	if len(left) == 0 {
		return ""
	}
	left = left[:min(len(left), maxHinted)]

	return fmt.Sprintf(" (the run left %s, which `measure` does not see: add %s to program.md)",
		strings.Join(left, ", "), handsLine(ws.program(), left))
}
