package contract

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// An expression's group may take a part of a number: 345 of 12345, 1 of 1,234, 5 of 1m5s,
// 2 of -2. What is left out changes from run to run, and nobody sees it in the value. So
// the text around the group is looked at, whatever of it the expression matched.
//
// Limits: what a program hides before a line's other text is another line (see
// metric_hidden.go), and a blank ends a number: 12 345 is 12 and 345.

// noUnit is the unit of a number that none follows. "" is for what is not known.
const noUnit = "none"

// printedUnits are units, and letters for powers of ten, that programs choose by the
// size of what they print.
var printedUnits = strings.Fields(`
	ps ns us µs μs ms s m min h d
	nsec usec msec sec secs second seconds minute minutes hour hours
	nanoseconds microseconds milliseconds millis
	b B byte bytes kB KB MB GB TB KiB MiB GiB TiB kb Kb Mb Gb kbit Kbit Mbit Gbit
	Hz kHz MHz GHz k K M G T %`)

// clockUnits join the parts of a duration: 1h2m3.5s.
var clockUnits = []string{"d", "h", "m", "min", "s", "ms", "us", "µs", "ns"}

// groupNeighbours are the characters that an expression spells out right before and
// right behind its group, 0 where it leaves them open. They separate a number from
// another where the same character may also stand within one: 1,2 and 12:30.
type groupNeighbours struct{ before, behind rune }

// findNeighbours reads them from an expression that compiles.
func findNeighbours(expr string) (found groupNeighbours) {
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return found
	}

	var walk func(*syntax.Regexp)
	walk = func(node *syntax.Regexp) {
		for i, sub := range node.Sub {
			if node.Op == syntax.OpConcat && sub.Op == syntax.OpCapture {
				if i > 0 && node.Sub[i-1].Op == syntax.OpLiteral {
					found.before = node.Sub[i-1].Rune[len(node.Sub[i-1].Rune)-1]
				}

				if i+1 < len(node.Sub) && node.Sub[i+1].Op == syntax.OpLiteral {
					found.behind = node.Sub[i+1].Rune[0]
				}
			}
			walk(sub)
		}
	}
	walk(tree)

	return found
}

// describePart says what a number at line[start:end] is a part of, "" where it is a
// whole one.
func (n groupNeighbours) describePart(line string, start, end int) string {
	number := line[start:end]
	before, behind := line[:start], line[end:]

	if number == "" || !containsDigit(number) {
		return ""
	}

	switch {
	case n.goesOn(number, behind):
		return "goes on with " + quoteClipped(firstWord(behind))
	case n.beganBefore(number, before):
		return "began before, with " + quoteClipped(lastWord(before))
	}

	return ""
}

// goesOn says whether a number goes on in the text behind it.
func (n groupNeighbours) goesOn(number, behind string) bool {
	next, size := utf8.DecodeRuneInString(behind)
	rest := behind[size:]

	switch {
	case behind == "":
		return false
	case isDigit(next):
		return true
	case next == '.' && startsWithDigit(rest):
		return true
	case next == ',' && n.behind == ',':
		return false
	case isSeparator(next) && startsWithDigit(rest):
		return true
	case (next == 'e' || next == 'E') && startsWithDigit(strings.TrimLeft(rest, "+-")):
		return true
	case (next == 'x' || next == 'X') && strings.TrimLeft(number, "+-") == "0" && startsWithHexDigit(rest):
		return true
	case next == ':' && n.behind != ':':
		return countDigits(rest) == 2
	}

	unit := leadingLetters(behind)

	return slices.Contains(clockUnits, unit) && startsWithDigit(behind[len(unit):])
}

// beganBefore says whether a number began in the text before it.
func (n groupNeighbours) beganBefore(number, before string) bool {
	last, size := utf8.DecodeLastRuneInString(before)
	rest := before[:len(before)-size]

	switch {
	case before == "" || number[0] == '-' || number[0] == '+':
		return strings.HasSuffix(strings.ToLower(before), "e") && endsWithDigit(rest)
	case isDigit(last):
		return true
	case last == '.':
		return endsWithDigit(rest) || isNumberBorder(rest)
	case last == ',' && n.before == ',':
		return false
	case isSeparator(last):
		return endsWithDigit(rest)
	case last == '-' || last == '−':
		return n.before != last && isNumberBorder(rest) || endsWithExponent(rest)
	case last == '+' || last == 'e' || last == 'E':
		return endsWithExponent(strings.TrimSuffix(before, "+"))
	case last == 'x' || last == 'X':
		return strings.HasSuffix(rest, "0") && isNumberBorder(strings.TrimSuffix(rest, "0"))
	case last == ':':
		return n.before != ':' && countDigits(number) == 2 && !isZeroClock(rest) && endsWithDigit(rest)
	}

	unit := trailingLetters(before)
	rest = strings.TrimSuffix(before, unit)

	return slices.Contains(clockUnits, unit) && endsWithDigit(rest) && !isZeroClock(rest)
}

