package main_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ratchet/internal/testform"
)

// hookAnswer is what a client reads from a hook.
type hookAnswer struct{ Decision, Reason, SystemMessage string }

// event is what clients send when their agent is about to end its turn.
func (s *site) event(more string) string {
	return `{"session_id": "8f", "transcript_path": "/dev/null", "hook_event_name": "Stop", "stop_hook_active": false` +
		more + `, "cwd": "` + s.dir + `"}`
}

// hook runs the hook as a client does: a child of this process, as the servers
// of connect are, with a minute to answer: this is about what it says. It must
// succeed whatever it is told, and say one JSON object.
func (s *site) hook(stdin string, args ...string) hookAnswer {
	s.t.Helper()
	cmd := exec.Command(ratchet, append([]string{"hook", "stop", "--within=1m"}, args...)...)
	var out, said bytes.Buffer

	cmd.Env = append(slices.Clone(s.env), "CLAUDE_PROJECT_DIR="+s.project, "GEMINI_PROJECT_DIR=")

	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = filepath.Dir(s.dir), strings.NewReader(stdin), &out, &said
	if err := cmd.Run(); err != nil || said.Len() > 0 {
		s.t.Errorf("the hook ended with %v and said %q", err, said.String())
	}
	var a hookAnswer

	d := json.NewDecoder(&out)
	if err := d.Decode(&a); err != nil || d.More() {
		s.t.Errorf("the hook answered %v", err)
	}

	return a
}

// holds fails unless the hook's answer is a block whose reason has words, or
// with no words, that the agent may stop.
func (s *site) holds(a hookAnswer, words string) {
	s.t.Helper()

	if words == "" && a.Decision+a.Reason != "" ||
		words != "" && (a.Decision != "block" || !strings.Contains(a.Reason, words)) {
		s.t.Errorf("the hook answered %+v, want a block about %q", a, words)
	}
}

// TestHookHoldsWhileThereIsWork tells a campaign from the hook's point of view.
func TestHookHoldsWhileThereIsWork(t *testing.T) {
	testform.SkipQuick(t, "internal/view: TestUnfinishedWorkLetsStrangersGo")
	t.Parallel()
	s := newSite(t)
	s.holds(s.hook(s.event("")), "") // no campaign
	s.sh(ratchet, "call", "start_campaign")
	s.sh(ratchet, "call", "wait_run")
	s.holds(s.hook(s.event("")), "") // a campaign, but no session of the client

	c := s.connect()
	c.call("start_campaign", nil)
	a := s.hook(s.event(""))
	s.holds(a, "200 experiments and 10 h are left. Next: edit the file")

	if !strings.Contains(a.Reason, "`ratchet stop`") {
		t.Errorf("the reason has no way out: %s", a.Reason)
	}

	// what is not the agent's end of a turn in this checkout, or can't be understood
	for name, stdin := range map[string]string{
		"nothing": "", "garbage": "\x00\xff{", "no object": `[1]`, "of another type": `{"cwd": 7}`,
		"no folder": `{"hook_event_name": "Stop"}`, "elsewhere": `{"cwd": "/"}`,
		"nowhere": `{"cwd": "/no/such/folder"}`, "a subagent": strings.Replace(s.event(""), `"Stop"`, `"SubagentStop"`,
			1), "plan mode": s.event(`, "permission_mode": "plan"`),
	} {
		if a := s.hook(stdin); a != (hookAnswer{}) {
			t.Errorf("%s: %+v", name, a)
		}
	}
	s.holds(s.hook(s.event(""), "--no-such-flag", "and", "more"), "")
	s.holds(s.hook(s.event(""), "--within=nonsense", "-C", "/no/such/folder"), "")
	s.holds(s.hook(`{}`, "-C", s.dir), "experiments")
	s.project = s.dir // the agent went elsewhere, the client was started here
	s.holds(s.hook(`{"cwd": "/"}`), "experiments")

	// an agent that is stuck is let go, with a word to the person; a record makes patience new
	a = s.hook(s.event(`, "hook_event_name": "AfterAgent"`))
	s.holds(a, "")

	if !strings.Contains(a.SystemMessage, "3 times in a row") {
		t.Errorf("nobody is told: %+v", a)
	}
	c.call("share", map[string]any{"ops": []any{map[string]any{"op": "add", "idea": "fewer words"}}})
	s.holds(s.hook(s.event("")), "experiments")
	s.holds(s.hook(s.event(""), "--within=1ns"), "") // too late to hold anybody

	// waiting for a run is not being stuck
	s.write("work.txt", "hang")
	c.call("run_experiment", map[string]any{"hypothesis": "it hangs", "wait_seconds": 0})

	for range 5 {
		c.call("wait_run", map[string]any{"wait_seconds": 0})
		s.holds(s.hook(s.event("")), `wait_run{id: "x1"}`)
	}

	if a := c.call("stop_run", nil); !strings.Contains(a.text, "stopped") {
		t.Fatalf("stop_run: %s", a.text)
	}
	s.holds(s.hook(s.event("")), "199 experiments and 10 h")

	// somebody stops the loop; off the campaign's branch; a broken ledger
	if out := s.sh(ratchet, "stop"); !strings.Contains(out, "the loop of shrink rests") {
		t.Errorf("stop says %s", out)
	}
	s.holds(s.hook(s.event("")), "")
	c.close()
}

