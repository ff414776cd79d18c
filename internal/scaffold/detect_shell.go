package scaffold

import "path"

var benchShell = compileLazily(`^(bench|benchmark|perf|measure|score|eval)[\w.-]*\.sh$`)

// detectShell proposes the scripts of the shell that are named as benchmarks.
func detectShell(folder *tree) (found []*Proposal) {
	for _, dir := range []string{".", "bench", "benchmark", "benchmarks", "perf", "scripts"} {
		for _, file := range folder.listFolder(dir, ".sh") {
			if !benchShell().MatchString(path.Base(file)) {
				continue
			}
			proposal := &Proposal{kind: ofBenchScript, Use: file, What: "the script " + file, measured: file,
				Run: "sh " + file}
			proposal.addReasonf("%s: a script that is named as a benchmark", file)
			proposal.setPrinted(folder, file)

			for _, name := range sourceName().FindAllString(folder.readStart(file), -1) {
				if source := folder.firstExisting(path.Clean(name)); source != "" && languageOf(source) != "" {
					proposal.setExercised(folder, source, folder.readStart(source))
					break
				}
			}
			found = append(found, proposal)
		}
	}

	return found
}
