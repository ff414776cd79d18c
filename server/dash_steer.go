package server

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"ratchet/internal/checkout"
	"ratchet/internal/lab"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/tools"
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
}

// steered is what was done, in a sentence, and what comes next.
type steered struct {
	Done string `json:"done"`
	Next string `json:"next"`
}

// steer reads what the person wants, and does it.
func steer(ctx context.Context, b *board) (any, error) {
	var s steering
	dec := json.NewDecoder(bytes.NewReader(b.body))
	dec.DisallowUnknownFields()

	if err := dec.Decode(&s); err != nil || dec.More() {
		return nil, research.Errorf(research.CodeBadArgument, `send {"action": …} as docs/http.md has it`,
			"the request is no steering: %s", shown(fmt.Sprint(cmp.Or[any](err, "it goes on after its end"))))
	}

	for name, text := range map[string]string{"text": s.Text, "note": s.Note, "id": s.ID, "digest": s.Digest,
		"confirm": s.Confirm} {
		if len(text) > maxSteer {
			return nil, research.Errorf(research.CodeBadArgument, fmt.Sprintf("send at most %d bytes", maxSteer),
				"%s has %d bytes", name, len(text))
		}
	}

	does := map[string]func(context.Context, *board, steering) (*steered, error){
		"pause": pause, "resume": resume, "stop": stopRun, "idea": addIdea, "note": addNote, "accept": acceptContract,
		"override": overrideVerdict,
	}[s.Action]
	if does == nil {
		return nil, research.Errorf(research.CodeBadArgument, "use pause, resume, stop, idea, note, accept or override",
			"the action %q is none", shown(s.Action))
	}
	b.v.tool += " " + s.Action

	out, err := does(ctx, b, s)
	if err != nil {
		return nil, err
	}
	out.Done, out.Next = tools.Clean(out.Done), tools.Clean(out.Next)

	return out, nil
}

func pause(ctx context.Context, b *board, _ steering) (*steered, error) {
	a, err := lab.StopLoop(ctx, b.lab, byDashboard)
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

	return &steered{done, "resume lets it go on; nothing starts until then"}, nil
}

func resume(ctx context.Context, b *board, _ steering) (*steered, error) {
	a, err := lab.ResumeLoop(ctx, b.lab, byDashboard)
	if err != nil {
		return nil, err
	}

	done := "the loop of " + a.Campaign + " goes on"
	if !a.Changed {
		done += ", as before"
	}

	return &steered{done, a.Next}, nil
}

func stopRun(ctx context.Context, b *board, s steering) (*steered, error) {
	if s.ID == "" {
		return nil, research.Errorf(research.CodeBadArgument, `name what runs: {"action": "stop", "id": "x7"}`,
			"stop needs an id")
	}

	a, err := lab.StopJob(ctx, b.lab, s.ID)
	if err != nil {
		return nil, err
	}

	if a.Status != "stopped" {
		return &steered{s.ID + " does not run", "nothing is left to do"}, nil
	}

	return &steered{fmt.Sprintf("%s is stopped and recorded", a.ID), "the loop goes on; pause stops it"}, nil
}

func addIdea(ctx context.Context, b *board, s steering) (*steered, error) {
	text := strings.TrimSpace(tools.Clean(s.Text))
	if text == "" || len(text) > maxIdea {
		return nil, research.Errorf(research.CodeBadArgument, fmt.Sprintf("say in 1 to %d bytes what to try", maxIdea),
			"the idea has %d bytes", len(text))
	}

	a, err := lab.Share(ctx, b.lab, []lab.ShareOp{{Op: "add", Idea: text}})
	if err != nil {
		return nil, err
	}

	return &steered{strings.Join(a.Done, "; "), "agents find it in their next brief"}, nil
}

func addNote(ctx context.Context, b *board, s steering) (*steered, error) {
	n, err := lab.AddNote(ctx, b.lab, tools.Clean(s.Text), byDashboard)
	if err != nil {
		return nil, err
	}

	return &steered{fmt.Sprintf("note %d is recorded", n), "every session is told with its next answer"}, nil
}

func acceptContract(ctx context.Context, b *board, s steering) (*steered, error) {
	c, _, digest, err := lab.PendingContract(ctx, b.lab)
	if err != nil {
		return nil, err
	}

	if err := confirmed(s, c.Name); err != nil {
		return nil, err
	}

	if digest == c.Digest {
		return nil, research.Errorf(research.CodeConflict, "reload the page",
			"the contract of %s is the accepted one already", c.Name)
	}

	if err := lab.AcceptContract(ctx, b.lab, s.Digest, history.ByDashboard); err != nil {
		return nil, err
	}

	return &steered{"the changed contract of " + c.Name + " is accepted", "the next run calibrates anew"}, nil
}

// confirmed refuses unless the campaign's name was typed.
func confirmed(s steering, campaign string) error {
	if strings.TrimSpace(s.Confirm) == campaign {
		return nil
	}

	return research.Errorf(research.CodeBadArgument, "type the campaign's name, "+campaign,
		"nothing was done: the name differs")
}

// overrideVerdict keeps an experiment against its verdict, in the checkout that
// proposed it: keep moves that one's branch, and no other.
func overrideVerdict(ctx context.Context, b *board, s steering) (*steered, error) {
	if s.ID == "" {
		return nil, research.Errorf(research.CodeBadArgument, `name the experiment: {"action": "override", "id": "x7"}`,
			"override needs an id")
	}

	x, err := lab.FindOverridable(ctx, b.lab, s.ID)
	if err != nil {
		return nil, err
	}

	if err := confirmed(s, x.Campaign); err != nil {
		return nil, err
	}

	l := b.lab
	if x.Checkout != l.Root() {
		if l, err = b.h.elsewhere(ctx, l, x); err != nil {
			return nil, err
		}
	}

	k, err := lab.Keep(ctx, l, lab.KeepRequest{ID: string(x.ID), Note: strings.TrimSpace(tools.Clean(s.Note)),
		Override: history.ByDashboard})
	if err != nil {
		return nil, err
	}
	done := fmt.Sprintf("x%d is kept as %s on %s, against its verdict", k.Experiment, k.Commit, k.Branch)

	return &steered{strings.Join(append([]string{done}, k.Notes...), "; "),
		"the agent goes on from there; `ratchet undo` takes it back"}, nil
}

// elsewhere is the laboratory of the checkout that proposed an experiment, if the
// server may work there.
func (h *HTTP) elsewhere(ctx context.Context, l *checkout.Checkout, x *lab.Overridable) (*checkout.Checkout, error) {
	at, err := h.roots.checkout(x.Checkout)
	if err == nil {
		l, err = l.OpenSibling(ctx, at)
	}

	if err == nil && (l.Root() != x.Checkout || !h.roots.hold(l.Root())) {
		err = forbidden("", "it lies elsewhere now")
	}

	if err != nil {
		return nil, research.Errorf("forbidden",
			"run `ratchet override "+string(x.ID)+"` in that checkout, or serve it too, with --root",
			"%s was proposed in %s, where this server can't work: %w", x.ID, shown(x.Checkout), err)
	}

	return l, nil
}
