package ledger_test

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"ratchet/internal/research/history"
	"ratchet/internal/testform"
	"ratchet/ledger"
)

var histories = flag.Int("histories", 2, "how many histories TestHistoriesAreLinearizable records and checks")

// Eight processes work on one ledger at once, each doing operations and
// noting, by one clock for all, when it asked and when it was answered. Then
// porcupine looks for one order in which a single process could have given
// all those answers. A process that is killed leaves an operation without an
// answer; it may have taken place or not.
const (
	linearProcesses  = 8
	linearOperations = 40              // of each
	linearPatience   = 3 * time.Minute // with the search for an order
	linearMost       = 50              // histories until something must have been seen
)

// step says whether a ledger that stands at h may answer q with a, and where it
// stands then. Who was killed is told nothing.
func step(h standing, q question, a reply) (bool, standing) {
	refused := q.refused(h)

	next := h
	if !refused {
		next = q.after(h)
	}

	return a.Lost || a.Refused == refused && a.standing == next, next
}

func model(from standing) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return from },
		Step: func(state, in, out any) (bool, any) {
			ok, next := step(state.(standing), in.(question), out.(reply))
			return ok, next
		},
	}
}

// record lets the processes loose on a new ledger, kills some, and returns
// what they noted.
func record(t *testing.T, naive string, seed uint64, kills int) (*ledger.Ledger, standing, []porcupine.Operation) {
	t.Helper()
	l := fresh(t)

	first := append(opening(), entry(history.KindIdeaAdded, history.Idea{N: 1, Text: "radix"}))
	put(t, l, first...)
	from := standing{Seq: uint64(len(first)), Incumbent: "start"}
	var all sync.WaitGroup
	notes := make([][]porcupine.Operation, linearProcesses)
	var begin []io.Writer
	var cmds []*exec.Cmd

	for i := range linearProcesses {
		plan, err := json.Marshal(operatorPlan{Path: l.Path(), Client: i, Seed: seed*100 + uint64(i),
			Operations: linearOperations, Naive: naive})
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(os.Args[0])

		cmd.Env = append(os.Environ(), operatorEnv+"="+string(plan))
		cmd.Stderr = os.Stderr
		in, _ := cmd.StdinPipe()

		out, _ := cmd.StdoutPipe()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}

		lines := bufio.NewScanner(out)
		if !lines.Scan() { // it is ready
			t.Fatalf("process %d says nothing", i)
		}

		begin, cmds = append(begin, in), append(cmds, cmd)
		all.Go(func() { notes[i] = operations(t, i, lines) })
	}

	for _, in := range begin {
		_, _ = in.Write([]byte{'\n'})
	}

	for i := range kills {
		time.Sleep(20 * time.Millisecond)
		_ = cmds[i].Process.Kill()
	}
	all.Wait()
	var history []porcupine.Operation

	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil && i >= kills {
			t.Errorf("process %d: %v", i, err)
		}
		history = append(history, notes[i]...)
	}

	return l, from, history
}

// operations reads what one process noted. One without an answer may take
// place at any later time, or never: at the end of time nobody sees it.
func operations(t *testing.T, client int, lines *bufio.Scanner) (ops []porcupine.Operation) {
	for lines.Scan() {
		var n note
		if err := json.Unmarshal(lines.Bytes(), &n); err != nil {
			break // killed in the middle of a line
		}

		if n.Reply == nil {
			ops = append(ops, porcupine.Operation{ClientId: client, Input: n.Question, Call: n.At,
				Output: reply{Lost: true}, Return: math.MaxInt64})
			continue
		}

		if len(ops) == 0 {
			t.Errorf("process %d was answered before it asked", client)
			return nil
		}
		last := &ops[len(ops)-1]
		last.Output, last.Return = *n.Reply, n.At
	}

	return ops
}

func TestHistoriesAreLinearizable(t *testing.T) {
	count := map[string]int{}

	lacks := func() (kinds []string) {
		for _, kind := range []string{opKeep, opClaim, opTry} {
			if count[kind] == 0 || count[kind+" refused"] == 0 {
				kinds = append(kinds, kind)
			}
		}

		return kinds
	}
	for i := 0; i < *histories || len(lacks()) > 0 && i < linearMost; i++ {
		l, from, history := record(t, "", uint64(i), 2)
		for _, op := range history {
			what := op.Input.(question).Kind
			if op.Output.(reply).Refused {
				what += " refused"
			}

			if op.Output.(reply).Lost {
				what += " lost"
			}

			count[what]++
		}

		if got := porcupine.CheckOperationsTimeout(model(from), history, linearPatience); got != porcupine.Ok {
			t.Errorf("history %d: %s\n%s", i, got, text(history))
		}

		if _, err := l.Verify(t.Context()); err != nil {
			t.Errorf("history %d: %v", i, err)
		}
	}
	t.Logf("%d histories: %v", *histories, count)

	if kinds := lacks(); len(kinds) > 0 {
		t.Errorf("these histories show little of %v", kinds)
	}
}

// The same operations, made carelessly, must be found out; else the test above
// shows nothing.
func TestCarelessHistoriesAreFoundOut(t *testing.T) {
	testform.SkipQuick(t, "it shows that TestHistoriesAreLinearizable can fail")
	for _, kind := range []string{opAppend, opKeep, opClaim, opTry} {
		t.Run(kind, func(t *testing.T) {
			if testing.Short() && kind != opKeep {
				t.Skip("make linear tries every kind")
			}

			for seed := range uint64(linearMost) {
				_, from, history := record(t, kind, seed, 0)
				if got := porcupine.CheckOperationsTimeout(model(from), history,
					linearPatience); got == porcupine.Illegal {
					return
				}
			}
			t.Errorf("%d careless histories look as if they were made one by one", linearMost)
		})
	}
}

func text(history []porcupine.Operation) (s string) {
	for _, op := range history {
		s += fmt.Sprintf("%d: %+v -> %+v in %d..%d\n", op.ClientId, op.Input, op.Output, op.Call, op.Return)
	}

	return s
}
