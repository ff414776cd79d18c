//go:build unix

package clients_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/clients"
	"ratchet/internal/research"
)

func findClient(t *testing.T, id string) clients.Client {
	t.Helper()

	c, err := clients.FindClient(id)
	if err != nil {
		t.Fatal(err)
	}

	return c
}

// checkRefused checks that planning or applying fails, names the file, says what to
// do, and writes nothing.
func checkRefused(t *testing.T, file, says string) {
	t.Helper()
	before := listFiles(t, file)

	p, err := findClient(t, "cursor").PlanInstall(file, stdio)
	if err == nil {
		_, err = p.Apply()
	}

	if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), file) ||
		research.Describe(err).Next == "" {
		t.Errorf("got %v, next %q; want it to say %q and name the file", err, research.Describe(err).Next, says)
	}

	if diff := cmp.Diff(before, listFiles(t, file)); diff != "" {
		t.Error("files appeared:", diff)
	}
}

func TestWhatIsNoConfigurationIsRefused(t *testing.T) {
	at := func() string { return filepath.Join(t.TempDir(), "config") }

	file := at()
	writeFile(t, file, []byte("{}\n"))

	if err := os.Chmod(file, 0o444); err != nil {
		t.Fatal(err)
	}
	checkRefused(t, file, "read-only")

	file = at()
	if err := os.Mkdir(file, 0o700); err != nil {
		t.Fatal(err)
	}
	checkRefused(t, file, "not a file")

	file = at()
	if err := os.Symlink("nowhere", file); err != nil {
		t.Fatal(err)
	}
	checkRefused(t, file, "can't be followed")

	file = at()
	writeFile(t, file, nil)

	if err := os.Truncate(file, 65<<20); err != nil {
		t.Fatal(err)
	}
	checkRefused(t, file, "65 MiB")

	file = at()
	if err := syscall.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	checkRefused(t, file, "not a file")

	if os.Getuid() != 0 { // root writes into read-only folders
		file = at()
		writeFile(t, file, []byte("{}\n"))

		if err := os.Chmod(filepath.Dir(file), 0o500); err != nil {
			t.Fatal(err)
		}
		checkRefused(t, file, "can't be written")
	}
}

// A symlink stays one: its target is edited, with its mode; the backup lies
// beside the link, not in the folder of dotfiles.
func TestSymlinkModeAndBackups(t *testing.T) {
	c := findClient(t, "cursor")
	dots, home := t.TempDir(), t.TempDir()
	target, link := filepath.Join(dots, "mcp.json"), filepath.Join(home, "mcp.json")
	original := []byte("{\"a\": 1}\n")
	writeFile(t, target, original)

	if err := os.Chmod(target, 0o640); err != nil {
		t.Fatal(err)
	}

	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	install(t, c, link, stdio)

	if info, _ := os.Lstat(link); info.Mode()&os.ModeSymlink == 0 {
		t.Error("the link is gone")
	}

	if info, _ := os.Stat(target); info.Mode().Perm() != 0o640 {
		t.Errorf("the mode is %v now", info.Mode())
	}

	if got := readFile(t, link+".ratchet-backup"); !bytes.Equal(got, original) {
		t.Errorf("the backup holds %q", got)
	}

	if diff := cmp.Diff([]string{"mcp.json"}, listFiles(t, target)); diff != "" {
		t.Error(diff)
	}
	writeFile(t, target, []byte("{\"b\": 2}\n")) // an older backup is not lost
	install(t, c, link, stdio)

	if got := readFile(t, link+".ratchet-backup.2"); string(got) != "{\"b\": 2}\n" {
		t.Errorf("the second backup holds %q", got)
	}

	if got := readFile(t, link+".ratchet-backup"); !bytes.Equal(got, original) {
		t.Errorf("the first backup holds %q now", got)
	}
}

// A file that the client writes between plan and apply is left alone.
func TestOvertaken(t *testing.T) {
	c := findClient(t, "claude-code")
	for _, before := range []string{"", "{}\n"} {
		file := filepath.Join(t.TempDir(), "config")
		if before != "" {
			writeFile(t, file, []byte(before))
		}

		p, err := c.PlanInstall(file, stdio)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, file, []byte("{\"numStartups\": 35}\n"))

		if _, err := p.Apply(); research.Describe(err).Code != research.CodeConflict {
			t.Errorf("got %v", err)
		}

		if got := readFile(t, file); string(got) != "{\"numStartups\": 35}\n" {
			t.Errorf("the client's own change is lost: %q", got)
		}

		if n := listFiles(t, file); len(n) != 1 {
			t.Errorf("something else was written: %v", n)
		}
	}
}

