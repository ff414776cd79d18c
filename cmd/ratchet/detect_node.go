package main

import (
	"encoding/json"
	"path"
	"regexp"
	"strings"
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
	nodeScript = regexp.MustCompile(`\b(?:node|tsx|bun|deno run)\b(?: -\S+)* +(\S+\.[cm]?[jt]s)\b`)
	jsImport   = regexp.MustCompile(`(?:from|import|require\()\s*["'](\.{1,2}/[^"']+)["']`)
)

// detectJS proposes the bench script, else build, else test, of package.json.
func detectJS(t *tree) *proposal {
	var pkg packageJSON
	if !t.has("package.json") || json.Unmarshal([]byte(t.read("package.json")), &pkg) != nil {
		return nil
	}
	p := &proposal{}
	p.because("package.json: a JavaScript package")
	script := "npm run --silent "
	for _, m := range packageManagers {
		if !t.has(m.lock) {
			continue
		}
		script = m.script
		p.because(m.lock + ": " + strings.Fields(m.install)[0])
		if len(pkg.Dependencies)+len(pkg.DevDependencies) > 0 && !t.exists("node_modules") {
			p.Setup = m.install
		}
		break
	}
	if test := pkg.Scripts["test"]; test != "" && !strings.Contains(test, "no test specified") {
		p.Check = script + "test"
	}
	for _, name := range []string{"bench", "benchmark", "perf", "build", "test"} {
		if pkg.Scripts[name] == "" || name == "test" && p.Check == "" {
			continue
		}
		p.because(`the script "` + name + `"`)
		p.Run, p.Metric = script+name, cpuSeconds()
		if name == "test" {
			p.Check = ""
		}
		jsFiles(t, p, &pkg, pkg.Scripts[name])
		break
	}
	return p
}

// jsFiles looks into the file that the script runs: what it prints, and the
// one local file that it imports.
func jsFiles(t *tree, p *proposal, pkg *packageJSON, command string) {
	if m := nodeScript.FindStringSubmatch(command); m != nil {
		file := path.Clean(m[1])
		text := t.read(file)
		if metric, ok := printed(text); ok {
			p.Metric = metric
			p.because(file + ": prints " + metric.Name)
		}
		var local []string
		for _, i := range jsImport.FindAllStringSubmatch(text, -1) {
			name := path.Join(path.Dir(file), i[1])
			if found := t.first(name, name+".js", name+".ts", name+".mjs", name+"/index.js"); found != "" {
				local = append(local, found)
			}
		}
		if len(local) == 1 {
			p.Edit = local
			return
		}
	}
	if main := path.Clean(pkg.Main); pkg.Main != "" && t.has(main) {
		p.Edit = []string{main}
	}
}
