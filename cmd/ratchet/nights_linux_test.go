package main_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"

	"ratchet/internal/simulate"
)

var (
	nights    = flag.Int("nights", 0, "nights of each kind that TestNights plays (0: skip)")
	nightsOut = flag.String("nights-out", "", "file to which TestNights appends a line of JSON a night")
)

func repeat(n int, kinds ...string) []string { return slices.Repeat(kinds, n) }

// Useless edits, driven over MCP: nothing is certified (auto) and nothing is
// kept (certify), while the first runs of the very same nights would have
// deceived whoever keeps what is lower once.
func TestNullNightsStayClean(t *testing.T) {
	t.Parallel()

	for _, n := range []night{
		{number: 1, alone: true, search: "auto", noise: "normal", edits: repeat(6, "note")},
		{number: 2, alone: true, search: "certify", noise: "normal", edits: repeat(10, "note")},
		{number: 3, alone: true, search: "auto", noise: "heavy", edits: repeat(6, "note")},
	} {
		t.Run(n.search+" "+n.noise, func(t *testing.T) {
			if testing.Short() {
				t.Skip("make long plays it; the stories auto and noisy are its short form")
			}
			t.Parallel()

			e := n.play(t)
			if e.IsDeceived() {
				t.Errorf("useless edits were proven: %+v", e)
			}

			if e.Judged != len(n.edits) || n.search == "auto" && e.Tried == 0 {
				t.Errorf("the night shows nothing: %+v", e)
			}

			if e.OneRun == 0 {
				t.Errorf("no first run was lower than the start's: the noise of this night deceives nobody: %+v", e)
			}
		})
	}
}

// Gains of 5 % among useless and harmful edits end as a certified head that
// has them, and a driver that leaves every other one behind is seen to.
func TestMixedNightIsCertified(t *testing.T) {
	t.Parallel()

	for _, c := range []struct {
		name   string
		every  int
		enough bool
	}{{"all kept", 1, true}, {"every other one kept", 2, false}} {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() {
				t.Skip("make long plays it; the story auto is its short form")
			}
			t.Parallel()
			e := night{number: 4, alone: true, search: "auto", noise: "normal",
				edits: repeat(3, "note", "loss", "gain"), pairs: 24, every: c.every}.play(t)
			t.Logf("%+v", e)

			if e.Passed == 0 {
				t.Errorf("the head is not certified: %+v", e)
			}

			if enough := e.Audited >= .9*e.Offered && e.Truth >= .9*e.Offered; enough != c.enough {
				t.Errorf("at least .9 of what was offered is audited: %t, want %t: %+v", enough, c.enough, e)
			}

			if !e.CoversTruth() {
				t.Errorf("the certificate's interval misses the truth: %+v", e)
			}
		})
	}
}

// What "keep what is lower" claims of useless edits is noise.
func TestGreedyDriverIsDeceived(t *testing.T) {
	if testing.Short() {
		t.Skip("make long plays it, with the nights that it shows to be able to fail")
	}

	t.Parallel()

	e := night{number: 5, alone: true, search: "greedy", noise: "normal", edits: repeat(10, "note")}.play(t)
	if !e.IsDeceived() || e.Claimed < .01 {
		t.Errorf("the night shows nothing: %+v", e)
	}
}

// TestNights plays whole nights; `make nights` runs it.
func TestNights(t *testing.T) {
	if *nights == 0 {
		t.Skip("make nights plays them")
	}
	var lock sync.Mutex
	var ends []simulate.PlayedNight
	t.Run("play", func(t *testing.T) {
		for _, n := range wholeNights(*nights) {
			t.Run(fmt.Sprintf("%d %s %s", n.number, n.search, n.noise), func(t *testing.T) {
				t.Parallel()
				e := n.play(t)

				line, err := json.Marshal(e)
				if err != nil {
					t.Fatal(err)
				}
				lock.Lock()
				defer lock.Unlock()

				ends = append(ends, e)

				if *nightsOut != "" {
					appendLine(t, *nightsOut, line)
				}
			})
		}
	})
	cells := map[string][]simulate.PlayedNight{}

	for _, e := range ends {
		k := fmt.Sprintf("%s, %s, %s", e.Edits, e.Search, e.Noise)
		cells[k] = append(cells[k], e)
	}

	for k, es := range cells {
		t.Log(k, ": ", len(es), "nights")
		checkNights(t, k, es)
	}
}

// wholeNights are n nights of a hundred useless edits for each search and
// noise, and half as many mixed ones of 30 edits.
func wholeNights(n int) []night {
	var all []night

	for i := range n {
		for k, c := range [][2]string{{"auto", "normal"}, {"certify", "normal"}, {"auto", "heavy"},
			{"certify", "heavy"}} {
			all = append(all, night{number: 1000*(k+1) + i, search: c[0], noise: c[1], edits: repeat(100, "note")})
		}

		if i%2 > 0 {
			continue
		}

		for k, search := range []string{"auto", "certify", "greedy"} {
			all = append(all, night{number: 1000*(k+5) + i, search: search, noise: "normal",
				edits: repeat(10, "note", "loss", "gain"), pairs: 24})
		}
	}

	return all
}

// checkNights holds the nights of one cell against what is promised.
func checkNights(t *testing.T, cell string, es []simulate.PlayedNight) {
	t.Helper()

	deceived, oneRun, covered, audited, n := 0, 0, 0, 0., float64(len(es))
	for _, e := range es {
		if e.IsDeceived() {
			deceived++
		}

		if e.OneRun > 0 {
			oneRun++
		}

		if e.CoversTruth() {
			covered++
		}

		if e.Offered > 0 {
			audited += e.Audited / e.Offered / n
		}
	}
	most := int(math.Ceil(n / 20))

	switch {
	case es[0].Edits == "null":
		if deceived > most {
			t.Errorf("%s: %d of %d nights are deceived, at most %d are allowed", cell, deceived, len(es), most)
		}

		if float64(oneRun) < .9*n {
			t.Errorf("%s: only %d of %d nights deceive whoever keeps what is lower once", cell, oneRun, len(es))
		}
	case es[0].Search == "auto":
		if audited < .9 {
			t.Errorf("%s: the audited gain is %.3f of what was offered, .9 is wanted", cell, audited)
		}

		if float64(covered) < .7*n {
			t.Errorf("%s: the interval holds the truth in %d of %d nights", cell, covered, len(es))
		}
	}
}
