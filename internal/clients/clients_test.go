package clients_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"ratchet/internal/clients"
	"ratchet/internal/research"
)

var update = flag.Bool("update", false, "write the samples' results again")

var (
	stdio = clients.Server{Command: "/home/ada/.local/bin/ratchet", Args: []string{"mcp"}}
	http  = clients.Server{URL: "http://127.0.0.1:7447/mcp?repo=/src/project", Token: "ratchet_secret"}
)

// sample is one configuration file before Ratchet comes: testdata/NAME.txtar.
// Its comment names the client and what txtar can't show (crlf, bom, nonl: no
// line end at the end, absent: no file); its parts are the file and what must
// become of it.
type sample struct {
	name, file string
	archive    *txtar.Archive
	client     clients.Client
	flags      []string
}

func readSamples(t *testing.T) []sample {
	t.Helper()
	return readSamplesIn(t, "testdata", 30)
}

// readSamplesIn are those in a folder, at least so many.
func readSamplesIn(t *testing.T, dir string, least int) []sample {
	t.Helper()

	files, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil || len(files) < least {
		t.Fatalf("only %d samples: %v", len(files), err)
	}
	var out []sample

	for _, f := range files {
		a, err := txtar.ParseFile(f)
		if err != nil {
			t.Fatal(err)
		}
		words := strings.Fields(strings.SplitN(string(a.Comment), "\n", 2)[0])

		c, err := clients.FindClient(words[0])
		if err != nil {
			t.Fatal(err)
		}

		out = append(out, sample{strings.TrimSuffix(filepath.Base(f), ".txtar"), f, a, c, words[1:]})
	}

	return out
}

// archivePart is what the archive says under that name, nil if it says nothing.
func (s sample) archivePart(name string) []byte {
	for _, f := range s.archive.Files {
		if f.Name == name {
			return f.Data
		}
	}

	return nil
}

func (s sample) hasFlag(flag string) bool { return slices.Contains(s.flags, flag) }

// toFileText is text as it stands in the file.
func (s sample) toFileText(text []byte) []byte {
	if s.hasFlag("nonl") {
		text = bytes.TrimSuffix(text, []byte("\n"))
	}

	if s.hasFlag("crlf") {
		text = bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))
	}

	if s.hasFlag("bom") {
		text = append([]byte("\xef\xbb\xbf"), text...)
	}

	return text
}

// toArchiveText is the file as the archive shows it.
func (s sample) toArchiveText(text []byte) []byte {
	if s.hasFlag("bom") {
		if !bytes.HasPrefix(text, []byte("\xef\xbb\xbf")) {
			return []byte("THE MARK IS GONE\n")
		}
		text = text[3:]
	}

	if s.hasFlag("crlf") {
		if bytes.Count(text, []byte("\n")) != bytes.Count(text, []byte("\r\n")) {
			return []byte("MIXED LINE ENDS\n")
		}
		text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	}

	if len(text) > 0 && !bytes.HasSuffix(text, []byte("\n")) {
		text = append(bytes.Clone(text), "\n"...)
	}

	return text
}

// writeInput writes the sample into a folder of its own.
func (s sample) writeInput(t *testing.T) string {
	t.Helper()

	file := filepath.Join(t.TempDir(), "config")
	if !s.hasFlag("absent") {
		writeFile(t, file, s.toFileText(s.archivePart("before")))
	}

	return file
}

func writeFile(t *testing.T, file string, text []byte) {
	t.Helper()

	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, file string) []byte {
	t.Helper()

	b, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}

	if err != nil {
		t.Fatal(err)
	}

	return b
}

// install plans and applies, and gives what was done.
func install(t *testing.T, c clients.Client, file string, s clients.Server) (clients.Action, error) {
	t.Helper()

	p, err := c.PlanInstall(file, s)
	if err != nil {
		return "", err
	}

	if _, err := p.Apply(); err != nil {
		t.Fatal(err)
	}

	return p.Action, nil
}

func uninstall(t *testing.T, c clients.Client, file string) clients.Action {
	t.Helper()

	p, err := c.PlanUninstall(file)
	if err != nil {
		t.Fatal(err)
	}

	if _, err := p.Apply(); err != nil {
		t.Fatal(err)
	}

	return p.Action
}

func TestSamples(t *testing.T) {
	for _, s := range readSamples(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			results := map[string][]byte{}

			for name, server := range map[string]clients.Server{"stdio": stdio, "http": http} {
				file := s.writeInput(t)

				action, err := install(t, s.client, file, server)
				if err != nil {
					if got := readFile(t, file); !bytes.Equal(got, s.toFileText(s.archivePart("before"))) ||
						len(listFiles(t, file)) != 1 {
						t.Errorf("refused, and yet something was written: %q", got)
					}
					results[name] = []byte("refused: " + strings.ReplaceAll(err.Error(), filepath.Dir(file),
						"") + "\nnext: " + research.Describe(err).Next + "\n")

					continue
				}

				results[name] = append([]byte("("+string(action)+")\n"), s.toArchiveText(readFile(t, file))...)
			}

			file := s.writeInput(t)
			if p, err := s.client.PlanUninstall(file); err == nil && p.Action != clients.None {
				results["removed"] = append([]byte("("+string(p.Action)+")\n"), s.toArchiveText(p.After)...)
			}

			for _, name := range []string{"stdio", "http", "removed"} {
				got, want := results[name], s.archivePart(name)
				if !*update && !bytes.Equal(got, want) {
					t.Errorf("%s (run with -update to accept):\n%s", name, cmp.Diff(string(want), string(got)))
				}
			}

			if *update {
				s.rewrite(t, results)
			}
		})
	}
}

