package render

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ratchet/internal/research"
	"ratchet/internal/wording"
)

// Answer is what a tool says, twice: clients show the model either the text or
// the JSON object, so each is complete. PNG is an image, or nil.
type Answer struct {
	Text       string
	Structured json.RawMessage
	PNG        []byte
}

// ForPerson is the text without its last line, the next step, which is an agent's.
func (a Answer) ForPerson() string {
	if i := strings.LastIndex(a.Text, "\nnext: "); i >= 0 {
		return a.Text[:i]
	}

	return a.Text
}

// Field is one fact of an answer. Its JSON is val, str or list, its text is
// line, str or the list's lines; str and list give way when space is short.
type Field struct {
	Key  string
	Val  any    // a JSON value that stays whole
	Line string // its text; "" when another line says it
	Str  string // a text that may be cut; at its end, or at its beginning if last
	last bool   // what counts is the end of str
	// prefix stands before each line of str, so that program output can't be
	// taken for a line of the answer.
	Prefix string
	mark   string // what says in JSON that str is data; "" for dataMark
	List   []Item // entries that may be dropped, the last first
	Min    int    // bytes of str, or entries of list, that are dropped only at the very end
	// More says how to see the entries that were left out, after their number and noun: in
	// JSON the number is KEY_left_out. "" leaves them out without a word.
	More    string
	Noun    string // of one entry
	leftOut int
}

// Item is one entry of a list.
type Item struct {
	Val  any
	Line string
}

// LineItems makes a list of plain strings.
func LineItems(ss []string) []Item {
	out := make([]Item, len(ss))
	for i, s := range ss {
		s = OneLine(s, 300)
		out[i] = Item{s, "- " + s}
	}

	return out
}

// BuildAnswer renders fields in at most limit bytes, as text and as JSON each.
// Lists and excerpts are shortened first, the largest first; a verdict, a
// number or a next step never is.
func BuildAnswer(limit int, fields ...Field) Answer {
	for {
		answer := Answer{Text: renderText(fields), Structured: renderJSON(fields)}

		over := max(len(answer.Text), len(answer.Structured)) - limit
		if over <= 0 || !shorten(fields, over) {
			return answer
		}
	}
}

// shorten makes the largest field that can give way smaller, by about over
// bytes. It returns false when nothing is left to shorten.
func shorten(fields []Field, over int) bool {
	for _, floor := range []bool{true, false} { // respect min first
		best, size := -1, 0

		for i, field := range fields {
			low := 0
			if floor {
				low = field.Min
			}

			if n := field.sizeInBytes(); n > size && (len(field.Str) > max(low, 1) || len(field.List) > low) {
				best, size = i, n
			}
		}

		if best < 0 {
			continue
		}
		f := &fields[best]

		low := 0
		if floor {
			low = f.Min
		}

		if len(f.List) > 0 {
			f.List = f.List[:len(f.List)-1]
			f.leftOut++

			return true
		}
		n := max(low, min(len(f.Str)-8, max(len(f.Str)-over, len(f.Str)/2))) // others may give way too

		cut := CutHead
		if f.last {
			cut = keepTail
		}

		if s := cut(f.Str, n); len(s) < len(f.Str) {
			f.Str = s
		} else {
			f.Str = ""
		}

		return true
	}

	return false
}

func (f Field) sizeInBytes() int {
	n := len(f.Str)
	for _, it := range f.List {
		n += len(it.Line)
	}

	return n
}

// tellsLeftOut says whether the answer names how many entries it lacks.
func (f Field) tellsLeftOut() bool { return f.leftOut > 0 && f.More != "" }

func renderText(fields []Field) string {
	var text strings.Builder

	put := func(s string) {
		if s == "" {
			return
		}

		if text.Len() > 0 {
			text.WriteByte('\n')
		}
		text.WriteString(s)
	}
	for _, field := range fields {
		put(field.Line)

		for _, it := range field.List {
			put(it.Line)
		}

		if field.tellsLeftOut() {
			put(fmt.Sprintf("%s left out: %s", wording.Count(field.leftOut, field.Noun), field.More))
		}

		if field.Str != "" {
			put(field.Prefix + strings.ReplaceAll(field.Str, "\n", "\n"+field.Prefix))
		}
	}

	return text.String()
}

func renderJSON(fields []Field) json.RawMessage {
	var text bytes.Buffer
	text.WriteByte('{')

	for _, field := range fields {
		v := field.Val
		switch {
		case field.List != nil:
			vals := make([]any, len(field.List))
			for i, it := range field.List {
				vals[i] = it.Val
			}
			v = vals
		case field.Str != "":
			v = field.Str
			if field.Prefix == dataPrefix {
				v = cmp.Or(field.mark, dataMark) + "\n" + field.Str
			}
		}

		if field.Key == "" || v == nil {
			continue
		}

		if text.Len() > 1 {
			text.WriteByte(',')
		}
		fmt.Fprintf(&text, "%q:%s", field.Key, EncodeJSON(v))

		if field.tellsLeftOut() {
			fmt.Fprintf(&text, ",%q:%d", field.Key+"_left_out", field.leftOut)
		}
	}
	text.WriteByte('}')

	return text.Bytes()
}

// EncodeJSON is v as JSON, with < > & as themselves. A value that JSON can't say
// (NaN) becomes null: a defect, but no reason to lose the answer.
func EncodeJSON(v any) []byte {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)

	if err := e.Encode(v); err != nil {
		return []byte("null")
	}

	return bytes.TrimSpace(text.Bytes())
}

const dataPrefix = "| "

// DataText is program output: marked, quoted line by line, its end kept.
func DataText(key, s string) []Field {
	s = strings.Trim(Clean(s), "\n")
	if s == "" {
		return nil
	}

	return []Field{{Line: dataMark}, {Key: key, Str: s, last: true, Prefix: dataPrefix, Min: 160}}
}

// NextStep is the last field of every answer.
func NextStep(s string) Field {
	s = OneLine(s, 400)
	if s == "" {
		s = "read_log{}"
	}

	return Field{Key: "next", Val: s, Line: "next: " + s}
}

// Refusal is the answer that an error makes: its code, one sentence and the
// next step. Errors without a code are internal and shown without details.
func Refusal(err error) Answer {
	var coded *research.Error
	if !errors.As(err, &coded) && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		err = research.Errorf(research.CodeCancelled, "wait_run{}",
			"the call was cancelled; a run that was started goes on")
	}
	failure := research.Describe(err)

	msg, step := OneLine(failure.Msg, 1200), OneLine(failure.Next, 400)
	if step == "" {
		step = "read_log{}"
	}
	body := struct {
		Code    research.Code `json:"code"`
		Message string        `json:"message"`
		Next    string        `json:"next"`
	}{failure.Code, msg, step}

	return Answer{
		Text:       fmt.Sprintf("%s: %s\nnext: %s", failure.Code, msg, step),
		Structured: append(append([]byte(`{"error":`), EncodeJSON(body)...), '}'),
	}
}

// AddRemark adds a fact to an answer that is built, where there is room for it.
func (a *Answer) AddRemark(key, s string) {
	body := bytes.TrimSuffix(a.Structured, []byte("}"))
	added := append(slices.Clip(body), fmt.Sprintf(`,%s:%s}`, EncodeJSON(key), EncodeJSON(s))...)

	at := len(a.ForPerson())
	if text := a.Text[:at] + "\n" + s + a.Text[at:]; len(text) <= Limit && len(added) <= Limit {
		a.Text, a.Structured = text, added
	}
}
