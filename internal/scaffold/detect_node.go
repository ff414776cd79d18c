package scaffold

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"ratchet/internal/research"
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
	jsImport   = compileLazily(`(?:from|import|import\(|require\()\s*["'](\.{1,2}(?:/[^"']*)?)["']`)
)

// jsBenches match the files that are a benchmark, where no script says so.
var jsBenches = compileLazily(`(^|/)(bench(mark)?s?|perf)(/index)?\.[cm]?[jt]s$|(^|/)(bench(mark)?s?|perf)/[^/]+\.[cm]?js$`)

// benchLibraries measure for a fixed time, so that CPU time says nothing of them.
var benchLibraries = []string{"benchmark", "tinybench", "mitata", "benny", "cronometro", "autocannon", "vitest"}

// detectJS proposes the benchmarks of package.json's scripts, benchmarks that no script
// runs, the build and the tests.
func detectJS(folder *tree) (found []*Proposal) {
	var pkg packageJSON
	if !folder.hasFile("package.json") || json.Unmarshal([]byte(folder.readStart("package.json")), &pkg) != nil {
		return nil
	}

	var base Proposal
	script := base.setJSInstall(folder, &pkg)

	if test := pkg.Scripts["test"]; test != "" && !strings.Contains(test, "no test specified") {
		base.Check = script + "test"
	}
	var run []string // files that a script runs
	benches := folder.allMatching(vitestBench())

	for _, name := range slices.Sorted(maps.Keys(pkg.Scripts)) {
		command := pkg.Scripts[name]
		if !isBenchScript(name) {
			continue
		}
		proposal := base
		proposal.kind, proposal.Use, proposal.What = ofBenchScript, name, `the script "`+name+`"`
		proposal.addReasonf(`the script "%s"`, name)
		proposal.Run = script + name

		if usedLibrary(&pkg, command) == "vitest" && len(benches) > 0 {
			found = append(found, vitestProposals(folder, &pkg, script, proposal, benches)...)
			run, benches = append(run, benches...), nil

			continue
		}

		if m := nodeScript().FindStringSubmatch(command); m != nil {
			proposal.measured = path.Clean(m[1])
			run = append(run, proposal.measured)
		}
		proposal.measureJS(folder, &pkg, script, command)
		found = append(found, &proposal)
	}

	for _, file := range folder.files {
		if !jsBenches().MatchString(file) || slices.Contains(run, file) {
			continue
		}
		proposal := base
		proposal.kind, proposal.Use, proposal.What = ofBenchScript, file, "the benchmark "+file
		proposal.Run, proposal.measured = nodeCommand(file)+file, file
		proposal.addReasonf("%s: a benchmark that no script runs", file)
		proposal.measureJS(folder, &pkg, script, "")
		found = append(found, &proposal)
	}

	for _, name := range []string{"build", "test"} {
		if pkg.Scripts[name] == "" || name == "test" && base.Check == "" {
			continue
		}
		proposal := base
		proposal.kind, proposal.Use, proposal.What = ofTests, name, `CPU time of the script "`+name+`"`
		proposal.Run, proposal.Metric = script+name, cpuSeconds()
		proposal.addReasonf(`the script "%s"`, name)

		if name == "test" {
			proposal.Tests, proposal.Check = base.Check, ""
		}

		if main := folder.findMain(&pkg); main != "" {
			proposal.Edit = []string{main}
		}
		found = append(found, &proposal)
	}

	return found
}

// vitestProposals are vitest's benchmarks: all at once where they are few, which comes
// first then, and each file by itself.
func vitestProposals(
	folder *tree, pkg *packageJSON, script string, all Proposal, files []string,
) (found []*Proposal) {
	for _, file := range files {
		proposal := all
		proposal.Use, proposal.What, proposal.measured = file, "the benchmark "+file, file
		proposal.measureJS(folder, pkg, script, "vitest")
		found = append(found, &proposal)
	}
	all.What += fmt.Sprintf(", all %d files", len(files))
	all.Edit = found[0].Edit
	all.setVitest("npx --no-install vitest bench --run --no-cache")

	if len(files) == 1 {
		return []*Proposal{&all}
	}

	if len(files) <= fewFiles {
		return append([]*Proposal{&all}, found...)
	}

	return append(found, &all)
}

