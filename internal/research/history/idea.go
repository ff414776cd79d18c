package history

import (
	"encoding/json"
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
// outlived it. A time that lies in the future by more than a term was written by
// a clock that has been set back since: it vouches for nothing, so that no
// claim lasts until such a clock's time has come.
func Expired(last, now time.Time) bool {
	return now.Sub(last).Abs() > LeaseTerm
}

// IdeaNumber reads an idea's id: "3", "#3" or "idea 3". ok is false for any other text.
func IdeaNumber(text string) (n int, ok bool) {
	t := strings.TrimSpace(text)
	t = strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(t, "idea"), "#"))
	n, err := strconv.Atoi(t)

	return n, err == nil && t[0] != '+' && t[0] != '-'
}

// TouchesIdea is the number of the idea whose folded state a record changes, 0 if
// none. x is the experiment that Touches named, as it was before the record.
func TouchesIdea(r Record, x *Experiment) (int, error) {
	var b struct {
		N     int    `json:"n"`
		Idea  string `json:"idea"`
		Fence int    `json:"fence"`
	}

	switch r.Kind {
	case KindIdeaAdded, KindIdeaClaimed, KindIdeaReleased, KindIdeaDropped, KindExperimentProposed:
		if err := json.Unmarshal(r.Body, &b); err != nil {
			return 0, fmt.Errorf("decode %s: %w", r.Kind, err)
		}

		if r.Kind != KindExperimentProposed {
			return b.N, nil
		}
	case KindExperimentJudged, KindExperimentKept, KindExperimentReverted, KindKeepUndone, KindRunLost:
		if x != nil {
			b.Idea, b.Fence = x.Idea, x.Fence
		}
	}

	if b.Fence == 0 {
		return 0, nil
	}

	n, ok := IdeaNumber(b.Idea)
	if !ok {
		return 0, fmt.Errorf("%s has a fence, and no idea's number: %q", r.Kind, b.Idea)
	}

	return n, nil
}

func foldIdeaAdded(v *View, r Record, b Idea) {
	v.Campaign.Ideas = b.N
	if v.Idea != nil {
		*v.Idea = IdeaState{Idea: b, By: r.Session, At: r.Time, Status: IdeaOpen}
	}
}

func foldIdeaClaimed(v *View, r Record, b IdeaClaim) error {
	i := v.Idea
	switch {
	case r.Session == "":
		return fmt.Errorf("a claim needs a session")
	case i.Holder == r.Session && b.Fence == i.Fence: // renewed, perhaps by the session that came after
		i.Checkout, i.Attended = b.Checkout, b.Attended
		return nil
	case i.Holder != "" && !b.over(i):
		return research.Errorf(research.CodeConflict, "take another idea: read_log{view: \"ideas\"}", "%s holds idea %d", i.Holder, i.N)
	case b.Fence != i.Fence+1:
		return research.Errorf(research.CodeConflict, "repeat the call", "idea %d has been claimed %d times: the next fence is not %d",
			i.N, i.Fence, b.Fence)
	}
	i.Status, i.Holder, i.Fence, i.ClaimedAt = IdeaClaimed, r.Session, b.Fence, r.Time
	i.Checkout, i.Attended, i.Why = b.Checkout, b.Attended, ""

	return nil
}

// over says whether the takeover is of the claim that i is under.
func (t Takeover) over(i *IdeaState) bool { return t.Took == i.Fence && t.Because != "" }

func foldIdeaReleased(v *View, r Record, b IdeaRelease) error {
	if err := v.Idea.under(r.Session, b.Fence); err != nil {
		return err
	}
	v.Idea.free()

	return nil
}

func foldIdeaDropped(v *View, r Record, b IdeaDrop) error {
	i := v.Idea
	if i.Holder != "" && i.Holder != r.Session && !b.over(i) {
		return research.Errorf(research.CodeConflict, "leave it to the session that holds it", "%s holds idea %d", i.Holder, i.N)
	}
	i.free()
	i.Status, i.Why = IdeaDropped, b.Why

	return nil
}

// under refuses what a session writes in the name of a claim that is not, or
// no longer, its own.
func (i *IdeaState) under(session string, fence int) error {
	if i.Holder == session && i.Fence == fence && session != "" {
		return nil
	}

	now := "nobody holds it"
	if i.Holder != "" {
		now = fmt.Sprintf("%s holds it under claim %d", i.Holder, i.Fence)
	}

	return research.Errorf(research.CodeConflict, "claim it anew with share{ops: [{op: \"claim\"}]}, or take another idea",
		"claim %d of idea %d is over: %s", fence, i.N, now)
}

// free ends the claim.
func (i *IdeaState) free() {
	i.Holder, i.Checkout, i.Attended, i.ClaimedAt = "", "", false, time.Time{}

	i.Status = IdeaOpen
	if i.Experiment > 0 {
		i.Status = IdeaTried
	}
}

// tryIdea makes a proposal the last experiment of its idea. The proposal must be
// made under the claim that holds now.
func (v *View) tryIdea(r Record, b Proposal) error {
	i := v.Idea
	if i == nil {
		return nil
	}

	if err := i.under(r.Session, b.Fence); err != nil {
		return err
	}
	i.Experiment, i.Verdict, i.Kept = b.N, "", false

	return nil
}

// tellIdea lets the idea of v's experiment know how that stands. The claim that
// the experiment was made under ends with it.
func (v *View) tellIdea(ended bool) {
	i, x := v.Idea, v.Experiment
	if i == nil || x == nil {
		return
	}

	if i.Experiment == x.N && x.Judgement != nil {
		i.Verdict, i.Kept = x.Judgement.Verdict, x.Status == research.Kept
	}

	if ended && i.Holder != "" && i.Fence == x.Fence {
		i.free()
	}
}
