package history_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
)

// said is a record that a session wrote.
type said struct {
	who  string
	kind history.Kind
	body any
}

// folded folds records as a ledger does. It returns idea 1, or the error of the
// last record; the others must be taken.
func folded(t *testing.T, records ...said) (history.IdeaState, error) {
	t.Helper()
	m := newMemory(t)
	last := len(records) - 1

	for i, s := range records {
		r := record(t, s.kind, s.body)
		r.Seq, r.Time, r.Campaign, r.Session = uint64(i+1), time.Unix(int64(60*i), 0).UTC(), campaign, s.who

		err := m.apply(r)
		if err != nil && i < last {
			t.Fatal(err)
		}

		if err != nil {
			return m.idea(1), err
		}
	}

	return m.idea(1), nil
}

func claimed(who string, fence int, over history.Takeover) said {
	return said{who, history.KindIdeaClaimed,
		history.IdeaClaim{N: 1, Fence: fence, Checkout: "/" + who, Takeover: over}}
}

func proposed(who string, n, fence int) said {
	return said{who, history.KindExperimentProposed, history.Proposal{N: n, Idea: "1", Fence: fence}}
}

func judgedAs(n int, v research.Verdict) said {
	return said{"ann", history.KindExperimentJudged, rules.Judgement{N: n, Verdict: v}}
}

func ended(n int, kind history.Kind, by string) said {
	switch kind {
	case history.KindExperimentKept:
		return said{"ann", kind, history.Keeping{N: n, Commit: "k"}}
	case history.KindRunLost:
		return said{"", kind, history.Loss{Job: research.NewJobID('x', n), Reason: "died"}}
	case history.KindKeepUndone:
		return said{"", kind, history.Undoing{N: n, Commit: "u"}}
	}

	return said{"ann", kind, history.Reversion{N: n, By: by}}
}