// fewFiles are so few files of benchmarks that all are measured at once.
const fewFiles = 3

func isBenchScript(name string) bool {
	first, _, _ := strings.Cut(name, ":")
	return slices.Contains([]string{"bench", "benchmark", "benchmarks", "perf"}, first)
}

// nodeCommand is how a file is run.
func nodeCommand(file string) string {
	if strings.HasSuffix(file, "ts") {
		return "npx --no-install tsx "
	}

	return "node "
}

// setJSBuild has the package built before a run that uses what is built.
func (p *Proposal) setJSBuild(pkg *packageJSON, script, text string) {
	usesPackage := ownPackage().MatchString(text) && generatedMain().MatchString(pkg.Main)

	if pkg.Scripts["build"] != "" && (usesPackage || generatedImport().MatchString(text)) {
		p.Build = script + "build"
	}
}

var (
	generatedMain   = compileLazily(`^(\./)?(dist|build|out)/`)
	generatedImport = compileLazily(`["'](\.{1,2}/)+(dist|build|out)/`)
	ownPackage      = compileLazily(`(?:from|import\(|require\()\s*["']\.\.?/?["']`)
)

// measureJS finds what a benchmark prints or writes, and which file it is of.
func (p *Proposal) measureJS(folder *tree, pkg *packageJSON, script, command string) {
	text := folder.readStart(p.measured)
	p.setJSBuild(pkg, script, text)

	switch library := usedLibrary(pkg, command+text); {
	case library == "vitest":
		p.setVitest("npx --no-install vitest bench --run --no-cache " + p.measured)
	case library == "tinybench" && strings.Contains(text, "console.table("):
		p.kind = ofBenchmark
		p.Run += " > bench.out && cat bench.out && " + joinTable
		p.Metric = contract.Metric{Name: "latency_ns", Better: research.Lower, Unit: "ns", Noise: research.Noisy,
			From: contract.Source{Kind: "output"}}
		p.addReason("tinybench: the geometric mean of the times in its table")
	default:
		p.setPrinted(folder, p.measured)

		if library != "" && p.unsure {
			p.Metric = contract.Metric{}
			p.addReasonf(`"%s" measures for a fixed time, so CPU time says nothing`, library)
		}

		if library == "benchmark" || library == "benny" { // prints 1,234 ops/sec
			p.Run = p.Run + " > bench.out; code=$?; tr -d , < bench.out; exit $code"
		}
	}

	if p.measured != "" {
		p.setExercised(folder, p.measured, text)
	}

	if main := folder.findMain(pkg); len(p.Edit) == 0 && main != "" && main != p.measured {
		p.Edit = []string{main}
		p.addReasonf("%s: the package's main file", main)
	}
}

// setVitest measures what a command of vitest's benchmarks writes.
func (p *Proposal) setVitest(command string) {
	p.kind = ofBenchmark
	p.Run = strings.TrimSpace(command) + " --outputJson bench.json && " + joinVitest
	p.Metric = contract.Metric{Name: "mean_ms", Better: research.Lower, Unit: "ms", Noise: research.Noisy,
		From: contract.Source{Kind: "output"}}
	p.addReason("vitest: the geometric mean of its benchmarks' mean times")
}

var vitestBench = compileLazily(`\.bench\.[cm]?[jt]sx?$`)

// joinVitest prints the geometric mean of the mean times of vitest's benchmarks, in ms.
const joinVitest = `node -e "const b = JSON.parse(require('fs').readFileSync('bench.json')).files.flatMap(f => f.groups).flatMap(g => g.benchmarks); console.log('METRIC mean_ms=' + Math.exp(b.reduce((s, x) => s + Math.log(x.mean), 0) / b.length).toPrecision(6))"`

