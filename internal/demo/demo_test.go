package demo_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ratchet/examples"
	"ratchet/internal/checkout/checkouttest"
	"ratchet/internal/demo"
	"ratchet/internal/research"
	"ratchet/internal/screen"
	"ratchet/internal/testform"
)

// Faults of the server that the test's binary is for a play, see fakeServer.
const (
	faultVariable = "DEMO_TEST_FAULT"

	faultVerdict  = "verdict"  // calls what must be invalid improved
	faultRevert   = "revert"   // restores nothing
	faultHidden   = "hidden"   // hides each gain in noise
	faultCampaign = "campaign" // refuses to start a campaign
	faultAtOdds   = "at odds"  // refuses that too, and does not mark it as an error
	faultStart    = "start"    // finds that the start version gives no number
	faultVerify   = "verify"   // finds a broken ledger
)

// TestMain runs the tests, or what a play starts as the ratchet binary.
func TestMain(m *testing.M) {
	if len(os.Args) != 2 {
		checkouttest.Main(m)
	}

	switch os.Args[1] {
	case "mcp":
		(&fakeServer{fault: os.Getenv(faultVariable)}).serve()
	case "verify":
		fmt.Println("20 records, 1 to 20")

		if os.Getenv(faultVariable) == faultVerify {
			os.Exit(1)
		}
	case "stop":
		if err := os.WriteFile("../stopped", nil, 0o644); err != nil {
			os.Exit(1)
		}
	default:
		checkouttest.Main(m)
	}
}

// fakeServer answers as Ratchet's server must, without an experiment: it looks each
// verdict up in the example. What is kept is a commit, as with Ratchet.
type fakeServer struct {
	fault string
	edits []examples.Edit
}

// request is what the server reads of a message.
type request struct {
	ID     json.RawMessage
	Method string
	Params struct {
		Name      string
		Arguments struct {
			Hypothesis, ID, Lesson string
		}
	}
}

func (s *fakeServer) serve() {
	dir, err := os.Getwd()
	if err != nil {
		panic(err)
	}

	x, err := examples.Load(filepath.Base(dir))
	if err != nil {
		panic(err)
	}
	s.edits = x.Edits

	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var r request
		if err := json.Unmarshal(in.Bytes(), &r); err != nil {
			panic(err)
		}

		switch r.Method {
		case "initialize":
			respond(r.ID, map[string]any{"serverInfo": map[string]any{"version": "1"}})
		case "tools/call":
			structured := s.call(&r)
			refused := structured["error"] != nil && s.fault != faultAtOdds
			respond(r.ID, map[string]any{"isError": refused, "structuredContent": structured,
				"content": []any{map[string]any{"text": "what " + r.Params.Name + " answers"}}})
		}
	}
}

func respond(id json.RawMessage, result any) {
	line, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": id, "result": result})
	if err != nil {
		panic(err)
	}
	fmt.Println(string(line))
}

// call is the structured answer of a tool.
func (s *fakeServer) call(r *request) map[string]any {
	switch r.Params.Name {
	case "start_campaign":
		if s.fault == faultCampaign || s.fault == faultAtOdds {
			return refusal("repository")
		}

		return map[string]any{"campaign": "trial", "branch": "refs/heads/main", "id": "c1", "status": "running"}
	case "run_experiment":
		return s.run(r.Params.Arguments.Hypothesis)
	case "wait_run":
		if r.Params.Arguments.ID == "c1" {
			if s.fault == faultStart {
				return map[string]any{"status": "done", "reason": "exit 1"}
			}

			return map[string]any{"status": "done", "finding": "calibrated: deterministic"}
		}
		// A killed server's successor knows only the experiment's number.
		return s.judge(strings.TrimPrefix(r.Params.Arguments.ID, "x"))
	case "keep":
		runGit("commit", "-qam", "keep")
	case "revert":
		if s.fault != faultRevert {
			runGit("checkout", "-q", ".")
		}
	}

	return map[string]any{"status": "done"}
}

