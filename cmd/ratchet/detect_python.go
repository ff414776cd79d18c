package main

import (
	"path"
	"regexp"
	"strings"
)

var pythonImport = regexp.MustCompile(`(?m)^(?:from|import) +([A-Za-z_]\w*)`)

// detectPython proposes a benchmark or training script, else the CPU time of
// the tests.
func detectPython(t *tree) *proposal {
	if t.first("pyproject.toml", "requirements.txt", "setup.py", "uv.lock") == "" && len(t.in(".", ".py")) == 0 {
		return nil
	}
	p := &proposal{}
	p.because("a Python project")
	python, pytest := "python3 ", "python3 -m pytest -q"
	if t.has("uv.lock") {
		python, pytest = "uv run ", "uv run pytest -q"
		p.because("uv.lock: uv runs it")
		if !t.exists(".venv") {
			p.Setup = "uv sync --frozen"
		}
	}
	if hasPytest(t) {
		p.Check = pytest
	}
	script := pythonScript(t)
	switch {
	case script != "":
		pythonProgram(t, p, python, script)
	case p.Check != "":
		p.Run, p.Metric, p.Check = pytest, cpuSeconds(), ""
		p.because("no script to measure: the CPU time of the tests")
	}
	return p
}

func hasPytest(t *tree) bool {
	if strings.Contains(t.read("pyproject.toml"), "pytest") || t.has("pytest.ini") || t.has("conftest.py") {
		return true
	}
	for _, name := range t.files {
		if base := path.Base(name); strings.HasPrefix(base, "test_") && strings.HasSuffix(base, ".py") {
			return true
		}
	}
	return false
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

func pythonProgram(t *tree, p *proposal, python, script string) {
	text := t.read(script)
	p.Run, p.Metric = python+script, cpuSeconds()
	if m, ok := printed(text); ok {
		p.Metric = m
		p.because(script + ": prints " + m.Name)
	} else {
		p.because(script + ": prints no metric that is known by its form; its CPU time")
	}
	var local []string
	for _, m := range pythonImport.FindAllStringSubmatch(text, -1) {
		if file := t.first(path.Join(path.Dir(script), m[1]+".py"), m[1]+".py", "src/"+m[1]+".py"); file != "" {
			local = append(local, file)
		}
	}
	switch base := path.Base(script); {
	case strings.HasPrefix(base, "train"):
		p.Edit = []string{script}
		p.because(script + " both does the work and prints the metric: a `measure:` command of its own would be safer")
	case len(local) == 1:
		p.Edit = local
	}
}
