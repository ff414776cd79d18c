package wording

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"ratchet/internal/research"
)

// Counted is a number with its noun: 1 pair, 3 pairs.
func Counted(n int, noun string) string { return research.Counted(n, noun) }

func ShellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// StripTrailers is text in which no line looks like a trailer of ours, and nothing
// steers the terminal of whoever reads the commit.
func StripTrailers(text string) string {
	const ours = "Ratchet-"
	var b strings.Builder

	for line := range strings.Lines(StripControls(text)) {
		if len(line) >= len(ours) && strings.EqualFold(line[:len(ours)], ours) {
			b.WriteByte(' ')
		}
		b.WriteString(line)
	}

	return b.String()
}

// LastLine is a text's last line that is not blank, in 200 bytes.
func LastLine(s string) string {
	s = strings.TrimSpace(s)
	return FirstWords(s[strings.LastIndexByte(s, '\n')+1:], 200)
}

func JoinParts(parts []string) string {
	var said []string

	for _, p := range parts {
		if p != "" {
			said = append(said, p)
		}
	}

	return strings.Join(said, "\n")
}

// ShortCommit is how commits are shown.
func ShortCommit(commit string) string { return commit[:min(9, len(commit))] }

// HasCode says whether err carries the code.
func HasCode(err error, code research.Code) bool {
	var e *research.Error
	return errors.As(err, &e) && e.Code == code
}

// FormatAge is a time that has passed, in its largest unit.
func FormatAge(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0f h", d.Hours())
	}

	return fmt.Sprintf("%.0f days", d.Hours()/24)
}

// StripControls is text without control characters but for line breaks and tabs, and
// without invisible ones that reorder it.
func StripControls(text string) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\r\n", "\n")

	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && research.IsInvisible(r) {
			return -1
		}

		return r
	}, text))
}

// EncodedLen is the length of a text as JSON.
func EncodedLen(text string) int {
	b, err := json.Marshal(text)
	if err != nil {
		return len(text)
	}

	return len(b) - 2
}

// PlainLine is a text without tabs, line breaks and control characters.
func PlainLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}

		return r
	}, strings.ToValidUTF8(s, "?"))

	return strings.Join(strings.Fields(s), " ")
}

// FirstWords are the first n bytes of a text, in one line.
func FirstWords(text string, n int) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) <= n {
		return text
	}

	return strings.ToValidUTF8(text[:n], "") + "…"
}

// ErrorLine is an error in one line, for a record.
func ErrorLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

func Itoa(n int) string { return strconv.Itoa(n) }

func FirstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func CountRuns(n int) string {
	if n == 1 {
		return "1 run"
	}

	return fmt.Sprintf("%d runs", n)
}

func Seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }

// LastLines is the end of b, at most n bytes, from a line's start where there is one.
func LastLines(b []byte, n int) string {
	s := strings.TrimRight(string(b), "\n")
	if len(s) <= n {
		return s
	}

	s = s[len(s)-n:]
	if _, after, ok := strings.Cut(s, "\n"); ok {
		s = after
	}

	return s
}
