package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"strings"
	"unicode/utf8"

	"ratchet/internal/research"
)

// Page is a written report: its bytes, before anything of them is believed.
type Page struct {
	Header Header
	HTML   bool
	text   string   // the visible text, of Markdown; all between main's tags, of HTML
	first  int      // line of text
	binds  []string // of Markdown, in order
}

const nextReport = "make it again: ratchet report"

// lineError returns a CodeReport error that names the line.
func lineError(line int, format string, args ...any) error {
	return research.Errorf(research.CodeReport, nextReport, "line %d: %w", line, fmt.Errorf(format, args...))
}

// ReadPage finds the parts of a written report. Errors: CodeReport where it is none
// or lacks a part, with its line.
func ReadPage(written []byte) (*Page, error) {
	if !utf8.Valid(written) {
		return nil, lineError(1, "the file is not UTF-8 text")
	}

	text := string(bytes.ReplaceAll(written, []byte("\r\n"), []byte("\n")))
	if strings.HasPrefix(strings.ToLower(text), "<!doctype") {
		return readHTML(text)
	}

	return readMarkdown(text)
}

func readMarkdown(text string) (*Page, error) {
	visible, tail, ok := cutLast(text, "\n"+markdownOpen+"\n")

	end := countLines(text)
	if !ok {
		return nil, lineError(end,
			"the file does not end in the comment with the figures' bindings: it is not a report, or was cut off")
	}

	rows := strings.Split(tail, "\n")
	if len(rows) < 3 || rows[len(rows)-1] != "" || rows[len(rows)-2] != markdownClose {
		return nil, lineError(end, "the comment with the bindings does not end the file")
	}
	p := &Page{text: visible, first: 1, binds: rows[1 : len(rows)-2]}

	return p, p.decodeHeader(rows[0], countLines(visible)+2)
}

func readHTML(text string) (*Page, error) {
	rest, ok := strings.CutPrefix(text, htmlTop)
	if !ok {
		return nil, lineError(1,
			"the page's head is not the one that this version writes: it could hide or add text; check it with the version that made it")
	}
	at := countLines(htmlTop)
	tag, rest, ok := strings.Cut(rest, ">\n")
	header, isMain := strings.CutPrefix(tag, `<main data-ratchet="`)

	header, closed := strings.CutSuffix(header, `"`)
	if !ok || !isMain || !closed {
		return nil, lineError(at, "the page does not say what it was made from")
	}

	body, whole := strings.CutSuffix(rest, htmlEnd)
	if !whole {
		return nil, lineError(countLines(text), "the page does not end as a report does")
	}
	p := &Page{HTML: true, text: body, first: at + 1}

	return p, p.decodeHeader(html.UnescapeString(header), at)
}

func (p *Page) decodeHeader(text string, line int) error {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()

	if err := dec.Decode(&p.Header); err != nil || dec.More() || p.Header.Campaign == "" || p.Header.Seq == 0 ||
		p.Header.Hash == "" {
		return lineError(line, "what the report was made from can't be read")
	}

	return nil
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}

	return s[:i], s[i+len(sep):], true
}

// countLines returns the number of the line that text ends in.
func countLines(text string) int { return 1 + strings.Count(text, "\n") }

// Checked says what a check has compared.
type Checked struct {
	Figures int    `json:"figures"` // with quotations and names
	Records int    `json:"records"` // that were read for them
	Seq     uint64 `json:"seq"`     // of the ledger's newest record when the report was made
}

// Check compares every figure, quotation and name of the page with the ledger,
// and refuses what stands there without a binding. The first difference is a
// CodeReport error that names line, text and record.
func (p *Page) Check(src Source) (Checked, error) {
	done := Checked{Seq: p.Header.Seq}

	facts, err := src.Facts()
	if err != nil {
		return done, err
	}

	if facts.Campaign.Name != p.Header.Campaign || facts.Head.Seq != p.Header.Seq || facts.Head.Hash != p.Header.Hash {
		return done, lineError(1,
			"it says that it was made of %q at record %d (%.12s); the ledger has %q and, at record %d, %.12s",
			p.Header.Campaign, p.Header.Seq, p.Header.Hash, facts.Campaign.Name, facts.Head.Seq, facts.Head.Hash)
	}

	c := &checker{src: src, facts: facts, line: p.first, binds: p.binds, seen: map[uint64]bool{}}
	if p.HTML {
		err = c.checkHTML(p.text)
	} else {
		err = c.checkMarkdown(p.text)
	}
	done.Figures, done.Records = c.figures, len(c.seen)

	return done, err
}

// checker reads a page from its beginning to its end.
type checker struct {
	src     Source
	facts   *Facts
	line    int
	binds   []string // those whose figure was not met yet, in order
	figures int
	seen    map[uint64]bool
	words   strings.Builder // plain words of the line or block so far

	peeked, peekText string // the next binding, and what it stands for
}

// deriveText derives what a binding stands for.
func (c *checker) deriveText(bound string) (string, error) {
	c.figures++
	if b, ok := parseBinding(bound); ok {
		c.seen[b.seq] = true
	}

	s, err := resolveBinding(c.src, c.facts, bound)
	if err != nil {
		return "", lineError(c.line, "%s: %w", describeBinding(bound), err)
	}

	return s, nil
}

// describeBinding names a binding in an error.
func describeBinding(bound string) string {
	b, ok := parseBinding(bound)
	if !ok {
		return fmt.Sprintf("the figure %q%s", bound, describeFormula(bound))
	}

	return strings.TrimSpace(fmt.Sprintf("record %d %s", b.seq, b.path))
}

// mismatchError says that a text is not the one that its binding gives.
func (c *checker) mismatchError(stands, bound, want string) error {
	return lineError(c.line, "%q stands where the ledger (%s) gives %q", stands, describeBinding(bound), want)
}

// readWords takes a piece of the report's own words.
func (c *checker) readWords(text string) error {
	c.words.WriteString(text)

	if why := wordsError(text); why != "" {
		return lineError(c.line, "%q: %s", strings.TrimSpace(text), why)
	}

	return nil
}

// finishBlock closes a line or block: its words are looked at once more as a whole,
// since a word could be put together of pieces.
func (c *checker) finishBlock() error {
	text := c.words.String()
	c.words.Reset()

	why := wordsError(text)
	for i := range text {
		if text[i] == '-' && (i == 0 || i == len(text)-1 || !isLetter(text[i-1]) || !isLetter(text[i+1])) {
			why = "a hyphen that joins no words might be a sign"
		}
	}

	if why != "" {
		return lineError(c.line, "%q: %s", strings.TrimSpace(text), why)
	}

	return nil
}

func isLetter(b byte) bool { return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' }

// canPrecedeFigure says whether a figure may begin after r.
func canPrecedeFigure(r rune) bool { return strings.ContainsRune("\n (|", r) }

// canFollowFigure says whether a figure may end before r.
func canFollowFigure(r rune) bool { return strings.ContainsRune("\n .,;:)|", r) }
