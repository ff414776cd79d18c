package report_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ratchet/internal/report"
	"ratchet/internal/testform"
)

// mutant is a report, or its ledger, with one thing changed.
type mutant struct {
	written []byte
	what    string            // was done
	ledger  func(e *evidence) // to the ledger; nil: nothing
}

// subject is what is mutated: a report in both forms.
type subject struct {
	rng  *rand.Rand
	doc  *report.Document
	html bool
}

func (s *subject) writeReport(d *report.Document) []byte {
	if s.html {
		return d.RenderHTML()
	}

	return d.RenderMarkdown()
}

// copyDocument is a document whose spans can be changed.
func (s *subject) copyDocument() *report.Document {
	d := &report.Document{Header: s.doc.Header}
	for _, b := range s.doc.Blocks {
		cells := make([][]report.Span, len(b.Cells))
		for i := range b.Cells {
			cells[i] = slices.Clone(b.Cells[i])
		}
		d.Blocks = append(d.Blocks, report.Block{Shape: b.Shape, Cells: cells})
	}

	return d
}

// selectSpans are the places of all spans of d for which ok holds.
func selectSpans(d *report.Document, ok func(s *report.Span) bool) (out []*report.Span) {
	for _, b := range d.Blocks {
		for _, cell := range b.Cells {
			for i := range cell {
				if ok(&cell[i]) {
					out = append(out, &cell[i])
				}
			}
		}
	}

	return out
}

func isBound(s *report.Span) bool  { return s.Bind != "" }
func isFigure(s *report.Span) bool { return s.Kind == report.Figure }

func (s *subject) pickSpan(list []*report.Span) *report.Span { return list[s.rng.IntN(len(list))] }

// visibleBytes are the bytes that a reader sees, as true.
func (s *subject) visibleBytes(b []byte) []bool {
	out := make([]bool, len(b))
	if !s.html {
		end := bytes.LastIndex(b, []byte("\n<!-- ratchet report\n"))
		for i := range end {
			out[i] = true
		}

		return out
	}

	for i, tag := bytes.Index(b, []byte("<main")), false; i < len(b); i++ {
		switch {
		case b[i] == '<':
			tag = true
		case b[i] == '>':
			tag = false
		case b[i] == '&': // of an entity nothing but the whole is seen
			for ; b[i] != ';'; i++ {
			}
		default:
			out[i] = !tag
		}
	}

	return out
}

// changeDigit changes one visible digit.
func changeDigit(s *subject) mutant {
	b := s.writeReport(s.doc)

	seen := s.visibleBytes(b)
	for {
		if i := s.rng.IntN(len(b)); seen[i] && b[i] >= '0' && b[i] <= '9' {
			was := b[i]
			b[i] = '0' + (b[i]-'0'+1+byte(s.rng.IntN(9)))%10

			return mutant{written: b, what: fmt.Sprintf("%c became %c in %q", was, b[i],
				b[max(0, i-20):min(len(b), i+20)])}
		}
	}
}

// flipSign turns a figure's sign, or gives it one.
func flipSign(s *subject) mutant {
	d := s.copyDocument()
	f := s.pickSpan(selectSpans(d, isFigure))

	was := f.Text
	switch {
	case strings.HasPrefix(f.Text, "+"):
		f.Text = "-" + f.Text[1:]
	case strings.Contains(f.Text, ":"):
		f.Text = strings.Replace(f.Text, "..", "..-", 1)
	default:
		f.Text = []string{"-", "+", "- ", "−", "±"}[s.rng.IntN(5)] + f.Text
	}

	return mutant{written: s.writeReport(d), what: was + " became " + f.Text}
}

// changeUnit changes what stands behind a figure's number.
func changeUnit(s *subject) mutant {
	d := s.copyDocument()
	f := s.pickSpan(selectSpans(d, func(x *report.Span) bool { return isFigure(x) && strings.Contains(x.Text, " ") }))
	was := f.Text
	i := strings.IndexByte(f.Text, ' ')
	f.Text = f.Text[:i+1] + []string{"%", "s", "h", "runs", "certified", "kJ", "ppm"}[s.rng.IntN(7)]

	return mutant{written: s.writeReport(d), what: was + " became " + f.Text}
}

