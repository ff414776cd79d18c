package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"ratchet/internal/scripted"
)

// play is what the scripted model does with a campaign: the loop that the
// prompts ask for. It reads what it needs from the tools' answers, as the client
// shows them, and remembers only which edit comes next, so that another client
// can go on. The edit itself is made by the play, in the moment in which a model
// would use its client's tool for editing files.
type play struct {
	file  string // the edited one
	first string // its first line: "slow" makes a run long
	want  int    // experiments in all
	quick bool   // run_experiment answers as soon as the run is under way

	mu       sync.Mutex
	made     int            // experiments proposed so far
	kept     []int          // experiments
	reverted []int          // experiments
	running  chan int       // gets an experiment's number with each answer that says that it runs
	forms    map[string]int // answers that reached the model as text, and as json
	problems []string
	over     bool // the model has said that it is done
}

func newPlay(s *site, experiments int) *play {
	return &play{file: filepath.Join(s.dir, "work.txt"), first: "slow", want: experiments,
		running: make(chan int, 1000), forms: map[string]int{}}
}

// content is the edited file of experiment n: an odd one is a gain, an even one is not.
func (p *play) content(n int) string {
	size := 400 - 10*n
	if n%2 == 0 {
		size = 500
	}

	return p.first + "\n" + strings.Repeat("x", size) + "\n"
}

// seen is what the play reads of an answer.
type seen struct {
	Status, ID, Verdict string
	Experiment          int
	Error               *struct{ Code, Message string }
}

var (
	statusLine   = regexp.MustCompile(`^(?:([xcmh]\d+) )?(running|done|idle)\b`)
	verdictLine  = regexp.MustCompile(`(?m)^(?:x\d+ done: )?(improved|provisional|equivalent|regressed|inconclusive|invalid)\b`)
	decidedLine  = regexp.MustCompile(`^(?:kept x(\d+) as |x(\d+) reverted; restored:)`)
	refusedLines = regexp.MustCompile(`^([a-z_]+): (.*)\nnext: `)
)

// read understands an answer in both of its forms, and what clients put around it.
func (p *play) read(r *scripted.Result) (a seen) {
	text := r.Text
	if i := strings.Index(text, "Output:\n"); i >= 0 { // Codex: the time in front
		text = text[i+len("Output:\n"):]
	}

	text = strings.TrimSpace(strings.NewReplacer("<untrusted_context>", "", "</untrusted_context>",
		"").Replace(text)) // Gemini CLI
	if json.Unmarshal([]byte(text), &a) == nil {
		p.forms["json"]++
		return a
	}

	p.forms["text"]++

	if m := statusLine.FindStringSubmatch(text); m != nil {
		a.ID, a.Status = m[1], m[2]
		if m := verdictLine.FindStringSubmatch(text); m != nil && a.Status == "done" {
			a.Verdict = m[1]
		}
	} else if m := decidedLine.FindStringSubmatch(text); m != nil {
		_, _ = fmt.Sscan(m[1]+m[2], &a.Experiment)
	} else if m := refusedLines.FindStringSubmatch(text); m != nil {
		a.Error = &struct{ Code, Message string }{m[1], m[2]}
	}

	return a
}

// move is the next step of the loop.
func (p *play) move(t scripted.Turn) scripted.Move {
	p.mu.Lock()
	defer p.mu.Unlock()

	last := t.LastResult()
	if last == nil {
		return scripted.Move{Tool: "start_campaign"}
	}

	a := p.read(last)
	if a.Error != nil {
		return p.fail("%s is refused: %s: %s", last.Tool, a.Error.Code, a.Error.Message)
	}

	switch tool := last.Tool; {
	case strings.HasSuffix(tool, "start_campaign"):
		return scripted.Move{Tool: "wait_run"} // the calibration, or what another session left
	case strings.HasSuffix(tool, "run_experiment"), strings.HasSuffix(tool, "wait_run"):
		return p.judge(last.Text, a)
	case a.Experiment == 0: // a keep or revert that was none
		return p.fail("%s answered %s", tool, last.Text)
	}

	return p.propose()
}

func (p *play) judge(text string, a seen) scripted.Move {
	n := 0

	_, _ = fmt.Sscanf(a.ID, "x%d", &n) // stays 0 for a calibration
	switch {
	case a.Status == "running":
		p.running <- n
		return scripted.Move{Tool: "wait_run"}
	case a.Status == "idle" || a.Status == "done" && n == 0:
		return p.propose()
	case a.Status == "done" && a.Verdict == "improved" && n%2 == 1:
		p.kept = append(p.kept, n)
		return scripted.Move{Tool: "keep", Args: map[string]any{"note": fmt.Sprintf("edit %d", n)}}
	case a.Status == "done" && a.Verdict == "regressed" && n%2 == 0:
		p.reverted = append(p.reverted, n)
		return scripted.Move{Tool: "revert", Args: map[string]any{"lesson": fmt.Sprintf("edit %d makes it longer", n)}}
	}

	return p.fail("not the answer that experiment %d must have: %s", n, text)
}

// propose makes the next edit and runs it.
func (p *play) propose() scripted.Move {
	if p.made == p.want {
		p.over = true
		return scripted.Move{Say: "The campaign is done."}
	}

	p.made++
	if err := os.WriteFile(p.file, []byte(p.content(p.made)), 0o666); err != nil {
		return p.fail("edit: %v", err)
	}

	args := map[string]any{"hypothesis": fmt.Sprintf("edit %d", p.made)}
	if p.quick {
		args["wait_seconds"] = 1
	}

	return scripted.Move{Tool: "run_experiment", Args: args}
}

func (p *play) fail(format string, args ...any) scripted.Move {
	p.problems = append(p.problems, fmt.Sprintf(format, args...))
	return scripted.Move{Say: "I give up: " + p.problems[len(p.problems)-1]}
}
