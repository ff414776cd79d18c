package scaffold

import (
	"path"
	"strings"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
)

var (
	cmakeProgram  = compileLazily(`(?is)\badd_executable\s*\(\s*([\w.-]+)([^)]*)\)`)
	cmakeOption   = compileLazily(`(?i)\b(?:option|cmake_dependent_option)\s*\(\s*([\w.-]*bench[\w-]*)[\s")]`)
	hasBenchmarks = compileLazily(`(?m)^\s*BENCHMARK(?:_F|_CAPTURE|_TEMPLATE\w*)?\(`)
	cmakeTests    = compileLazily(`(?i)\benable_testing\b|\binclude\s*\(\s*CTest\s*\)`)
	cmakeSource   = compileLazily(`[\w./-]+\.(?:cc|cpp|cxx|c)\b`)
)

// detectCMake proposes the programs that CMake builds and that are named as benchmarks.
// Those of Google Benchmark write their numbers to a file.
func detectCMake(folder *tree) (found []*Proposal) {
	if !folder.hasFile("CMakeLists.txt") {
		return nil
	}

	for _, list := range folder.files {
		if path.Base(list) != "CMakeLists.txt" {
			continue
		}
		text := folder.readStart(list)

		for _, m := range cmakeProgram().FindAllStringSubmatch(text, -1) {
			dir, source := path.Dir(list), ""
			if name := cmakeSource().FindString(m[2]); name != "" {
				source = path.Join(dir, name)
			} else {
				source = folder.firstExisting(path.Join(dir, m[1]+".cc"), path.Join(dir, m[1]+".cpp"),
					path.Join(dir, m[1]+".c"))
			}

			if source == "" { // they are named elsewhere
				source = folder.firstGoogleBenchmark(dir)
			}

			isBench := strings.Contains(strings.ToLower(m[1]), "bench")
			if content := folder.readStart(source); isBench || usesGoogleBenchmark(content) {
				found = append(found, cmakeBench(folder, dir, m[1], source, content))
			}
		}
	}

	if cmakeTests().MatchString(folder.readStart("CMakeLists.txt")) {
		base := Proposal{Build: cmakeBuild, Check: cmakeBuild + " && ctest --test-dir build"}
		found = append(found, base.proposeTests("ctest --test-dir build"))
	}

	return found
}

// firstGoogleBenchmark is the first source of Google Benchmark's in a folder, "" if none is.
func (t *tree) firstGoogleBenchmark(dir string) string {
	for _, name := range t.files {
		if path.Dir(name) == dir && cmakeSource().MatchString(name) && hasBenchmarks().MatchString(t.readStart(name)) {
			return name
		}
	}

	return ""
}

const cmakeBuild = "cmake -S . -B build -DCMAKE_BUILD_TYPE=Release && cmake --build build"

// joinCPUTimes prints the geometric mean of the CPU times that Google Benchmark wrote, in ns.
const joinCPUTimes = `awk '/"cpu_time":/ { x = $2 + 0 } /"time_unit":/ && x > 0 { sum += log(x * (/"us"/ ? 1e3 : /"ms"/ ? 1e6 : /"s"/ ? 1e9 : 1)); n++; x = 0 } END { if (n) printf "METRIC cpu_ns=%.6g\n", exp(sum / n) }' bench.json`

func usesGoogleBenchmark(text string) bool {
	return strings.Contains(text, "benchmark/benchmark.h")
}

// cmakeBench proposes one program.
func cmakeBench(folder *tree, dir, target, source, text string) *Proposal {
	proposal := &Proposal{kind: ofBenchScript, Use: target, What: "the program " + target, measured: source}
	proposal.addReasonf("%s: CMake builds %s", path.Join(dir, "CMakeLists.txt"), target)
	proposal.Build = cmakeBuild + " --target " + target

	for _, option := range cmakeOption().FindAllStringSubmatch(folder.readStart("CMakeLists.txt"), -1) {
		set := " -D" + option[1] + "=ON &&"
		proposal.Build = strings.Replace(proposal.Build, " &&", set, 1)
		proposal.addReasonf("CMakeLists.txt: the option %s builds it", option[1])
	}
	proposal.Run = "./" + path.Join("build", dir, target)

	if usesGoogleBenchmark(text) {
		proposal.kind = ofBenchmark
		proposal.Run += " --benchmark_out=bench.json --benchmark_out_format=json && " + joinCPUTimes
		proposal.Metric = contract.Metric{Name: "cpu_ns", Better: research.Lower, Unit: "ns", Noise: research.Noisy,
			From: contract.Source{Kind: "output"}}
		proposal.addReasonf("%s: Google Benchmark; the geometric mean of the CPU times", source)
	} else {
		proposal.setPrinted(folder, source)
	}

	if source != "" {
		proposal.setExercised(folder, source, text)
	}

	return proposal
}
