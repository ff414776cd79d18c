package ledger_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/ledger"
)

// operatorEnv makes the test binary do operations on a ledger, as the plan that
// it holds says, and note them on standard output.
const operatorEnv = "LEDGER_TEST_OPERATE"

type operatorPlan struct {
	Path       string
	Client     int
	Seed       uint64
	Operations int
	Naive      string // the kind that is done carelessly: looked in one transaction, appended in another
}

// The kinds of operations.
const (
	opAppend = "append"
	opRead   = "read"
	opKeep   = "keep"  // of a new experiment, over the incumbent that the process knows of
	opClaim  = "claim" // of the one idea; sometimes over a holder, as if that lease had expired
	opTry    = "try"   // the idea, under the claim that the process was last given; that ends it
)

// records is how many records an operation of a kind appends.
var records = map[string]uint64{opAppend: 1, opKeep: 3, opClaim: 1, opTry: 3}

// standing is what the whole ledger is to these operations.
type standing struct {
	Seq       uint64 // of the head
	Incumbent string
	Holder    string // of the idea, "" while nobody holds it
	Fence     int    // how often it has been claimed
}

// question is an operation that is asked for, reply where the ledger stands
// after it. What an operation is, refused, after and entries say.
type question struct {
	Kind, Who    string
	Over, Commit string // of a keep
	Take         bool   // a claim over whoever holds the idea
	Fence        int    // of a try: the claim that it is made under
}

type reply struct {
	standing
	Refused bool // nothing was changed
	Lost    bool // nobody knows
}

// refused says whether the operation must not be done where the ledger stands.
func (q question) refused(h standing) bool {
	switch q.Kind {
	case opKeep:
		return q.Over != h.Incumbent
	case opClaim:
		return h.Holder != "" && !q.Take
	case opTry:
		return h.Holder != q.Who || h.Fence != q.Fence
	}

	return false
}

// after is where the ledger stands when the operation has been done.
func (q question) after(h standing) standing {
	h.Seq += records[q.Kind]
	switch q.Kind {
	case opKeep:
		h.Incumbent = q.Commit
	case opClaim:
		h.Holder, h.Fence = q.Who, h.Fence+1
	case opTry:
		h.Holder = ""
	}

	return h
}

// entries are what the operation appends where the ledger stands at h.
func (q question) entries(c *history.Campaign, h standing) []history.Entry {
	switch n := c.Experiments + 1; q.Kind {
	case opAppend:
		return []history.Entry{entry(history.KindLessonAdded, history.Lesson{N: c.Lessons + 1, Text: "one more"})}
	case opKeep:
		return []history.Entry{proposal(n, hypothesis(n)), judged(n, research.Improved),
			entry(history.KindExperimentKept,
				history.Keeping{N: n, Commit: q.Commit, Was: q.Over, Branch: "refs/heads/ratchet/" + camp})}
	case opClaim:
		if h.Holder != "" {
			return []history.Entry{takeover(q.Who, 1, h.Fence)}
		}

		return []history.Entry{claim(q.Who, 1, h.Fence+1)}
	case opTry:
		return []history.Entry{proposalOf(q.Who, n, q.Fence), judged(n, research.Regressed),
			by(q.Who, history.KindExperimentReverted, history.Reversion{N: n, By: "agent"})}
	}

	return nil
}

// note is a line that an operator prints: of a question, or of its reply.
type note struct {
	At       int64 // CLOCK_MONOTONIC, which all processes of a machine share, in ns
	Question question
	Reply    *reply
}

type operator struct {
	operatorPlan
	l   *ledger.Ledger
	out *json.Encoder
}

