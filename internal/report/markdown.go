package report

import (
	"encoding/json"
	"fmt"
	"strings"
)

// The Markdown of a report: a line a block, with a blank line between blocks
// but for those of a list or a table; then one comment with the bindings, in
// the order of the figures, quotations and names. “…” holds a quotation, `…` a
// name or a command, and neither character stands anywhere else.
const (
	markdownOpen  = "<!-- ratchet report"
	markdownClose = "-->"
)

// Markdown writes the document. Its visible text needs no renderer.
func (d *Document) Markdown() []byte {
	b := &strings.Builder{}
	b.WriteString(d.PlainMarkdown())

	header, err := json.Marshal(d.Header) // < and > are escaped, so that nothing ends the comment
	if err != nil {
		panic("report: encode the header: " + err.Error())
	}
	fmt.Fprintf(b, "\n%s\n%s\n", markdownOpen, header)

	for _, block := range d.Blocks {
		for _, cell := range block.Cells {
			for _, s := range cell {
				if s.Bind != "" {
					b.WriteString(s.Bind + "\n")
				}
			}
		}
	}
	b.WriteString(markdownClose + "\n")

	return []byte(b.String())
}

// PlainMarkdown is the Markdown without its bindings: it can't be checked again.
func (d *Document) PlainMarkdown() string {
	b := &strings.Builder{}

	for i, block := range d.Blocks {
		after := Shape(-1)
		if i > 0 {
			after = d.Blocks[i-1].Shape
		}

		if i > 0 && (after != block.Shape || block.Shape == Paragraph) {
			b.WriteByte('\n')
		}

		switch block.Shape {
		case Title:
			b.WriteString("# ")
		case Heading:
			b.WriteString("## ")
		case Item:
			b.WriteString("- ")
		case Row:
			b.WriteString("| ")
		}

		for k, cell := range block.Cells {
			if k > 0 {
				b.WriteString(" | ")
			}

			for _, s := range cell {
				b.WriteString(markdownSpan(s))
			}
		}

		if block.Shape == Row {
			b.WriteString(" |")

			if after != Row {
				b.WriteString("\n|" + strings.Repeat(" --- |", len(block.Cells)))
			}
		}
		b.WriteByte('\n')
	}

	return b.String()
}

func markdownSpan(s Span) string {
	switch s.Kind {
	case Strong:
		text := strings.TrimRight(s.Text, " ")
		return "**" + text + "**" + s.Text[len(text):]
	case Quote:
		return "“" + markdownText(s.Text) + "”"
	case Name, Command:
		return "`" + s.Text + "`"
	case Figure:
		return markdownText(s.Text)
	}

	return s.Text
}

// markdownText is a text that Markdown shows as it is: no emphasis, link, HTML,
// table or automatic link comes of it.
func markdownText(s string) string {
	b := &strings.Builder{}

	for i, r := range s {
		rest := s[i:]
		if strings.ContainsRune("\\`*_[]<>|~&#$!@{}^", r) || r == ':' && strings.HasPrefix(rest, "://") ||
			r == '.' && strings.HasSuffix(strings.ToLower(s[:i]), "www") {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}

	return b.String()
}
