package contract

import (
	"bytes"
	"math"
	"strings"
)

// A candidate that is a process of its own can write to the output that the evaluator
// writes to. It can print the metric itself and spoil the evaluator's line, so that only
// its own is read: by an unfinished line before it, an escape sequence that is left
// open, a line without an end, a carriage return. So what is not read is searched.
//
// METRIC name= can mean nothing else, and makes the value ambiguous wherever it hides.
// name: value stands in many a log, also as the end of another name; it counts only
// where the value itself was not printed as METRIC name=value.

const (
	tooLong     = "in a line of more than 64 KiB"
	maxHidden   = 1 << 10       // bytes, more than METRIC, a name and a number take
	wholeObject = math.MaxInt32 // stands for any number of readings
)

// readWholeLine reads a line, and looks for what reading it has passed over.
func (s *Scanner) readWholeLine(line []byte) {
	plain := stripEscapes(line)
	for _, t := range s.tallies {
		t.read, t.readBare = 0, 0
	}
	s.readLine(plain)

	how := "behind something else in its line"
	if len(plain) < len(line) {
		how = "in a line with a terminal's escape sequences"

		for _, t := range s.tallies {
			if t.pattern != nil && !t.pattern.Match(plain) && t.pattern.Match(line) {
				t.unclear = how
			}
		}
	}

	for _, t := range s.named() {
		explicit, vague, bare := t.countMentions(plain)

		if len(plain) < len(line) {
			rawExplicit, rawVague, rawBare := t.countMentions(line)
			explicit, vague, bare = max(explicit, rawExplicit), max(vague, rawVague), max(bare, rawBare)
		}
		t.noteHidden(explicit-t.read, vague-t.read, bare-t.readBare, how)
	}
}

// findHidden looks for values in text that is not read; how says why it is not.
func (s *Scanner) findHidden(text []byte, how string) {
	for _, t := range s.tallies {
		if t.pattern != nil && t.unclear == "" && t.pattern.Match(text) {
			t.unclear = how
		}
	}

	for _, t := range s.named() {
		explicit, vague, bare := t.countMentions(text)
		t.noteHidden(explicit, vague, bare, how)
	}
}

// noteHidden notes how the value was hidden, if it was.
func (t *printedValues) noteHidden(explicit, vague, bare int, how string) {
	if explicit > 0 && t.hidden == "" {
		t.hidden = how
	}

	if vague > 0 && t.unclear == "" {
		t.unclear = how
	}

	if bare > 0 && t.hiddenBare == "" {
		t.hiddenBare = how
	}
}

// countMentions counts METRIC name= in text, name: with a number after it, and name
// with blanks and a share of items after it.
func (t *printedValues) countMentions(text []byte) (explicit, vague, bare int) {
	name := []byte(t.name)

	for at := 0; ; at += len(name) {
		i := bytes.Index(text[at:], name)
		if i < 0 {
			return explicit, vague, bare
		}
		at += i

		behind := text[at+len(name) : min(len(text), at+maxHidden)]
		after := bytes.TrimLeft(behind, " \t")
		if len(after) < len(behind) && startsWithShare(string(after)) {
			bare++
		}

		if bytes.HasPrefix(after, []byte("=")) && endsInKeyword(text[max(0, at-maxHidden):at]) {
			explicit++
		}

		value, ok := bytes.CutPrefix(bytes.TrimLeft(bytes.TrimPrefix(after, []byte{'"'}), " \t"), []byte(":"))
		if ok && startsWithNumber(strings.TrimLeft(string(value), " \t\"")) {
			vague++
		}
	}
}

// endsInKeyword says whether text ends in METRIC and blanks.
func endsInKeyword(text []byte) bool {
	const word = "METRIC"

	before := bytes.TrimRight(text, " \t")
	if len(before) == len(text) || len(before) < len(word) {
		return false
	}

	return strings.EqualFold(string(before[len(before)-len(word):]), word)
}

// startsWithNumber says whether text starts with a number, finite or not.
func startsWithNumber(text string) bool {
	word, _, _ := strings.Cut(text, " ")
	return decimalPrefix(text) > 0 || isNonFinite(word, "")
}
