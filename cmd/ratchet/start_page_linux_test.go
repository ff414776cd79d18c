package main_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ratchet/internal/testform"
)

var startUpdate = flag.Bool("start-update", false, "TestStartPage writes what the commands say today into docs/start.md")

const startPage = "docs/start.md"

// The program that docs/start.md begins with, and the edit that it proposes.
const (
	startSorting = `def sort(items):
    done = []
    for item in items:
        at = len(done)
        while at > 0 and done[at - 1] > item:
            at -= 1
        done.insert(at, item)
    return done
`
	startBench = `import random
import time

import sorting

random.seed(1)
items = [random.random() for _ in range(2000)]
begin = time.perf_counter()
sorting.sort(items)
print(f"METRIC ms={1000 * (time.perf_counter() - begin):.4g}")
`
	startBetter = `def sort(items):
    if len(items) < 2:
        return items
    left, right = sort(items[::2]), sort(items[1::2])
    done = []
    while left and right:
        done.append((left if left[-1] > right[-1] else right).pop())
    return left + right + done[::-1]
`
)

// The commands of docs/start.md are played, and say today what stands below them there:
// its lines, but for numbers and names that differ from run to run. `make start-page`
// writes them again.
func TestStartPage(t *testing.T) {
	testform.SkipQuick(t, "make check plays it")

	s := newSite(t)
	dir := filepath.Join(filepath.Dir(s.dir), "sorting")
	must(t, os.Rename(s.dir, dir))
	s.dir = dir
	s.env = append(s.env, "PATH="+pathOfInterpreters())

	for name := range repoFiles {
		s.sh("git", "rm", "-q", name)
	}
	s.write("sorting.py", startSorting)
	s.write("bench.py", startBench)
	s.sh("git", "add", ".")
	s.sh("git", "commit", "-qm", "sorting")

	text := page(t, startPage)
	if !strings.Contains(text, startSorting) || !strings.Contains(text, startBench) {
		t.Error("the page does not show the program that is played here")
	}

	for _, block := range playedBlocks(text) {
		played := s.playBlock(block)
		if *startUpdate {
			text = strings.Replace(text, block, played, 1)
			continue
		}

		for line := range strings.Lines(block) {
			if line != "…\n" && !strings.Contains(withoutNumbers(played), withoutNumbers(line)) {
				t.Errorf("the page says\n%stoday it is\n%s", line, played)
			}
		}
	}

	if *startUpdate {
		must(t, os.WriteFile("../../"+startPage, []byte(text), 0o644))
	}
}

// playedBlocks are the page's transcripts that show what a command says.
func playedBlocks(text string) (blocks []string) {
	for _, found := range regexp.MustCompile("(?s)```\n(\\$ .*?)```\n").FindAllStringSubmatch(text, -1) {
		if strings.Count(found[1], "\n") > 1 {
			blocks = append(blocks, found[1])
		}
	}

	return blocks
}

// playBlock runs the commands of a transcript, and returns it with what they say. Where
// the page says to edit or to commit, that is done.
func (s *site) playBlock(block string) string {
	s.t.Helper()
	var played []string

	for line := range strings.Lines(block) {
		command, isCommand := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "$ ratchet ")
		if !isCommand {
			continue
		}

		if strings.HasPrefix(command, "call run_experiment") {
			s.write("sorting.py", startBetter)
		}
		out := stillRunning.ReplaceAllString(s.sh("sh", "-c", `"$0" `+command, ratchet), "")

		if strings.HasPrefix(command, "init") {
			s.sh("git", "add", "program.md")
			s.sh("git", "commit", "-qm", "the program")
		}
		out = strings.ReplaceAll(out, s.dir, "/src/sorting")
		played = append(played, "$ ratchet "+command+"\n"+out)
	}

	return strings.Join(played, "\n")
}

var (
	stillRunning = regexp.MustCompile(`(?m)^([a-z][0-9]+ running|finalize: [a-z]+): .*\n`) // how far long work is
	someNumber   = regexp.MustCompile(`[0-9][0-9.,]*( ?(%|×|(µs|ns|ms|s|min|h)\b))?`)
	someNumbers  = regexp.MustCompile(`N( N)+`)
	someCommit   = regexp.MustCompile(`\b[0-9a-f]{9}\b`)
	someName     = regexp.MustCompile(`session \w+`)
	somePlural   = regexp.MustCompile(`\b(run|pair|edit|change|comparison|experiment)s\b`)
	// What follows depends on how noisy the machine is.
	byNoise = regexp.MustCompile(`(?m) (\(earlier|→).*$| \([^)]* repeats of runs [^)]*\)`)
)

// withoutNumbers is a text without what differs from run to run.
func withoutNumbers(text string) string {
	text = someName.ReplaceAllString(someCommit.ReplaceAllString(text, "COMMIT"), "session NAME")
	text = somePlural.ReplaceAllString(byNoise.ReplaceAllString(text, ""), "$1")

	return someNumbers.ReplaceAllString(someNumber.ReplaceAllString(text, "N"), "N")
}
