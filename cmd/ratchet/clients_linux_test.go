package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ratchet/internal/scripted"
)

// agent is a real client, a coding agent from npm, and how it is started with
// nobody in front of it. In what it is told, MODEL and REPO stand for the
// scripted model's URL and the repository.
type agent struct {
	id        string            // as `ratchet install` calls it
	name      string            // for people
	files     map[string]string // of its HOME: all that is not Ratchet's entry
	env       []string
	start     []string // the command line; PROMPT stands for the prompt
	list      []string // the one that lists MCP servers
	connected *regexp.Regexp
	checks    bool     // list connects
	prompt    []string // the one that calls the prompt `loop`; nil if the client has no prompts
	resources []scripted.Move
}

// agents are the clients, in the order in which a campaign is handed on.
func agents() []agent { return []agent{claudeCode(), codex(), gemini(), opencode()} }

func claudeCode() agent {
	start := func(prompt string) []string {
		return []string{"claude", "-p", prompt, "--output-format", "stream-json", "--verbose",
			"--allowedTools", "mcp__ratchet,ListMcpResourcesTool,ReadMcpResourceTool"}
	}

	return agent{id: "claude-code", name: "Claude Code",
		env: []string{"ANTHROPIC_BASE_URL=MODEL", "ANTHROPIC_AUTH_TOKEN=none", "ANTHROPIC_MODEL=scripted",
			"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1", "DISABLE_AUTOUPDATER=1"},
		start: start("PROMPT"), prompt: start("/mcp__ratchet__loop"),
		list: []string{"claude", "mcp", "list"}, connected: regexp.MustCompile(`ratchet: .*Connected`), checks: true,
		resources: []scripted.Move{
			{Tool: "ListMcpResourcesTool", Args: map[string]any{"server": "ratchet"}},
			{Tool: "ReadMcpResourceTool", Args: map[string]any{"server": "ratchet", "uri": "ratchet://brief"}}}}
}

func codex() agent {
	return agent{id: "codex", name: "Codex",
		files: map[string]string{".codex/config.toml": `model = "scripted"
model_provider = "rig"
approval_policy = "never"

[model_providers.rig]
name = "rig"
base_url = "MODEL/v1"
wire_api = "responses"
`},
		start: []string{"codex", "exec", "--json", "--skip-git-repo-check", "PROMPT"},
		list:  []string{"codex", "mcp", "list"}, connected: regexp.MustCompile(`ratchet .*enabled`),
		resources: []scripted.Move{
			{Tool: "list_mcp_resources", Args: map[string]any{"server": "ratchet"}},
			{Tool: "read_mcp_resource", Args: map[string]any{"server": "ratchet", "uri": "ratchet://brief"}}}}
}

func gemini() agent {
	start := func(prompt string) []string {
		return []string{"gemini", "--approval-mode", "yolo", "--model", "gemini-2.5-flash", "--prompt", prompt}
	}

	return agent{id: "gemini", name: "Gemini CLI",
		files: map[string]string{
			".gemini/settings.json": `{
  "security": {"auth": {"selectedType": "gemini-api-key"}},
  "general": {"disableAutoUpdate": true},
  "privacy": {"usageStatisticsEnabled": false}
}
`,
			".gemini/trustedFolders.json": `{"REPO": "TRUST_FOLDER"}` + "\n"},
		env:   []string{"GEMINI_API_KEY=none", "GOOGLE_GEMINI_BASE_URL=MODEL"},
		start: start("PROMPT"), prompt: start("/loop"),
		list: []string{"gemini", "mcp", "list"}, connected: regexp.MustCompile(`ratchet: .*Connected`), checks: true,
		resources: []scripted.Move{
			{Tool: "list_mcp_resources", Args: map[string]any{}},
			{Tool: "read_mcp_resource", Args: map[string]any{"uri": "ratchet://brief"}}}}
}

