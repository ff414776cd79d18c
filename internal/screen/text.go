package screen

import (
	"strings"

	"github.com/clipperhouse/displaywidth"
)

const ellipsis = "…"

// TextWidth returns how many columns s takes: wide characters two, combining ones none,
// an emoji of several characters two, escape sequences none.
func TextWidth(s string) int { return measure.String(s) }

// measure leaves the sequences of our own colours out.
var measure = displaywidth.Options{ControlSequences: true}

// CutText shortens s to at most width columns, with … for what is missing. It never
// cuts inside a number: one that does not fit whole is left out, so that 1234
// can't be read as 12.
func CutText(s string, width int) string {
	if TextWidth(s) <= width {
		return s
	}

	if width < 1 {
		return ""
	}

	used, end := 0, 0
	for g := measure.StringGraphemes(s); g.Next(); {
		if used+g.Width() > width-1 {
			break
		}
		used += g.Width()
		end += len(g.Value())
	}

	return strings.TrimRight(s[:beforeNumber(s, end)], " ") + ellipsis
}

// beforeNumber moves end back to where the number begins that it would cut.
func beforeNumber(s string, end int) int {
	if end >= len(s) || !isNumeric(s[end]) && s[end] != '%' {
		return end
	}

	at := end
	for at > 0 && isNumeric(s[at-1]) {
		at--
	}

	if !strings.ContainsAny(s[at:end], "0123456789") {
		return end
	}

	return at
}

// isNumeric says whether numbers are written with c; exponents, signs and points count.
func isNumeric(c byte) bool {
	return c >= '0' && c <= '9' || c == '.' || c == ',' || c == 'e' || c == '+' || c == '-'
}

// WrapText breaks s between words into lines of at most width columns, each after
// the first beginning with indent spaces. A word that is longer stays whole: a
// path or a number that is cut is worth nothing. Line breaks of s stay.
func WrapText(s string, width, indent int) []string {
	var out []string
	margin := strings.Repeat(" ", indent)

	for _, par := range strings.Split(s, "\n") {
		line, used := "", 0
		if len(out) > 0 {
			line, used = margin, indent
		}
		empty := true

		for _, word := range strings.Fields(par) {
			w := TextWidth(word)
			if !empty && used+1+w > width {
				out = append(out, line)
				line, used, empty = margin, indent, true
			}

			if !empty {
				line, used = line+" ", used+1
			}
			line, used, empty = line+word, used+w, false
		}

		out = append(out, strings.TrimRight(line, " "))
	}

	return out
}

// padText fills s with spaces to width columns, in front of it if right.
func padText(s string, width int, right bool) string {
	fill := strings.Repeat(" ", max(0, width-TextWidth(s)))
	if right {
		return fill + s
	}

	return s + fill
}
