package lab

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/ledger"
)

// This file is how an idea is held. A claim is a lease: it lasts while its
// holder does something, and falls by itself when the holder has stopped or its
// session is gone. Nothing is written then; whoever comes next says in its own
// claim that the old one had lapsed, in the transaction that looked. Whatever the
// old holder writes later has a stale fence, which the append refuses.

// viewIdea tells who works on an idea now. me is this checkout's session.
func (l *Lab) viewIdea(tx *ledger.Tx, c *history.Campaign, i *history.IdeaState, me string) (IdeaView, error) {
	v := IdeaView{IdeaState: *i, Mine: i.Holder == me && me != ""}
	if i.Holder == "" {
		return v, nil
	}
	now, last := time.Now(), i.ClaimedAt

	s, err := tx.Session(c.Name, i.Holder)
	switch {
	case err == nil:
		last = s.Last
	case !hasCode(err, research.CodeNotFound):
		return v, err
	}

	v.Idle = max(0, now.Sub(last))
	if v.Works, err = jobOfSession(tx, c, i.Holder); err != nil || v.Works != "" {
		return v, err
	}

	switch {
	case i.Attended && l.isDeserted(i.Checkout):
		v.Lapse = history.LapseLeft
	case history.Expired(last, now):
		v.Lapse = history.LapseExpired
	}

	return v, nil
}

// jobOfSession is a job that a session runs, "" if it runs none.
func jobOfSession(tx *ledger.Tx, c *history.Campaign, session string) (research.JobID, error) {
	for _, id := range c.Open {
		who, err := sessionOfJob(tx, c.Name, id)
		if err != nil || who == session {
			return id, err
		}
	}

	return "", nil
}

// sessionOfJob is the session that started a job.
func sessionOfJob(tx *ledger.Tx, campaign string, id research.JobID) (string, error) {
	if id.Kind() == research.ExperimentJob {
		x, err := tx.Experiment(campaign, id.N())
		if err != nil {
			return "", err
		}

		return x.Session, nil
	}

	m, err := tx.Measurement(campaign, id)
	if err != nil {
		return "", err
	}

	return m.Session, nil
}

// IsFree says whether anybody may claim the idea.
func (v *IdeaView) IsFree() bool { return v.Holder == "" || v.Lapse != "" }

// StatusText is where an idea stands.
func (v *IdeaView) StatusText() string {
	s := string(v.Status)
	switch {
	case v.Holder != "" && v.Lapse != "":
		s = fmt.Sprintf("free: the claim of %s %s", v.Holder, map[history.Lapse]string{
			history.LapseExpired: "expired", history.LapseLeft: "fell with its session"}[v.Lapse])
	case v.Mine:
		s = "claimed by you"
	case v.Works != "":
		s = fmt.Sprintf("claimed by %s, which runs %s", v.Holder, v.Works)
	case v.Holder != "":
		s = fmt.Sprintf("claimed by %s, active %s ago", v.Holder, FormatAge(v.Idle))
	case v.Status == history.IdeaDropped && v.Why != "":
		s += ": " + v.Why
	}

	if v.Experiment == 0 {
		return s
	}

	how := string(v.Verdict)
	if v.Kept {
		how += ", kept"
	}

	if how == "" {
		how = "no verdict yet"
	}

	if v.Status == history.IdeaTried {
		return fmt.Sprintf("tried in x%d: %s", v.Experiment, how)
	}

	return fmt.Sprintf("%s; tried in x%d: %s", s, v.Experiment, how)
}

// FormatAge is a time that has passed, in its largest unit.
func FormatAge(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0f h", d.Hours())
	}

	return fmt.Sprintf("%.0f days", d.Hours()/24)
}

// takeover is the way past an idea's claim: the zero one where session holds it or
// nobody does. CodeClaimed while another session's claim holds.
func (l *Lab) takeover(
	tx *ledger.Tx, c *history.Campaign, i *history.IdeaState, session string,
) (t history.Takeover, err error) {
	if i.Holder == "" || i.Holder == session {
		return t, nil
	}

	v, err := l.viewIdea(tx, c, i, session)
	if err != nil {
		return t, err
	}

	if v.Lapse == "" {
		return t, research.Errorf(research.CodeClaimed,
			"take another idea (read_log{view: \"ideas\"} lists them), or leave `idea` out", "idea %d is %s", i.N,
			v.StatusText())
	}

	return history.Takeover{Took: i.Fence, Because: v.Lapse}, nil
}

// claimIdea makes session the holder of idea n, and returns the idea then. What it
// holds already is renewed.
func (l *Lab) claimIdea(tx *ledger.Tx, c *history.Campaign, session string, n int) (*history.IdeaState, error) {
	i, err := tx.Idea(c.Name, n)
	if err != nil {
		return nil, err
	}

	t, err := l.takeover(tx, c, i, session)
	if err != nil {
		return nil, err
	}

	b := history.IdeaClaim{N: n, Fence: i.Fence + 1, Checkout: l.repo.Root(), Attended: l.holdsMark(), Takeover: t}
	if i.Holder == session {
		b.Fence = i.Fence
	}

	if _, err := tx.Append(history.Entry{Campaign: c.Name, Session: session, Kind: history.KindIdeaClaimed,
		Body: b}); err != nil {
		return nil, err
	}

	return tx.Idea(c.Name, n)
}

// requireClaimable refuses an idea that is not there, or that another session holds,
// before anything is spent. A text that is no id may be anything.
func (l *Lab) requireClaimable(ctx context.Context, c *history.Campaign, idea string) error {
	n, ok := history.IdeaNumber(idea)
	if !ok {
		return nil
	}

	return l.ledger.View(ctx, func(tx *ledger.Tx) error {
		i, err := tx.Idea(c.Name, n)
		if err != nil {
			return err
		}
		me, _ := tx.SessionOf(c.Name, l.repo.Root())
		_, err = l.takeover(tx, c, i, me)

		return err
	})
}

// claimForProposal claims the idea that a proposal names, and writes the claim into it.
// One that measures an edit again keeps its claim if that still holds: it is
// made without one else.
func (l *Lab) claimForProposal(tx *ledger.Tx, c *history.Campaign, session string, p *history.Proposal) error {
	n, ok := history.IdeaNumber(p.Idea)
	if !ok || p.Merges > 0 && p.Fence == 0 {
		return nil
	}

	i, err := tx.Idea(c.Name, n)
	if err != nil {
		return err
	}

	switch {
	case p.Merges > 0 && (i.Holder != session || i.Fence != p.Fence):
		p.Fence = 0
		return nil
	case i.Holder != session:
		if i, err = l.claimIdea(tx, c, session, n); err != nil {
			return err
		}
	}
	p.Idea, p.Fence = strconv.Itoa(n), i.Fence

	return nil
}
