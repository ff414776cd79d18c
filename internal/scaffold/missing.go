package scaffold

import (
	"fmt"
	"regexp"
)

// A missingThing is a message of a program that lacks something, and what to do about it.
type missingThing struct {
	message func() *regexp.Regexp // its group is what is missing
	next    string                // with the name in place of %s
}

var missingThings = []missingThing{
	{compileLazily(`ModuleNotFoundError: No module named '([\w.]+)'`),
		"%[1]s is missing: `python3 -m venv .venv && .venv/bin/pip install %[1]s`, with .venv in .gitignore; or `setup: pip install …`"},
	{compileLazily(`No module named (\w+)$`),
		"%[1]s is missing: `python3 -m venv .venv && .venv/bin/pip install %[1]s`, with .venv in .gitignore; or `setup: pip install …`"},
	{compileLazily(`(?:Cannot find (?:module|package)|Could not resolve) ["']([^."'/][^"']*)["']`),
		"the package %s is missing: run `npm install` in the folder whose package.json names it, with node_modules in .gitignore; or `setup: npm ci`"},
	{compileLazily(`(?:EROFS|ENOENT|EACCES).*(node_modules/\.vite)`),
		"runs can't write to %s: let vitest keep nothing, `vitest bench --run --no-cache`"},
	{compileLazily(`no required module provides package (\S+?);`),
		"the module of %s is missing: `go mod tidy`, and commit go.mod and go.sum"},
	{compileLazily(`missing go\.sum entry for (?:go\.mod file|module providing package (\S+))`),
		"go.sum lacks %s: `go mod tidy`, and commit go.sum"},
	{compileLazily(`(?:Could not resolve host|ENOTFOUND|EAI_AGAIN):? ([\w.-]+\.[a-z]{2,})`),
		"it wants to reach %s, and runs have no network: fetch what it needs in `setup:`, or commit it"},
	{compileLazily(`(?:dial tcp|lookup) (?:lookup )?(proxy\.golang\.org|[\w.-]+\.[a-z]{2,})`),
		"it wants to reach %s, and runs have no network: fetch what it needs in `setup:` (setup: go mod download, npm ci, cargo fetch)"},
	{compileLazily(`no matching package named .(\S+?). found`),
		"the crate %s is missing: `setup: cargo fetch --locked`, and commit Cargo.lock"},
	{compileLazily(`fatal error: ([\w./-]+\.h(?:pp)?): No such file`),
		"the header %s is missing: install the library that has it (on Debian its -dev package)"},
	{compileLazily(`(?m)^(?:/bin/)?sh: (?:line )?(?:\d+: )?([\w./+-]+): (?:command )?not found`),
		"%s is not installed, or not where runs look: they see the PATH's folders in /usr, /opt, /nix and the tool folders of HOME (`ratchet doctor`: runs see)"},
	{compileLazily(`make: ([\w./+-]+): No such file or directory`), "%s is not installed"},
	{compileLazily(`CMake Error.*\n.*package configuration file provided by "(\w+)"`),
		"the library %s is missing: install it with its CMake files (on Debian its -dev package)"},
	{compileLazily(`unrecognized arguments: (--benchmark\S*)`),
		"pytest does not know %s: pytest-benchmark is missing in the Python that runs it (`pip install pytest-benchmark`)"},
}

// ExplainMissing names what a failed command lacked, by what it printed, and what to do;
// "" where nothing known is missing.
func ExplainMissing(output string) string {
	for _, missing := range missingThings {
		if m := missing.message().FindStringSubmatch(output); m != nil {
			return fmt.Sprintf(missing.next, m[1])
		}
	}

	return ""
}
