package simulate_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"ratchet/internal/research"
	"ratchet/internal/simulate"
)

// fieldTrial is a trial of the benchmark "c" on a quiet machine.
func fieldTrial(truth float64, verdict research.Verdict, low, high float64) simulate.FieldTrial {
	return simulate.FieldTrial{Benchmark: "c", Condition: "quiet", Kind: "gain", Truth: truth, Verdict: verdict,
		Low: &low, High: &high, Runs: 8, RunCost: .2, Seconds: 3, At: 90, Noise: .1, Processor: "Some CPU", Cores: 2}
}

// A verdict calls a difference, and so does an interval without 0; a keep on
// trial whose interval holds 0 does not.
func TestFieldCalls(t *testing.T) {
	for _, c := range []struct {
		verdict   research.Verdict
		low, high float64
		want      int
	}{
		{research.Improved, -.01, .1, 1},
		{research.Regressed, -.1, .01, -1},
		{research.Provisional, -.01, .1, 0},
		{research.Provisional, .01, .1, 1},
		{research.Inconclusive, -.1, -.01, -1},
		{research.Equivalent, -.01, .01, 0},
		{research.Provisional, 0, .1, 0},
	} {
		if got := fieldTrial(0, c.verdict, c.low, c.high).Called(); got != c.want {
			t.Errorf("%s with an interval of %g to %g is called %d, want %d", c.verdict, c.low, c.high, got, c.want)
		}
	}

	none := simulate.FieldTrial{Verdict: research.Provisional}
	if none.Called() != 0 || none.IsFound() {
		t.Error("a keep on trial without an interval is called")
	}

	if !fieldTrial(-.1, research.Regressed, -.2, -.1).IsFound() || fieldTrial(.1, research.Regressed, -.2, -.1).IsFound() {
		t.Error("what is found does not depend on the direction of the truth")
	}
}

