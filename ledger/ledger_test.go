package ledger_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/ledger"
)

func TestEmptyLedger(t *testing.T) {
	l := fresh(t)
	view(t, l, func(tx *ledger.Tx) error {
		if seq, hash := tx.Head(); seq != 0 || hash != "" {
			t.Errorf("head of an empty ledger: %d %q", seq, hash)
		}

		if cs, err := tx.Campaigns(); len(cs) != 0 || err != nil {
			t.Errorf("campaigns: %v, %v", cs, err)
		}

		if xs, next, err := tx.Experiments(camp, ledger.Query{Text: "loop"}); len(xs) != 0 || next != "" || err != nil {
			t.Errorf("experiments: %v %q %v", xs, next, err)
		}
		_, err := tx.Campaign(camp)
		wantError(t, err, research.CodeNoCampaign, camp)
		_, err = tx.Record(1)
		wantError(t, err, research.CodeNotFound)

		return tx.Records(1, func(history.Record) error { return errors.New("called") })
	})

	if rep, err := l.Verify(t.Context()); err != nil || rep.Records != 0 {
		t.Errorf("verify: %+v, %v", rep, err)
	}
}

func TestChain(t *testing.T) {
	l := fresh(t)
	recs := put(t, l, opening()...)
	recs = append(recs, put(t, l, experiment(1, "unroll the loop", "")...)...)
	var back []history.Record
	view(t, l, func(tx *ledger.Tx) error {
		return tx.Records(1, func(r history.Record) error {
			back = append(back, r)
			return nil
		})
	})

	if d := cmp.Diff(recs, back); d != "" {
		t.Fatalf("records read differ from those returned:\n%s", d)
	}
	prev := ""

	for i, r := range back {
		h, err := ledger.Hash(r)
		if r.Seq != uint64(i+1) || r.Prev != prev || r.Hash != h || err != nil {
			t.Errorf("record %d: seq %d, prev %q (want %q), hash %q (want %q), %v", i+1, r.Seq, r.Prev, prev, r.Hash, h,
				err)
		}

		if r.Time.Location() != epoch.Location() {
			t.Errorf("record %d: time %v is not UTC", r.Seq, r.Time)
		}
		// A record that left as JSON and came back has the same hash.
		line, _ := json.Marshal(r)

		var again history.Record
		if err := json.Unmarshal(line, &again); err != nil {
			t.Fatal(err)
		}

		if h, _ := ledger.Hash(again); h != r.Hash {
			t.Errorf("record %d: the hash does not survive JSON", r.Seq)
		}
		prev = r.Hash
	}
}

func TestKeyAppendsOnce(t *testing.T) {
	l := fresh(t)
	put(t, l, opening()...)
	e := proposal(1, "inline <less> & swap")
	e.Key = "call-1"

	a, b := put(t, l, e)[0], put(t, l, e)[0]
	if d := cmp.Diff(a, b); d != "" {
		t.Errorf("the same key gave another record:\n%s", d)
	}
	view(t, l, func(tx *ledger.Tx) error {
		if seq, _ := tx.Head(); seq != a.Seq {
			t.Errorf("head is %d, want %d", seq, a.Seq)
		}

		return nil
	})
}

func TestUpdateIsAllOrNothing(t *testing.T) {
	l := fresh(t)
	put(t, l, opening()...)
	before, _ := l.Stamp()
	boom := errors.New("boom")

	ctx, cancel := context.WithCancel(t.Context())
	for name, f := range map[string]func(tx *ledger.Tx) error{
		"f fails": func(tx *ledger.Tx) error { _, err := tx.Append(proposal(1, "a")); return errors.Join(err, boom) },
		"f hides a failure": func(tx *ledger.Tx) error {
			tx.Append(proposal(1, "a"))
			tx.Append(judged(2, research.Improved))

			return nil
		},
		"ctx ends in between": func(tx *ledger.Tx) error {
			_, err := tx.Append(proposal(1, "a"))
			cancel()
			return err
		},
	} {
		c := t.Context()
		if name == "ctx ends in between" {
			c = ctx
		}

		if err := l.Update(c, f); err == nil {
			t.Errorf("%s: no error", name)
		}
	}

	if after, _ := l.Stamp(); after != before {
		t.Errorf("the stamp changed from %v to %v without an append", before, after)
	}
	view(t, l, func(tx *ledger.Tx) error {
		_, err := tx.Experiment(camp, 1)
		wantError(t, err, research.CodeNotFound, "x1")

		return nil
	})
	put(t, l, proposal(1, "a"))

	if after, _ := l.Stamp(); after == before {
		t.Error("the stamp did not change with an append")
	}
}