// TestHookLetsGo: the hook holds nobody where nothing can be done, or where it
// does not know.
func TestHookLetsGo(t *testing.T) {
	testform.SkipQuick(t, "internal/view: TestUnfinishedWorkLetsStrangersGo")
	for name, undo := range map[string]func(s *site){
		"budget spent": func(s *site) {
			s.write("program.md", strings.Replace(s.read("program.md"), "run:", "campaign: {experiments: 1}\nrun:", 1))
		},
		"contract changed": func(s *site) {
			s.write("program.md", strings.Replace(s.read("program.md"), "wall: 120s", "wall: 121s", 1))
		},
		"another branch": func(s *site) { s.sh("git", "switch", "-q", "main") },
		"abandoned":      func(s *site) { s.sh(ratchet, "abandon") },
		"broken ledger": func(s *site) {
			if err := os.Truncate(filepath.Join(s.dir, ".git", "ratchet", "ledger.db"), 100); err != nil {
				s.t.Fatal(err)
			}
		},
		"no count": func(s *site) { // the folder where the count would stand is gone
			jobs := filepath.Join(s.dir, ".git", "ratchet", "jobs")
			s.sh("sh", "-c",
				"rm -f "+jobs+"/held.*; mkdir "+jobs+"/$(basename $(ls -d "+jobs+"/checkout.*) | sed s/checkout/held/)")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := newSite(t)
			if name == "budget spent" {
				undo(s)
				undo = func(s *site) {
					s.write("work.txt", "short\n")
					s.sh(ratchet, "call", "run_experiment", `{"hypothesis": "shorter"}`)
				}
			}
			c := s.connect()
			c.call("start_campaign", nil)
			c.calibrated()
			s.holds(s.hook(s.event("")), "experiment")
			undo(s)

			if a := s.hook(s.event("")); a != (hookAnswer{}) {
				t.Errorf("it answered %+v", a)
			}
			c.close()
		})
	}
}

// TestHookKnowsItsClient: another client's agent in the same checkout, which
// does something else there, may stop.
func TestHookKnowsItsClient(t *testing.T) {
	testform.SkipQuick(t, "internal/view: TestUnfinishedWorkLetsStrangersGo")
	t.Parallel()
	s := newSite(t)
	c := s.connect()
	c.call("start_campaign", nil)
	c.calibrated()
	s.holds(s.hook(s.event("")), "experiments")
	c.close()
	s.holds(s.hook(s.event("")), "") // it has left

	other := exec.Command("sh", "-c", ratchet+" mcp; true") // the server's parent is this shell, not this process
	other.Dir, other.Env = s.dir, s.env
	c = s.talk(other)
	c.call("start_campaign", nil)

	if a := s.hook(s.event("")); a != (hookAnswer{}) {
		t.Errorf("the agent of another client is held: %+v", a)
	}
	c.close()
}
