package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/job"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/ledger"
)

// Share adds, claims, releases and drops ideas, and adds lessons: all or none.
// Errors: CodeNotFound (no such idea), CodeClaimed (another session holds it),
// CodeConflict (release of what this session doesn't hold), CodeBadArgument.
func Share(ctx context.Context, co *checkout.Checkout, ops []ShareOp) (*Shared, error) {
	campaign, err := job.CurrentReaped(ctx, co)
	if err != nil {
		return nil, err
	}

	if len(ops) == 0 {
		return nil, research.Errorf(research.CodeBadArgument, "give ops: [{op: \"add\", idea: \"…\"}]",
			"there is nothing to share")
	}
	out := &Shared{Next: job.NextAfterDecision(campaign)}

	err = co.UpdateCampaign(ctx, campaign.Name, func(tx *ledger.Tx, now *history.Campaign, session string) error {
		out.Done, out.Ideas = nil, nil
		for _, op := range ops {
			if err := applyShareOp(co, tx, now, session, op, out); err != nil {
				return err
			}
		}

		return nil
	})
	for _, i := range out.Ideas {
		if i.Status == history.IdeaClaimed && err == nil {
			out.Next = fmt.Sprintf("edit the file for idea %d, then run_experiment{hypothesis, idea: \"%d\"}", i.N, i.N)
		}
	}

	return out, err
}

// applyShareOp does one operation of Share, and adds its line to out.
func applyShareOp(
	co *checkout.Checkout, tx *ledger.Tx, campaign *history.Campaign, session string, op ShareOp, out *Shared,
) error {
	switch {
	case op.Op == "lesson" && op.Lesson != "":
		n, err := appendLesson(tx, campaign, session, op.Lesson, 0)
		out.Done = append(out.Done, fmt.Sprintf("lesson %d stored", n))

		return err
	case op.Idea == "":
		// No other operation goes without an idea.
	case op.Op == "add":
		return addIdea(co, tx, campaign, session, op.Idea, out)
	case op.Op == "claim":
		return shareClaim(co, tx, campaign, session, op.Idea, out)
	case op.Op == "release" || op.Op == "drop":
		return releaseIdea(co, tx, campaign, session, op, out)
	}

	return research.Errorf(research.CodeBadArgument,
		"use {op: \"add\", idea: \"…\"}, {op: \"claim\", idea: \"3\"} or {op: \"lesson\", lesson: \"…\"}",
		"op %q with idea %q and lesson %q can't be done", op.Op, op.Idea, op.Lesson)
}

// releaseIdea releases or drops an idea.
func releaseIdea(
	co *checkout.Checkout, tx *ledger.Tx, campaign *history.Campaign, session string, op ShareOp, out *Shared,
) error {
	idea, err := resolveIdea(tx, campaign, op.Idea)
	if err != nil {
		return err
	}
	entry := history.Entry{Campaign: campaign.Name, Session: session}
	done := "released"

	if op.Op == "drop" {
		taken, err := takeover(co, tx, campaign, idea, session)
		if err != nil {
			return err
		}
		entry.Kind, entry.Body = history.KindIdeaDropped, history.IdeaDrop{N: idea.N, Why: op.Lesson, Takeover: taken}
		done = "dropped"
	} else {
		if idea.Holder != session {
			view, err := co.ViewIdea(tx, campaign, idea, session)
			if err != nil {
				return err
			}

			return research.Errorf(research.CodeConflict, "leave it; read_log{view: \"ideas\"} shows who holds what",
				"you don't hold idea %d: it is %s", idea.N, view.StatusText())
		}
		entry.Kind, entry.Body = history.KindIdeaReleased, history.IdeaRelease{N: idea.N, Fence: idea.Fence}
	}

	if _, err := tx.Append(entry); err != nil {
		return err
	}

	if idea, err = tx.Idea(campaign.Name, idea.N); err != nil {
		return err
	}
	out.Ideas = append(out.Ideas, SharedIdea{N: idea.N, Status: idea.Status})
	out.Done = append(out.Done, fmt.Sprintf("idea %d %s", idea.N, done))

	return nil
}

// resolveIdea is the idea with an id, or with a text.
func resolveIdea(tx *ledger.Tx, campaign *history.Campaign, name string) (*history.IdeaState, error) {
	if n, ok := history.IdeaNumber(name); ok {
		return tx.Idea(campaign.Name, n)
	}

	idea, err := findIdeaByText(tx, campaign, name)
	if err == nil && idea == nil {
		err = research.Errorf(research.CodeNotFound, "name it by its id: read_log{view: \"ideas\"} lists them",
			"no idea says %q", name)
	}

	return idea, err
}

