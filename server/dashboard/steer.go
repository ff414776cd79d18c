package dashboard

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"ratchet/internal/checkout"
	"ratchet/internal/lab"
	"ratchet/internal/render"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
)

// What a person can do from the dashboard. Each is a call of the laboratory that
// the command line has too, recorded as a person's.

const (
	byDashboard = "dashboard" // research.LoopChange.By
	maxSteer    = 4000        // bytes of a text of any kind
	maxIdea     = 2000        // of an idea
)

// steering is what the page asks for.
type steering struct {
	Action  string `json:"action"`
	ID      string `json:"id"`
	Text    string `json:"text"`
	Digest  string `json:"digest"`
	Confirm string `json:"confirm"` // the campaign's name, typed
	Note    string `json:"note"`
	// Passphrase is that of a locked repository, for accept and override.
	Passphrase string `json:"passphrase"`
}

// word is the person's, as the dashboard asked for it.
func (s steering) word() lab.Word { return lab.Word{By: history.ByDashboard, Passphrase: s.Passphrase} }

// outcome is what was done, in a sentence, and what comes next.
type outcome struct {
	Done string `json:"done"`
	Next string `json:"next"`
}

// steer reads what the person wants, and does it.
func steer(ctx context.Context, c *call) (any, error) {
	request, err := decodeSteering(c.Body)
	if err != nil {
		return nil, err
	}

	act := map[string]func(context.Context, *call, steering) (*outcome, error){
		"pause":    pauseLoop,
		"resume":   resumeLoop,
		"stop":     stopRun,
		"idea":     addIdea,
		"note":     addNote,
		"accept":   acceptContract,
		"override": overrideVerdict,
	}[request.Action]
	if act == nil {
		return nil, research.Errorf(research.CodeBadArgument, "use pause, resume, stop, idea, note, accept or override",
			"the action %q is none", excerpt(request.Action))
	}
	c.Action = request.Action

	out, err := act(ctx, c, request)
	if err != nil {
		return nil, err
	}

	return outcome{Done: render.Clean(out.Done), Next: render.Clean(out.Next)}, nil
}

// decodeSteering decodes a request's body, within limits. Errors: CodeBadArgument.
func decodeSteering(body []byte) (s steering, err error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()

	if err := decoder.Decode(&s); err != nil || decoder.More() {
		return s, research.Errorf(research.CodeBadArgument, `send {"action": …} as docs/http.md has it`,
			"the request is not steering: %s", excerpt(fmt.Sprint(cmp.Or[any](err, "it goes on after its end"))))
	}

	fields := map[string]string{"text": s.Text, "note": s.Note, "id": s.ID, "digest": s.Digest, "confirm": s.Confirm,
		"passphrase": s.Passphrase}
	for name, text := range fields {
		if len(text) > maxSteer {
			return s, research.Errorf(research.CodeBadArgument, fmt.Sprintf("send at most %d bytes", maxSteer),
				"%s has %d bytes", name, len(text))
		}
	}

	return s, nil
}

func pauseLoop(ctx context.Context, c *call, _ steering) (*outcome, error) {
	a, err := lab.StopLoop(ctx, c.lab, byDashboard)
	if err != nil {
		return nil, err
	}

	done := "the loop of " + a.Campaign + " rests"
	if !a.Changed {
		done += ", as before"
	}

	for _, s := range a.Stopped {
		done += fmt.Sprintf("; stopped %s", s.ID)
	}

	return &outcome{done, "resume lets it go on; nothing starts until then"}, nil
}

func resumeLoop(ctx context.Context, c *call, _ steering) (*outcome, error) {
	a, err := lab.ResumeLoop(ctx, c.lab, byDashboard)
	if err != nil {
		return nil, err
	}

	done := "the loop of " + a.Campaign + " goes on"
	if !a.Changed {
		done += ", as before"
	}

	return &outcome{done, a.Next}, nil
}

func stopRun(ctx context.Context, c *call, s steering) (*outcome, error) {
	if s.ID == "" {
		return nil, research.Errorf(research.CodeBadArgument, `name what runs: {"action": "stop", "id": "x7"}`,
			"stop needs an id")
	}

	a, err := lab.StopJob(ctx, c.lab, s.ID)
	if err != nil {
		return nil, err
	}

	if a.Status != "stopped" {
		return &outcome{s.ID + " does not run", "nothing is left to do"}, nil
	}

	return &outcome{fmt.Sprintf("%s is stopped and recorded", a.ID), "the loop goes on; pause stops it"}, nil
}