// run begins an experiment, or refuses it.
func (s *fakeServer) run(hypothesis string) map[string]any {
	i := slices.IndexFunc(s.edits, func(e examples.Edit) bool { return e.Hypothesis == hypothesis })
	if answer := s.edits[i].Outcome[0]; !isVerdict(answer) {
		return refusal(answer)
	}

	return map[string]any{"status": "running", "id": fmt.Sprint("x", i+1), "experiment": i + 1, "phase": "run 1"}
}

func (s *fakeServer) judge(number string) map[string]any {
	var n int
	if _, err := fmt.Sscan(number, &n); err != nil {
		panic(err)
	}

	verdict := s.edits[n-1].Outcome[0]
	switch {
	case s.fault == faultVerdict && verdict == "invalid":
		verdict = "improved"
	case s.fault == faultHidden && verdict == "improved":
		verdict = "inconclusive"
	}

	return map[string]any{"status": "done", "experiment": n, "verdict": verdict, "finding": "found:  " + verdict + "\n"}
}

func isVerdict(answer string) bool {
	return slices.Contains([]string{"improved", "provisional", "equivalent", "regressed", "inconclusive", "invalid"},
		answer)
}

func refusal(code string) map[string]any {
	return map[string]any{"error": map[string]any{"code": code, "message": "this is refused"}}
}

func runGit(args ...string) {
	if out, err := exec.Command("git", args...).CombinedOutput(); err != nil {
		panic(string(out))
	}
}

// play plays an example with this test's binary as Ratchet, which has the fault.
func play(t *testing.T, fault string, o demo.Options) (*demo.Result, string, error) {
	t.Helper()
	t.Setenv(faultVariable, fault)
	t.Setenv("TMPDIR", t.TempDir())

	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}

	var out bytes.Buffer
	if o.Example == "" {
		o.Example = "artifact-size"
	}
	o.Program, o.Out = binary, &out

	result, err := demo.Play(t.Context(), o)

	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "ratchet-demo-*")); len(left) > 0 != o.Keep {
		t.Errorf("folders that are left: %v", left)
	}

	return result, out.String(), err
}

func TestPlayWithRightAnswers(t *testing.T) {
	for _, name := range examples.Names() {
		x, err := examples.Load(name)
		if err != nil {
			t.Fatal(err)
		}

		result, out, err := play(t, "", demo.Options{Example: name})
		if research.Describe(err).Code == research.CodeUnsupported {
			t.Logf("%s: %v", name, err)
			continue
		}

		if err != nil || result.Example != name || len(result.Steps) != len(x.Edits) ||
			result.Experiments+result.Refused != len(x.Edits) {
			t.Fatalf("%s: %v: %+v\n%s", name, err, result, out)
		}

		for i, s := range result.Steps {
			e := x.Edits[i]

			then := "reverted"
			switch {
			case !isVerdict(e.Outcome[0]):
				then = "refused"
			case e.Outcome[0] == "improved" || e.Outcome[0] == "provisional":
				then = "kept"
			}

			if s.Answer != e.Outcome[0] || s.Hypothesis != e.Hypothesis || !s.Right || s.Then != then &&
				s.Answer != "equivalent" || (s.Experiment == 0) != (then == "refused") {
				t.Errorf("%s, %s: %+v", name, e.Name, s)
			}

			if killed := fmt.Sprintf("a new one picks experiment %d up", s.Experiment); e.Kill != strings.Contains(out,
				killed) {
				t.Errorf("%s, %s: the server is killed: %t\n%s", name, e.Name, !e.Kill, out)
			}
		}

		for _, want := range []string{"campaign trial on branch refs/heads/main, in ", "calibrated: deterministic (",
			"\nratchet verify:\n  20 records, 1 to 20\n", "  what read_log answers\n", "ratchet install CLIENT",
			"The " + name + " example\n"} {
			if !strings.Contains(out, want) {
				t.Errorf("%s: %q is not shown:\n%s", name, want, out)
			}
		}

		if strings.ContainsAny(out, "\x1b\r") || strings.Contains(out, "UNEXPECTED") {
			t.Errorf("%s: without a terminal is shown\n%q", name, out)
		}
	}
}

