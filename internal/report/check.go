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

// wrong is what a check says of a line.
func wrong(line int, format string, args ...any) error {
	return research.Errorf(research.CodeReport, nextReport, "line %d: %w", line, fmt.Errorf(format, args...))
}

// Read finds the parts of a written report. Errors: CodeReport where it is none
// or lacks a part, with its line.
func Read(written []byte) (*Page, error) {
	if !utf8.Valid(written) {
		return nil, wrong(1, "the file is not UTF-8 text")
	}

	text := string(bytes.ReplaceAll(written, []byte("\r\n"), []byte("\n")))
	if strings.HasPrefix(strings.ToLower(text), "<!doctype") {
		return readHTML(text)
	}

	return readMarkdown(text)
}

func readMarkdown(text string) (*Page, error) {
	visible, tail, ok := cutLast(text, "\n"+markdownOpen+"\n")

	end := lines(text)
	if !ok {
		return nil, wrong(end,
			"the file does not end in the comment with the figures' bindings: it is no report, or was cut off")
	}

	rows := strings.Split(tail, "\n")
	if len(rows) < 3 || rows[len(rows)-1] != "" || rows[len(rows)-2] != markdownClose {
		return nil, wrong(end, "the comment with the bindings does not end the file")
	}
	p := &Page{text: visible, first: 1, binds: rows[1 : len(rows)-2]}

	return p, p.header(rows[0], lines(visible)+2)
}

func readHTML(text string) (*Page, error) {
	rest, ok := strings.CutPrefix(text, htmlTop)
	if !ok {
		return nil, wrong(1,
			"the page's head is not the one that this version writes: it could hide or add text; check it with the version that made it")
	}
	at := lines(htmlTop)
	tag, rest, ok := strings.Cut(rest, ">\n")
	header, isMain := strings.CutPrefix(tag, `<main data-ratchet="`)

	header, closed := strings.CutSuffix(header, `"`)
	if !ok || !isMain || !closed {
		return nil, wrong(at, "the page does not say what it was made from")
	}

	body, whole := strings.CutSuffix(rest, htmlEnd)
	if !whole {
		return nil, wrong(lines(text), "the page does not end as a report does")
	}
	p := &Page{HTML: true, text: body, first: at + 1}

	return p, p.header(html.UnescapeString(header), at)
}

func (p *Page) header(text string, line int) error {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()

	if err := dec.Decode(&p.Header); err != nil || dec.More() || p.Header.Campaign == "" || p.Header.Seq == 0 ||
		p.Header.Hash == "" {
		return wrong(line, "what the report was made from can't be read")
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

// lines is the number of the line that text ends in.
func lines(text string) int { return 1 + strings.Count(text, "\n") }

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
		return done, wrong(1,
			"it says that it was made of %q at record %d (%.12s); the ledger has %q and, at record %d, %.12s",
			p.Header.Campaign, p.Header.Seq, p.Header.Hash, facts.Campaign.Name, facts.Head.Seq, facts.Head.Hash)
	}

	c := &checker{src: src, facts: facts, line: p.first, binds: p.binds, seen: map[uint64]bool{}}
	if p.HTML {
		err = c.html(p.text)
	} else {
		err = c.markdown(p.text)
	}
	done.Figures, done.Records = c.figures, len(c.seen)

	return done, err
}

// checker reads a page from its beginning to its end.
type checker struct {
	src     Source
	facts   *Facts
	line    int
	binds   []string // that no figure was seen of yet
	figures int
	seen    map[uint64]bool
	words   strings.Builder // plain words of the line or block so far

	peeked, peekText string // the next binding, and what it stands for
}

// expect derives what a binding stands for.
func (c *checker) expect(bound string) (string, error) {
	c.figures++
	if b, ok := parseBinding(bound); ok {
		c.seen[b.seq] = true
	}

	s, err := resolve(c.src, c.facts, bound)
	if err != nil {
		return "", wrong(c.line, "%s: %w", about(bound), err)
	}

	return s, nil
}

// about names a binding in an error.
func about(bound string) string {
	b, ok := parseBinding(bound)
	if !ok {
		return fmt.Sprintf("the figure %q%s", bound, meaning(bound))
	}

	return strings.TrimSpace(fmt.Sprintf("record %d %s", b.seq, b.path))
}

// differs is the error of a text that is not what its binding gives.
func (c *checker) differs(stands, bound, want string) error {
	return wrong(c.line, "%q stands where the ledger (%s) gives %q", stands, about(bound), want)
}

// plain takes a piece of the report's own words.
func (c *checker) plain(text string) error {
	c.words.WriteString(text)

	if why := wordsError(text); why != "" {
		return wrong(c.line, "%q: %s", strings.TrimSpace(text), why)
	}

	return nil
}

// ended closes a line or block: its words are looked at once more as a whole,
// since a word could be put together of pieces.
func (c *checker) ended() error {
	text := c.words.String()
	c.words.Reset()

	why := wordsError(text)
	for i := range text {
		if text[i] == '-' && (i == 0 || i == len(text)-1 || !letter(text[i-1]) || !letter(text[i+1])) {
			why = "a hyphen that joins no words might be a sign"
		}
	}

	if why != "" {
		return wrong(c.line, "%q: %s", strings.TrimSpace(text), why)
	}

	return nil
}

func letter(b byte) bool { return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' }

// opens says whether a figure may begin after r, closes whether it may end before r.
func opens(r rune) bool  { return strings.ContainsRune("\n (|", r) }
func closes(r rune) bool { return strings.ContainsRune("\n .,;:)|", r) }
