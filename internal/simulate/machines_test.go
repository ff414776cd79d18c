package simulate_test

import (
	"math"
	"strings"
	"testing"

	"ratchet/internal/simulate"
	"ratchet/internal/testform"
)

// playStreams plays a few nights on the committed streams whose names hold part.
func playStreams(t *testing.T, part string, nights int, first bool) []simulate.Machine {
	t.Helper()

	streams, err := simulate.ReadStreams("testdata/streams")
	if err != nil {
		t.Fatal(err)
	}
	var some []simulate.Stream

	for _, s := range streams {
		if strings.Contains(s.Name, part) {
			some = append(some, s)
		}
	}

	if len(some) == 0 {
		t.Fatalf("no stream %q", part)
	}
	study := simulate.MachineStudy{Nights: nights, Seed: 31, First: first}

	return study.PlayStreams(t.Context(), some)
}

// On machines with two speeds useless edits are not called worse, and intervals hold; the
// first version of the rule, which knows one speed, fails both.
func TestSlowRunsAreNoLosses(t *testing.T) {
	testform.SkipQuick(t, "internal/research/rules: TestSlowTimesCallNothing")
	t.Parallel()

	for _, m := range playStreams(t, "slow-blocks", size(10, 4), false) {
		if m.Null.Regressed > .05 || m.Mixed.Covered < .85 || m.Null.FalseCertificates > .25 {
			t.Errorf("%s: %v; %.3f of useless edits are worse, %.3f of the intervals hold", m.Name, m.Failures(),
				m.Null.Regressed, m.Mixed.Covered)
		}

		if m.Mixed.Intervals != m.Mixed.Looked {
			t.Errorf("%s: %d intervals for %d experiments of two runs or more", m.Name, m.Mixed.Intervals, m.Mixed.Looked)
		}
	}

	for _, m := range playStreams(t, "slow-blocks", size(10, 4), true) {
		if m.Null.Regressed < .10 || m.Mixed.Covered > .80 {
			t.Errorf("%s shows nothing any more: the first version calls %.3f worse, %.3f of its intervals hold", m.Name,
				m.Null.Regressed, m.Mixed.Covered)
		}
	}
}

// On a coarse clock most runs are equal and the others lie whole ticks apart. Large gains
// are proven all the same; a rule that takes equal runs for runs without noise proves none
// of these.
func TestCoarseClockProvesLargeGains(t *testing.T) {
	t.Parallel()
	cell, _ := simulate.FindCell("100/300, lognormal 2%")
	cell.Noise = noiseNamed(t, "clock of 4 % ticks")

	for _, night := range []int{9, 10, 11} {
		if gain := simulate.PlayNight(ruleNamed(t, "auto"), cell, 7, night).Gain; gain < .2 {
			t.Errorf("night %d: a gain of %.3f is proven, at least .2 is wanted", night, gain)
		}
	}

	if gain := simulate.PlayNight(ruleNamed(t, "auto, no ticks"), cell, 7, 10).Gain; gain > .2 {
		t.Errorf("a rule without the tick proves %.3f: the night shows nothing", gain)
	}
}

// Where a machine becomes faster all the time, each edit looks a little better than what
// was run before it: fewer are kept there than by a bar that knows nothing of drift, which
// kept 29 %.
func TestWarmUpIsNoGain(t *testing.T) {
	t.Parallel()
	study := simulate.MachineStudy{Seed: 7, NullNights: size(8, 4)}

	machines := study.PlayModels(t.Context(), []simulate.NoiseModel{noiseNamed(t, "warm-up of 20 %")})
	if kept := machines[0].Null.Kept; kept > .26 {
		t.Errorf("%.3f of the useless edits are kept", kept)
	}
}

// A rule that is told the noise states narrower intervals, but not much; a recorded
// stream's noise can't be told.
func TestToldWidth(t *testing.T) {
	testform.SkipQuick(t, "it compares with a rule that is told the noise, and nothing else depends on it")
	t.Parallel()
	study := simulate.MachineStudy{Seed: 8, Nights: 3}

	machines := study.PlayModels(t.Context(),
		[]simulate.NoiseModel{noiseNamed(t, "two speeds, 15 % of runs 1.5 ×"), noiseNamed(t, "warm-up of 20 %")})
	if ratio := machines[0].Mixed.WidthOverTold; ratio < .9 || ratio > 1.5 {
		t.Errorf("two speeds: the width is %.2f times that of a rule that is told the noise", ratio)
	}

	if machines[1].Mixed.ToldWidth != 0 {
		t.Errorf("a warm-up was told, which the belief has no words for: %+v", machines[1].Mixed)
	}

	table := simulate.RenderMachines(machines)
	if !strings.Contains(table, "not known") || !strings.Contains(table, " × |") {
		t.Errorf("the table lacks a width:\n%s", table)
	}
}

// Null nights alone tell the share of false certificates with its limit: none of five
// leaves up to 45 % possible.
func TestNullNightsAlone(t *testing.T) {
	t.Parallel()
	study := simulate.MachineStudy{Seed: 8, NullNights: 5}

	machines := study.PlayModels(t.Context(), []simulate.NoiseModel{noiseNamed(t, "slow blocks, 1.5 ×")})
	null := machines[0].Null

	if null.Nights != 5 || machines[0].Mixed != nil || null.FalseCertificates == 0 && math.Abs(null.Limit-.4507) > .001 {
		t.Errorf("%+v", machines[0])
	}

	if table := simulate.RenderMachines(machines); !strings.Contains(table, "upper 95 % limit") {
		t.Errorf("the table lacks the limit:\n%s", table)
	}
}

func TestParseStream(t *testing.T) {
	lines := strings.Repeat("1.5\n2\n", 12)

	for name, c := range map[string]struct{ text, fault string }{
		"numbers":            {lines, ""},
		"a column":           {"t\tvalue\n" + strings.Repeat("0\t3\n1\t4\n", 12), ""},
		"a comment":          {"# made at night\n" + lines, ""},
		"too few":            {"1\n2\n", "2 samples are too few"},
		"a word":             {lines + "fast\n", `line 25: "fast" is not a positive number`},
		"zero":               {lines + "0\n", "is not a positive number"},
		"no number":          {lines + "NaN\n", "is not a positive number"},
		"a missing column":   {"t\tvalue\n0\n", "line 2 has no column value"},
		"nothing":            {"", "0 samples are too few"},
		"another separator":  {"t,value\n" + lines, "is not a positive number"},
		"carriage returns":   {strings.ReplaceAll(lines, "\n", "\r\n"), ""},
		"more than a number": {lines + "3 ms\n", "is not a positive number"},
	} {
		noise, err := simulate.ParseStream(c.text)
		if c.fault == "" && (err != nil || len(noise) != 24) || c.fault != "" && (err == nil ||
			!strings.Contains(err.Error(), c.fault)) {
			t.Errorf("%s: %d samples, %v", name, len(noise), err)
		}
	}
}

func TestReadStreamsNamesTheFault(t *testing.T) {
	if _, err := simulate.ReadStreams(t.TempDir()); err == nil || !strings.Contains(err.Error(), "holds no stream") {
		t.Error(err)
	}

	if _, err := simulate.ReadStreams("testdata/nowhere"); err == nil {
		t.Error("a folder that is not there is read")
	}
}
