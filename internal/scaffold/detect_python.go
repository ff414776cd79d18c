package scaffold

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
)

var pythonImport = compileLazily(`(?m)^[ \t]*(?:from +([.A-Za-z_][\w.]*) +import +([^\n#]*)|import +([A-Za-z_][\w., ]*))`)

// detectPython proposes pytest-benchmark's tests, scripts that are benchmarks, train or
// are the program, and the CPU time of the tests.
func detectPython(folder *tree) (found []*Proposal) {
	if folder.firstExisting("pyproject.toml", "requirements.txt", "setup.py", "uv.lock") == "" &&
		len(folder.listFolder(".", ".py")) == 0 {
		return nil
	}

	var base Proposal
	python, module := base.setPython(folder)
	pytest := module + "-m pytest -q"

	if strings.Contains(folder.readStart("setup.py"), "ext_modules") {
		base.Build = module + "setup.py -q build_ext --inplace"
	}

	if hasPytest(folder) {
		base.Check = pytest
	} else if test := unittests(folder); test != "" {
		base.Check = module + "-m unittest discover -q -s " + path.Dir(test) + " -t ."
	}

	for _, file := range folder.files {
		if path.Ext(file) == ".py" {
			found = append(found, pytestBenchmarks(folder, base, pytest, file)...)
		}
	}

	for _, script := range pythonScripts(folder) {
		run := python + script
		if folder.hasFile(path.Join(path.Dir(script), "__init__.py")) { // a module of a package
			run = module + "-m " + strings.ReplaceAll(strings.TrimSuffix(script, ".py"), "/", ".")
		}
		found = append(found, pythonProgram(folder, base, run, script))
	}

	if base.Check != "" {
		found = append(found, base.proposeTests(base.Check))
	}

	return found
}

// setPython finds which Python runs the project's scripts and modules, and how it gets
// what they import.
func (p *Proposal) setPython(folder *tree) (script, module string) {
	for _, dir := range []string{".venv", "venv"} {
		if folder.exists(dir + "/bin/python") {
			p.addReasonf("%s: its Python runs it", dir)

			return dir + "/bin/python ", dir + "/bin/python "
		}
	}

	if folder.hasFile("uv.lock") {
		p.addReason("uv.lock: uv runs it")
		p.Setup = "uv sync --frozen"

		return "uv run ", "uv run python "
	}

	return "python3 ", "python3 "
}

var (
	benchmarkTest = compileLazily(`(?m)^([ \t]*)(?:async )?def (test_\w+|bench_\w+)\(([^)]*)\)`)
	parametrized  = compileLazily(`parametrize\(`)
)

// pytestBenchmarks proposes the tests of a file that pytest-benchmark times.
func pytestBenchmarks(folder *tree, base Proposal, pytest, file string) (found []*Proposal) {
	text := folder.readStart(file)
	if !strings.Contains(text, "benchmark") {
		return nil
	}

	for _, at := range benchmarkTest().FindAllStringSubmatchIndex(text, -1) {
		name, arguments := text[at[4]:at[5]], text[at[6]:at[7]]
		if !usesFixture(arguments, "benchmark") || at[2] != at[3] {
			continue
		}
		proposal := base
		proposal.kind, proposal.Use, proposal.What = ofBenchmark, name, "time of "+name+" (pytest-benchmark)"
		proposal.measured = file
		proposal.addReasonf("%s: %s has the fixture of pytest-benchmark", file, name)

		body := text[at[1]:]
		if end := nextTopLevel().FindStringIndex(body[1:]); end != nil {
			body = body[:end[0]+1]
		}
		proposal.setExercised(folder, file, body)

		proposal.Run = fmt.Sprintf("%s -p no:cacheprovider %s::%s --benchmark-only --benchmark-json=bench.json", pytest,
			file, name)
		proposal.Metric = contract.Metric{Name: "median_s", Better: research.Lower, Unit: "s", Noise: research.Noisy,
			From: contract.Source{Kind: "file", Path: "bench.json", Expr: "/benchmarks/0/stats/median"}}

		before := strings.TrimRight(text[:at[0]], "\n")
		decorators := before[strings.LastIndex(before, "\n\n")+1:]
		hasFixtures := strings.Contains(strings.TrimRight(arguments, ", \n"), ",") // which may have parameters

		if hasFixtures || parametrized().MatchString(decorators) {
			proposal.addReason("it has parameters or other fixtures: the geometric mean of the medians")
			proposal.Metric.From = contract.Source{Kind: "output"}
			proposal.Run += " && " + strings.TrimSuffix(pytest, "-m pytest -q") + joinMedians
		}
		found = append(found, &proposal)
	}

	return found
}

// joinMedians prints the geometric mean of pytest-benchmark's medians.
const joinMedians = `-c "import json, math; b = json.load(open('bench.json'))['benchmarks']; print('METRIC median_s=%.6g' % math.exp(sum(math.log(x['stats']['median']) for x in b) / len(b)))"`

var nextTopLevel = compileLazily(`(?m)^\S`)

// usesFixture says whether a test has an argument of that name.
func usesFixture(arguments, name string) bool {
	for argument := range strings.SplitSeq(arguments, ",") {
		argument, _, _ = strings.Cut(strings.TrimSpace(argument), ":")
		if strings.TrimSpace(argument) == name {
			return true
		}
	}

	return false
}

// hasPytest says whether the project names pytest: in its settings, or by a
// test that is not unittest's.
func hasPytest(folder *tree) bool {
	if folder.hasFile("pytest.ini") || folder.hasFile("conftest.py") {
		return true
	}

	for _, file := range []string{"pyproject.toml", "tox.ini", "setup.cfg", "setup.py", "requirements.txt",
		"requirements-dev.txt"} {
		if strings.Contains(folder.readStart(file), "pytest") {
			return true
		}
	}

	return slices.ContainsFunc(folder.files, func(name string) bool {
		return isPythonTest(name) && !strings.Contains(folder.readStart(name), "import unittest")
	})
}

