package scaffold

import (
	"path"
	"strings"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
)

var jmhMethod = compileLazily(`(?s)@Benchmark\b.*?\b(\w+)\s*\(`)

// detectJMH proposes the benchmarks of a Maven project that uses JMH: its shaded jar
// runs one of them and writes the numbers to a file.
func detectJMH(folder *tree) (found []*Proposal) {
	if !strings.Contains(folder.readStart("pom.xml"), "jmh") {
		return nil
	}

	for _, file := range folder.files {
		if path.Ext(file) != ".java" {
			continue
		}
		text := folder.readStart(file)

		for _, at := range jmhMethod().FindAllStringSubmatchIndex(text, -1) {
			name := strings.TrimSuffix(path.Base(file), ".java") + "." + text[at[2]:at[3]]
			body, _, _ := strings.Cut(text[at[1]:], "@Benchmark")

			proposal := &Proposal{kind: ofBenchmark, Use: name, What: "score of " + name + " (JMH)", measured: file}
			proposal.addReasonf("%s: JMH's %s", file, name)
			proposal.Setup = "mvn -q -B dependency:go-offline"
			proposal.Build = "mvn -q -B -o package -DskipTests"
			proposal.Run = "java -jar target/benchmarks.jar '" + strings.ReplaceAll(name, ".", `\.`) +
				"$' -f 1 -wi 3 -i 5 -rf json -rff bench.json"
			proposal.Metric = contract.Metric{Name: "score", Better: jmhDirection(text), Noise: research.Noisy,
				From: contract.Source{Kind: "file", Path: "bench.json", Expr: "/0/primaryMetric/score"}}
			proposal.setExercised(folder, file, body)
			found = append(found, proposal)
		}
	}

	return found
}

// jmhDirection is that of the mode in which JMH measures: throughput where nothing is said.
func jmhDirection(text string) research.Direction {
	for _, mode := range []string{"AverageTime", "SampleTime", "SingleShotTime"} {
		if strings.Contains(text, mode) {
			return research.Lower
		}
	}

	return research.Higher
}