func TestPanicOfTheCallerPassesAndReleases(t *testing.T) {
	l := fresh(t)
	func() {
		defer func() {
			if v := recover(); v != "mine" {
				t.Errorf("recovered %v", v)
			}
		}()
		l.Update(t.Context(), func(*ledger.Tx) error { panic("mine") })
	}()
	put(t, l, opening()...)
}

func TestRefusals(t *testing.T) {
	l := fresh(t)
	put(t, l, append(opening(), proposal(1, "a"), entry(history.KindIdeaAdded, history.Idea{N: 1, Text: "i"}))...)

	cases := map[string]struct {
		e    history.Entry
		code research.Code
	}{
		"campaign twice":    {opening()[0], research.CodeConflict},
		"number twice":      {proposal(1, "b"), research.CodeConflict},
		"calibration twice": {opening()[2], research.CodeConflict},
		"idea number twice": {entry(history.KindIdeaAdded, history.Idea{N: 1, Text: "j"}), research.CodeConflict},
		"unknown campaign": {history.Entry{Campaign: "other", Kind: history.KindIdeaAdded,
			Body: history.Idea{N: 1}}, research.CodeNoCampaign},
		"unknown experiment": {judged(7, research.Improved), research.CodeNotFound},
		"unknown measurement": {entry(history.KindMeasurementFinished, rules.MeasurementEnd{Job: "m3"}),
			research.CodeNotFound},
		"kept, never judged": {entry(history.KindExperimentKept, history.Keeping{N: 1}), ""},
		"unknown kind":       {entry("nonsense", nil), ""},
		"no campaign":        {history.Entry{Kind: history.KindIdeaAdded, Body: history.Idea{N: 1}}, ""},
		"not a number":       {entry(history.KindIdeaAdded, map[string]any{"n": "x"}), ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if _, err := l.Append(t.Context(), c.e); err == nil || code(err) != c.code {
				t.Errorf("got %v (code %q), want code %q", err, code(err), c.code)
			}
		})
	}

	if _, err := l.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestReadOnlyTransaction(t *testing.T) {
	l := fresh(t)
	put(t, l, opening()...)

	err := l.View(t.Context(), func(tx *ledger.Tx) error {
		tx.Append(proposal(1, "a"))
		return nil
	})
	if err == nil {
		t.Error("View appended")
	}
}