// findIdeaByText is the idea that has a text, whatever its case and white space; nil if none has.
func findIdeaByText(tx *ledger.Tx, campaign *history.Campaign, text string) (*history.IdeaState, error) {
	keys := []string{checkout.IdeaKey(text), "idea/" + text} // the latter was the key before texts were folded

	for _, key := range keys {
		rec, ok, err := tx.Keyed(campaign.Name, key)
		if err != nil {
			return nil, err
		}

		if !ok {
			continue
		}
		var body history.Idea

		if err := json.Unmarshal(rec.Body, &body); err != nil {
			return nil, fmt.Errorf("decode record %d: %w", rec.Seq, err)
		}

		return tx.Idea(campaign.Name, body.N)
	}

	return nil, nil
}

// addIdea adds an idea that nobody has had, and tells what is like it.
func addIdea(
	co *checkout.Checkout, tx *ledger.Tx, campaign *history.Campaign, session, text string, out *Shared,
) error {
	if _, ok := history.IdeaNumber(text); ok {
		return research.Errorf(research.CodeBadArgument, "say in words what to try", "the idea %q is only a number",
			text)
	}

	known, err := findIdeaByText(tx, campaign, text)
	if err != nil {
		return err
	}

	if known != nil {
		view, err := co.ViewIdea(tx, campaign, known, session)
		if err != nil {
			return err
		}
		out.Ideas = append(out.Ideas, SharedIdea{N: known.N, Status: known.Status})
		out.Done = append(out.Done, fmt.Sprintf("this is idea %d already (%s)", known.N, view.StatusText()))

		return nil
	}

	found, err := findSimilarTexts(co, tx, campaign, session, text)
	if err != nil {
		return err
	}

	now, err := tx.Campaign(campaign.Name) // an operation before this one may have added some
	if err != nil {
		return err
	}
	n := now.Ideas + 1

	if _, err := tx.Append(history.Entry{Campaign: campaign.Name, Session: session, Kind: history.KindIdeaAdded,
		Key: checkout.IdeaKey(text), Body: history.Idea{N: n, Text: text}}); err != nil {
		return err
	}

	shared := SharedIdea{N: n, Status: history.IdeaOpen}
	line := fmt.Sprintf("idea %d added", n)

	for _, f := range found {
		shared.Like = append(shared.Like, f.id)
		line += "; like " + f.words
	}

	out.Ideas = append(out.Ideas, shared)
	out.Done = append(out.Done, line)

	return nil
}

// ShareOp is one operation of share.
type ShareOp struct {
	Op     string // add | claim | release | drop | lesson
	Idea   string // text to add, else an id or the text of one
	Lesson string // with drop: why
}

// Shared is the answer to share.
type Shared struct {
	Done  []string     `json:"done"` // one line an operation, with its id
	Ideas []SharedIdea `json:"ideas,omitempty"`
	Next  string       `json:"next"`
}

// SharedIdea is an idea that share was about, as it is then.
type SharedIdea struct {
	N      int                `json:"idea"`
	Status history.IdeaStatus `json:"status"`
	Fence  int                `json:"fence,omitempty"` // of a claim
	// RFC 3339: when the claim lapses, if its holder does nothing until then
	Until string   `json:"until,omitempty"`
	Like  []string `json:"like,omitempty"` // near-duplicates: x12, or idea 3
}

// appendLesson appends a lesson, of an experiment or with 0 of none, and returns its
// number. The same lesson of the same experiment is appended once.
func appendLesson(tx *ledger.Tx, campaign *history.Campaign, session, text string, experiment int) (int, error) {
	now, err := tx.Campaign(campaign.Name)
	if err != nil {
		return 0, err
	}
	n := now.Lessons + 1
	_, err = tx.Append(history.Entry{Campaign: campaign.Name, Session: session, Kind: history.KindLessonAdded,
		Key: fmt.Sprintf("lesson/%d/%s", experiment, text), Body: history.Lesson{N: n, Text: text,
			Experiment: experiment}})

	return n, err
}

// shareClaim claims an idea, and says until when.
func shareClaim(
	co *checkout.Checkout, tx *ledger.Tx, campaign *history.Campaign, session, name string, out *Shared,
) error {
	idea, err := resolveIdea(tx, campaign, name)
	if err != nil {
		return err
	}

	if idea, err = claimIdea(co, tx, campaign, session, idea.N); err != nil {
		return err
	}
	until := time.Now().Add(history.LeaseTerm).UTC().Format(time.RFC3339)

	out.Ideas = append(out.Ideas, SharedIdea{N: idea.N, Status: idea.Status, Fence: idea.Fence, Until: until})
	out.Done = append(out.Done,
		fmt.Sprintf("idea %d is yours (claim %d) until %s, and longer while you do something: %s",
			idea.N, idea.Fence, until, idea.Text))

	return nil
}
