package report

import (
	"fmt"
	"strings"
	"unicode"
)

// Kind says what a span is.
type Kind int

// The kinds of span. Figures, quotes and names are bound; the others hold no digit.
const (
	Words   Kind = iota // of the report itself
	Strong              // the same, emphasised
	Command             // a command line to type; begins with "ratchet "
	Figure              // a number with its sign, unit and noun
	Quote               // what an agent or a person wrote
	Name                // of a file, a commit, a metric, a session
)

// Span is a piece of a block.
type Span struct {
	Kind Kind
	Text string
	Bind string // of a Figure, Quote or Name: see Binding
}

// Shape is what a block is.
type Shape int

// The shapes of block. A Row has cells, any other block one. The first of some
// Rows in a row is their head.
const (
	Title Shape = iota
	Heading
	Paragraph
	Item
	Row
)

// Block is one line of a report.
type Block struct {
	Shape Shape
	Cells [][]Span
}

// Header says what a report was made from.
type Header struct {
	Campaign string `json:"campaign"`
	Seq      uint64 `json:"seq"`     // of the ledger's newest record
	Hash     string `json:"hash"`    // of the same, hex
	Version  string `json:"version"` // of Ratchet
}

// Document is a report before it is written.
type Document struct {
	Header Header
	Blocks []Block
}

// numberWords would let a sentence state a number that nobody checks.
const numberWords = " zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen " +
	"eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred hundreds thousand thousands million millions billion " +
	"dozen dozens half halves quarter quarters twice thrice double doubled triple tripled percent percentage couple "

// plainMarks are the characters of plain words besides ASCII letters and blanks.
const plainMarks = ".,;:()'?!-"

// wordsError says what in the report's own words might pass for a number, or
// does not belong there; "" if nothing.
func wordsError(text string) string {
	for _, r := range text {
		switch {
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == ' ' || strings.ContainsRune(plainMarks, r):
		case isNumeric(r):
			return fmt.Sprintf("%q stands in plain words without a binding", r)
		default:
			return fmt.Sprintf("the character %q does not belong into plain words", r)
		}
	}

	for _, w := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return r < 'a' || r > 'z' }) {
		if strings.Contains(numberWords, " "+w+" ") {
			return fmt.Sprintf("the number word %q has no binding", w)
		}
	}

	return ""
}

// isNumeric says whether a character may be part of a number, its sign or unit.
func isNumeric(r rune) bool {
	return unicode.IsNumber(r) || strings.ContainsRune("+%‰±×÷=<>≤≥≈~−–$€£°", r)
}

// checkSpans refuses a document whose own words hold a number, or whose figures have no binding.
func (d *Document) checkSpans() error {
	for _, b := range d.Blocks {
		for _, cell := range b.Cells {
			for _, span := range cell {
				wrong := ""

				switch span.Kind {
				case Words, Strong, Command:
					wrong = wordsError(span.Text)
				default:
					if span.Bind == "" {
						wrong = "it has no binding"
					}
				}

				if wrong != "" {
					return fmt.Errorf("write the report: %q: %s", span.Text, wrong)
				}
			}
		}
	}

	return nil
}