// swapFigures lets two figures change places, without their bindings.
func swapFigures(s *subject) mutant {
	for {
		d := s.copyDocument()

		a, b := s.pickSpan(selectSpans(d, isBound)), s.pickSpan(selectSpans(d, isBound))
		if a.Text != b.Text && a.Kind == b.Kind {
			a.Text, b.Text = b.Text, a.Text
			return mutant{written: s.writeReport(d), what: a.Text + " and " + b.Text + " were swapped"}
		}
	}
}

// rebindFigure gives a figure the binding of another that says something else.
func rebindFigure(s *subject) mutant {
	for {
		d := s.copyDocument()

		a, b := s.pickSpan(selectSpans(d, isBound)), s.pickSpan(selectSpans(d, isBound))
		if a.Text != b.Text {
			a.Bind = b.Bind
			return mutant{written: s.writeReport(d), what: a.Text + " was bound to " + b.Bind}
		}
	}
}

// unbindFigure takes a binding away.
func unbindFigure(s *subject) mutant {
	d := s.copyDocument()
	f := s.pickSpan(selectSpans(d, isBound))

	b := s.writeReport(d)
	if s.html {
		f.Bind = "nothing"
		b = bytes.Replace(s.writeReport(d), []byte(` data-b="nothing"`), nil, 1)
	} else {
		b = bytes.Replace(b, []byte("\n"+f.Bind+"\n"), []byte("\n"), 1)
	}

	return mutant{written: b, what: "the binding " + f.Bind + " was removed"}
}

// removeFigure takes a figure out of the text, and leaves its binding.
func removeFigure(s *subject) mutant {
	d := s.copyDocument()
	f := s.pickSpan(selectSpans(d, isFigure))
	was := f.Text
	f.Text = []string{"", "some"}[s.rng.IntN(2)]

	return mutant{written: s.writeReport(d), what: was + " was removed"}
}

// addStrayFigure adds a number among the report's own words.
func addStrayFigure(s *subject) mutant {
	d := s.copyDocument()
	w := s.pickSpan(selectSpans(d, func(x *report.Span) bool {
		return x.Kind == report.Words && strings.Contains(x.Text, " ") && len(x.Text) > 6
	}))
	add := []string{"7", "12 %", "half", "twice", "½", "３", "٧", "Ⅻ", "ninety", "-4", "1e3", "²",
		"fifty percent of"}[s.rng.IntN(13)]
	i := strings.IndexByte(w.Text, ' ')
	w.Text = w.Text[:i] + " " + add + w.Text[i:]

	return mutant{written: s.writeReport(d), what: add + " was added"}
}

// glueFigure puts something right behind or before a figure.
func glueFigure(s *subject) mutant {
	d := s.copyDocument()
	f := s.pickSpan(selectSpans(d, isFigure))

	was := f.Text
	if s.rng.IntN(2) == 0 {
		f.Text += []string{"0", "s", "%", ".5", "M", "/day", "e3"}[s.rng.IntN(7)]
	} else {
		f.Text = []string{"1", "-", "~", "k", "0."}[s.rng.IntN(5)] + f.Text
	}

	return mutant{written: s.writeReport(d), what: was + " became " + f.Text}
}

// changeQuote changes a word of a quotation or name.
func changeQuote(s *subject) mutant {
	d := s.copyDocument()
	f := s.pickSpan(selectSpans(d, func(x *report.Span) bool {
		return (x.Kind == report.Quote || x.Kind == report.Name) && x.Text != ""
	}))
	was := f.Text
	f.Text = f.Text + " and more"

	return mutant{written: s.writeReport(d), what: was + " became " + f.Text}
}

