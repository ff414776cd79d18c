package simulate_test

import (
	"strings"
	"testing"

	"ratchet/internal/simulate"
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
