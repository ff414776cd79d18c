// Package demo plays a scripted agent against Ratchet's own MCP server: an
// example of the examples package, in a repository made for it in a temporary
// folder, with good, useless, broken and dishonest edits. It holds every answer
// against the right ones.
//
// The life of a play:
//
//	Play  makeRepository → startServer → startCampaign → playEdit, edit after edit → showResult → stop
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"ratchet/examples"
	"ratchet/internal/research"
)

const (
	playLimit = 6 * time.Minute  // ends a play that hangs; a whole one takes about a minute
	stopLimit = 20 * time.Second // for stopping what runs when it fails
)

// Options say what is played and where it is shown.
type Options struct {
	Example string
	Program string    // path of the ratchet binary that is started as a server
	Keep    bool      // the folder
	Out     io.Writer // shows the play
	Width   int       // of Out's terminal, 0 if it is none
}

// Result is what a play came to, also one that failed.
type Result struct {
	Example     string  `json:"example"`
	Experiments int     `json:"experiments"`
	Refused     int     `json:"refused"`
	Seconds     float64 `json:"seconds"`
	Folder      string  `json:"folder,omitempty"` // where it was kept
	Steps       []Step  `json:"steps"`
}

// Step is one edit of the script.
type Step struct {
	Experiment int     `json:"experiment,omitempty"` // none when it was refused
	Hypothesis string  `json:"hypothesis"`
	Answer     string  `json:"answer"` // the verdict, or the refusal's code
	Then       string  `json:"then"`
	Right      bool    `json:"right"`
	Seconds    float64 `json:"seconds"`
}

// Listed is an example as a list shows it.
type Listed struct {
	Name    string `json:"example"`
	About   string `json:"about"`
	Missing string `json:"missing,omitempty"` // programs that it needs and the PATH lacks
}

// List returns the examples.
func List() ([]Listed, error) {
	var all []Listed

	for _, name := range examples.Names() {
		x, err := examples.Load(name)
		if err != nil {
			return nil, err
		}

		all = append(all, Listed{Name: name, About: x.About, Missing: missingPrograms(x)})
	}

	return all, nil
}

// missingPrograms names what the example needs and the PATH lacks, "" if nothing.
func missingPrograms(x *examples.Example) string {
	var missing []string

	for _, program := range x.Needs {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, program)
		}
	}

	return strings.Join(missing, ", ")
}

// Play plays one example from an empty folder to its last line, and removes the
// folder. The result is nil if it could not begin; an error of a play that began
// comes with what was played of it.
//
// Errors: research.CodeBadArgument (no such example), research.CodeUnsupported
// (it needs a program), research.CodeCancelled (ctx ended, or the time was up).
func Play(ctx context.Context, o Options) (*Result, error) {
	x, err := examples.Load(o.Example)
	if err != nil {
		return nil, research.Errorf(research.CodeBadArgument, "`ratchet demo --list` lists them", "%w", err)
	}

	if missing := missingPrograms(x); missing != "" {
		return nil, research.Errorf(research.CodeUnsupported,
			"install it, or `ratchet demo --list` for another example", "the example %s needs %s on the PATH",
			o.Example, missing)
	}

	top, err := os.MkdirTemp("", "ratchet-demo-")
	if err != nil {
		return nil, fmt.Errorf("make the demo's folder: %w", err)
	}

	ctx, cancel := context.WithTimeout(ctx, playLimit)
	defer cancel()

	d := &player{view: newView(o.Out, o.Width), self: o.Program, top: top, dir: filepath.Join(top, o.Example),
		example: x, began: time.Now()}

	err = d.playAll(ctx)
	if ctx.Err() != nil {
		err = research.Errorf(research.CodeCancelled, "run it again", "the demo was stopped after %.0f s",
			time.Since(d.began).Seconds())
		_ = d.stopServer(ctx, true) // fails: the end of ctx has killed the server
	} else {
		err = errors.Join(err, d.stopServer(ctx, err != nil))
	}

	result := d.result()
	if o.Keep {
		result.Folder = d.dir
		d.view.printLine("the repository is kept in %s", d.dir)

		return result, err
	}

	return result, errors.Join(err, os.RemoveAll(top))
}

// result is what was played until now.
func (d *player) result() *Result {
	r := &Result{Example: d.example.Name, Experiments: d.judged, Refused: d.refused,
		Seconds: time.Since(d.began).Seconds(), Steps: []Step{}}

	for _, s := range d.view.steps {
		r.Steps = append(r.Steps, Step{Experiment: s.number, Hypothesis: s.hypothesis, Answer: s.answer, Then: s.then,
			Right: s.right, Seconds: s.took.Seconds()})
	}

	return r
}
