package sandbox_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ratchet/internal/testform"
	"ratchet/sandbox"
)

// Whatever a run leaves, it is listed or said to be the run's fault, after End; and it can
// be removed.
func TestWhatRunsLeave(t *testing.T) {
	const nest = `i=0; while [ $i -lt %d ]; do mkdir ` + "`printf '%%0200d' 0`" + `; cd 0*; i=$((i+1)); done`

	for _, c := range []struct {
		name, command string
		changes       string // that must be among those listed
		fault         string // of the run, or the limit that it exceeded
	}{
		{"a pipe", "mkfifo pipe sub/pipe; rm main.txt; mkfifo main.txt", "main.txt written", ""},
		{"links to nowhere and to devices", "ln -s /dev/zero zero; ln -s nowhere no; ln -s loop loop", "loop written", ""},
		{"closed folders", "mkdir -p a/b; echo x > a/b/f; chmod 0 a/b; chmod 111 a; chmod 0 sub", "a/b/f written", ""},
		{"the root closed", "echo x > new; chmod 0 .", "new written", ""},
		{"paths longer than a path may be", strings.ReplaceAll(strings.ReplaceAll(nest, "%d", "25"), "%%", "%"), "",
			"nested deeper than a path can name"},
		{"folders nested too deep", "i=0; while [ $i -lt 300 ]; do mkdir d; cd d; i=$((i+1)); done", "", "depth"},
		{"too many entries", "i=0; while [ $i -lt 400 ]; do ln -s x l$i; i=$((i+1)); done", "", "disk"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.fault != "" {
				testform.SkipQuick(t, "sandbox/layers counts entries and depth")
			}

			forEachTier(t, func(t *testing.T, f *fixture) {
				s := f.spec(c.command)
				s.Disk = 1 << 30
				if c.fault == "disk" {
					s.Disk = 1 << 20
				}

				var order []string
				s.Begin = func(context.Context) error { order = append(order, "begin"); return nil }
				s.End = func() { order = append(order, "end") }

				r := mustRun(t, s)
				if strings.Join(order, " ") != "begin end" {
					t.Errorf("Begin and End: %v", order)
				}

				var changes []string
				for _, change := range r.Changes {
					changes = append(changes, change.Path+" "+change.Kind)
				}

				list := strings.Join(changes, ", ")
				if !strings.Contains(list, c.changes) || (c.fault == "") != (r.Unlisted+r.Exceeded == "") ||
					!strings.Contains(r.Unlisted+" "+r.Exceeded, c.fault) {
					t.Errorf("%.300s; unlisted %q, exceeded %q", list, r.Unlisted, r.Exceeded)
				}

				if err := sandbox.RemoveTree(t.Context(), s.Views[0].Upper); err != nil {
					t.Error(err)
				}

				if _, err := os.Lstat(s.Views[0].Upper); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("it is still there: %v", err)
				}
			})
		})
	}
}

// A tracked file that was changed in mid-run and put back is seen, however that was done.
func TestRestoredFiles(t *testing.T) {
	for name, command := range map[string]string{
		"rewritten": "cp -p main.txt /tmp/m$$; echo x > main.txt; cat /tmp/m$$ > main.txt; touch -r /tmp/m$$ main.txt; rm /tmp/m$$",
		"renamed":   "mv main.txt other; echo x > main.txt; mv other main.txt",
		"mode":      "chmod 600 main.txt; chmod 644 main.txt",
		"linked":    "ln main.txt other; rm other",
		"truncated": "c=`cat main.txt`; : > main.txt; printf %s $c > main.txt",
		"times":     "touch main.txt",
	} {
		t.Run(name, func(t *testing.T) {
			forEachTier(t, func(t *testing.T, f *fixture) {
				if err := os.Chmod(filepath.Join(f.ownFolder("layer"), "main.txt"), 0o644); err != nil {
					t.Fatal(err)
				}

				r := mustRun(t, f.spec(command))
				if len(r.Changes) != 1 || r.Changes[0] != (sandbox.Change{Path: "main.txt", Kind: sandbox.Restored}) {
					t.Errorf("%v, %s", r.Changes, r.Output.Text())
				}
			})
		})
	}

	t.Run("read", func(t *testing.T) {
		forEachTier(t, func(t *testing.T, f *fixture) {
			if r := mustRun(t, f.spec("cat main.txt sub/a.txt; ls -lR; test -r main.txt")); len(r.Changes) > 0 {
				t.Errorf("what was only read: %v", r.Changes)
			}
		})
	})
}
