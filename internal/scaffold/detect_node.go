package scaffold

import (
	"encoding/json"
	"path"
	"strings"

	"ratchet/internal/research/contract"
)

// packageJSON is what detection reads of package.json.
type packageJSON struct {
	Main            string            `json:"main"`
	Scripts         map[string]string `json:"scripts"`
	Dependencies    map[string]any    `json:"dependencies"`
	DevDependencies map[string]any    `json:"devDependencies"`
}

// packageManagers, by the lock file that tells them.
var packageManagers = []struct{ lock, install, script string }{
	{"pnpm-lock.yaml", "pnpm install --frozen-lockfile", "pnpm --silent run "},
	{"yarn.lock", "yarn install --frozen-lockfile", "yarn --silent run "},
	{"bun.lock", "bun install --frozen-lockfile", "bun --silent run "},
	{"bun.lockb", "bun install --frozen-lockfile", "bun --silent run "},
	{"package-lock.json", "npm ci", "npm run --silent "},
}

var (
	nodeScript = compileLazily(`\b(?:node|tsx|bun|deno run)\b(?: -\S+)* +(\S+\.[cm]?[jt]s)\b`)
	jsImport   = compileLazily(`(?:from|import|require\()\s*["'](\.{1,2}/[^"']+)["']`)
)

// jsBenches are the usual names of a benchmark, where no script says so.
var jsBenches = []string{"bench.js", "bench.mjs", "benchmark.js", "benchmark.mjs", "bench/index.js",
	"benchmark/index.js", "benchmarks/index.js", "perf/index.js"}

// detectJS proposes the bench script, else build, else test, of package.json.
func detectJS(folder *tree) *Proposal {
	var pkg packageJSON
	if !folder.hasFile("package.json") || json.Unmarshal([]byte(folder.readStart("package.json")), &pkg) != nil {
		return nil
	}
	proposal := &Proposal{}
	proposal.addReason("package.json: a JavaScript package")

	script := jsInstall(folder, proposal, &pkg)
	if test := pkg.Scripts["test"]; test != "" && !strings.Contains(test, "no test specified") {
		proposal.Check = script + "test"
	}

	for _, name := range []string{"bench", "benchmark", "perf", "build", "test"} {
		if pkg.Scripts[name] == "" || name == "test" && proposal.Check == "" {
			continue
		}
		proposal.addReason(`the script "` + name + `"`)

		proposal.Run, proposal.Metric = script+name, cpuSeconds()
		if name == "test" {
			proposal.Check, proposal.Tests = "", proposal.Check
			if bench := folder.firstExisting(jsBenches...); bench != "" {
				proposal.addReason(bench +
					": no script runs it; let it print METRIC NAME=value, then `ratchet init --force --run 'node " +
					bench + "' --metric NAME`")
			}
		}
		jsFiles(folder, proposal, &pkg, pkg.Scripts[name])

		if lib := timedBy(&pkg); lib != "" && strings.HasPrefix(name, "bench") && proposal.Metric.From.Kind == "cpu" {
			proposal.Metric = contract.Metric{}
			proposal.addReason(`"` + lib +
				`" measures for a fixed time, so CPU time says nothing: let the script print METRIC name=value`)
		}

		break
	}

	return proposal
}

// jsInstall finds how dependencies come to be there, and returns how a script is run.
func jsInstall(folder *tree, proposal *Proposal, pkg *packageJSON) string {
	script, install := "npm run --silent ", "npm install --no-audit --no-fund"

	for _, m := range packageManagers {
		if folder.hasFile(m.lock) {
			script, install = m.script, m.install
			proposal.addReason(m.lock + ": " + strings.Fields(m.install)[0])

			break
		}
	}

	switch {
	case len(pkg.Dependencies)+len(pkg.DevDependencies) == 0:
	case !folder.exists("node_modules"):
		proposal.Setup = install
	case !strings.Contains(folder.readStart(".gitignore"), "node_modules"):
		proposal.addReason("node_modules, but not in .gitignore: runs see it only if git ignores it")
	}

	return script
}

// timedBy names the benchmark library that decides by itself how long it runs,
// "" if none is among the dependencies.
func timedBy(pkg *packageJSON) string {
	for _, lib := range []string{"benchmark", "tinybench", "mitata", "benny"} {
		if pkg.DevDependencies[lib] != nil || pkg.Dependencies[lib] != nil {
			return lib
		}
	}

	return ""
}

// jsFiles looks into the file that the script runs: what it prints, and the
// one local file that it imports.
func jsFiles(folder *tree, proposal *Proposal, pkg *packageJSON, command string) {
	if m := nodeScript().FindStringSubmatch(command); m != nil {
		file := path.Clean(m[1])

		text := folder.readStart(file)
		if metric, ok := findPrintedMetric(text); ok {
			proposal.Metric = metric
			proposal.addReason(file + ": prints " + metric.Name)
		}
		var local []string

		for _, i := range jsImport().FindAllStringSubmatch(text, -1) {
			name := path.Join(path.Dir(file), i[1])
			if found := folder.firstExisting(name, name+".js", name+".ts", name+".mjs", name+"/index.js"); found != "" {
				local = append(local, found)
			}
		}

		if len(local) == 1 {
			proposal.Edit = local
			return
		}
	}

	main := path.Clean(pkg.Main)
	if pkg.Main == "" {
		main = "index.js"
	}

	if found := folder.firstExisting(main, main+".js", main+"/index.js"); found != "" {
		proposal.Edit = []string{found}
	}
}
