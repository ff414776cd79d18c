package screen_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/screen"
)

func TestWidth(t *testing.T) {
	for s, want := range map[string]int{
		"":                          0,
		"abc":                       3,
		"日本":                        4,
		"ｶﾀｶﾅ":                      4, // half-width
		"e\u0301":                   1, // combining
		"👩‍👩‍👧":                     2, // one picture of three
		"🇩🇪":                        2,
		"…":                         1,
		"\x1b[32m+ improved\x1b[0m": 10,
	} {
		if got := screen.TextWidth(s); got != want {
			t.Errorf("%q is %d wide, want %d", s, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		s     string
		width int
		want  string
	}{
		{"short", 5, "short"},
		{"longer", 5, "long…"},
		{"two words", 5, "two…"},
		{"日本語の仮説", 7, "日本語…"},
		{"日本語の仮説", 6, "日本…"}, // half a character would not fit
		{"cafe\u0301s and more", 6, "cafe\u0301s…"},
		{"from 1234 to 5", 8, "from…"}, // never 12
		{"from 1234 to 5", 10, "from 1234…"},
		{"gain +4.5e-05", 10, "gain…"},
		{"-20.5% less", 4, "…"},
		{"x1 and x22", 10, "x1 and x22"},
		{"no room", 0, ""},
		{"a long-winded text", 8, "a long-…"},
	} {
		got := screen.CutText(c.s, c.width)
		if got != c.want || screen.TextWidth(got) > c.width {
			t.Errorf("Cut(%q, %d) = %q of %d columns, want %q", c.s, c.width, got, screen.TextWidth(got), c.want)
		}
	}
}

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		s             string
		width, indent int
		want          []string
	}{
		{"one two three", 8, 2, []string{"one two", "  three"}},
		{"日本 日本 日本", 9, 0, []string{"日本 日本", "日本"}},
		{"see /a/very/long/path/that/stays whole", 10, 2, []string{"see", "  /a/very/long/path/that/stays", "  whole"}},
		{"two\nparagraphs", 20, 1, []string{"two", " paragraphs"}},
		{"", 20, 1, []string{""}},
	} {
		if diff := cmp.Diff(c.want, screen.WrapText(c.s, c.width, c.indent)); diff != "" {
			t.Errorf("Wrap(%q, %d, %d) (-want +got):\n%s", c.s, c.width, c.indent, diff)
		}
	}
}

func TestTable(t *testing.T) {
	cols := []screen.Column{{Head: "n", Right: true}, {Head: "word"}, {Head: "status", Leave: 2},
		{Head: "value", Right: true, Leave: 1}, {Head: "text", Flex: true}}

	rows := [][]screen.Cell{
		{{Text: "12"}, {Text: "日本"}, {Text: "kept"}, {Text: "1234567"}, {Text: "a text that is rather long for this"}},
		{{Text: "3"}, {Text: "abcdef"}, {Text: "reverted"}, {Text: "-1"}, {Text: "short"}},
	}
	for _, c := range []struct {
		width int
		want  []string
	}{
		{60, []string{" n  word    status      value  text",
			"12  日本    kept      1234567  a text that is rather long f…", " 3  abcdef  reverted       -1  short"}},
		{40, []string{" n  word      value  text", "12  日本    1234567  a text that is rat…",
			" 3  abcdef       -1  short"}}, // status went first
		{28, []string{" n  word    text", "12  日本    a text that is…", " 3  abcdef  short"}},
	} {
		got := screen.RenderTable(cols, rows, c.width, screen.Pen{})
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("at %d (-want +got):\n%s", c.width, diff)
		}

		for _, line := range got {
			if screen.TextWidth(line) > c.width {
				t.Errorf("at %d a line has %d columns: %s", c.width, screen.TextWidth(line), line)
			}
		}
	}
	rows[0][1].Colour = screen.Good

	plain, coloured := screen.RenderTable(cols, rows, 60, screen.Pen{}), screen.RenderTable(cols, rows, 60,
		screen.Pen{On: true})
	for i := range plain {
		if screen.TextWidth(plain[i]) != screen.TextWidth(coloured[i]) {
			t.Errorf("colours move columns:\n%q\n%q", plain[i], coloured[i])
		}
	}

	if !strings.Contains(coloured[1], "\x1b[32m日本\x1b[0m") {
		t.Errorf("no colour: %q", coloured[1])
	}
}

func TestProgress(t *testing.T) {
	known := screen.Progress{What: "checking", Unit: "records", Done: 250, Total: 1000, Took: 2 * time.Second}
	for _, c := range []struct {
		p     screen.Progress
		width int
		want  string
	}{
		{known, 100, "checking  [#######.......................]  25%, 250 of 1000 records, 125 a second, 6 s left"},
		{known, 72, "checking  [##........]  25%, 250 of 1000 records, 125 a second, 6 s left"},
		{known, 40, "checking  25%, 250 of 1000 records, 125…"},
		{screen.Progress{What: "checking", Unit: "records", Done: 1000, Total: 1000, Took: 61 * time.Second}, 200,
			"checking  [##############################]  100%, 1000 of 1000 records, 16 a second, 1 min 01 s"},
		{screen.Progress{What: "importing", Unit: "lines", Done: 12, Took: 3 * time.Second}, 80,
			"importing  12 lines, 3 s"},
		{screen.Progress{What: "doctor", Note: "run 2", Took: 3 * time.Hour}, 80, "doctor: run 2  3 h"},
		{screen.Progress{What: "nothing yet", Unit: "records", Total: 10}, 80,
			"nothing yet  [..............................]  0%, 0 of 10 records, 0 s"},
	} {
		if got := c.p.FormatLine(c.width); got != c.want || screen.TextWidth(got) > c.width {
			t.Errorf("at %d:\ngot  %s\nwant %s", c.width, got, c.want)
		}
	}
}