func TestPlayWithWrongAnswers(t *testing.T) {
	testform.SkipQuick(t, "TestPlayWithRightAnswers checks each answer")
	for fault, want := range map[string]string{
		faultVerdict:  "improved, expected invalid: found: improved",
		faultRevert:   "revert did not restore build.sh",
		faultHidden:   "only 0 of 1 real gains were proven; is the machine busy?",
		faultVerify:   "verify: exit status 1",
		faultCampaign: "start_campaign is refused: repository: this is refused",
		faultStart:    "the start version gives no number: exit 1",
		faultAtOdds:   "is at odds with itself",
	} {
		result, out, err := play(t, fault, demo.Options{})
		if err == nil || !strings.Contains(strings.Join(strings.Fields(err.Error()), " "), want) || result == nil {
			t.Errorf("%s: %v, want %q\n%s", fault, err, want, out)
		}

		if shown := strings.Contains(out, "UNEXPECTED found: "); shown != (fault == faultVerdict) {
			t.Errorf("%s: an unexpected answer is marked: %t\n%s", fault, shown, out)
		}
	}
}

// TestFailedPlayStopsTheExperiment: it would outlive the server.
func TestFailedPlayStopsTheExperiment(t *testing.T) {
	result, _, err := play(t, faultStart, demo.Options{Keep: true})
	if err == nil || result == nil || result.Folder == "" {
		t.Fatalf("%v: %+v", err, result)
	}

	for path, what := range map[string]string{"../stopped": "nothing was stopped",
		"program.md": "the example is not kept"} {
		if _, err := os.Stat(filepath.Join(result.Folder, path)); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestPlayOnATerminal(t *testing.T) {
	_, out, err := play(t, "", demo.Options{Width: 60})
	if err != nil {
		t.Fatal(err)
	}

	if !strings.Contains(out, "\r\x1b[K    run 1 (0 s): ") {
		t.Errorf("what is done now is not shown:\n%q", out)
	}

	// Steps, and what is done now, fit the terminal: a line that wraps can't be cleared.
	steps, _, _ := strings.Cut(out, "the ledger, newest first")
	_, steps, _ = strings.Cut(steps, "calibrated")
	_, steps, _ = strings.Cut(steps, "\n")

	for line := range strings.FieldsFuncSeq(steps, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if line = strings.TrimPrefix(line, "\x1b[K"); screen.TextWidth(line) > 59 && !strings.Contains(line,
			"the server is killed") {
			t.Errorf("%d columns: %q", screen.TextWidth(line), line)
		}
	}
}

func TestPlayRefuses(t *testing.T) {
	if result, _, err := play(t, "", demo.Options{Example: "nothing"}); result != nil ||
		research.Describe(err).Code != research.CodeBadArgument {
		t.Errorf("an unknown example: %+v %v", result, err)
	}

	t.Setenv("PATH", t.TempDir())

	for _, name := range examples.Names() {
		if x, err := examples.Load(name); err != nil || len(x.Needs) == 0 {
			continue
		}

		if result, _, err := play(t, "", demo.Options{Example: name}); result != nil ||
			research.Describe(err).Code != research.CodeUnsupported {
			t.Errorf("%s without its programs: %+v %v", name, result, err)
		}
	}
}

func TestCancelledPlay(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	t.Setenv("TMPDIR", t.TempDir())

	_, err := demo.Play(ctx, demo.Options{Example: "artifact-size", Program: os.Args[0], Out: &bytes.Buffer{}})
	if research.Describe(err).Code != research.CodeCancelled {
		t.Errorf("%v", err)
	}

	if left, _ := os.ReadDir(os.TempDir()); len(left) > 0 {
		t.Errorf("it leaves %v", left)
	}
}

func TestList(t *testing.T) {
	t.Setenv("PATH", t.TempDir())

	all, err := demo.List()
	if err != nil || len(all) != len(examples.Names()) {
		t.Fatalf("%v: %+v", err, all)
	}

	for i, listed := range all {
		x, err := examples.Load(examples.Names()[i])
		if err != nil {
			t.Fatal(err)
		}

		if listed.Name != x.Name || listed.About != x.About || listed.Missing != strings.Join(x.Needs, ", ") {
			t.Errorf("%s is listed as %+v", x.Name, listed)
		}
	}
}
