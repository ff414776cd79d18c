package ledger_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/ledger"
)

func by(who string, kind history.Kind, body any) history.Entry {
	return history.Entry{Campaign: camp, Session: who, Kind: kind, Body: body}
}

func claim(who string, n, fence int) history.Entry {
	return by(who, history.KindIdeaClaimed, history.IdeaClaim{N: n, Fence: fence, Checkout: "/" + who})
}

func takeover(who string, n, took int) history.Entry {
	return by(who, history.KindIdeaClaimed, history.IdeaClaim{N: n, Fence: took + 1, Checkout: "/" + who,
		Takeover: history.Takeover{Took: took, Because: history.LapseExpired}})
}

// proposalOf is a proposal of idea 1.
func proposalOf(who string, n, fence int) history.Entry {
	e := proposal(n, "radix sort for integers")
	p := e.Body.(history.Proposal)
	p.Idea, p.Fence, p.Diff = "1", fence, fmt.Sprintf("digest%d", n%2)
	e.Session, e.Body = who, p

	return e
}

// TestIdeasAreClaimedInTheLedger holds that the append itself is the fence, that
// a refused one leaves nothing, and that every index follows from the records.
func TestIdeasAreClaimedInTheLedger(t *testing.T) {
	l := fresh(t)
	put(t, l, opening()...)
	put(t, l, entry(history.KindIdeaAdded, history.Idea{N: 1, Text: "radix"}),
		entry(history.KindIdeaAdded, history.Idea{N: 2, Text: "heap"}), entry(history.KindIdeaAdded,
			history.Idea{N: 3, Text: "network"}), claim("ann", 1, 1), claim("ann", 2, 1))

	refused := []struct {
		name  string
		entry history.Entry
		code  research.Code
		says  string
	}{
		{"added twice", entry(history.KindIdeaAdded, history.Idea{N: 3, Text: "again"}), research.CodeConflict, "3"},
		{"without a number", entry(history.KindIdeaAdded, history.Idea{Text: "again"}), research.CodeConflict, "0"},
		{"claimed by two", claim("bob", 1, 2), research.CodeConflict, "ann holds idea 1"},
		{"no such idea", claim("bob", 7, 1), research.CodeNotFound, "no idea 7"},
		{"a stale fence", proposalOf("ann", 1, 0+2), research.CodeConflict, "claim 2 of idea 1 is over"},
		{"another's fence", proposalOf("bob", 1, 1), research.CodeConflict, "ann holds it under claim 1"},
	}
	for _, tt := range refused {
		before, _ := l.Stamp()
		_, err := l.Append(context.Background(),
			by("bob", history.KindLessonAdded, history.Lesson{N: 1, Text: "goes with it"}), tt.entry)
		wantError(t, err, tt.code, tt.says)

		if after, _ := l.Stamp(); after != before {
			t.Errorf("%s: something was written", tt.name)
		}
	}

	// ann is silent: bob takes over; what ann proposes then is refused
	put(t, l, takeover("bob", 1, 1))
	_, err := l.Append(context.Background(), proposalOf("ann", 1, 1))
	wantError(t, err, research.CodeConflict, "claim 1 of idea 1 is over", "bob holds it under claim 2")
	put(t, l, proposalOf("bob", 1, 2), judged(1, research.Regressed),
		entry(history.KindExperimentReverted, history.Reversion{N: 1, By: "agent"}))
	put(t, l, by("bob", history.KindIdeaDropped, history.IdeaDrop{N: 3, Why: "too slow"}))

	check := func(what string) {
		view(t, l, func(tx *ledger.Tx) error {
			got := map[history.IdeaStatus][]int{}

			for _, s := range []history.IdeaStatus{"", history.IdeaOpen, history.IdeaClaimed, history.IdeaTried,
				history.IdeaDropped} {
				is, err := tx.Ideas(camp, s, 0)
				if err != nil {
					return err
				}

				for _, i := range is {
					got[s] = append(got[s], i.N)
				}
			}

			want := map[history.IdeaStatus][]int{"": {3, 2, 1}, history.IdeaClaimed: {2}, history.IdeaTried: {1},
				history.IdeaDropped: {3}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: ideas by status (-want +got):\n%s", what, diff)
			}

			i, err := tx.Idea(camp, 1)
			if err != nil || i.Fence != 2 || i.Experiment != 1 || i.Verdict != research.Regressed || i.Text != "radix" {
				t.Errorf("%s: idea 1 is %+v, %v", what, i, err)
			}

			if n, ok := tx.SameEdit(camp, "digest1"); !ok || n != 1 {
				t.Errorf("%s: the edit of x1 is found as %d, %t", what, n, ok)
			}

			if _, ok := tx.SameEdit(camp, ""); ok {
				t.Errorf("%s: no digest is found", what)
			}
			_, err = tx.Idea(camp, 9)
			wantError(t, err, research.CodeNotFound, "no idea 9")

			return nil
		})
	}
	check("as appended")

	if _, err := l.Verify(t.Context()); err != nil {
		t.Errorf("verify: %v", err)
	}

	if err := l.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("rebuilt")
}

func TestTextsThatShareWords(t *testing.T) {
	l := fresh(t)
	put(t, l, opening()...)
	grow(t, l, 1, 300)
	put(t, l, experiment(301, "branchless quicksort with a sorting network", "")...)
	grow(t, l, 302, 900)
	put(t, l, entry(history.KindIdeaAdded, history.Idea{N: 1, Text: "a sorting network for small inputs"}),
		entry(history.KindIdeaAdded, history.Idea{N: 2, Text: "prefetch the buffer"}))
	view(t, l, func(tx *ledger.Tx) error {
		for text, want := range map[string]int{
			"a sorting network in a branchless quicksort": 301, // rare words, long ago
			hypothesis(450): 450, // the very same among many that are near
			// common words only: whatever it finds is bounded
			"size 5: skip the slice before the loop, profile 909 dominating": 0,
		} {
			got := tx.ExperimentsLike(camp, text, 12)
			if len(got) > 12 || want > 0 && !slices.Contains(got, want) {
				t.Errorf("%q: found %v, want %d among at most 12", text, got, want)
			}
		}

		if got := tx.IdeasLike(camp, "network, sorting", 12); !slices.Equal(got, []int{1}) {
			t.Errorf("ideas like a sorting network: %v", got)
		}

		if got := tx.ExperimentsLike(camp, "of the and", 12); len(got) > 0 {
			t.Errorf("a text without words is like %v", got)
		}

		return nil
	})
}
