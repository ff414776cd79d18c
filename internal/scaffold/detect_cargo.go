package scaffold

import (
	"fmt"
	"path"
	"strings"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
)

var (
	cargoName    = compileLazily(`(?ms)^\[package\].*?^name *= *"([^"]+)"`)
	criterionRun = compileLazily(`bench_function\(\s*"([^"]+)"`)
)

// detectCargo proposes the first criterion benchmark, else the program, else
// the CPU time of the tests.
func detectCargo(folder *tree) *Proposal {
	if !folder.hasFile("Cargo.toml") {
		return nil
	}
	proposal := &Proposal{Check: "cargo test --quiet"}
	proposal.addReason("Cargo.toml: a Rust crate")

	if folder.hasFile("Cargo.lock") {
		proposal.Setup = "cargo fetch --locked"
	}

	if sources := folder.listFolder("src", ".rs"); len(sources) == 1 {
		proposal.Edit = sources
	} else if folder.hasFile("src/lib.rs") && len(sources) == 2 && folder.hasFile("src/main.rs") {
		proposal.Edit = []string{"src/lib.rs"}
	}

	manifest := folder.readStart("Cargo.toml")
	switch name := cargoName().FindStringSubmatch(manifest); {
	case strings.Contains(manifest, "criterion") && cargoBench(folder, proposal):
	case name != nil && folder.hasFile("src/main.rs"):
		proposal.addReason("src/main.rs: a program; no criterion benchmark")

		proposal.Build, proposal.Run, proposal.Metric = "cargo build --release", "./target/release/"+name[1],
			cpuSeconds()
		if m, ok := findPrintedMetric(folder.readStart("src/main.rs")); ok {
			proposal.Metric = m
		}
	default:
		proposal.addReason("no benchmark and no program: the CPU time of the tests")
		proposal.Build, proposal.Run, proposal.Metric, proposal.Check = "cargo test --release --no-run",
			"cargo test --release --quiet", cpuSeconds(), ""
	}

	return proposal
}

// cargoBench reads criterion's result from the file where it puts it.
func cargoBench(t *tree, proposal *Proposal) bool {
	for _, file := range t.listFolder("benches", ".rs") {
		m := criterionRun().FindStringSubmatch(t.readStart(file))
		if m == nil || strings.ContainsAny(m[1], "/ #?") { // such names are changed on the way to a folder's
			continue
		}
		bench := strings.TrimSuffix(path.Base(file), ".rs")
		proposal.addReason(fmt.Sprintf("%s: criterion's %q", file, m[1]))
		proposal.Build = fmt.Sprintf("cargo bench --bench %s --no-run", bench)
		proposal.Run = fmt.Sprintf("cargo bench --bench %s", bench)
		proposal.Metric = contract.Metric{Name: "ns_per_iter", Better: research.Lower, Unit: "ns",
			Noise: research.Noisy, From: contract.Source{Kind: "file",
				Path: "target/criterion/" + m[1] + "/new/estimates.json", Expr: "/mean/point_estimate"}}

		return true
	}

	return false
}