// What a person added around the entry afterwards stays when it goes.
func TestUninstallAfterEdits(t *testing.T) {
	c := findClient(t, "cursor")
	file := filepath.Join(t.TempDir(), "config")
	writeFile(t, file, []byte("{\n  \"theme\": 1\n}\n"))
	install(t, c, file, stdio)
	writeFile(t, file, bytes.Replace(readFile(t, file), []byte("\"theme\": 1"), []byte("\"theme\": 2"), 1))
	uninstall(t, c, file)

	if got, want := string(readFile(t, file)), "{\n  \"theme\": 2\n}\n"; got != want {
		t.Errorf("got %q, want %q: the table that install made goes, the edit stays", got, want)
	}
}

func TestDiffHidesTheToken(t *testing.T) {
	p, err := findClient(t, "zed").PlanInstall(filepath.Join(t.TempDir(), "settings.json"), http)
	if err != nil {
		t.Fatal(err)
	}

	if d := p.Diff(http.Token); strings.Contains(d, http.Token) || !strings.Contains(d,
		"+        \"Authorization\": \"Bearer …\"") {
		t.Error(d)
	}
}

// Where each client keeps its file, on each system.
func TestPlaces(t *testing.T) {
	got := map[string][]string{}

	for _, os := range []string{"linux", "darwin", "windows"} {
		m := clients.Machine{GOOS: os, Home: "/nohome", Getenv: func(string) string { return "" }}

		for _, c := range clients.AllClients() {
			for _, scope := range c.Scopes() {
				file, err := c.ConfigFile(m, scope, "/norepo")
				if err != nil {
					t.Fatal(err)
				}

				key := c.ID + " " + string(scope)
				if prev := got[key]; len(prev) > 0 && prev[0] == file {
					continue
				}
				got[key] = append(got[key], file)
			}
		}
	}

	want := map[string][]string{
		"claude-code user": {"/nohome/.claude.json"}, "claude-code project": {"/norepo/.mcp.json"},
		"codex user": {"/nohome/.codex/config.toml"}, "codex project": {"/norepo/.codex/config.toml"},
		"cursor user": {"/nohome/.cursor/mcp.json"}, "cursor project": {"/norepo/.cursor/mcp.json"},
		"gemini user": {"/nohome/.gemini/settings.json"}, "gemini project": {"/norepo/.gemini/settings.json"},
		"opencode user": {"/nohome/.config/opencode/opencode.json"}, "opencode project": {"/norepo/opencode.json"},
		"windsurf user":  {"/nohome/.codeium/windsurf/mcp_config.json"},
		"vscode project": {"/norepo/.vscode/mcp.json"}, "zed project": {"/norepo/.zed/settings.json"},
		"vscode user": {"/nohome/.config/Code/User/mcp.json", "/nohome/Library/Application Support/Code/User/mcp.json",
			"/nohome/AppData/Roaming/Code/User/mcp.json"},
		"zed user":   {"/nohome/.config/zed/settings.json", "/nohome/AppData/Roaming/Zed/settings.json"},
		"goose user": {"/nohome/.config/goose/config.yaml", "/nohome/AppData/Roaming/Block/goose/config/config.yaml"},
		"cline user": {"/nohome/.config/Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
			"/nohome/Library/Application Support/Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
			"/nohome/AppData/Roaming/Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The file that is edited is the one the client reads: its own variable first,
// then the one with the entry, then the one that exists.
func TestWhichFile(t *testing.T) {
	home := t.TempDir()
	env := map[string]string{}
	m := clients.Machine{GOOS: "linux", Home: home, Getenv: func(k string) string { return env[k] }}
	check := func(id, want string) {
		t.Helper()

		got, err := findClient(t, id).ConfigFile(m, clients.User, "")
		if err != nil || got != filepath.Join(home, want) {
			t.Errorf("%s: %s, %v; want %s", id, got, err, want)
		}
	}

	dir := filepath.Join(home, ".config", "opencode")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "opencode.jsonc"), []byte("{}\n"))
	check("opencode", ".config/opencode/opencode.jsonc")
	writeFile(t, filepath.Join(dir, "opencode.json"), []byte("{}\n"))
	check("opencode", ".config/opencode/opencode.json")
	install(t, findClient(t, "opencode"), filepath.Join(dir, "opencode.jsonc"), stdio)
	check("opencode", ".config/opencode/opencode.jsonc")
	env["CODEX_HOME"] = filepath.Join(home, "elsewhere")
	check("codex", "elsewhere/config.toml")
	env["CLINE_MCP_SETTINGS_PATH"] = filepath.Join(home, "cline.json")
	check("cline", "cline.json")

	if _, err := findClient(t, "windsurf").ConfigFile(m, clients.Project, home); err == nil {
		t.Error("a client without project files has one")
	}

	if _, err := findClient(t, "cursor").ConfigFile(m, clients.Project, ""); err == nil {
		t.Error("a project file without a repository")
	}
}