// unittests returns the first test of unittest's kind, "" if there is none.
func unittests(folder *tree) string {
	i := slices.IndexFunc(folder.files, isPythonTest)
	if i < 0 {
		return ""
	}

	return folder.files[i]
}

func isPythonTest(name string) bool {
	base := path.Base(name)
	return strings.HasPrefix(base, "test_") && strings.HasSuffix(base, ".py")
}

// pythonScripts are what can be run: benchmarks, then training scripts, then the program.
func pythonScripts(folder *tree) (scripts []string) {
	for _, prefix := range []string{"bench", "benchmark", "perf", "eval", "train", "main"} {
		for _, dir := range []string{".", "benchmarks", "benchmark", "bench", "perf", "scripts", "tests"} {
			for _, name := range folder.listFolder(dir, ".py") {
				if strings.HasPrefix(path.Base(name), prefix) && !slices.Contains(scripts, name) {
					scripts = append(scripts, name)
				}
			}
		}
	}

	// One that does something when it is run comes before one that others import.
	slices.SortStableFunc(scripts, func(a, b string) int {
		return compareBools(!strings.Contains(folder.readStart(a), "__main__"),
			!strings.Contains(folder.readStart(b), "__main__"))
	})

	return scripts
}

// pythonProgram proposes one script, by the command that runs it.
func pythonProgram(folder *tree, base Proposal, run, script string) *Proposal {
	proposal := base
	proposal.kind, proposal.Use, proposal.What = ofBenchScript, script, "the script "+script
	proposal.Run, proposal.measured = run, script

	name := path.Base(script)
	if strings.HasPrefix(name, "main") {
		proposal.kind = ofProgram
	}
	proposal.setPrinted(folder, script)

	if strings.HasPrefix(name, "train") && !callsPackage(folder, script) {
		proposal.Edit, proposal.measured = []string{script}, ""
		proposal.addReasonf("%s both does the work and prints the metric: a `measure:` command of its own would be safer",
			script)

		return &proposal
	}
	proposal.setExercised(folder, script, folder.readStart(script))

	if len(proposal.Edit) == 0 && proposal.kind == ofProgram {
		proposal.Edit = []string{script}
	}

	return &proposal
}

// callsPackage says whether a script defines nothing, and uses most of a package of the
// project, which then does the work.
func callsPackage(folder *tree, script string) bool {
	text := folder.readStart(script)
	if definesAnything().MatchString(text) {
		return false
	}
	found := findExercised(folder, script, text)

	return len(found) > 0 && path.Dir(found[0].file) != path.Dir(script)
}

var definesAnything = compileLazily(`(?m)^(?:class|(?:async )?def) `)

// findReexported finds the modules of a package from which its __init__.py takes names.
func (t *tree) findReexported(folder, names string) (found []string) {
	start := folder + "/__init__.py"

	for _, m := range pythonImport().FindAllStringSubmatch(t.readStart(start), -1) {
		if strings.Trim(m[1], ".") == "" {
			continue
		}

		for _, name := range listImported(names) {
			if slices.Contains(strings.FieldsFunc(m[2], isNoName), name) {
				found = append(found, t.findPythonModule(start, m[1], "")...)
			}
		}
	}

	return slices.Compact(found)
}

// listImported are the names in what follows an import: (a, b as c).
func listImported(names string) (imported []string) {
	for name := range strings.SplitSeq(strings.Trim(names, "() "), ",") {
		if name, _, _ = strings.Cut(strings.TrimSpace(name), " "); name != "" {
			imported = append(imported, name)
		}
	}

	return imported
}

func isNoName(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) }

// pythonImports are the project's own files that a script imports: modules, packages,
// and the modules that a package takes the imported names from.
func pythonImports(folder *tree, script, text string) []string {
	var local []string

	for _, m := range pythonImport().FindAllStringSubmatch(text, -1) {
		for _, name := range strings.Split(m[1]+m[3], ",") {
			name, _, _ = strings.Cut(strings.TrimSpace(name), " ") // import x as y
			if name == "" {
				continue
			}

			for _, file := range folder.findPythonModule(script, name, m[2]) {
				if !slices.Contains(local, file) {
					local = append(local, file)
				}
			}
		}
	}

	return local
}

// findPythonModule finds the files of a module that a script imports, with the names that
// it takes from it.
func (t *tree) findPythonModule(script, module, names string) []string {
	dots := len(module) - len(strings.TrimLeft(module, "."))
	file := strings.ReplaceAll(strings.TrimLeft(module, "."), ".", "/")
	dirs := []string{path.Dir(script), ".", "src", "lib"}

	if dots > 0 { // of the script's own package
		dirs = []string{path.Join(path.Dir(script), strings.Repeat("../", dots-1))}
	}

	for _, dir := range dirs {
		if found := path.Join(dir, file+".py"); t.hasFile(found) {
			return []string{found}
		}

		folder := path.Join(dir, file)
		if !t.hasFile(folder + "/__init__.py") {
			continue
		}
		var found []string

		for _, name := range listImported(names) { // from package import module
			if module := path.Join(folder, name+".py"); t.hasFile(module) {
				found = append(found, module)
			}
		}

		if len(found) == 0 {
			found = t.findReexported(folder, names)
		}

		if len(found) == 0 {
			found = []string{folder + "/__init__.py"}
		}

		return found
	}

	return nil
}
