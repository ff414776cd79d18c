package history

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"ratchet/internal/research"
)

// IdeaStatus says where an idea stands.
type IdeaStatus string

const (
	IdeaOpen    IdeaStatus = "open"    // free, never tried
	IdeaClaimed IdeaStatus = "claimed" // a session holds it; whether that lapsed, see Lapse
	IdeaTried   IdeaStatus = "tried"   // an experiment was made of it; free to be tried again
	IdeaDropped IdeaStatus = "dropped" // somebody said that it is not worth trying
)

// IdeaState is the fold of one idea's records, and of the experiments made of it.
type IdeaState struct {
	Idea
	By     string     `json:"by"` // the session that added it
	At     time.Time  `json:"at"`
	Status IdeaStatus `json:"status"`
	// Fence counts the idea's claims. What was written under an older one is stale.
	Fence     int       `json:"fence,omitempty"`
	Holder    string    `json:"holder,omitempty"` // session, "" while nobody holds it
	Checkout  string    `json:"checkout,omitempty"`
	Attended  bool      `json:"attended,omitempty"`
	ClaimedAt time.Time `json:"claimed_at,omitzero"`
	// Experiment is the last one made of it, Verdict its verdict, "" while it has
	// none; Kept says that it is in the incumbent's line.
	Experiment int              `json:"experiment,omitempty"`
	Verdict    research.Verdict `json:"verdict,omitempty"`
	Kept       bool             `json:"kept,omitempty"`
	Why        string           `json:"why,omitempty"` // it was dropped
}

// Lapse says why a claim has ended without a release, "" while it holds.
type Lapse string

const (
	LapseExpired Lapse = "expired" // the holder did nothing for a LeaseTerm
	LapseLeft    Lapse = "left"    // the holder's session is gone
)

// LeaseTerm is how long a claim outlives its holder's last record.
const LeaseTerm = 30 * time.Minute

// Expired says whether a claim whose holder wrote its last record at last has
// outlived it. A time more than a term in the future was written by a clock that
// has been set back since, and counts as expired: else the claim would last until
// that time has come.
func Expired(last, now time.Time) bool {
	return now.Sub(last).Abs() > LeaseTerm
}

// IdeaNumber reads an idea's id: "3", "#3" or "idea 3". ok is false for any other text.
func IdeaNumber(text string) (n int, ok bool) {
	digits := strings.TrimPrefix(strings.TrimSpace(text), "idea")
	digits = strings.TrimSpace(strings.TrimPrefix(digits, "#"))
	n, err := strconv.Atoi(digits)

	return n, err == nil && digits[0] != '+' && digits[0] != '-'
}

func foldIdeaAdded(change *Change, r Record, b Idea) {
	change.Campaign.Ideas = b.N
	*change.Idea = IdeaState{Idea: b, By: r.Session, At: r.Time, Status: IdeaOpen}
}

func foldIdeaClaimed(change *Change, record Record, b IdeaClaim) error {
	idea := change.Idea

	switch {
	case record.Session == "":
		return fmt.Errorf("a claim needs a session")
	case idea.Holder == record.Session &&
		b.Fence == idea.Fence: // renewed, perhaps by a later session of the same codename
		idea.Checkout, idea.Attended = b.Checkout, b.Attended
		return nil
	case idea.Holder != "" && !b.takesOver(idea):
		return research.Errorf(research.CodeConflict, "take another idea: read_log{view: \"ideas\"}",
			"%s holds idea %d", idea.Holder, idea.N)
	case b.Fence != idea.Fence+1:
		return research.Errorf(research.CodeConflict, "repeat the call",
			"idea %d has been claimed %d times: the next fence is not %d", idea.N, idea.Fence, b.Fence)
	}

	idea.Status, idea.Holder, idea.Fence, idea.ClaimedAt = IdeaClaimed, record.Session, b.Fence, record.Time
	idea.Checkout, idea.Attended, idea.Why = b.Checkout, b.Attended, ""

	return nil
}

// takesOver says whether the takeover is of the claim that i is under.
func (t Takeover) takesOver(i *IdeaState) bool { return t.Took == i.Fence && t.Because != "" }

func foldIdeaReleased(change *Change, r Record, b IdeaRelease) error {
	if err := change.Idea.requireClaim(r.Session, b.Fence); err != nil {
		return err
	}
	change.Idea.endClaim()

	return nil
}

func foldIdeaDropped(change *Change, r Record, b IdeaDrop) error {
	idea := change.Idea
	if idea.Holder != "" && idea.Holder != r.Session && !b.takesOver(idea) {
		return research.Errorf(research.CodeConflict, "leave it to the session that holds it", "%s holds idea %d",
			idea.Holder, idea.N)
	}

	idea.endClaim()
	idea.Status, idea.Why = IdeaDropped, b.Why

	return nil
}

// requireClaim refuses what a session writes in the name of a claim that is not, or
// no longer, its own.
func (i *IdeaState) requireClaim(session string, fence int) error {
	if i.Holder == session && i.Fence == fence && session != "" {
		return nil
	}

	now := "nobody holds it"
	if i.Holder != "" {
		now = fmt.Sprintf("%s holds it under claim %d", i.Holder, i.Fence)
	}

	return research.Errorf(research.CodeConflict,
		"claim it again with share{ops: [{op: \"claim\"}]}, or take another idea", "claim %d of idea %d is over: %s",
		fence, i.N, now)
}

// endClaim leaves the idea to others: tried if an experiment was made of it, else open.
func (i *IdeaState) endClaim() {
	i.Holder, i.Checkout, i.Attended, i.ClaimedAt = "", "", false, time.Time{}

	i.Status = IdeaOpen
	if i.Experiment > 0 {
		i.Status = IdeaTried
	}
}

// recordTry makes a proposal the last experiment of its idea. The proposal must be
// made under the claim that holds now.
func (change *Change) recordTry(record Record, proposal Proposal) error {
	idea := change.Idea
	if idea == nil {
		return nil
	}

	if err := idea.requireClaim(record.Session, proposal.Fence); err != nil {
		return err
	}
	idea.Experiment, idea.Verdict, idea.Kept = proposal.N, "", false

	return nil
}

// updateIdea copies the experiment's verdict to its idea, unless a later
// experiment was made of that. An experiment that has ended ends the claim that it
// was made under.
func (change *Change) updateIdea(ended bool) {
	idea, experiment := change.Idea, change.Experiment
	if idea == nil || experiment == nil {
		return
	}

	if idea.Experiment == experiment.N && experiment.Judgement != nil {
		idea.Verdict, idea.Kept = experiment.Judgement.Verdict, experiment.Status == research.Kept
	}

	if ended && idea.Holder != "" && idea.Fence == experiment.Fence {
		idea.endClaim()
	}
}
