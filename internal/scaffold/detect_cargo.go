package scaffold

import (
	"cmp"
	"fmt"
	"path"
	"strings"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
)

var (
	cargoName      = compileLazily(`(?ms)^\[package\].*?^name *= *"([^"]+)"`)
	criterionRun   = compileLazily(`(\w+)\.bench_(?:function|with_input)\(\s*"([^"]+)"`)
	criterionGroup = compileLazily(`let +(?:mut +)?(\w+) *= *\w+\.benchmark_group\(\s*(?:"([^"]+)"\s*\))?`)
)

// detectCargo proposes criterion's benchmarks, the program, and the CPU time of the tests.
func detectCargo(folder *tree) (found []*Proposal) {
	if !folder.hasFile("Cargo.toml") {
		return nil
	}
	base := Proposal{Check: "cargo test --quiet", Setup: "cargo fetch"}

	manifest := folder.readStart("Cargo.toml")
	for _, file := range folder.files {
		if path.Ext(file) == ".rs" && strings.Contains(manifest, "criterion") && path.Dir(file) == "benches" {
			found = append(found, criterionBenches(folder, base, file)...)
		}
	}

	name := cargoName().FindStringSubmatch(manifest)
	if name != nil && folder.hasFile("src/main.rs") {
		program := base
		program.kind, program.Use, program.What = ofProgram, "program", "the program src/main.rs"
		program.addReason("src/main.rs: a program")
		program.Build, program.Run = "cargo build --release", "./target/release/"+name[1]
		program.setPrinted(folder, "src/main.rs")
		program.setExercised(folder, "src/main.rs", folder.readStart("src/main.rs"))
		program.setCrateEdit(folder)
		found = append(found, &program)
	}

	tests := base.proposeTests("cargo test --release --quiet")
	tests.Build = "cargo test --release --no-run"
	tests.setCrateEdit(folder)

	return append(found, tests)
}

// setCrateEdit takes the crate's only source, or its library where it has a program too.
func (p *Proposal) setCrateEdit(folder *tree) {
	if len(p.Edit) > 0 {
		return
	}

	if sources := folder.listFolder("src", ".rs"); len(sources) == 1 {
		p.Edit = sources
	} else if folder.hasFile("src/lib.rs") && len(sources) == 2 && folder.hasFile("src/main.rs") {
		p.Edit = []string{"src/lib.rs"}
	}
}

// anyGroup stands for a group of criterion's whose name the text does not say.
const anyGroup = "*"

// joinEstimates prints the geometric mean of the mean times in criterion's files.
const joinEstimates = `awk 'match($0, /"mean":[{]"confidence_interval":[{][^}]*[}],"point_estimate":[0-9.eE+-]+/) { x = substr($0, RSTART, RLENGTH); sub(/.*:/, "", x); sum += log(x); n++ } END { if (n) printf "METRIC ns_per_iter=%.6g\n", exp(sum / n) }'`

// criterionBenches proposes the benchmarks of a file. Criterion puts a result into a file
// below the folder of the benchmark's group and name.
func criterionBenches(folder *tree, base Proposal, file string) (found []*Proposal) {
	text := folder.readStart(file)
	groups := map[string]string{}

	for _, m := range criterionGroup().FindAllStringSubmatch(text, -1) {
		groups[m[1]] = cmp.Or(m[2], anyGroup) + "/"
	}

	for _, at := range criterionRun().FindAllStringSubmatchIndex(text, -1) {
		name := groups[text[at[2]:at[3]]] + text[at[4]:at[5]]
		if strings.ContainsAny(name, " #?") { // such names are changed on the way to a folder's
			continue
		}
		target := strings.TrimSuffix(path.Base(file), ".rs")
		proposal := base
		proposal.kind, proposal.Use, proposal.What = ofBenchmark, name, "time of "+name+" (criterion)"
		proposal.measured = file
		proposal.addReasonf("%s: criterion's %q", file, strings.TrimPrefix(name, anyGroup+"/"))
		proposal.Build = fmt.Sprintf("cargo bench --bench %s --no-run", target)
		proposal.Metric = contract.Metric{Name: "ns_per_iter", Better: research.Lower, Unit: "ns",
			Noise: research.Noisy}
		results := "target/criterion/" + name + "/new/estimates.json"

		if own, ok := strings.CutPrefix(name, anyGroup); ok { // the program names the group when it runs
			proposal.Use = strings.TrimPrefix(own, "/")
			proposal.What = "time of " + proposal.Use + " in each of criterion's groups"
			proposal.Run = fmt.Sprintf("cargo bench --bench %s -- '%s$' && %s %s", target, own, joinEstimates, results)
			proposal.Metric.From = contract.Source{Kind: "output"}
			proposal.addReason("its groups get their names when it runs: the geometric mean of all")
		} else {
			proposal.Run = fmt.Sprintf("cargo bench --bench %s -- '^%s$'", target, name)
			proposal.Metric.From = contract.Source{Kind: "file", Path: results, Expr: "/mean/point_estimate"}
		}

		body, _, _ := strings.Cut(text[at[1]:], "bench_function(")
		proposal.setExercised(folder, file, body)
		proposal.setCrateEdit(folder)
		found = append(found, &proposal)
	}

	return found
}
