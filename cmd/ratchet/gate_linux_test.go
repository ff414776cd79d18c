package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// gate holds runs until a test opens it, so that what a test does meanwhile is
// done while the run is under way, however slow or fast the machine is.
type gate struct {
	t    testing.TB
	path string
}

// gated puts a gate before the site's runs of a work.txt that has a line that
// begins with "slow", shut, and commits that.
func (s *site) gated() *gate {
	s.t.Helper()

	g := &gate{s.t, filepath.Join(filepath.Dir(s.dir), "home", "gate", "open")}
	if err := os.MkdirAll(filepath.Dir(g.path), 0o777); err != nil {
		s.t.Fatal(err)
	}
	s.write("bench.sh", strings.Replace(s.read("bench.sh"), "sleep 2 ;;",
		`until test -e "$HOME/gate/open"; do sleep 0.02; done ;;`, 1))
	s.write("program.md", strings.Replace(s.read("program.md"), "run:", "reads: [~/gate]\nrun:", 1))
	s.sh("git", "commit", "-qam", "a gate")

	return g
}

func (g *gate) open() {
	g.t.Helper()

	if err := os.WriteFile(g.path, nil, 0o666); err != nil {
		g.t.Fatal(err)
	}
}

func (g *gate) shut() {
	g.t.Helper()

	if err := os.Remove(g.path); err != nil && !os.IsNotExist(err) {
		g.t.Fatal(err)
	}
}
