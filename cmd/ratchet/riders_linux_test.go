package main_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"ratchet/internal/finalize"
	"ratchet/internal/simulate"
	"ratchet/ledger"
)

var riders = flag.Int("riders", 0, "noisy campaigns that TestRiders finalizes (0: skip)")

// TestRiders plays campaigns until ten useless edits and four gains of 3.4
// standard deviations of a run have been kept, and finalizes them: the useless
// ones go, the gains stay. `make riders` runs it.
func TestRiders(t *testing.T) {
	if *riders == 0 {
		t.Skip("make riders plays them")
	}
	var lock sync.Mutex
	var sum [6]int // notes, of them left, gains, of them left, campaigns, runs of finalize
	t.Run("play", func(t *testing.T) {
		for i := range *riders {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				got := riding(t, 9000+i)
				lock.Lock()
				defer lock.Unlock()

				for k, n := range got {
					sum[k] += n
				}
			})
		}
	})
	t.Logf("| campaigns | riders kept | dropped by finalize | gains kept | left by finalize | runs of one finalize |\n|---|---|---|---|---|---|\n| %d | %d | %d | %d | %d | %d |",
		sum[4], sum[0], sum[0]-sum[1], sum[2], sum[3], sum[5]/max(sum[4], 1))

	if 10*sum[1] > sum[0] {
		t.Errorf("%d of %d riders are left, a tenth is allowed", sum[1], sum[0])
	}

	if sum[3] < sum[2] {
		t.Errorf("%d of %d gains are left", sum[3], sum[2])
	}
}

// riding plays and finalizes one campaign.
func riding(t *testing.T, number int) (sum [6]int) {
	t.Helper()
	n := night{number: number, search: "auto", noise: "mild", edits: make([]string, 400)}
	s := n.prepare(t)
	c := s.connect()
	c.calibrated()
	d := &driver{t: t, s: s, c: c, night: n, end: simulate.PlayedNight{Night: number}}

	have := func(kind string) int { return strings.Count("\n"+s.read("work.txt"), "\n"+kind+" ") }
	for i := 1; have("note") < 11 || have("gain") < 4; i++ { // one note was there from the start
		kind := "note"
		if have("gain") < 4 && have("note")-1 > 2*have("gain") || have("note") >= 11 {
			kind = "gain"
		}

		if i > 390 {
			t.Fatalf("night %d: too few edits are kept:\n%s", number, s.read("work.txt"))
		}
		d.propose(fmt.Sprintf("%s %d\n", kind, i))
	}
	c.close()
	sum[0], sum[2], sum[4] = have("note")-1, have("gain"), 1
	before := s.runsMade(n)
	cmd := exec.Command(ratchet, "finalize", "--json")
	cmd.Dir, cmd.Env = s.dir, s.env
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()

	var f finalize.Finalized
	if err != nil || json.Unmarshal(out, &f) != nil {
		t.Fatalf("night %d: finalize: %v\n%s%s", number, err, out, said.String())
	}
	left := "\n" + s.sh("git", "show", f.Branch+":work.txt")
	sum[1], sum[3] = strings.Count(left, "\nnote ")-1, strings.Count(left, "\ngain ")
	sum[5] = s.runsMade(n) - before
	s.sh(ratchet, "verify", "--recompute")
	t.Logf("night %d: %d of %d riders are left, %d of %d gains, after %d experiments\n%s%s", number, sum[1], sum[0],
		sum[3], sum[2], d.end.Judged, said.String(), f.Audit.Finding)

	return sum
}

// runsMade is how many runs the night's ledger has.
func (s *site) runsMade(n night) (runs int) {
	s.t.Helper()

	err := s.ledger().View(context.Background(), func(tx *ledger.Tx) error {
		c, err := tx.Campaign(fmt.Sprintf("night-%d", n.number))
		if err == nil {
			runs = c.Runs
		}

		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}

	return runs
}
