package scaffold

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

var pythonImport = regexp.MustCompile(`(?m)^[ \t]*(?:from +([A-Za-z_][\w.]*) +import|import +([A-Za-z_][\w., ]*))`)

// detectPython proposes a benchmark or training script, else the CPU time of
// the tests.
func detectPython(t *tree) *Proposal {
	if t.first("pyproject.toml", "requirements.txt", "setup.py", "uv.lock") == "" && len(t.in(".", ".py")) == 0 {
		return nil
	}
	p := &Proposal{}
	p.addReason("a Python project")

	python, pytest := "python3 ", "python3 -m pytest -q"
	if t.has("uv.lock") {
		python, pytest = "uv run ", "uv run pytest -q"
		p.addReason("uv.lock: uv runs it")

		if !t.exists(".venv") {
			p.Setup = "uv sync --frozen"
		}
	}

	if hasPytest(t) {
		p.Check = pytest
	} else if test := unittests(t); test != "" {
		p.Check = python + "-m unittest discover -q -s " + path.Dir(test) + " -t ."
		pytest = p.Check
	}

	script := pythonScript(t)
	switch {
	case script != "":
		pythonProgram(t, p, python, script)
	case p.Check != "":
		p.Run, p.Metric, p.Check, p.Tests = pytest, cpuSeconds(), "", p.Check
		p.addReason("no script to measure: the CPU time of the tests")
	}

	return p
}

// hasPytest says whether the project names pytest: in its settings, or by a
// test that is not unittest's.
func hasPytest(t *tree) bool {
	if t.has("pytest.ini") || t.has("conftest.py") {
		return true
	}

	for _, file := range []string{"pyproject.toml", "tox.ini", "setup.cfg", "setup.py", "requirements.txt",
		"requirements-dev.txt"} {
		if strings.Contains(t.read(file), "pytest") {
			return true
		}
	}

	return slices.ContainsFunc(t.files, func(name string) bool {
		return isPythonTest(name) && !strings.Contains(t.read(name), "import unittest")
	})
}

// unittests returns the first test of unittest's kind, "" if there is none.
func unittests(t *tree) string {
	i := slices.IndexFunc(t.files, isPythonTest)
	if i < 0 {
		return ""
	}

	return t.files[i]
}

func isPythonTest(name string) bool {
	base := path.Base(name)
	return strings.HasPrefix(base, "test_") && strings.HasSuffix(base, ".py")
}

// pythonScript finds what to run: a benchmark, else a training script, else the program.
func pythonScript(t *tree) string {
	for _, prefix := range []string{"bench", "benchmark", "train", "main"} {
		for _, dir := range []string{".", "benchmarks", "bench", "scripts"} {
			for _, name := range t.in(dir, ".py") {
				if strings.HasPrefix(path.Base(name), prefix) {
					return name
				}
			}
		}
	}

	return ""
}

func pythonProgram(t *tree, p *Proposal, python, script string) {
	text := t.read(script)

	p.Run, p.Metric = python+script, cpuSeconds()
	if m, ok := findPrintedMetric(text); ok {
		p.Metric = m
		p.addReason(script + ": prints " + m.Name)
	} else {
		p.addReason(script + ": prints no metric that is known by its form; its CPU time")
	}

	local := pythonImports(t, script, text)
	switch base := path.Base(script); {
	case strings.HasPrefix(base, "train"):
		p.Edit = []string{script}
		p.addReason(script +
			" both does the work and prints the metric: a `measure:` command of its own would be safer")
	case len(local) == 1:
		p.Edit = local
	}
}

// pythonImports are the project's own files that a script imports.
func pythonImports(t *tree, script, text string) []string {
	var local []string

	for _, m := range pythonImport.FindAllStringSubmatch(text, -1) {
		for _, name := range strings.Split(m[1]+m[2], ",") {
			name, _, _ = strings.Cut(strings.TrimSpace(name), " ") // import x as y
			file := strings.ReplaceAll(name, ".", "/") + ".py"

			found := t.first(path.Join(path.Dir(script), file), file, "src/"+file)
			if name != "" && found != "" && !slices.Contains(local, found) {
				local = append(local, found)
			}
		}
	}

	return local
}
