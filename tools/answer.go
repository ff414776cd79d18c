package tools

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"ratchet/internal/research"
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

// field is one fact of an answer. Its JSON is val, str or list, its text is
// line, str or the list's lines; str and list give way when space is short.
type field struct {
	key  string
	val  any    // a JSON value that stays whole
	line string // its text; "" when another line says it
	str  string // a text that may be cut; at its end, or at its beginning if last
	last bool   // what counts is the end of str
	// prefix stands before each line of str, so that program output can't be
	// taken for a line of the answer.
	prefix string
	mark   string // what says in JSON that str is data; "" for dataMark
	list   []item // entries that may be dropped, the last first
	min    int    // bytes of str, or entries of list, that are dropped only at the very end
}

// item is one entry of a list.
type item struct {
	val  any
	line string
}

// lineItems makes a list of plain strings.
func lineItems(ss []string) []item {
	out := make([]item, len(ss))
	for i, s := range ss {
		s = oneLine(s, 300)
		out[i] = item{s, "- " + s}
	}

	return out
}

// buildAnswer renders fields in at most limit bytes, as text and as JSON each.
// Lists and excerpts are shortened first, the largest first; a verdict, a
// number or a next step never is.
func buildAnswer(limit int, fields ...field) Answer {
	for {
		a := Answer{Text: renderText(fields), Structured: renderJSON(fields)}

		over := max(len(a.Text), len(a.Structured)) - limit
		if over <= 0 || !shorten(fields, over) {
			return a
		}
	}
}

// shorten makes the largest field that can give way smaller, by about over
// bytes. It returns false when nothing is left to shorten.
func shorten(fields []field, over int) bool {
	for _, floor := range []bool{true, false} { // respect min first
		best, size := -1, 0

		for i, f := range fields {
			low := 0
			if floor {
				low = f.min
			}

			if n := f.size(); n > size && (len(f.str) > max(low, 1) || len(f.list) > low) {
				best, size = i, n
			}
		}

		if best < 0 {
			continue
		}
		f := &fields[best]

		low := 0
		if floor {
			low = f.min
		}

		if len(f.list) > 0 {
			f.list = f.list[:len(f.list)-1]
			return true
		}
		n := max(low, min(len(f.str)-8, max(len(f.str)-over, len(f.str)/2))) // others may give way too

		cut := cutHead
		if f.last {
			cut = tail
		}

		if s := cut(f.str, n); len(s) < len(f.str) {
			f.str = s
		} else {
			f.str = ""
		}

		return true
	}

	return false
}

func (f field) size() int {
	n := len(f.str)
	for _, it := range f.list {
		n += len(it.line)
	}

	return n
}

func renderText(fields []field) string {
	var b strings.Builder

	put := func(s string) {
		if s == "" {
			return
		}

		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(s)
	}
	for _, f := range fields {
		put(f.line)

		for _, it := range f.list {
			put(it.line)
		}

		if f.str != "" {
			put(f.prefix + strings.ReplaceAll(f.str, "\n", "\n"+f.prefix))
		}
	}

	return b.String()
}

func renderJSON(fields []field) json.RawMessage {
	var b bytes.Buffer
	b.WriteByte('{')

	for _, f := range fields {
		v := f.val
		switch {
		case f.list != nil:
			vals := make([]any, len(f.list))
			for i, it := range f.list {
				vals[i] = it.val
			}
			v = vals
		case f.str != "":
			v = f.str
			if f.prefix == dataPrefix {
				v = cmp.Or(f.mark, dataMark) + "\n" + f.str
			}
		}

		if f.key == "" || v == nil {
			continue
		}

		if b.Len() > 1 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:%s", f.key, encodeJSON(v))
	}
	b.WriteByte('}')

	return b.Bytes()
}

// encodeJSON is v as JSON, with < > & as themselves. A value that JSON can't say
// (NaN) becomes null: a defect, but no reason to lose the answer.
func encodeJSON(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)

	if err := e.Encode(v); err != nil {
		return []byte("null")
	}

	return bytes.TrimSpace(b.Bytes())
}

const dataPrefix = "| "

// dataText is program output: marked, quoted line by line, its end kept.
func dataText(key, s string) []field {
	s = strings.Trim(Clean(s), "\n")
	if s == "" {
		return nil
	}

	return []field{{line: dataMark}, {key: key, str: s, last: true, prefix: dataPrefix, min: 160}}
}

// nextStep is the last field of every answer.
func nextStep(s string) field {
	s = oneLine(s, 400)
	if s == "" {
		s = "read_log{}"
	}

	return field{key: "next", val: s, line: "next: " + s}
}

// Refusal is the answer that an error makes: its code, one sentence and the
// next step. Errors without a code are internal and shown without details.
func Refusal(err error) Answer {
	var coded *research.Error
	if !errors.As(err, &coded) && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		err = research.Errorf(research.CodeCancelled, "wait_run{}",
			"the call was cancelled; a run that was started goes on")
	}
	e := research.Describe(err)

	msg, step := oneLine(e.Msg, 1200), oneLine(e.Next, 400)
	if step == "" {
		step = "read_log{}"
	}
	body := struct {
		Code    research.Code `json:"code"`
		Message string        `json:"message"`
		Next    string        `json:"next"`
	}{e.Code, msg, step}

	return Answer{
		Text:       fmt.Sprintf("%s: %s\nnext: %s", e.Code, msg, step),
		Structured: append(append([]byte(`{"error":`), encodeJSON(body)...), '}'),
	}
}
