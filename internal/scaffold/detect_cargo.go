package scaffold

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
)

var (
	cargoName    = regexp.MustCompile(`(?ms)^\[package\].*?^name *= *"([^"]+)"`)
	criterionRun = regexp.MustCompile(`bench_function\(\s*"([^"]+)"`)
)

// detectCargo proposes the first criterion benchmark, else the program, else
// the CPU time of the tests.
func detectCargo(t *tree) *Proposal {
	if !t.has("Cargo.toml") {
		return nil
	}
	p := &Proposal{Check: "cargo test --quiet"}
	p.addReason("Cargo.toml: a Rust crate")

	if t.has("Cargo.lock") {
		p.Setup = "cargo fetch --locked"
	}

	if sources := t.in("src", ".rs"); len(sources) == 1 {
		p.Edit = sources
	} else if t.has("src/lib.rs") && len(sources) == 2 && t.has("src/main.rs") {
		p.Edit = []string{"src/lib.rs"}
	}

	manifest := t.read("Cargo.toml")
	switch name := cargoName.FindStringSubmatch(manifest); {
	case strings.Contains(manifest, "criterion") && cargoBench(t, p):
	case name != nil && t.has("src/main.rs"):
		p.addReason("src/main.rs: a program; no criterion benchmark")

		p.Build, p.Run, p.Metric = "cargo build --release", "./target/release/"+name[1], cpuSeconds()
		if m, ok := findPrintedMetric(t.read("src/main.rs")); ok {
			p.Metric = m
		}
	default:
		p.addReason("no benchmark and no program: the CPU time of the tests")
		p.Build, p.Run, p.Metric, p.Check = "cargo test --release --no-run", "cargo test --release --quiet",
			cpuSeconds(), ""
	}

	return p
}

// cargoBench reads criterion's result from the file where it puts it.
func cargoBench(t *tree, p *Proposal) bool {
	for _, file := range t.in("benches", ".rs") {
		m := criterionRun.FindStringSubmatch(t.read(file))
		if m == nil || strings.ContainsAny(m[1], "/ #?") { // such names are changed on the way to a folder's
			continue
		}
		bench := strings.TrimSuffix(path.Base(file), ".rs")
		p.addReason(fmt.Sprintf("%s: criterion's %q", file, m[1]))
		p.Build = fmt.Sprintf("cargo bench --bench %s --no-run", bench)
		p.Run = fmt.Sprintf("cargo bench --bench %s", bench)
		p.Metric = contract.Metric{Name: "ns_per_iter", Better: research.Lower, Unit: "ns", Noise: research.Noisy,
			From: contract.Source{Kind: "file", Path: "target/criterion/" + m[1] + "/new/estimates.json",
				Expr: "/mean/point_estimate"}}

		return true
	}

	return false
}