// Each promise fails with one trial more than it allows, and asks only for the
// trials that it is about.
func TestFieldPromises(t *testing.T) {
	trials := func(noOpsCalled, largeFound, middleFound int, noise, cost float64) (all []simulate.FieldTrial) {
		add := func(n, called int, truth float64) {
			for i := range n {
				one := fieldTrial(truth, research.Inconclusive, -.1, .1)
				if i < called {
					one = fieldTrial(truth, research.Improved, .01, .1)
				}
				one.Noise, one.RunCost = noise, cost
				all = append(all, one)
			}
		}
		add(160, noOpsCalled, 0)
		add(40, largeFound, .2)
		add(20, middleFound, .1)

		return all
	}

	for name, c := range map[string]struct {
		trials []simulate.FieldTrial
		want   string // of no-ops, gains of 20 and of 10 %
	}{
		"all at the bound":         {trials(12, 38, 19, .2, .9), "held held held"},
		"a no-op too many":         {trials(13, 38, 19, .2, .9), "FAILS held held"},
		"a large gain missed":      {trials(12, 37, 19, .2, .9), "held FAILS held"},
		"a gain missed":            {trials(12, 38, 18, .2, .9), "held held FAILS"},
		"too noisy to ask":         {trials(12, 0, 0, .21, .9), "held none none"},
		"runs too dear to ask":     {trials(12, 38, 0, .2, 1), "held held none"},
		"nothing planted or no-op": {[]simulate.FieldTrial{fieldTrial(-.2, research.Regressed, -.3, -.1)}, "none none none"},
	} {
		var got []string

		for _, p := range simulate.CheckField(c.trials) {
			word := "held"

			switch line := p.String(); {
			case strings.HasSuffix(line, "no trial asks for it"):
				word = "none"
			case strings.HasSuffix(line, "FAILS") && !p.Holds:
				word = "FAILS"
			case !strings.HasSuffix(line, "held") || !p.Holds:
				t.Errorf("%s: the promise is %q", name, line)
			}

			got = append(got, word)
		}

		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// The noise is the standard deviation of normal noise, and one outlier in twenty
// runs does not move it much.
func TestFieldNoise(t *testing.T) {
	var values []float64
	for i := range 99 {
		values = append(values, 100*(1+.1*math.Sqrt2*math.Erfinv(2*float64(i+1)/100-1)))
	}

	if got := simulate.FieldNoise(values); math.Abs(got-.1) > .005 {
		t.Errorf("10 %% of noise are told as %.4f", got)
	}

	for i := range 5 {
		values[i*20] *= 10
	}

	if got := simulate.FieldNoise(values); got > .13 {
		t.Errorf("outliers make 10 %% of noise %.4f", got)
	}

	for _, none := range [][]float64{nil, {1, 2}, {0, 0, 0, 4}} {
		if got := simulate.FieldNoise(none); got != 0 {
			t.Errorf("the noise of %v is %g, want 0", none, got)
		}
	}
}

// The tables count truth against verdict, and a campaign's row takes the noise of
// its last trial and the time of its first.
func TestRenderFieldTable(t *testing.T) {
	trials := []simulate.FieldTrial{
		fieldTrial(0, research.Inconclusive, -.1, .1), fieldTrial(0, research.Provisional, .01, .1),
		fieldTrial(.2, research.Improved, .1, .3), fieldTrial(1, research.Invalid, -.1, .1),
		fieldTrial(-.05, research.Improved, .01, .1), fieldTrial(-.1, research.Regressed, -.2, -.05),
	}
	trials[5].Noise, trials[5].At, trials[5].Runs = .12, 240, 30

	var lines []byte

	for _, trial := range trials {
		line, err := json.Marshal(trial)
		if err != nil {
			t.Fatal(err)
		}
		lines = fmt.Appendf(lines, "%s\n", line)
	}

	read, err := simulate.ParseFieldTrials(lines)
	if err != nil {
		t.Fatal(err)
	}
	text := simulate.RenderFieldTable(read)

	for _, want := range []string{
		"Made on: Some CPU, cores: 2.\n",
		"| quiet | +100 % | 1 | 0 | 0 | 0 | 0 | 0 | 1 | 0 | 0 | 8 | 3.0 |\n| quiet | +20 % | 1 | 1 | 0 | 0 | 0 | 0 | 0 | 1 | 0 | 8 | 3.0 |\n" +
			"| quiet | no-op | 2 | 0 | 1 | 0 | 1 | 0 | 0 | 1 | 0 | 8 | 3.0 |\n| quiet | -5 % | 1 | 1 | 0 | 0 | 0 | 0 | 0 | 1 | 0 | 8 | 3.0 |\n" +
			"| quiet | -10 % | 1 | 0 | 0 | 0 | 0 | 1 | 0 | 0 | 1 | 30 | 3.0 |\n",
		"| c | quiet | 12.0 % | 0.20 | 1 of 2 | 0 of 0, 0 of 0, 1 of 2 | 0 of 1, 1 of 1, 0 of 0 | 1 | 70 | 1.5 | 4.0 |\n",
		"- quiet, no-ops called: 1 of 2 (at most 0): FAILS\n",
		"- quiet, gains of 20 % found, where a run's noise is at most 20 %: 1 of 1 (at least 1): held\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the tables lack\n%s\nthey are\n%s", want, text)
		}
	}

	if _, err := simulate.ParseFieldTrials([]byte("{")); err == nil {
		t.Error("half a line is taken for a trial")
	}
}

// The document of the field, which is made by hand and may be absent, is that of the
// trials that lie beside it, and shows its tables.
func TestFieldDocumentIsFresh(t *testing.T) {
	trials := []simulate.FieldTrial{fieldTrial(.2, research.Improved, .1, .3)}
	if text := simulate.RenderFieldDocument(trials, "x.jsonl"); !strings.Contains(text, "from x.jsonl, a line an edit") ||
		!strings.HasSuffix(text, simulate.RenderFieldTable(trials)) {
		t.Errorf("the document lacks its source or its tables:\n%s", text)
	}

	text, err := os.ReadFile("../../docs/evidence-field.jsonl")
	if os.IsNotExist(err) {
		return
	}

	if err != nil {
		t.Fatal(err)
	}

	trials, err = simulate.ParseFieldTrials(text)
	if err != nil {
		t.Fatal(err)
	}

	if want := simulate.RenderFieldDocument(trials, "evidence-field.jsonl"); string(read(t, "evidence-field.md")) != want {
		t.Error("docs/evidence-field.md is not that of docs/evidence-field.jsonl: both are made by make field")
	}
}
