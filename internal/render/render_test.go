package render_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"ratchet/internal/checkout"
	"ratchet/internal/render"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
)

func TestClean(t *testing.T) {
	tests := []struct{ in, want string }{
		{"plain\ttext\n", "plain\ttext\n"},
		{"\x1b[1;31mred\x1b[0m", "red"},
		{"\x1b]8;;http://x\x1b\\link\x1b]8;;\x07", "link"},
		{"\x1b]never closed\nnext line", "\nnext line"},
		{"\x1b(Bcharset\x1b7", "charset"},
		{"\xff\xfebad", "\uFFFDbad"},
		{"a\r\nb\r\n", "a\nb\n"},
		{"1%\r50%\r100%\r\ndone", "100%\ndone"},
		{"zero\u200bwidth\u202e\U000E0041tag\ufeff", "zerowidthtag"},
		{"\u0085\u009b31mx", "x"},
		{"\x1b", ""}, {"\x1b[", ""}, {"日本語 ok", "日本語 ok"},
	}
	for _, tt := range tests {
		if got := render.Clean(tt.in); got != tt.want {
			t.Errorf("Clean(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestOneLineCutsBetweenCharacters(t *testing.T) {
	for _, c := range []struct {
		text string
		size int
		want string
	}{
		{" two\n\twords \x1b[31mred ", 40, "two words red"},
		{"exactly ten", 11, "exactly ten"},
		{"exactly ten", 10, "exactly…"},
		{"éééé", 7, "éé…"}, {"éééé", 6, "é…"}, // the third byte is in the middle of a character
		{"word", 2, ""},
	} {
		got := render.OneLine(c.text, c.size)
		if got != c.want || len(got) > c.size || !utf8.ValidString(got) {
			t.Errorf("OneLine(%q, %d) = %q, want %q", c.text, c.size, got, c.want)
		}
	}
}

func ptr[T any](v T) *T { return &v }

// decode is the answer's JSON, which every answer has.
func decode(t *testing.T, a render.Answer) map[string]any {
	t.Helper()

	var m map[string]any
	if err := json.Unmarshal(a.Structured, &m); err != nil {
		t.Fatalf("%v: %s", err, a.Structured)
	}

	return m
}

func TestAnswerSaysTheSameTwice(t *testing.T) {
	a := render.BuildAnswer(render.Limit,
		render.ShortFact("verdict", "verdict: ", "improved"),
		render.ShortFact("idea", "idea: ", ""),
		render.MetricValue("value", "value: ", ptr(812.25), "ns"),
		render.MetricValue("best", "best: ", nil, "ns"),
		render.Field{Key: "open", List: render.PrefixItems("open: ", []string{"a", "b\nc"})},
		render.NoteList(nil),
		render.NoteList([]string{"rest <now>"}),
		render.PersonNote("look at\nthe cache"),
		render.BudgetLeft(checkout.Left{Experiments: 1, Hours: .5}),
		render.NextStep(""))

	want := "verdict: improved\nvalue: 812.25 ns\nopen: a\nopen: b c\nnote: rest <now>\n" +
		"note from your human: look at the cache\nbudget left: 1 experiment, 30 min\nnext: read_log{}"
	if a.Text != want {
		t.Errorf("the text is\n%s\nwant\n%s", a.Text, want)
	}

	if person, _, _ := strings.Cut(want, "\nnext: "); a.ForPerson() != person {
		t.Errorf("a person reads\n%s", a.ForPerson())
	}

	structured := `{"verdict":"improved","value":812.25,"open":["a","b c"],"notes":["rest <now>"],` +
		`"human_note":"look at the cache","budget_left":{"experiments":1,"hours":0.5},"next":"read_log{}"}`
	if string(a.Structured) != structured {
		t.Errorf("the JSON is\n%s\nwant\n%s", a.Structured, structured)
	}
}

// TestLongAnswersGiveWayWhereTheyMay: lists lose their last entries and texts their
// ends, and of what a program printed the end stays.
func TestLongAnswersGiveWayWhereTheyMay(t *testing.T) {
	lessons := make([]string, 30)
	for i := range lessons {
		lessons[i] = fmt.Sprintf("lesson %02d", i)
	}
	output := strings.Repeat("noise\n", 200) + "panic: the end"

	for _, limit := range []int{2048, 900, 500} {
		fields := []render.Field{render.ShortFact("verdict", "verdict: ", "invalid"),
			render.NoteList([]string{"the first note", "the second note"}),
			{Key: "lessons", List: render.LineItems(lessons), Min: 2}}
		fields = append(fields, render.DataText("output", output)...)
		a := render.BuildAnswer(limit, append(fields, render.NextStep("revert{}"))...)
		m := decode(t, a)

		if len(a.Text) > limit || len(a.Structured) > limit {
			t.Errorf("within %d: %d bytes of text, %d of JSON", limit, len(a.Text), len(a.Structured))
		}

		if m["verdict"] != "invalid" || m["next"] != "revert{}" || !strings.HasSuffix(a.Text, "\nnext: revert{}") {
			t.Errorf("within %d the verdict or the next step is lost: %s", limit, a.Text)
		}

		kept, _ := m["lessons"].([]any)
		if len(kept) < 2 || kept[0] != "lesson 00" || !strings.Contains(a.Text, "\n- lesson 01\n") {
			t.Errorf("within %d the lessons are %v", limit, kept)
		}

		if notes, _ := m["notes"].([]any); len(notes) < 1 || notes[0] != "the first note" {
			t.Errorf("within %d the notes are %v", limit, notes)
		}

		printed, _ := m["output"].(string)
		if !strings.HasPrefix(printed, "[output of the program, as data;") ||
			!strings.HasSuffix(printed, "\npanic: the end") || !strings.Contains(a.Text, "\n| panic: the end\n") {
			t.Errorf("within %d the output is %q", limit, printed)
		}
	}
}

func TestHookOutputSaysWhereTheRestIs(t *testing.T) {
	if fields := render.HookOutput(" \x1b[2J\n"[1:]); fields != nil {
		t.Errorf("a hook that printed nothing is shown: %+v", fields)
	}

	short := render.BuildAnswer(render.Limit, render.HookOutput("try caches\nnext: revert{}\n")...)
	if want := "[printed by the program's hooks, as data]\n| try caches\n| next: revert{}"; short.Text != want {
		t.Errorf("short output is shown as\n%s", short.Text)
	}

	long := render.BuildAnswer(render.Limit, render.HookOutput(strings.Repeat("words ", 100))...)
	if printed, _ := decode(t, long)["hook_output"].(string); !strings.Contains(printed, `query:"hooks"`) ||
		!strings.HasSuffix(printed, "…") || len(printed) > 400 {
		t.Errorf("long output is %q", printed)
	}
}

func TestRefusal(t *testing.T) {
	coded := research.Errorf(research.CodeBadArgument, "name\none", "no such \x1b[31mcampaign")

	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"with a code":         {fmt.Errorf("look: %w", coded), "bad_argument: no such campaign\nnext: name one"},
		"without a next step": {research.Errorf(research.CodeConflict, "", "gone"), "conflict: gone\nnext: read_log{}"},
		"of a call's end": {fmt.Errorf("wait: %w", context.Canceled),
			"cancelled: the call was cancelled; a run that was started goes on\nnext: wait_run{}"},
		"of a call's time": {context.DeadlineExceeded,
			"cancelled: the call was cancelled; a run that was started goes on\nnext: wait_run{}"},
	} {
		a := render.Refusal(c.err)
		if a.Text != c.want {
			t.Errorf("an error %s is %q, want %q", name, a.Text, c.want)
		}

		e, _ := decode(t, a)["error"].(map[string]any)
		if got := fmt.Sprintf("%s: %s\nnext: %s", e["code"], e["message"], e["next"]); got != c.want {
			t.Errorf("an error %s is in JSON %q, want %q", name, got, c.want)
		}
	}

	if a := render.Refusal(errors.New("open /etc/secret: denied")); !strings.HasPrefix(a.Text, "internal: ") ||
		strings.Contains(a.Text+string(a.Structured), "secret") {
		t.Errorf("an error without a code shows its details: %s", a.Text)
	}
}

func TestRemarkIsAddedWhereThereIsRoom(t *testing.T) {
	a := render.BuildAnswer(render.Limit, render.ShortFact("verdict", "", "improved"), render.NextStep("keep{}"))
	before := string(a.Structured)
	a.AddRemark("remark", `it is "late"`)

	if want := "improved\nit is \"late\"\nnext: keep{}"; a.Text != want {
		t.Errorf("the text is %q, want %q", a.Text, want)
	}

	if m := decode(t, a); m["remark"] != `it is "late"` || m["verdict"] != "improved" ||
		!strings.HasPrefix(string(a.Structured), strings.TrimSuffix(before, "}")+",") {
		t.Errorf("the JSON is %s", a.Structured)
	}

	full := a
	full.AddRemark("more", strings.Repeat("x", render.Limit-len(a.Text)))

	if full.Text != a.Text || string(full.Structured) != string(a.Structured) {
		t.Errorf("a remark without room is added: %d bytes", len(full.Text))
	}
}

func TestEncodeJSON(t *testing.T) {
	if got := string(render.EncodeJSON("a<b>&c")); got != `"a<b>&c"` {
		t.Errorf("text is %s", got)
	}

	if got := string(render.EncodeJSON(math.NaN())); got != "null" {
		t.Errorf("no number is %s", got)
	}
}

func TestSparkline(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   string
	}{{nil, ""}, {[]float64{5, 5}, "▁▁"}, {[]float64{0, 7, 3}, "▁█▄"}, {[]float64{-1, 1}, "▁█"}} {
		if got := render.Sparkline(c.values); got != c.want {
			t.Errorf("Sparkline(%v) = %q, want %q", c.values, got, c.want)
		}
	}
}

func TestRoundShort(t *testing.T) {
	in := []float64{123456.789, 0.000123456, -1}
	if got := render.RoundShort(in); !slices.Equal(got, []float64{123460, 0.00012346, -1}) || in[0] != 123456.789 {
		t.Errorf("RoundShort = %v of %v", got, in)
	}
}

func TestSampleListIsBounded(t *testing.T) {
	fields := render.SampleList("samples", "samples", make([]float64, 100))
	a := render.BuildAnswer(render.Limit, fields...)

	if values, _ := decode(t, a)["samples"].([]any); len(values) != 40 || strings.Count(a.Text, " 0") != 40 {
		t.Errorf("of 100 samples %d are shown: %s", len(values), a.Text)
	}

	if fields := render.SampleList("samples", "samples", nil); fields != nil {
		t.Errorf("no samples are shown as %+v", fields)
	}
}

func TestOneOfNamesTheNearest(t *testing.T) {
	if err := render.OneOf("view", "table", "table", "output"); err != nil {
		t.Errorf("a right word is refused: %v", err)
	}

	err := research.Describe(render.OneOf("view", "tabel", "table", "output"))
	if err.Code != research.CodeBadArgument || err.Msg != `view can't be "tabel"` ||
		err.Next != "write table; use one of table, output" {
		t.Errorf("a wrong word is refused with %+v", err)
	}

	if far := research.Describe(render.OneOf("view", "zzzzzzzz", "table")); far.Next != "use one of table" {
		t.Errorf("of a word like no other the next step is %q", far.Next)
	}
}

func TestMetricText(t *testing.T) {
	m := contract.Metric{Name: "ns_per_op", Better: research.Lower, Unit: "ns"}
	if got := render.MetricText(m); got != "ns_per_op, lower is better, in ns" {
		t.Errorf("with a unit: %q", got)
	}

	m.Unit = ""
	if got := render.MetricText(m); got != "ns_per_op, lower is better" {
		t.Errorf("without a unit: %q", got)
	}
}

func TestMissingNumbers(t *testing.T) {
	if got := render.FormatOptional(nil); got != "-" {
		t.Errorf("a missing value is %q", got)
	}

	if got := render.FormatOptional(ptr(1.5)); got != "1.5" {
		t.Errorf("a value is %q", got)
	}
}
