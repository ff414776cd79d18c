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

// RenderMarkdown writes the document. Its visible text needs no renderer.
func (d *Document) RenderMarkdown() []byte {
	out := &strings.Builder{}
	out.WriteString(d.RenderPlainMarkdown())

	header, err := json.Marshal(d.Header) // < and > are escaped, so that nothing ends the comment
	if err != nil {
		panic("report: encode the header: " + err.Error())
	}
	fmt.Fprintf(out, "\n%s\n%s\n", markdownOpen, header)

	for _, block := range d.Blocks {
		for _, cell := range block.Cells {
			for _, s := range cell {
				if s.Bind != "" {
					out.WriteString(s.Bind + "\n")
				}
			}
		}
	}
	out.WriteString(markdownClose + "\n")

	return []byte(out.String())
}

// RenderPlainMarkdown is the Markdown without its bindings: it can't be checked again.
func (d *Document) RenderPlainMarkdown() string {
	out := &strings.Builder{}

	for i, block := range d.Blocks {
		after := Shape(-1)
		if i > 0 {
			after = d.Blocks[i-1].Shape
		}

		if i > 0 && (after != block.Shape || block.Shape == Paragraph) {
			out.WriteByte('\n')
		}

		switch block.Shape {
		case Title:
			out.WriteString("# ")
		case Heading:
			out.WriteString("## ")
		case Item:
			out.WriteString("- ")
		case Row:
			out.WriteString("| ")
		}

		for k, cell := range block.Cells {
			if k > 0 {
				out.WriteString(" | ")
			}

			for _, s := range cell {
				out.WriteString(renderMarkdownSpan(s))
			}
		}

		if block.Shape == Row {
			out.WriteString(" |")

			if after != Row {
				out.WriteString("\n|" + strings.Repeat(" --- |", len(block.Cells)))
			}
		}
		out.WriteByte('\n')
	}

	return out.String()
}

func renderMarkdownSpan(span Span) string {
	switch span.Kind {
	case Strong:
		text := strings.TrimRight(span.Text, " ")
		return "**" + text + "**" + span.Text[len(text):]
	case Quote:
		return "“" + escapeMarkdown(span.Text) + "”"
	case Name, Command:
		return "`" + span.Text + "`"
	case Figure:
		return escapeMarkdown(span.Text)
	}

	return span.Text
}

// escapeMarkdown escapes a text so that Markdown shows it as it is: no emphasis, link, HTML,
// table or automatic link comes of it.
func escapeMarkdown(s string) string {
	out := &strings.Builder{}

	for i, r := range s {
		rest := s[i:]
		if strings.ContainsRune("\\`*_[]<>|~&#$!@{}^", r) || r == ':' && strings.HasPrefix(rest, "://") ||
			r == '.' && strings.HasSuffix(strings.ToLower(s[:i]), "www") {
			out.WriteByte('\\')
		}
		out.WriteRune(r)
	}

	return out.String()
}