func addIdea(ctx context.Context, c *call, s steering) (*outcome, error) {
	text := strings.TrimSpace(render.Clean(s.Text))
	if text == "" || len(text) > maxIdea {
		return nil, research.Errorf(research.CodeBadArgument, fmt.Sprintf("say in 1 to %d bytes what to try", maxIdea),
			"the idea has %d bytes", len(text))
	}

	a, err := lab.Share(ctx, c.lab, []lab.ShareOp{{Op: "add", Idea: text}})
	if err != nil {
		return nil, err
	}

	return &outcome{strings.Join(a.Done, "; "), "agents find it in their next brief"}, nil
}

func addNote(ctx context.Context, c *call, s steering) (*outcome, error) {
	n, err := lab.AddNote(ctx, c.lab, render.Clean(s.Text), byDashboard)
	if err != nil {
		return nil, err
	}

	return &outcome{fmt.Sprintf("note %d is recorded", n), "every session is told with its next answer"}, nil
}

func acceptContract(ctx context.Context, c *call, s steering) (*outcome, error) {
	campaign, _, digest, err := lab.PendingContract(ctx, c.lab)
	if err != nil {
		return nil, err
	}

	if err := requireConfirmation(s, campaign.Name); err != nil {
		return nil, err
	}

	if digest == campaign.Digest {
		return nil, research.Errorf(research.CodeConflict, "reload the page",
			"the contract of %s is the accepted one already", campaign.Name)
	}

	if err := lab.AcceptContract(ctx, c.lab, s.Digest, s.word()); err != nil {
		return nil, err
	}

	return &outcome{"the changed contract of " + campaign.Name + " is accepted", "the next run calibrates again"}, nil
}

// requireConfirmation refuses unless the campaign's name was typed.
func requireConfirmation(s steering, campaign string) error {
	if strings.TrimSpace(s.Confirm) == campaign {
		return nil
	}

	return research.Errorf(research.CodeBadArgument, "type the campaign's name, "+campaign,
		"nothing was done: the name differs")
}

// overrideVerdict keeps an experiment against its verdict, in the checkout that
// proposed it: keep moves the branch of its own checkout, and no other.
func overrideVerdict(ctx context.Context, c *call, s steering) (*outcome, error) {
	if s.ID == "" {
		return nil, research.Errorf(research.CodeBadArgument, `name the experiment: {"action": "override", "id": "x7"}`,
			"override needs an id")
	}

	found, err := lab.FindOverridable(ctx, c.lab, s.ID)
	if err != nil {
		return nil, err
	}

	if err := requireConfirmation(s, found.Campaign); err != nil {
		return nil, err
	}

	co := c.lab
	if found.Checkout != co.Root() {
		if co, err = c.openProposer(ctx, found); err != nil {
			return nil, err
		}
	}

	kept, err := lab.Keep(ctx, co, lab.KeepRequest{ID: string(found.ID), Note: strings.TrimSpace(render.Clean(s.Note)),
		Override: s.word()})
	if err != nil {
		return nil, err
	}
	done := fmt.Sprintf("x%d is kept as %s on %s, against its verdict", kept.Experiment, kept.Commit, kept.Branch)

	return &outcome{
		Done: strings.Join(append([]string{done}, kept.Notes...), "; "),
		Next: "the agent goes on from there; `ratchet undo` takes it back",
	}, nil
}

// openProposer opens the laboratory of the checkout that proposed an experiment.
// Errors: forbidden where the server may not work there, or it has moved.
func (c *call) openProposer(ctx context.Context, found *lab.Overridable) (*checkout.Checkout, error) {
	roots := c.handler.opt.Roots
	co := c.lab

	dir, err := roots.Checkout(found.Checkout)
	if err == nil {
		co, err = co.OpenSibling(ctx, dir)
	}

	if err == nil && (co.Root() != found.Checkout || !roots.Contain(co.Root())) {
		err = research.Errorf(research.CodeRepository, "", "it lies elsewhere now")
	}

	if err != nil {
		return nil, research.Errorf("forbidden",
			"run `ratchet override "+string(found.ID)+"` in that checkout, or serve it too, with --root",
			"%s was proposed in %s, where this server can't work: %w", found.ID, excerpt(found.Checkout), err)
	}

	return co, nil
}