func opencode() agent {
	return agent{id: "opencode", name: "opencode",
		files: map[string]string{".config/opencode/opencode.json": `{
  "$schema": "https://opencode.ai/config.json",
  "autoupdate": false,
  "share": "disabled",
  "model": "rig/scripted",
  "small_model": "rig/scripted",
  "provider": {"rig": {"npm": "@ai-sdk/openai-compatible", "options": {"baseURL": "MODEL/v1", "apiKey": "none"}, "models": {"scripted": {}}}}
}
`},
		env:    []string{"OPENCODE_DISABLE_MODELS_FETCH=1"},
		start:  []string{"opencode", "run", "PROMPT"},
		prompt: []string{"opencode", "run", "--command", "ratchet:loop", "the file"},
		list:   []string{"opencode", "mcp", "list"}, connected: regexp.MustCompile(`ratchet .*connected`), checks: true,
		resources: []scripted.Move{
			{Tool: "list_mcp_resources", Args: map[string]any{"server": "ratchet"}},
			{Tool: "read_mcp_resource", Args: map[string]any{"server": "ratchet", "uri": "ratchet://brief"}}}}
}

// fromNPM is the folder of a package's programs, "" if it isn't installed in
// the version that testdata/clients.txt names.
func fromNPM(t testing.TB, id string) (bin, version string) {
	t.Helper()

	b, err := os.ReadFile("testdata/clients.txt")
	if err != nil {
		t.Fatal(err)
	}

	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == id {
			bin = filepath.Join(clientsDir(), f[0]+"-"+f[2], "node_modules", ".bin")
			if _, err := os.Stat(bin); err != nil {
				bin = ""
			}

			return bin, f[2]
		}
	}
	t.Fatalf("testdata/clients.txt does not name %s", id)

	return "", ""
}

// clientsDir is where .ci/clients puts them.
func clientsDir() string {
	if dir := os.Getenv("RATCHET_CLIENTS"); dir != "" {
		return dir
	}

	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}

	return filepath.Join(cache, "ratchet-clients")
}

// need skips the test unless the package is installed.
func need(t testing.TB, id string) string {
	t.Helper()

	bin, version := fromNPM(t, id)
	if bin == "" {
		t.Skipf("%s %s is not installed in %s: `.ci/clients %s` installs it", id, version, clientsDir(), id)
	}

	return bin
}

// programs is a PATH of git, a shell, and node: the pinned one, else the machine's.
func programs(t testing.TB) string {
	t.Helper()

	var path []string
	if node, _ := fromNPM(t, "node"); node != "" {
		path = append(path, node)
	}

	for _, tool := range []string{"git", "sh", "node"} {
		if at, err := exec.LookPath(tool); err == nil {
			path = append(path, filepath.Dir(at))
		}
	}

	return strings.Join(path, ":")
}

// prepare makes the client's HOME, and installs Ratchet there as a person would.
func (r *rig) prepare() {
	r.t.Helper()

	for name, text := range r.agent.files {
		path := filepath.Join(r.home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			r.t.Fatal(err)
		}

		if err := os.WriteFile(path, []byte(r.fill(text)), 0o600); err != nil {
			r.t.Fatal(err)
		}
	}

	args := []string{"install", r.agent.id}
	if r.url != "" {
		args = append(args, "--http="+r.url)
	}
	cmd := exec.Command(ratchet, args...)

	cmd.Dir, cmd.Env = r.dir, r.environment()
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "installed") {
		r.t.Fatalf("ratchet %s: %v\n%s", strings.Join(args, " "), err, out)
	}

	if r.agent.id == "codex" &&
		r.url == "" { // it hands servers nothing of its environment, and this rig's locks are its own
		path := filepath.Join(r.home, ".codex/config.toml")

		b, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(path, fmt.Appendf(b, "\n[mcp_servers.ratchet.env]\nRATCHET_LOCKS = %q\n", r.locks),
				0o600)
		}

		if err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *rig) fill(s string) string {
	return strings.NewReplacer("MODEL", r.web.URL, "REPO", r.dir).Replace(s)
}

// environment is all that the client sees. What it wants from beyond this
// machine goes to a proxy that is not there.
func (r *rig) environment() []string {
	env := []string{"HOME=" + r.home, "PATH=" + programs(r.t), "RATCHET_LOCKS=" + r.locks, "NO_COLOR=1",
		"HTTPS_PROXY=http://127.0.0.1:9", "HTTP_PROXY=http://127.0.0.1:9", "NO_PROXY=127.0.0.1,localhost"}
	if r.token != "" {
		env = append(env, "RATCHET_TOKEN="+r.token)
	}

	for _, kv := range r.agent.env {
		env = append(env, r.fill(kv))
	}

	return env
}
