package checkout

import (
	"fmt"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/wording"
	"ratchet/ledger"
)

// IdeaKey is the key under which an idea's text is recorded once.
func IdeaKey(text string) string { return "idea/" + research.FoldText(text) }

// This file is how an idea is held. A claim is a lease: it lasts while its
// holder does something, and falls by itself when the holder has stopped or its
// session is gone. Nothing is written then; whoever comes next says in its own
// claim that the old one had lapsed, in the transaction that looked. Whatever the
// old holder writes later has a stale fence, which the append refuses.

// ViewIdea tells who works on an idea now. me is this checkout's session.
func (co *Checkout) ViewIdea(
	tx *ledger.Tx, campaign *history.Campaign, idea *history.IdeaState, me string,
) (IdeaView, error) {
	view := IdeaView{IdeaState: *idea, Mine: idea.Holder == me && me != ""}
	if idea.Holder == "" {
		return view, nil
	}

	// The lease begins again with every record of its holder.
	now, last := time.Now(), idea.ClaimedAt

	holder, err := tx.Session(campaign.Name, idea.Holder)
	switch {
	case err == nil:
		last = holder.Last
	case !research.HasCode(err, research.CodeNotFound):
		return view, err
	}
	view.Idle = max(0, now.Sub(last))

	// A claim does not lapse while its holder's job runs.
	if view.Works, err = jobOfSession(tx, campaign, idea.Holder); err != nil || view.Works != "" {
		return view, err
	}

	switch {
	case idea.Attended && isDeserted(co, idea.Checkout):
		view.Lapse = history.LapseLeft
	case history.Expired(last, now):
		view.Lapse = history.LapseExpired
	}

	return view, nil
}

// jobOfSession is a job that a session runs, "" if it runs none.
func jobOfSession(tx *ledger.Tx, c *history.Campaign, session string) (research.JobID, error) {
	for _, id := range c.Open {
		who, err := SessionOfJob(tx, c.Name, id)
		if err != nil || who == session {
			return id, err
		}
	}

	return "", nil
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
		s = fmt.Sprintf("claimed by %s, active %s ago", v.Holder, wording.FormatAge(v.Idle))
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

// IdeaView is an idea, and who works on it now.
type IdeaView struct {
	history.IdeaState
	Lapse history.Lapse  // why its claim has ended unreleased, "" while it holds
	Mine  bool           // this checkout's session holds it
	Idle  time.Duration  // since the holder's last record
	Works research.JobID // what the holder runs now
}
