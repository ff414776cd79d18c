package scaffold

import (
	"path"
	"slices"
	"strings"
)

var pythonImport = compileLazily(`(?m)^[ \t]*(?:from +([A-Za-z_][\w.]*) +import|import +([A-Za-z_][\w., ]*))`)

// detectPython proposes a benchmark or training script, else the CPU time of
// the tests.
func detectPython(folder *tree) *Proposal {
	if folder.firstExisting("pyproject.toml", "requirements.txt", "setup.py", "uv.lock") == "" &&
		len(folder.listFolder(".", ".py")) == 0 {
		return nil
	}
	proposal := &Proposal{}
	proposal.addReason("a Python project")

	python, pytest := "python3 ", "python3 -m pytest -q"
	if folder.hasFile("uv.lock") {
		python, pytest = "uv run ", "uv run pytest -q"
		proposal.addReason("uv.lock: uv runs it")

		if !folder.exists(".venv") {
			proposal.Setup = "uv sync --frozen"
		}
	}

	if hasPytest(folder) {
		proposal.Check = pytest
	} else if test := unittests(folder); test != "" {
		proposal.Check = python + "-m unittest discover -q -s " + path.Dir(test) + " -t ."
		pytest = proposal.Check
	}

	script := pythonScript(folder)
	switch {
	case script != "":
		pythonProgram(folder, proposal, python, script)
	case proposal.Check != "":
		proposal.Run, proposal.Metric, proposal.Check, proposal.Tests = pytest, cpuSeconds(), "", proposal.Check
		proposal.addReason("no script to measure: the CPU time of the tests")
	}

	return proposal
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

// pythonScript finds what to run: a benchmark, else a training script, else the program.
func pythonScript(folder *tree) string {
	for _, prefix := range []string{"bench", "benchmark", "train", "main"} {
		for _, dir := range []string{".", "benchmarks", "bench", "scripts"} {
			for _, name := range folder.listFolder(dir, ".py") {
				if strings.HasPrefix(path.Base(name), prefix) {
					return name
				}
			}
		}
	}

	return ""
}

func pythonProgram(folder *tree, proposal *Proposal, python, script string) {
	text := folder.readStart(script)

	proposal.Run, proposal.Metric = python+script, cpuSeconds()
	if m, ok := findPrintedMetric(text); ok {
		proposal.Metric = m
		proposal.addReason(script + ": prints " + m.Name)
	} else {
		proposal.addReason(script + ": prints no metric that is known by its form; its CPU time")
	}

	local := pythonImports(folder, script, text)
	switch base := path.Base(script); {
	case strings.HasPrefix(base, "train"):
		proposal.Edit = []string{script}
		proposal.addReason(script +
			" both does the work and prints the metric: a `measure:` command of its own would be safer")
	case len(local) == 1:
		proposal.Edit = local
	}
}

// pythonImports are the project's own files that a script imports.
func pythonImports(folder *tree, script, text string) []string {
	var local []string

	for _, m := range pythonImport().FindAllStringSubmatch(text, -1) {
		for _, name := range strings.Split(m[1]+m[2], ",") {
			name, _, _ = strings.Cut(strings.TrimSpace(name), " ") // import x as y
			file := strings.ReplaceAll(name, ".", "/") + ".py"

			found := folder.firstExisting(path.Join(path.Dir(script), file), file, "src/"+file)
			if name != "" && found != "" && !slices.Contains(local, found) {
				local = append(local, found)
			}
		}
	}

	return local
}