// isZeroClock says whether text ends in parts of a duration that are all 0, as the 0m of
// 0m3.2s: what follows is all of it.
func isZeroClock(text string) bool {
	for {
		digits := text[len(strings.TrimRight(text, "0123456789")):]
		if strings.Trim(digits, "0") != "" {
			return false
		}
		text = strings.TrimSuffix(text, digits)

		joint := trailingLetters(text)
		if strings.HasSuffix(text, ":") {
			joint = ":"
		}

		if text = strings.TrimSuffix(text, joint); joint == "" || digits == "" || !endsWithDigit(text) {
			return true
		}
	}
}

// isNumberBorder says whether a number can begin behind text: -2 does in "x = -2", and
// not in "a-2".
func isNumberBorder(text string) bool {
	last, _ := utf8.DecodeLastRuneInString(text)
	return text == "" || unicode.IsSpace(last) || strings.ContainsRune("=:([{<>,;|\"'`~≈±", last)
}

// endsWithExponent says whether text ends in a number and the e of its exponent.
func endsWithExponent(text string) bool {
	return strings.HasSuffix(strings.ToLower(text), "e") && endsWithDigit(strings.TrimRight(text[:len(text)-1], "."))
}

// isSeparator says whether a character may stand between the digits of one number.
func isSeparator(r rune) bool { return strings.ContainsRune(",_'’٫٬\u00a0\u2009\u202f", r) }

func isDigit(r rune) bool { return unicode.IsDigit(r) }

func startsWithDigit(text string) bool {
	first, _ := utf8.DecodeRuneInString(text)
	return isDigit(first)
}

func startsWithHexDigit(text string) bool {
	return text != "" && strings.ContainsRune("0123456789abcdefABCDEF", rune(text[0]))
}

func endsWithDigit(text string) bool {
	last, _ := utf8.DecodeLastRuneInString(text)
	return isDigit(last)
}

func containsDigit(text string) bool { return strings.ContainsFunc(text, isDigit) }

func leadingLetters(text string) string {
	return text[:len(text)-len(strings.TrimLeftFunc(text, unicode.IsLetter))]
}

func trailingLetters(text string) string {
	return text[len(strings.TrimRightFunc(text, unicode.IsLetter)):]
}

// firstWord and lastWord are what a reader is shown of the text behind and before.
func firstWord(text string) string {
	word, _, _ := strings.Cut(text, " ")
	return word
}

func lastWord(text string) string { return text[strings.LastIndex(text, " ")+1:] }

// unitBehind is the unit that a number's text is followed by.
func unitBehind(behind string) string {
	behind = strings.TrimLeft(behind, " \t")
	if strings.HasPrefix(behind, "%") {
		return "%"
	}

	if unit := leadingLetters(behind); slices.Contains(printedUnits, unit) {
		return unit
	}

	return noUnit
}

// addMatch takes what the group of the expression took of a line.
func (t *printedValues) addMatch(line string, start, end int, isFirst bool) {
	text := strings.TrimLeft(line[start:end], " \t")
	start = end - len(text)
	text = strings.TrimRight(text, " \t")
	end = start + len(text)

	if _, err := parseSample(text, t.unit); err == nil {
		if part := t.around.describePart(line, start, end); part != "" {
			t.addUnusable(fmt.Errorf("%s was matched as %s, which is only a part of the number: it %s; "+
				"let the group of regex:%s take the whole number", t, quoteClipped(text), part, clipText(t.expr)))

			return
		}

		unit := unitBehind(line[end:])
		if t.printed != "" && t.printed != unit && t.pick != "first" {
			t.addUnusable(fmt.Errorf("%s was printed %s and %s", t, WithUnit(t.printed), WithUnit(unit)))
			return
		}
		t.printed = unit
	}

	t.add(text, isFirst)
}

// WithUnit says how a number was printed: in a unit as PrintedUnit gives it.
func WithUnit(unit string) string {
	if unit == noUnit {
		return "without a unit"
	}

	return "in " + unit
}