func (s sample) rewrite(t *testing.T, results map[string][]byte) {
	t.Helper()

	a := &txtar.Archive{Comment: s.archive.Comment}
	if b := s.archivePart("before"); b != nil {
		a.Files = append(a.Files, txtar.File{Name: "before", Data: b})
	}

	for _, name := range []string{"stdio", "http", "removed"} {
		if r := results[name]; r != nil {
			a.Files = append(a.Files, txtar.File{Name: name, Data: r})
		}
	}
	writeFile(t, s.file, txtar.Format(a))
}

func listFiles(t *testing.T, file string) []string {
	t.Helper()

	list, err := os.ReadDir(filepath.Dir(file))
	if err != nil {
		t.Fatal(err)
	}

	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}

	return names
}

// A second install changes nothing, not even the time; uninstall gives the
// first bytes back, a second one finds nothing; and so again.
func TestThereAndBack(t *testing.T) {
	for _, s := range readSamples(t) {
		for name, server := range map[string]clients.Server{"stdio": stdio, "http": http} {
			t.Run(s.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				file := s.writeInput(t)

				before := readFile(t, file)
				if action, err := install(t, s.client, file, server); err != nil || action != clients.Added {
					t.Skip("the sample is refused, or has an entry")
				}

				for range 2 {
					checkInstalled(t, s.client, file, server)
					uninstall(t, s.client, file)

					if got := readFile(t, file); !bytes.Equal(got, before) || (got == nil) != (before == nil) {
						t.Fatalf("uninstall left\n%q, want\n%q", got, before)
					}

					if action := uninstall(t, s.client, file); action != clients.None {
						t.Errorf("a second uninstall: %s", action)
					}

					if _, err := install(t, s.client, file, server); err != nil {
						t.Fatal(err)
					}
				}

				for _, other := range []clients.Server{stdio, http, server} { // updates leave no trace either
					if _, err := install(t, s.client, file, other); err != nil {
						t.Fatal(err)
					}
				}
				uninstall(t, s.client, file)

				if got := readFile(t, file); !bytes.Equal(got, before) || (got == nil) != (before == nil) {
					t.Errorf("after updates, uninstall left\n%q, want\n%q", got, before)
				}

				if n := len(listFiles(t, file)); n > 5 {
					t.Errorf("backups pile up: %v", listFiles(t, file))
				}
			})
		}
	}
}

// checkInstalled checks that the entry is installed and that installing it again writes
// nothing.
func checkInstalled(t *testing.T, c clients.Client, file string, server clients.Server) {
	t.Helper()

	e, ok, err := c.ReadEntry(file)
	if err != nil || !ok || e.Command != server.Command || e.URL != server.URL {
		t.Fatalf("the entry reads as %+v, %t, %v", e, ok, err)
	}

	if server.URL != "" {
		token := map[bool]string{true: "from the environment", false: server.Token}[c.ExpandsVariables()]
		if got := e.BearerToken(func(string) string { return "from the environment" }); got != token {
			t.Errorf("the client would send %q, want %q (%q)", got, token, e.Auth)
		}
	}

	old := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := os.Chtimes(file, old, old); err != nil {
		t.Fatal(err)
	}

	if action, err := install(t, c, file, server); err != nil || action != clients.None {
		t.Errorf("a second install: %s, %v", action, err)
	}

	if info, err := os.Stat(file); err != nil || !info.ModTime().Equal(old) {
		t.Errorf("a second install touched the file: %v", err)
	}
}

// Without backups, and from one transport to the other and back, uninstall
// leaves no trace of the entry and no other change of meaning; and its bytes
// differ from the first ones in white space and empty tables at most.
func TestBackWithoutBackups(t *testing.T) {
	for _, s := range readSamples(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			file := s.writeInput(t)

			before := readFile(t, file)
			for _, server := range []clients.Server{stdio, http, stdio} {
				if _, err := install(t, s.client, file, server); err != nil {
					t.Skip("the sample is refused")
				}
			}

			for _, name := range listFiles(t, file) {
				if name != "config" {
					if err := os.Remove(filepath.Join(filepath.Dir(file), name)); err != nil {
						t.Fatal(err)
					}
				}
			}
			uninstall(t, s.client, file)

			if _, ok, err := s.client.ReadEntry(file); ok || err != nil {
				t.Fatalf("the entry is still there: %v", err)
			}

			if s.archivePart("removed") != nil {
				return // it had an entry before
			}

			if got, want := compactText(readFile(t, file)), compactText(before); got != want {
				t.Errorf("uninstall left\n%s\nof\n%s", got, want)
			}
		})
	}
}

// compactText is text without white space and without what an emptied table leaves.
func compactText(text []byte) string {
	s := strings.Join(strings.Fields(string(text)), "")
	for _, empty := range []string{`"mcpServers":{}`, `"servers":{}`, `"mcp":{}`, `"context_servers":{}`,
		`extensions:{}`, `extensions:`} {
		s = strings.ReplaceAll(strings.ReplaceAll(s, ","+empty, ""), empty, "")
	}

	return strings.TrimSuffix(strings.TrimPrefix(s, "{"), "}")
}