func TestStates(t *testing.T) {
	l := fresh(t)
	put(t, l, opening()...)
	put(t, l, experiment(1, "unroll the loop", "branches cost more")...)
	put(t, l, proposal(2, "cache the pivot"), run(2, 1), judged(2, research.Improved),
		entry(history.KindExperimentKept, history.Keeping{N: 2, Commit: "kept2", Was: "start"}))
	put(t, l, proposal(3, "fuse"), judged(3, research.Invalid), proposal(4, "open"))
	put(t, l, entry(history.KindLessonAdded, history.Lesson{N: 1, Text: "first"}),
		entry(history.KindLessonAdded, history.Lesson{N: 2, Text: "second, about alignment", Experiment: 2}),
		entry(history.KindIdeaAdded, history.Idea{N: 1, Text: "radix"}))
	view(t, l, func(tx *ledger.Tx) error {
		c, err := tx.Campaign(camp)
		if err != nil {
			return err
		}

		if c.Experiments != 4 || c.Incumbent != "kept2" || c.Kept != 1 || c.Reverted != 1 || c.Runs != 4 ||
			!c.Calibrated {
			t.Errorf("campaign: %+v", c)
		}

		m, err := tx.Measurement(camp, "c1")
		if err != nil || !m.Done() || m.Runs != 1 {
			t.Errorf("calibration: %+v, %v", m, err)
		}
		_, err = tx.Measurement(camp, "m1")
		wantError(t, err, research.CodeNotFound, "m1")

		s, err := tx.Session(camp, "amber-fox")
		if err != nil || s.Experiments != 4 || s.Kept != 1 || s.Verdicts[research.Regressed] != 1 {
			t.Errorf("session: %+v, %v", s, err)
		}

		name, ok := tx.SessionOf(camp, "/src/a")
		if _, other := tx.SessionOf(camp, "/src/b"); name != "amber-fox" || !ok || other {
			t.Errorf("session of the checkout: %q %v %v", name, ok, other)
		}

		runs, err := tx.Runs(camp, "x1")
		if err != nil || len(runs) != 2 || runs[0].Number != 1 || runs[1].Number != 2 ||
			runs[1].Samples["ns_per_op"] != 801.5 {
			t.Errorf("runs: %+v, %v", runs, err)
		}

		if n, ok := tx.Latest(camp, "/src/a"); n != 4 || !ok {
			t.Errorf("latest: %d %v", n, ok)
		}

		for n, want := range map[int]bool{1: true, 2: true, 3: false, 4: false} {
			if got, ok := tx.Judged(camp, "start", oid("tree", n)); ok != want || ok && got != n {
				t.Errorf("tree %d judged: %d %v, want %v", n, got, ok, want)
			}
		}

		ls, err := tx.Lessons(camp, 1)
		if err != nil || len(ls) != 1 || ls[0].N != 2 {
			t.Errorf("lessons: %+v, %v", ls, err)
		}

		if is, err := tx.Ideas(camp, "", 0); err != nil || len(is) != 1 || is[0].Text != "radix" {
			t.Errorf("ideas: %+v, %v", is, err)
		}

		return nil
	})

	if rep, err := l.Verify(t.Context()); err != nil || rep.Campaigns != 1 || rep.Bad != 0 ||
		rep.Anchor != rep.Records {
		t.Errorf("verify: %+v, %v", rep, err)
	}
}

// pages walks a whole query and returns the numbers found.
func pages(t *testing.T, l *ledger.Ledger, q ledger.Query) (ns []int) {
	t.Helper()

	for range 1000 {
		view(t, l, func(tx *ledger.Tx) error {
			xs, next, err := tx.Experiments(camp, q)
			for _, x := range xs {
				ns = append(ns, x.N)
			}
			q.Cursor = next

			return err
		})

		if q.Cursor == "" {
			return ns
		}
	}
	t.Fatal("the pages do not end")

	return nil
}

func TestExperiments(t *testing.T) {
	l := fresh(t)
	put(t, l, opening()...)
	put(t, l, experiment(1, "Unroll the LOOP", "")...)
	put(t, l, experiment(2, "cache the pivot", "the loop got colder")...)
	put(t, l, proposal(3, "unroll, cache: loop"), judged(3, research.Invalid))
	put(t, l, proposal(4, "größer: Δ-loop"))
	put(t, l, entry(history.KindLessonAdded, history.Lesson{N: 1, Text: "alignment", Experiment: 1}))

	for _, c := range []struct {
		q    ledger.Query
		want []int
	}{
		{ledger.Query{}, []int{4, 3, 2, 1}},
		{ledger.Query{Limit: 1}, []int{4, 3, 2, 1}},
		{ledger.Query{Limit: 4}, []int{4, 3, 2, 1}},
		{ledger.Query{Status: research.Reverted, Limit: 1}, []int{2, 1}},
		{ledger.Query{Status: research.Voided}, []int{3}},
		{ledger.Query{Status: research.Kept}, nil},
		{ledger.Query{Text: "loop"}, []int{4, 3, 2, 1}},
		{ledger.Query{Text: "loop", Limit: 1}, []int{4, 3, 2, 1}},
		{ledger.Query{Text: "LOOP unroll"}, []int{3, 1}},
		{ledger.Query{Text: "the loop"}, []int{4, 3, 2, 1}},
		{ledger.Query{Text: "the"}, nil},
		{ledger.Query{Text: "loop cache", Limit: 1}, []int{3, 2}},
		{ledger.Query{Text: "loop", Status: research.Reverted, Limit: 1}, []int{2, 1}},
		{ledger.Query{Text: "GRÖSSER"}, nil},
		{ledger.Query{Text: "Größer δ"}, []int{4}},
		{ledger.Query{Text: "alignment"}, []int{1}},
		{ledger.Query{Text: "loo"}, nil},
		{ledger.Query{Text: "…"}, nil},
	} {
		if d := cmp.Diff(c.want, pages(t, l, c.q)); d != "" {
			t.Errorf("%+v:\n%s", c.q, d)
		}
	}
	view(t, l, func(tx *ledger.Tx) error {
		for _, bad := range []string{"x", "0", "-1"} {
			_, _, err := tx.Experiments(camp, ledger.Query{Cursor: bad})
			wantError(t, err, research.CodeBadArgument, bad)
		}

		return nil
	})
}

