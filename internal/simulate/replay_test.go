package simulate_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"ratchet/internal/simulate"
	"ratchet/internal/testform"
)

// recording is a made-up one, under 2 % of noise: every edit brings that gain
// on top of those before it.
func recording(t *testing.T, seed uint64, edits int, gain float64) simulate.Recording {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	pairs := func(n int, before, after float64) (out [][2]float64) {
		for range n {
			out = append(out, [2]float64{100 * math.Exp(.02*r.NormFloat64()-before),
				100 * math.Exp(.02*r.NormFloat64()-after)})
		}

		return out
	}
	var text []byte
	add := func(edit int, kind string, p [][2]float64) {
		b, err := json.Marshal(simulate.Recorded{Edit: edit, Kind: kind, Pairs: p})
		if err != nil {
			t.Fatal(err)
		}

		text = append(text, b...)
	}
	add(0, "start", pairs(10, 0, 0))

	for i := range edits {
		add(i+1, "comment", pairs(24, gain*float64(i), gain*float64(i+1)))
	}
	add(edits+1, "all", pairs(60, 0, gain*float64(edits)))

	rec, err := simulate.ParseRecording(text)
	if err != nil {
		t.Fatal(err)
	}

	return rec
}

func replayedBy(t *testing.T, all []simulate.Replayed, rule string) simulate.Replayed {
	t.Helper()

	for _, r := range all {
		if r.Rule == rule {
			return r
		}
	}
	t.Fatalf("no rule %q", rule)

	return simulate.Replayed{}
}

// On useless edits the two modes prove nothing (a night in a hundred may end
// otherwise), and the same samples deceive who keeps what one run shows lower;
// on gains of 10 % the same replay keeps.
func TestReplay(t *testing.T) {
	testform.SkipQuick(t, "internal/research/rules judges, make check replays what was recorded")
	deceived, nights := map[string]int{}, 8
	for seed := range nights {
		null := simulate.ReplayRecording(recording(t, uint64(seed), 40, 0), 1)
		for _, r := range null {
			deceived[r.Rule] += r.Deceived
		}

		if n := replayedBy(t, null, "Mann-Whitney 10 v 10"); n.Runs != 20 || n.Edits != 40 {
			t.Errorf("ten runs of either side are %v runs an edit, of %v edits", n.Runs, n.Edits)
		}

		if n := replayedBy(t, null, "auto"); n.Adopted == 0 || n.Runs < 2 {
			t.Errorf("auto adopted nothing: no certificate was tried: %+v", n)
		}
	}

	for _, rule := range []string{"auto", "certify", "certify, no assumptions"} {
		if deceived[rule] > 1 {
			t.Errorf("%s: useless edits were proven in %d of %d nights", rule, deceived[rule], nights)
		}

		if n := replayedBy(t, simulate.ReplayRecording(recording(t, 2, 6, .10), 6), rule); n.Deceived < 6 {
			t.Errorf("gains of 10 %% are not found in every night, so that the replay of useless edits shows nothing: %+v", n)
		}
	}

	if deceived["one run"] < 7 {
		t.Errorf("the samples deceive nobody: %d of %d nights", deceived["one run"], nights)
	}
}

func TestParseRecordingRefuses(t *testing.T) {
	for _, text := range []string{
		``, `{`, `{"edit":0,"kind":"start","pairs":[[1,1]]}`,
		`{"kind":"start","pairs":[[1,1]]} {"edit":1,"kind":"rename","pairs":[[1,0]]} {"edit":2,"kind":"all","pairs":[[1,1]]}`,
	} {
		if _, err := simulate.ParseRecording([]byte(text)); err == nil {
			t.Errorf("%q is taken for a recording", text)
		}
	}
}

// The tables of nights through the real binary, and of the real benchmark, are
// made from the recordings that lie beside the document.
func TestRecordedEvidenceIsFresh(t *testing.T) {
	testform.SkipQuick(t, "it replays what docs/evidence.md says")
	doc := read(t, "evidence.md")

	rec, err := simulate.ParseRecording(read(t, "evidence-wordfreq.jsonl"))
	if err != nil {
		t.Fatal(err)
	}

	nights, err := simulate.ParseNights(read(t, "evidence-nights.jsonl"))
	if err != nil {
		t.Fatal(err)
	}

	wanted := []string{simulate.RenderPlayedTables(nights), simulate.RenderRecordingTable(rec),
		simulate.RenderReplayTable(simulate.ReplayRecording(rec, simulate.ReplayNights))}

	for _, want := range wanted {
		if !strings.Contains(string(doc), want) {
			t.Errorf("docs/evidence.md is stale: run the command that its head names; it lacks\n%s", want)
		}
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()

	b, err := os.ReadFile("../../docs/" + name)
	if err != nil {
		t.Fatal(err)
	}

	return b
}

// The nights that docs/evidence.md shows keep what it promises, and the
// measures that say so can fail.
func TestPlayedNights(t *testing.T) {
	n := simulate.PlayedNight{Search: "auto", Edits: "null", Noise: "normal"}
	for i, c := range []struct {
		change            func(*simulate.PlayedNight)
		deceived, covered bool
	}{
		{func(*simulate.PlayedNight) {}, false, false},
		{func(n *simulate.PlayedNight) { n.Kept = 9 }, false, false},
		{func(n *simulate.PlayedNight) { n.Passed, n.Low, n.High = 1, .1, .2 }, true, false},
		{func(n *simulate.PlayedNight) { n.Passed, n.Low, n.High, n.Truth = 1, .1, .2, .15 }, false, true},
		{func(n *simulate.PlayedNight) { n.Search, n.Kept = "certify", 1 }, true, false},
		{func(n *simulate.PlayedNight) { n.Search, n.Kept, n.Truth = "certify", 1, .05 }, false, false},
	} {
		x := n
		c.change(&x)

		if x.IsDeceived() != c.deceived || x.CoversTruth() != c.covered {
			t.Errorf("case %d: deceived %t, covered %t", i, x.IsDeceived(), x.CoversTruth())
		}

		if table := simulate.RenderPlayedTables([]simulate.PlayedNight{x}); !strings.Contains(table,
			fmt.Sprintf("| %s, normal | 1 |", x.Search)) {
			t.Errorf("case %d: the night is not in the table:\n%s", i, table)
		}
	}
}