// operate is the operator's main.
func operate(text string) error {
	var o operator
	if err := json.Unmarshal([]byte(text), &o.operatorPlan); err != nil {
		return err
	}

	var err error
	if o.l, err = ledger.Open(o.Path, ledger.Options{}); err != nil {
		return err
	}
	o.out = json.NewEncoder(os.Stdout)
	fmt.Println("ready")
	os.Stdin.Read(make([]byte, 1))
	rnd := rand.New(rand.NewPCG(o.Seed, 1))
	kinds := []string{opAppend, opRead, opKeep, opKeep, opClaim, opClaim, opTry}

	known, fence := "start", 0
	for i := range o.Operations {
		q := question{Kind: kinds[rnd.IntN(len(kinds))], Who: fmt.Sprintf("session-%d", o.Client),
			Take: rnd.IntN(4) == 0, Fence: fence, Over: known, Commit: fmt.Sprintf("commit-%d-%d", o.Client, i)}
		if q.Kind == opTry && fence == 0 { // it was never given one
			q.Kind = opClaim
		}

		r, err := o.note(q)
		if err != nil {
			return err
		}

		known = r.Incumbent
		if q.Kind == opClaim && !r.Refused {
			fence = r.Fence
		}
	}

	return nil
}

// note does an operation between its two lines.
func (o *operator) note(q question) (r reply, err error) {
	if err := o.out.Encode(note{At: monotonic(), Question: q}); err != nil {
		return r, err
	}

	if r, err = o.do(q); err != nil {
		return r, fmt.Errorf("%s: %w", q.Kind, err)
	}

	return r, o.out.Encode(note{At: monotonic(), Question: q, Reply: &r})
}

// do does an operation: what it depends on, and what it appends, in one transaction.
func (o *operator) do(q question) (r reply, err error) {
	if q.Kind == o.Naive {
		return o.doCarelessly(q)
	}

	do := o.l.Update
	if q.Kind == opRead {
		do = o.l.View
	}

	err = do(context.Background(), func(tx *ledger.Tx) error {
		if r.standing, err = stands(tx); err != nil {
			return err
		}

		if r.Refused = q.Kind != opTry && q.refused(r.standing); r.Refused {
			return nil
		}

		now, err := apply(tx, q, r.standing)
		if err == nil {
			r.standing = now
		}

		return err
	})
	if q.Kind == opTry && code(err) == research.CodeConflict { // the append itself is the fence
		r.Refused, err = true, nil
	}

	return r, err
}

// doCarelessly believes that nothing happens between a look and an append.
func (o *operator) doCarelessly(q question) (r reply, err error) {
	ctx := context.Background()

	err = o.l.View(ctx, func(tx *ledger.Tx) error { r.standing, err = stands(tx); return err })
	if r.Refused = q.refused(r.standing); err != nil || r.Refused {
		return r, err
	}
	time.Sleep(time.Millisecond)
	believed := q.after(r.standing)
	err = o.l.Update(ctx, func(tx *ledger.Tx) error {
		now, err := stands(tx)
		if q.Kind == opTry { // under whatever claim there is now
			q.Who, q.Fence = now.Holder, now.Fence
		}

		if r.standing = now; q.Kind == opTry && now.Holder == "" {
			r.Refused = true
			return err
		}

		if err == nil {
			r.standing, err = apply(tx, q, now)
		}

		return err
	})

	if q.Kind == opAppend { // which is nothing but its number
		r.standing = believed
	}

	return r, err
}

// stands is where the ledger stands in a transaction.
func stands(tx *ledger.Tx) (standing, error) {
	c, err := tx.Campaign(camp)
	if err != nil {
		return standing{}, err
	}

	idea, err := tx.Idea(camp, 1)
	if err != nil {
		return standing{}, err
	}
	seq, _ := tx.Head()

	return standing{Seq: seq, Incumbent: c.Incumbent, Holder: idea.Holder, Fence: idea.Fence}, nil
}

// apply appends what an operation consists of, for a ledger that stands at h, and
// looks where that leads.
func apply(tx *ledger.Tx, q question, h standing) (standing, error) {
	c, err := tx.Campaign(camp)
	if err != nil {
		return standing{}, err
	}

	for _, e := range q.entries(c, h) {
		if _, err := tx.Append(e); err != nil {
			return standing{}, err
		}
	}

	return stands(tx)
}

// monotonic is the time in ns since some moment, the same one for all processes.
func monotonic() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err)
	}

	return ts.Nano()
}