// Two words that are frequent and never meet cost a bounded effort a page, and
// the pages together still find everything.
func TestSearchEffortIsBounded(t *testing.T) {
	l := fresh(t)
	put(t, l, opening()...)
	const n = 2200

	err := l.Update(t.Context(), func(tx *ledger.Tx) error {
		for i := 1; i <= n; i++ {
			text := []string{"alpha", "beta"}[i%2]
			if i == 2 {
				text = "alpha beta"
			}

			for _, e := range []history.Entry{proposal(i, text), judged(i, research.Invalid)} {
				if _, err := tx.Append(e); err != nil {
					return err
				}
			}
		}

		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	view(t, l, func(tx *ledger.Tx) error {
		xs, next, err := tx.Experiments(camp, ledger.Query{Text: "alpha beta"})
		if len(xs) != 0 || next == "" || err != nil {
			t.Errorf("first page: %d found, next %q, %v", len(xs), next, err)
		}

		return nil
	})

	if d := cmp.Diff([]int{2}, pages(t, l, ledger.Query{Text: "alpha beta"})); d != "" {
		t.Error(d)
	}

	if got := pages(t, l, ledger.Query{Text: "beta", Limit: 100}); len(got) != n/2+1 {
		t.Errorf("beta: %d found, want %d", len(got), n/2+1)
	}
}

func TestCampaignsDoNotMix(t *testing.T) {
	l := fresh(t)

	for i, name := range []string{"a", "a-b", "ab"} {
		for _, e := range append(opening(), experiment(1, fmt.Sprint("loop ", name), "")...) {
			e.Campaign = name
			e.Key = string(e.Kind) + fmt.Sprint(i, e.Body)
			put(t, l, e)
		}
	}
	view(t, l, func(tx *ledger.Tx) error {
		cs, err := tx.Campaigns()
		if len(cs) != 3 || err != nil {
			t.Fatalf("campaigns: %+v, %v", cs, err)
		}

		for _, c := range cs {
			xs, _, err := tx.Experiments(c.Name, ledger.Query{Text: "loop"})
			if err != nil || len(xs) != 1 || xs[0].Hypothesis != "loop "+c.Name {
				t.Errorf("%s: %+v, %v", c.Name, xs, err)
			}

			if ss, err := tx.Sessions(c.Name); len(ss) != 1 || err != nil {
				t.Errorf("%s: sessions %+v, %v", c.Name, ss, err)
			}
		}

		return nil
	})
}

func TestRecordsStop(t *testing.T) {
	l := fresh(t)
	put(t, l, opening()...)
	var seen []uint64
	view(t, l, func(tx *ledger.Tx) error {
		return tx.Records(2, func(r history.Record) error {
			if seen = append(seen, r.Seq); r.Seq == 4 {
				return ledger.ErrStop
			}

			return nil
		})
	})

	if d := cmp.Diff([]uint64{2, 3, 4}, seen); d != "" {
		t.Error(d)
	}
}
