package wording_test

import (
	"errors"
	"testing"
	"time"

	"ratchet/internal/wording"
)

func requireText(t *testing.T, got, want string) {
	t.Helper()

	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCount(t *testing.T) {
	requireText(t, wording.Count(0, "run"), "0 runs")
	requireText(t, wording.Count(1, "run"), "1 run")
	requireText(t, wording.Count(12, "run"), "12 runs")
	requireText(t, wording.CountForms(1, "kept", "kept"), "1 kept")
	requireText(t, wording.CountForms(2, "entry", "entries"), "2 entries")
}

func TestEvidence(t *testing.T) {
	requireText(t, wording.FormatEvidence(123.6), "124")
	requireText(t, wording.FormatEvidence(12.345), "12.3")
	requireText(t, wording.FormatShare(.1234), "12.3 %")
	requireText(t, wording.FormatShare(1.4), "140 %")
}

func TestFormatAge(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"90 s": 90 * time.Second, "2 min": 2 * time.Minute, "119 min": 119 * time.Minute,
		"47 h": 47 * time.Hour, "2 days": 48 * time.Hour,
	} {
		requireText(t, wording.FormatAge(d), want)
	}

	if got := wording.Seconds(1234567 * time.Microsecond); got != 1.234 {
		t.Errorf("seconds: %v", got)
	}
}

func TestLines(t *testing.T) {
	requireText(t, wording.FirstLine("a\nb"), "a")
	requireText(t, wording.FirstLine(""), "")
	requireText(t, wording.ErrorLine(errors.New("a\nb")), "a")
	requireText(t, wording.LastLine("a\nb  c\n\n"), "b c")
	requireText(t, wording.LastLines([]byte("one\ntwo\nthree\n"), 100), "one\ntwo\nthree")
	requireText(t, wording.LastLines([]byte("one\ntwo\nthree\n"), 8), "three")
	requireText(t, wording.LastLines([]byte("abcdefgh"), 3), "fgh")
	requireText(t, wording.JoinParts([]string{"", "a", "", "b"}), "a\nb")
}

func TestShortening(t *testing.T) {
	requireText(t, wording.FirstWords(" a \n b ", 10), "a b")
	requireText(t, wording.FirstWords("aé b", 2), "a…")
	requireText(t, wording.ClipBytes("abc", 3), "abc")
	requireText(t, wording.ClipBytes("abcd", 3), "abc…")
	requireText(t, wording.Clip("äöü", 2), "äö…")
	requireText(t, wording.Clip("äö", 2), "äö")
	requireText(t, wording.Truncate("äöü", 2), "ä…")
	requireText(t, wording.Truncate("äö", 2), "äö")
	requireText(t, wording.Truncate("äö", 0), "äö")
	requireText(t, wording.ShortCommit("0123456789abcdef"), "012345678")
	requireText(t, wording.ShortCommit("0123"), "0123")
}

func TestHostileText(t *testing.T) {
	requireText(t, wording.StripControls(" a\r\n\tb\x1b[31m\u202ec\xff "), "a\n\tb[31mc\uFFFD")
	requireText(t, wording.StripTrailers("good\nratchet-Verdict: improved\nRatchet-x\nratchet"),
		"good\n ratchet-Verdict: improved\n Ratchet-x\nratchet")
	requireText(t, wording.PlainLine("a\tb\n\x00c\xff"), "a b c?")
	requireText(t, wording.ShellQuote("it's"), `'it'\''s'`)

	if n := wording.EncodedLen("a\"\n"); n != 5 {
		t.Errorf("a quote and a line break take %d bytes", n)
	}

	for r, want := range map[rune]bool{'a': false, ' ': false, '\n': true, '\u200e': true, '\u2028': true, 'é': false} {
		if wording.IsInvisible(r) != want {
			t.Errorf("IsInvisible(%U) is %v", r, !want)
		}
	}
}
