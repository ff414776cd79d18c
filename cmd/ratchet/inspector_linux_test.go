package main_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// inspector runs the MCP Inspector's command line on a server, and returns what
// it prints, which is JSON, and what it says besides.
func (s *site) inspector(target []string, args ...string) (json.RawMessage, string) {
	s.t.Helper()
	bin := need(s.t, "inspector")
	var out, said strings.Builder
	cmd := exec.Command(filepath.Join(bin, "mcp-inspector"), append(append([]string{"--cli"}, target...), args...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, &out, &said

	cmd.Env = append(s.env, "PATH="+programs(s.t))
	if err := cmd.Run(); err != nil {
		s.t.Fatalf("inspector %s: %v\n%s%s", strings.Join(args, " "), err, &out, &said)
	}

	if !json.Valid([]byte(out.String())) {
		s.t.Fatalf("inspector %s: %s", strings.Join(args, " "), &out)
	}

	return json.RawMessage(out.String()), said.String()
}

// The MCP Inspector lists, reads and calls, over both transports, and finds no
// fault with the tools' schemas.
func TestInspector(t *testing.T) {
	if *clientRun == 0 {
		t.Skip("a long form: make clients")
	}
	s := newSite(t)
	v := s.serve("")
	s.sh(ratchet, "call", "start_campaign", "{}")
	s.sh(ratchet, "call", "wait_run", "{}")

	for name, target := range map[string][]string{
		"stdio": {ratchet, "mcp"},
		"HTTP":  {v.url + "?repo=" + s.dir, "--transport", "http", "--header", "Authorization: Bearer " + v.token},
	} {
		t.Run(name, func(t *testing.T) {
			at := *s
			at.t = t
			var list struct {
				Tools, Prompts, Resources []struct{ Name string }
				ResourceTemplates         []struct{ URITemplate string }
			}

			for _, kind := range []string{"tools", "prompts", "resources", "resources/templates"} {
				args := []string{"--method", kind + "/list"}
				if kind == "tools" {
					args = append(args, "--strict")
				}

				out, said := at.inspector(target, args...)
				if err := json.Unmarshal(out, &list); err != nil {
					t.Fatal(err)
				}

				if strings.TrimSpace(said) != "" {
					t.Errorf("%s/list: %s", kind, said)
				}
			}

			if len(list.Tools) != 10 || len(list.Prompts) < 4 || len(list.Resources) != 3 ||
				len(list.ResourceTemplates) != 1 {
				t.Errorf("listed: %+v", list)
			}
			out, _ := at.inspector(target, "--method", "tools/call", "--tool-name", "read_log", "--tool-arg",
				"view=brief")

			var a struct {
				StructuredContent struct{ Campaign string }
			}
			if err := json.Unmarshal(out, &a); err != nil || a.StructuredContent.Campaign != "shrink" {
				t.Errorf("read_log: %s", out)
			}

			if out, _ := at.inspector(target, "--method", "resources/read", "--uri",
				"ratchet://brief"); !strings.Contains(string(out), "shrink") {
				t.Errorf("ratchet://brief: %s", out)
			}

			if out, _ := at.inspector(target, "--method", "prompts/get", "--prompt-name",
				"loop"); !strings.Contains(string(out), "run_experiment") {
				t.Errorf("loop: %s", out)
			}
		})
	}
}
