package wording

import (
	"encoding/json"
	"strings"
	"unicode"
)

// trailerPrefix begins the trailers that Ratchet writes into commit messages.
const trailerPrefix = "Ratchet-"

// FirstLine is a text up to its first line break.
func FirstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// ErrorLine is the first line of an error, for a record or a log.
func ErrorLine(err error) string { return FirstLine(err.Error()) }

// LastLine is a text's last line that is not blank, in 200 bytes.
func LastLine(s string) string {
	s = strings.TrimSpace(s)
	return FirstWords(s[strings.LastIndexByte(s, '\n')+1:], 200)
}

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

// FirstWords are the first n bytes of a text, in one line, with … after them if
// anything is missing.
func FirstWords(text string, n int) string {
	return ClipBytes(strings.Join(strings.Fields(text), " "), n)
}

// ClipBytes is a text's first n bytes without half a character, with … after them
// if anything is missing.
func ClipBytes(text string, n int) string {
	if len(text) <= n {
		return text
	}

	return strings.ToValidUTF8(text[:n], "") + "…"
}

// Clip is a text's first n characters, with … after them if anything is missing.
func Clip(text string, n int) string {
	if r := []rune(text); len(r) > n {
		return string(r[:n]) + "…"
	}

	return text
}

// Truncate is a text in at most n characters, the last of which is … if anything
// is missing. Less than one character is no limit.
func Truncate(text string, n int) string {
	if r := []rune(text); len(r) > n && n > 0 {
		return string(r[:n-1]) + "…"
	}

	return text
}

// IsInvisible says whether a reader can't see r although it acts on what stands
// around it: control characters, newline and tab included, and invisible ones
// that reorder or hide text.
func IsInvisible(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp)
}

// StripControls is a text without invisible characters other than line breaks and
// tabs, and without blank space around it.
func StripControls(text string) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\r\n", "\n")

	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && IsInvisible(r) {
			return -1
		}

		return r
	}, text))
}

// StripTrailers is a text for a commit message: no line of it looks like a trailer
// of ours, and nothing in it steers the terminal that shows it.
func StripTrailers(text string) string {
	var out strings.Builder

	for line := range strings.Lines(StripControls(text)) {
		if len(line) >= len(trailerPrefix) && strings.EqualFold(line[:len(trailerPrefix)], trailerPrefix) {
			out.WriteByte(' ')
		}
		out.WriteString(line)
	}

	return out.String()
}

// PlainLine is a text in one line: control characters and runs of blank space
// become one blank each.
func PlainLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}

		return r
	}, strings.ToValidUTF8(s, "?"))

	return strings.Join(strings.Fields(s), " ")
}

// JoinParts are the parts that are not empty, each from a line of its own.
func JoinParts(parts []string) string {
	var filled []string

	for _, p := range parts {
		if p != "" {
			filled = append(filled, p)
		}
	}

	return strings.Join(filled, "\n")
}

// ShortCommit is a commit's hash as answers and messages show it.
func ShortCommit(commit string) string { return commit[:min(9, len(commit))] }

// ShellQuote is s as one word of a POSIX shell.
func ShellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// EncodedLen is how many bytes a text takes within a JSON string.
func EncodedLen(text string) int {
	content, err := json.Marshal(text)
	if err != nil {
		return len(text)
	}

	return len(content) - len(`""`)
}