// joinTable prints the geometric mean of the times in a table of tinybench, in ns.
const joinTable = `node -e "let at = 0; const found = []; for (const line of require('fs').readFileSync('bench.out', 'utf8').split('\n')) { const cells = line.split('│'); const i = cells.findIndex(c => /(latency|average|mean).*[(]ns[)]/i.test(c)); if (i > 0) at = i; else if (at && cells.length > at) { const x = parseFloat(cells[at].replace(/[^0-9.e+ ±-]/g, '')); if (x > 0) found.push(Math.log(x)); } } if (found.length) console.log('METRIC latency_ns=' + Math.exp(found.reduce((s, x) => s + x, 0) / found.length).toPrecision(6));"`

// usedLibrary names the benchmark library that a script imports, or names where the
// package depends on it; "" for none.
func usedLibrary(pkg *packageJSON, text string) string {
	if m := libraryImport().FindStringSubmatch(text); m != nil {
		return m[1]
	}

	for _, library := range benchLibraries {
		isThere := pkg.DevDependencies[library] != nil || pkg.Dependencies[library] != nil
		if isThere && strings.Contains(text, library) {
			return library
		}
	}

	return ""
}

var libraryImport = compileLazily(`(?:from|import|import\(|require\()\s*` +
	`["'](` + strings.Join(benchLibraries, "|") + `)["']`)

// setJSInstall finds how dependencies come to be there, and returns how a script is run.
func (p *Proposal) setJSInstall(folder *tree, pkg *packageJSON) string {
	script, install := "npm run --silent ", "npm install --no-audit --no-fund"

	for _, m := range packageManagers {
		if folder.hasFile(m.lock) {
			script, install = m.script, m.install
			p.addReasonf("%s: %s", m.lock, strings.Fields(m.install)[0])

			break
		}
	}

	switch {
	case len(pkg.Dependencies)+len(pkg.DevDependencies) == 0:
	case !folder.exists("node_modules"):
		p.Setup = install
	case !strings.Contains(folder.readStart(".gitignore"), "node_modules"):
		p.addReason("node_modules, but not in .gitignore: runs see it only if git ignores it")
	}

	return script
}

// findMain is the package's own source, "" if it is not clear: of one that is compiled,
// the source that it is compiled from.
func (t *tree) findMain(pkg *packageJSON) string {
	main := path.Clean(pkg.Main)
	if pkg.Main == "" {
		main = "index.js"
	}

	if source := t.findJSSource(main); source != "" {
		return source
	}

	return t.firstExisting("src/index.ts", "src/index.js", "index.ts", "lib/index.js")
}

// findJSSource is the file that a path without or with an ending names. A path in a
// folder of compiled files stands for the source of the same name.
func (t *tree) findJSSource(name string) string {
	stem := strings.TrimSuffix(name, path.Ext(name))

	if inner, ok := cutGenerated(stem); ok {
		for _, dir := range []string{"src", "source", "."} {
			at := path.Join(dir, inner)
			if found := t.firstExisting(at+".ts", at+".js", at+".mjs", at+".tsx"); found != "" {
				return found
			}
		}
	}

	return t.firstExisting(name, name+".js", name+".ts", name+".mjs", name+".cjs", name+".tsx", stem+".ts",
		name+"/index.js", name+"/index.ts", name+"/index.mjs")
}

// cutGenerated cuts the folder of compiled files off a path.
func cutGenerated(name string) (inner string, ok bool) {
	parts := strings.Split(name, "/")
	if !slices.Contains([]string{"dist", "build", "out", "lib", "cjs", "esm"}, parts[0]) || len(parts) < 2 {
		return "", false
	}
	parts = parts[1:]

	if len(parts) > 1 && slices.Contains([]string{"cjs", "esm"}, parts[0]) {
		parts = parts[1:]
	}

	return path.Join(parts...), true
}

// jsImports are the project's own files that a script imports.
func jsImports(folder *tree, script, text string) (local []string) {
	for _, i := range jsImport().FindAllStringSubmatch(text, -1) {
		name := path.Join(path.Dir(script), i[1])

		if name == "." { // the package itself
			var pkg packageJSON
			_ = json.Unmarshal([]byte(folder.readStart("package.json")), &pkg)
			name = folder.findMain(&pkg)
		}

		if found := folder.findJSSource(name); found != "" && !slices.Contains(local, found) {
			local = append(local, found)
		}
	}

	return local
}
