package ledger_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"ratchet/internal/research"
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

// The kinds of operations. A new one needs a case in operator.do and in step.
const (
	opAppend = "append"
	opRead   = "read"
	opKeep   = "keep" // of a new experiment, over the incumbent that the process knows of
)

// records is how many records an operation of a kind appends.
var records = map[string]uint64{opAppend: 1, opKeep: 3}

// question is an operation that is asked for, reply its answer: the head and
// the incumbent after it.
type question struct{ Kind, Over, Commit string }

type reply struct {
	Seq       uint64
	Incumbent string
	Refused   bool // nothing was changed
	Lost      bool // nobody knows
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
	known := "start"
	for i := range o.Operations {
		q := question{Kind: []string{opAppend, opRead, opKeep, opKeep}[rnd.IntN(4)]}
		if q.Kind == opKeep {
			q.Over, q.Commit = known, fmt.Sprintf("commit-%d-%d", o.Client, i)
		}
		r, err := o.note(q)
		if err != nil {
			return err
		}
		known = r.Incumbent
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
	ctx := context.Background()
	if q.Kind == o.Naive {
		return o.doCarelessly(ctx, q)
	}
	do := o.l.Update
	if q.Kind == opRead {
		do = o.l.View
	}
	err = do(ctx, func(tx *ledger.Tx) error {
		if r, err = state(tx, q); err != nil || r.Refused || q.Kind == opRead {
			return err
		}
		if err = appendFor(tx, q); err == nil {
			r, err = state(tx, question{})
		}
		return err
	})
	return r, err
}

// doCarelessly believes that nothing happens between a look and an append.
func (o *operator) doCarelessly(ctx context.Context, q question) (r reply, err error) {
	err = o.l.View(ctx, func(tx *ledger.Tx) error { r, err = state(tx, q); return err })
	if err != nil || r.Refused {
		return r, err
	}
	runtime.Gosched()
	r.Seq += records[q.Kind]
	if q.Kind == opKeep {
		r.Incumbent = q.Commit
	}
	err = o.l.Update(ctx, func(tx *ledger.Tx) error { return appendFor(tx, q) })
	return r, err
}

// state is the head and the incumbent as a transaction sees them, and whether
// they refuse q.
func state(tx *ledger.Tx, q question) (reply, error) {
	c, err := tx.Campaign(camp)
	if err != nil {
		return reply{}, err
	}
	seq, _ := tx.Head()
	return reply{Seq: seq, Incumbent: c.Incumbent, Refused: q.Kind == opKeep && q.Over != c.Incumbent}, nil
}

// appendFor appends what an operation consists of.
func appendFor(tx *ledger.Tx, q question) error {
	c, err := tx.Campaign(camp)
	if err != nil {
		return err
	}
	entries := []research.Entry{entry(research.KindLessonAdded, research.Lesson{N: c.Lessons + 1, Text: "one more"})}
	if n := c.Experiments + 1; q.Kind == opKeep {
		entries = []research.Entry{proposal(n, hypothesis(n)), judged(n, research.Improved),
			entry(research.KindExperimentKept, research.Keeping{N: n, Commit: q.Commit, Was: q.Over, Branch: "refs/heads/ratchet/" + camp})}
	}
	for _, e := range entries {
		if _, err := tx.Append(e); err != nil {
			return err
		}
	}
	return nil
}

// monotonic is the time in ns since some moment, the same one for all processes.
func monotonic() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err)
	}
	return ts.Nano()
}
