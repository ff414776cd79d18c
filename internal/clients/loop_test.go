package clients_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pelletier/go-toml/v2"
	"github.com/rogpeppe/go-internal/txtar"

	"ratchet/internal/clients"
	"ratchet/internal/research"
	"ratchet/prompts"
)

var loop = clients.Loop{Version: "1.2", Guide: "# The loop\n\nRepeat: edit, `run_experiment{hypothesis}`.\n",
	Hook: "/home/ada/.local/bin/ratchet hook stop || exit 0"}

// readLoopSamples are testdata/loop: the comment names the client and the extra.
func readLoopSamples(t *testing.T) []sample {
	t.Helper()
	return readSamplesIn(t, "testdata/loop", 20)
}

// writeExtra lays the sample in the extra's place of a scratch repository.
func (s sample) writeExtra(t *testing.T) clients.Extra {
	t.Helper()
	top := t.TempDir()
	m := clients.Machine{GOOS: "linux", Home: filepath.Join(top, "home"), Getenv: func(string) string { return "" }}
	all := s.client.LoopExtras(m, clients.Project, top)

	i := slices.IndexFunc(all, func(e clients.Extra) bool { return e.About == s.flags[0] })
	if i < 0 {
		t.Fatalf("%s has no %s", s.client.Name, s.flags[0])
	}

	if e := all[i]; !s.hasFlag("absent") {
		if err := os.MkdirAll(filepath.Dir(e.File), 0o777); err != nil {
			t.Fatal(err)
		}
		writeFile(t, e.File, s.toFileText(s.archivePart("before")))
	}

	return all[i]
}

func applyPlan(t *testing.T, p *clients.Plan, err error) clients.Action {
	t.Helper()

	if err == nil {
		_, err = p.Apply()
	}

	if err != nil {
		t.Fatal(err)
	}

	return p.Action
}

func TestLoopSamples(t *testing.T) {
	for _, s := range readLoopSamples(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			results := map[string][]byte{}
			e := s.writeExtra(t)

			p, err := e.PlanInstall(loop)
			if err != nil {
				results["installed"] = []byte("refused: " + strings.ReplaceAll(err.Error(), filepath.Dir(e.File),
					"") + "\nnext: " + research.Describe(err).Next + "\n")
			} else {
				applyPlan(t, p, nil)
				results["installed"] = append([]byte("("+string(p.Action)+")\n"),
					s.toArchiveText(readFile(t, e.File))...)
			}

			e = s.writeExtra(t)
			if p, err := e.PlanUninstall(); err == nil && p.Action != clients.None {
				results["removed"] = append([]byte("("+string(p.Action)+")\n"), s.toArchiveText(p.After)...)
			}

			for _, name := range []string{"installed", "removed"} {
				if got, want := results[name], s.archivePart(name); !*update && !bytes.Equal(got, want) {
					t.Errorf("%s (run with -update to accept):\n%s", name, cmp.Diff(string(want), string(got)))
				}
			}

			if *update {
				s.archive.Files = slices.DeleteFunc(s.archive.Files,
					func(f txtar.File) bool { return f.Name != "before" })

				for _, name := range []string{"installed", "removed"} {
					if results[name] != nil {
						s.archive.Files = append(s.archive.Files, txtar.File{Name: name, Data: results[name]})
					}
				}
				writeFile(t, s.file, txtar.Format(s.archive))
			}
		})
	}
}