func TestIdeaIsFolded(t *testing.T) {
	added := said{"ann", history.KindIdeaAdded, history.Idea{N: 1, Text: "radix"}}
	none := history.Takeover{}
	expired := history.Takeover{Took: 1, Because: history.LapseExpired}
	kept, reverted, lost, undone := history.KindExperimentKept, history.KindExperimentReverted, history.KindRunLost,
		history.KindKeepUndone

	tests := []struct {
		name    string
		records []said
		status  history.IdeaStatus
		holder  string
		fence   int
		x       int
		verdict research.Verdict
		kept    bool
	}{
		{"added", nil, history.IdeaOpen, "", 0, 0, "", false},
		{"claimed", []said{claimed("ann", 1, none)}, history.IdeaClaimed, "ann", 1, 0, "", false},
		{"renewed", []said{claimed("ann", 1, none), claimed("ann", 1, none)}, history.IdeaClaimed, "ann", 1, 0, "",
			false},
		{"released", []said{claimed("ann", 1, none), {"ann", history.KindIdeaReleased,
			history.IdeaRelease{N: 1, Fence: 1}}}, history.IdeaOpen, "", 1, 0, "", false},
		{"claimed again", []said{claimed("ann", 1, none),
			{"ann", history.KindIdeaReleased, history.IdeaRelease{N: 1, Fence: 1}}, claimed("bob", 2, none)},
			history.IdeaClaimed, "bob", 2, 0, "", false},
		{"taken over", []said{claimed("ann", 1, none), claimed("bob", 2, expired)}, history.IdeaClaimed, "bob", 2, 0,
			"", false},
		{"dropped", []said{{"bob", history.KindIdeaDropped, history.IdeaDrop{N: 1, Why: "slow"}}},
			history.IdeaDropped, "", 0, 0, "", false},
		{"dropped by its holder", []said{claimed("ann", 1, none),
			{"ann", history.KindIdeaDropped, history.IdeaDrop{N: 1}}}, history.IdeaDropped, "", 1, 0, "", false},
		{"dropped when the claim has lapsed", []said{claimed("ann", 1, none),
			{"bob", history.KindIdeaDropped, history.IdeaDrop{N: 1, Takeover: expired}}},
			history.IdeaDropped, "", 1, 0, "", false},
		{"claimed although it was dropped", []said{{"bob", history.KindIdeaDropped, history.IdeaDrop{N: 1}},
			claimed("ann", 1, none)}, history.IdeaClaimed, "ann", 1, 0, "", false},
		{"under way", []said{claimed("ann", 1, none), proposed("ann", 1, 1)}, history.IdeaClaimed, "ann", 1, 1, "",
			false},
		{"judged", []said{claimed("ann", 1, none), proposed("ann", 1, 1), judgedAs(1, research.Improved)},
			history.IdeaClaimed, "ann", 1, 1, research.Improved, false},
		{"kept", []said{claimed("ann", 1, none), proposed("ann", 1, 1), judgedAs(1, research.Improved),
			ended(1, kept, "")}, history.IdeaTried, "", 1, 1, research.Improved, true},
		{"undone", []said{claimed("ann", 1, none), proposed("ann", 1, 1), judgedAs(1, research.Improved),
			ended(1, kept, ""), ended(1, undone, "")},
			history.IdeaTried, "", 1, 1, research.Improved, false},
		{"rolled back", []said{claimed("ann", 1, none), proposed("ann", 1, 1), judgedAs(1, research.Provisional),
			ended(1, kept, ""), ended(1, reverted, "certificate")},
			history.IdeaTried, "", 1, 1, research.Provisional, false},
		{"reverted", []said{claimed("ann", 1, none), proposed("ann", 1, 1), judgedAs(1, research.Regressed),
			ended(1, reverted, "agent")},
			history.IdeaTried, "", 1, 1, research.Regressed, false},
		{"invalid", []said{claimed("ann", 1, none), proposed("ann", 1, 1), judgedAs(1, research.Invalid)},
			history.IdeaTried, "", 1, 1, research.Invalid, false},
		{"lost", []said{claimed("ann", 1, none), proposed("ann", 1, 1), ended(1, lost, "")}, history.IdeaTried, "", 1,
			1, research.Invalid, false},
		{"tried and claimed again", []said{claimed("ann", 1, none), proposed("ann", 1, 1), ended(1, lost, ""),
			claimed("bob", 2, none)},
			history.IdeaClaimed, "bob", 2, 1, research.Invalid, false},
		{"merged and measured again", []said{claimed("ann", 1, none), proposed("ann", 1, 1),
			judgedAs(1, research.Improved), ended(1, reverted, "merge"), proposed("ann", 2, 1)},
			history.IdeaClaimed, "ann", 1, 2, "", false},
		{"taken over in the middle", []said{claimed("ann", 1, none), proposed("ann", 1, 1), claimed("bob", 2, expired),
			judgedAs(1, research.Regressed), ended(1, reverted, "agent")},
			history.IdeaClaimed, "bob", 2, 1, research.Regressed, false},
		{"tried by the next while the first is under way", []said{claimed("ann", 1, none), proposed("ann", 1, 1),
			claimed("bob", 2, expired), proposed("bob", 2, 2), judgedAs(1, research.Regressed)},
			history.IdeaClaimed, "bob", 2, 2, "", false},
		{"dropped while it is tried", []said{claimed("ann", 1, none), proposed("ann", 1, 1),
			{"ann", history.KindIdeaDropped, history.IdeaDrop{N: 1}}, judgedAs(1, research.Invalid)},
			history.IdeaDropped, "", 1, 1, research.Invalid, false},
		{"named in words only", []said{proposed("ann", 1, 0), judgedAs(1, research.Invalid)}, history.IdeaOpen, "", 0,
			0, "", false},
	}
	for _, tt := range tests {
		i, err := folded(t, append([]said{added}, tt.records...)...)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		want := i

		want.Status, want.Holder, want.Fence, want.Experiment, want.Verdict, want.Kept = tt.status, tt.holder, tt.fence,
			tt.x, tt.verdict, tt.kept
		if diff := cmp.Diff(want, i); diff != "" || i.Text != "radix" || i.By != "ann" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestStaleFenceIsRefused holds what keeps two sessions off one idea, whatever
// they believe: the record itself is refused.
func TestStaleFenceIsRefused(t *testing.T) {
	added := said{"ann", history.KindIdeaAdded, history.Idea{N: 1, Text: "radix"}}
	first := claimed("ann", 1, history.Takeover{})
	over := claimed("bob", 2, history.Takeover{Took: 1, Because: history.LapseLeft})
	release := func(who string, fence int) said {
		return said{who, history.KindIdeaReleased, history.IdeaRelease{N: 1, Fence: fence}}
	}

	tests := []struct {
		name    string
		records []said
	}{
		{"claim of a held idea", []said{first, claimed("bob", 2, history.Takeover{})}},
		{"takeover of a claim that is not the last",
			[]said{first, over, claimed("eve", 3, history.Takeover{Took: 1, Because: history.LapseExpired})}},
		{"takeover without a reason", []said{first, claimed("bob", 2, history.Takeover{Took: 1})}},
		{"claim without the next fence", []said{claimed("ann", 2, history.Takeover{})}},
		{"claim under an old fence", []said{first, release("ann", 1), claimed("bob", 1, history.Takeover{})}},
		{"renewal after the takeover", []said{first, over, claimed("ann", 1, history.Takeover{})}},
		{"release after the takeover", []said{first, over, release("ann", 1)}},
		{"release twice", []said{first, release("ann", 1), release("ann", 1)}},
		{"release by another session", []said{first, release("bob", 1)}},
		{"proposal after the takeover", []said{first, over, proposed("ann", 1, 1)}},
		{"proposal under a fence to come", []said{first, proposed("ann", 1, 2)}},
		{"proposal under another's fence", []said{first, proposed("bob", 1, 1)}},
		{"drop by another session", []said{first, {"bob", history.KindIdeaDropped, history.IdeaDrop{N: 1}}}},
	}
	for _, tt := range tests {
		_, err := folded(t, append([]said{added}, tt.records...)...)
		if e := research.Describe(err); err == nil || e.Code != research.CodeConflict || e.Next == "" {
			t.Errorf("%s: error %v, want a conflict and the way out", tt.name, err)
		}
	}

	if _, err := folded(t, added, claimed("", 1, history.Takeover{})); err == nil {
		t.Error("a claim by nobody was taken")
	}
}

// A claim must fall after its term, and no clock that is set may keep it for longer.
func TestExpired(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	term := history.LeaseTerm

	tests := []struct {
		name string
		last time.Time
		want bool
	}{
		{"active now", now, false},
		{"active within the term", now.Add(-term), false},
		{"not active for longer", now.Add(-term - time.Second), true},
		{"the clock was set back a little since", now.Add(time.Minute), false},
		{"the clock was set back a day since", now.Add(24 * time.Hour), true},
		{"the clock was set forward a day since", now.Add(-24 * time.Hour), true},
		{"never", time.Time{}, true},
	}
	for _, tt := range tests {
		if got := history.Expired(tt.last, now); got != tt.want {
			t.Errorf("%s: expired %t, want %t", tt.name, got, tt.want)
		}
	}
}

func TestIdeaNumber(t *testing.T) {
	for text, want := range map[string]int{"3": 3, " #12 ": 12, "idea 4": 4, "idea #5": 0, "": 0, "-1": 0, "+1": 0,
		"3 of them": 0, "my own": 0, "ideal 3": 0, "x3": 0} {
		if n, ok := history.IdeaNumber(text); ok != (want > 0) || ok && n != want {
			t.Errorf("IdeaNumber(%q) = %d, %t, want %d", text, n, ok, want)
		}
	}
}
