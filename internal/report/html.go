package report

import (
	"encoding/json"
	"fmt"
	"html"
	"strings"
)

// The HTML of a report: one file, no script, nothing from elsewhere. Bound
// spans carry their bindings in data-b, the body its header in data-ratchet.
// What stands before the body is always the same.
const htmlTop = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Ratchet report</title>
<style>
:root { color-scheme: light dark; --ink: #1b1f24; --dim: #57606a; --paper: #ffffff; --line: #d0d7de; --mark: #f3f5f7; --rule: #0b5c3b }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --dim: #a3adb8; --paper: #14171b; --line: #3a424c; --mark: #20252b; --rule: #6fd3a3 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif }
main { max-width: 46rem; margin: 0 auto; padding: 2rem 1.25rem 3rem }
h1 + p { color: var(--dim); font-size: .92em }
h1 + p + p { color: var(--ink); font-size: 1.15em }
h1 { font-size: 1.5em; line-height: 1.25; margin: 0 0 .5rem; padding-bottom: .5rem; border-bottom: 3px solid var(--rule) }
h2 { font-size: 1.1em; margin: 1.8rem 0 .4rem }
p { margin: .5rem 0 }
ul { margin: .4rem 0; padding-left: 1.2rem }
li { margin: .35rem 0; overflow-wrap: anywhere }
table { border-collapse: collapse; margin: .6rem 0; width: 100% }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
th { color: var(--dim); font-weight: 600 }
.n { font-variant-numeric: tabular-nums; border-bottom: 1px dotted var(--dim); white-space: nowrap }
strong + .n, h1 + p + p .n { font-weight: 600 }
code { font: .92em ui-monospace, monospace; background: var(--mark); padding: .05em .3em; border-radius: 3px; overflow-wrap: anywhere }
q, code { unicode-bidi: isolate }
q { font-style: italic; quotes: "\201C" "\201D" }
@media print { :root { --ink: #000000; --dim: #333333; --paper: #ffffff; --line: #999999; --mark: #ffffff; --rule: #000000 } @page { margin: 14mm 16mm } main { max-width: none; padding: 0 } body { font-size: 9pt; line-height: 1.3 } h2 { margin: .6rem 0 .2rem; font-size: 1.05em } p { margin: .2rem 0 } ul, table { margin: .2rem 0 } li { margin: .15rem 0 } th, td { padding: .12rem .8rem .12rem 0 } li, tr { break-inside: avoid } h2 { break-after: avoid } }
</style>
</head>
<body>
`

const htmlEnd = "</main>\n</body>\n</html>\n"

// RenderHTML writes the document as one page.
func (d *Document) RenderHTML() []byte {
	header, err := json.Marshal(d.Header)
	if err != nil {
		panic("report: encode the header: " + err.Error())
	}
	out := &strings.Builder{}
	fmt.Fprintf(out, "%s<main data-ratchet=\"%s\">\n", htmlTop, html.EscapeString(string(header)))

	open := Shape(-1) // of the list or table that is open
	for _, block := range d.Blocks {
		if block.Shape != open {
			out.WriteString(map[Shape]string{Item: "</ul>\n", Row: "</tbody></table>\n"}[open])
			out.WriteString(map[Shape]string{Item: "<ul>\n", Row: "<table><thead>\n"}[block.Shape])
		}
		writeHTMLBlock(out, block, block.Shape == Row && open != Row)
		open = block.Shape
	}
	out.WriteString(map[Shape]string{Item: "</ul>\n", Row: "</tbody></table>\n"}[open])
	out.WriteString(htmlEnd)

	return []byte(out.String())
}

// writeHTMLBlock writes one block; head says that it begins a table.
func writeHTMLBlock(out *strings.Builder, block Block, head bool) {
	tag := map[Shape]string{Title: "h1", Heading: "h2", Paragraph: "p", Item: "li", Row: "tr"}[block.Shape]
	out.WriteString("<" + tag + ">")

	for _, cell := range block.Cells {
		inner, end := "", ""

		switch {
		case head:
			inner, end = `<th scope="col">`, "</th>"
		case block.Shape == Row:
			inner, end = "<td>", "</td>"
		}
		out.WriteString(inner)

		for _, s := range cell {
			out.WriteString(renderHTMLSpan(s))
		}
		out.WriteString(end)
	}
	out.WriteString("</" + tag + ">\n")

	if head {
		out.WriteString("</thead><tbody>\n")
	}
}

func renderHTMLSpan(span Span) string {
	bind := `data-b="` + html.EscapeString(span.Bind) + `">`

	text := html.EscapeString(span.Text)
	switch span.Kind {
	case Strong:
		return "<strong>" + span.Text + "</strong>"
	case Command:
		return "<code>" + span.Text + "</code>"
	case Figure:
		return `<span class="n" ` + bind + text + "</span>"
	case Quote:
		return "<q " + bind + text + "</q>"
	case Name:
		return "<code " + bind + text + "</code>"
	}

	return span.Text
}