// changeRecord takes a record that a figure rests on out of the ledger, or replaces it.
func changeRecord(s *subject) mutant {
	f := s.pickSpan(selectSpans(s.doc, func(x *report.Span) bool {
		return regexp.MustCompile(`^r\d`).MatchString(x.Bind)
	}))
	var seq uint64

	_, _ = fmt.Sscanf(f.Bind, "r%d.", &seq)
	if s.rng.IntN(2) == 0 {
		return mutant{s.writeReport(s.doc), fmt.Sprintf("record %d is missing", seq),
			func(e *evidence) { e.missing = seq }}
	}

	return mutant{s.writeReport(s.doc), fmt.Sprintf("record %d is another", seq), func(e *evidence) { e.altered = seq }}
}

// changeState is a ledger whose folded state says something else.
func changeState(s *subject) mutant {
	k := s.rng.IntN(4)

	return mutant{s.writeReport(s.doc), fmt.Sprintf("the state says something else (%d)", k), func(e *evidence) {
		e.facts = func(f *report.Facts) error {
			c := &f.Campaign

			switch k {
			case 0:
				c.Kept++
			case 1:
				c.RunSeconds *= 3
			case 2:
				c.Runs--
			case 3:
				for v := range c.Verdicts {
					c.Verdicts[v] += 9
				}
			}

			return nil
		}
	}}
}

// changeHead says that the report was made from something else.
func changeHead(s *subject) mutant {
	d := s.copyDocument()
	if s.rng.IntN(2) == 0 {
		d.Header.Seq--
	} else {
		d.Header.Hash = strings.Repeat("a", 64)
	}

	return mutant{written: s.writeReport(d), what: "the header was changed"}
}

// TestMutations: each of 400 seeded changes of a report or of what it rests on
// is noticed by the figures alone, and named with its line; the report itself
// is accepted.
func TestMutations(t *testing.T) {
	testform.SkipQuick(t, "it shows that the report's checks can fail")
	kinds := []struct {
		name string
		do   func(*subject) mutant
	}{{"digit", changeDigit}, {"sign", flipSign}, {"unit", changeUnit}, {"swapped", swapFigures}, {"rebound",
		rebindFigure}, {"unbound",
		unbindFigure}, {"removed", removeFigure},
		{"stray", addStrayFigure}, {"glued", glueFigure}, {"quoted", changeQuote}, {"record", changeRecord}, {"state",
			changeState}, {"head", changeHead}}
	caught, messages, all := map[string]int{}, 0, 0

	for _, of := range []struct {
		name string
		n    int // records
	}{{noisy, 0}, {shrink, 0}, {trimmed, finalized}, {exact, 0}} {
		withEvidence(t, openLedger(t, of.name, of.n), func(e *evidence) {
			s := &subject{rng: rand.New(rand.NewPCG(7, 11)), doc: buildReport(t, e, report.FullSize())}
			if _, err := checkWritten(e, s.writeReport(s.doc)); err != nil {
				t.Fatalf("the report itself: %v", err)
			}

			for n := range 104 {
				kind := kinds[n%len(kinds)]
				all++
				s.html = n/len(kinds)%2 == 1

				m := kind.do(s)
				for m.ledger == nil && bytes.Equal(m.written, s.writeReport(s.doc)) { // it drew what stood there
					m = kind.do(s)
				}

				changed := *e
				if m.ledger != nil {
					m.ledger(&changed)
				}

				_, err := checkWritten(&changed, m.written)
				if err == nil {
					t.Errorf("%s, html %t: not noticed: %s", kind.name, s.html, m.what)
					continue
				}

				caught[kind.name]++
				messages++

				if !strings.HasPrefix(err.Error(), "line ") {
					t.Errorf("%s: %q names no line", kind.name, err)
				}

				if testing.Verbose() && n < 26 {
					t.Logf("%s: %s\n\t→ %v", kind.name, m.what, err)
				}
			}
		})
	}
	t.Logf("%d of %d caught: %v", messages, all, caught)
}