// What is installed is found with its version; a second install changes
// nothing; another version updates it; uninstall gives the first bytes back,
// and a second one finds nothing.
func TestLoopThereAndBack(t *testing.T) {
	newer := loop
	newer.Version, newer.Guide, newer.Hook = "1.3", "# Another loop\n",
		clients.HookCommand(clients.Machine{GOOS: "linux"}, "/home/o'brien/bin/ratchet", "")

	for _, s := range readLoopSamples(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			e := s.writeExtra(t)
			before := readFile(t, e.File)

			p, err := e.PlanInstall(loop)
			if err != nil || p.Action != clients.Added {
				t.Skip("the sample is refused, or has it")
			}
			applyPlan(t, p, nil)

			for _, l := range []clients.Loop{loop, newer} {
				p, err := e.PlanInstall(l)
				if action := applyPlan(t, p, err); action != clients.None && action != clients.Updated ||
					(action == clients.None) != (l == loop) {
					t.Errorf("version %s over 1.2: %s", l.Version, action)
				}

				f, err := e.ReadState()
				if err != nil || !f.Exists || f.Edited || f.Version != l.Version && f.Program == "" ||
					f.Program != "" && !strings.HasSuffix(f.Program, "/bin/ratchet") {
					t.Errorf("version %s is found as %+v, %v", l.Version, f, err)
				}
			}
			p, err = e.PlanUninstall()
			applyPlan(t, p, err)

			if got := readFile(t, e.File); !bytes.Equal(got, before) || (got == nil) != (before == nil) {
				t.Errorf("uninstall left\n%q, want\n%q", got, before)
			}

			p, err = e.PlanUninstall()
			if action := applyPlan(t, p, err); action != clients.None {
				t.Errorf("a second uninstall: %s", action)
			}

			if f, err := e.ReadState(); err != nil || f.Exists {
				t.Errorf("it is still found: %+v, %v", f, err)
			}
		})
	}
}

// A text that a person edited stays as it is, whatever is asked.
func TestLoopLeavesEditsAlone(t *testing.T) {
	for _, s := range readLoopSamples(t) {
		if s.hasFlag("hook") || !s.hasFlag("absent") {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			e := s.writeExtra(t)
			p, err := e.PlanInstall(loop)
			applyPlan(t, p, err)
			edited := bytes.Replace(readFile(t, e.File), []byte("campaign"), []byte("crusade"), 1)
			writeFile(t, e.File, edited)

			p, err = e.PlanInstall(loop)
			if action := applyPlan(t, p, err); action != clients.Left {
				t.Errorf("install: %s", action)
			}

			p, err = e.PlanUninstall()
			if action := applyPlan(t, p, err); action != clients.Left || !bytes.Equal(readFile(t, e.File), edited) {
				t.Errorf("uninstall: %s", action)
			}

			if f, err := e.ReadState(); err != nil || !f.Exists || !f.Edited {
				t.Errorf("found as %+v, %v", f, err)
			}
		})
	}
}

// The texts with the real guide: TOML that gives the text, and nothing that a
// client would expand.
func TestLoopTexts(t *testing.T) {
	guide, _ := prompts.FindPrompt("loop")
	l := loop
	l.Guide = guide.Text
	top := t.TempDir()

	m := clients.Machine{GOOS: "linux", Home: top, Getenv: func(string) string { return "" }}
	for _, c := range clients.AllClients() {
		for _, e := range c.LoopExtras(m, clients.Project, top) {
			p, err := e.PlanInstall(l)
			if err != nil {
				t.Fatal(err)
			}
			text := string(p.After)

			if strings.HasSuffix(e.File, ".toml") {
				var doc struct{ Description, Prompt string }
				if err := toml.Unmarshal(p.After, &doc); err != nil || !strings.Contains(doc.Prompt,
					strings.TrimSpace(guide.Text)) || doc.Description == "" {
					t.Errorf("%s: %v: %+v", e.File, err, doc)
				}
			}

			if e.About != "hook" && !strings.Contains(text, "`ratchet stop`") {
				t.Errorf("%s does not say how the loop ends", e.File)
			}

			for _, magic := range []string{"{{", "!{", "@{", "!`", "$1"} {
				if strings.Contains(text, magic) {
					t.Errorf("%s has %q, which the client would expand", e.File, magic)
				}
			}

			if strings.HasSuffix(e.File, "SKILL.md") && !strings.HasPrefix(text,
				"---\nname: ratchet\ndescription: \"") {
				t.Errorf("%s begins with %.60q", e.File, text)
			}
		}
	}
}
