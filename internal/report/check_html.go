package report

import (
	"html"
	"slices"
	"strings"
	"unicode/utf8"
)

// checkHTML reads the body of a page: nothing but the tags that HTML writes.
func (c *checker) checkHTML(text string) error {
	known := []string{"<h1>", "</h1>", "<h2>", "</h2>", "<p>", "</p>", "<ul>", "</ul>", "<li>", "</li>", "<strong>",
		"</strong>", "<table>", "</table>", "<thead>", "</thead>", "<tbody>", "</tbody>", "<tr>", "</tr>",
		`<th scope="col">`, "</th>", "<td>", "</td>"}
	inline := []string{"<strong>", "</strong>"}
	before := '\n' // the visible character before

	for text != "" {
		words, rest, _ := strings.Cut(text, "<")
		if err := c.readHTMLWords(words); err != nil {
			return err
		}

		if words != "" {
			before, _ = utf8.DecodeLastRuneInString(words)
		}

		if len(words) == len(text) {
			break
		}
		inner, rest, closed := strings.Cut(rest, ">")
		tag := "<" + inner + ">"
		var err error

		switch {
		case !closed:
			return lineError(c.line, "a tag is not closed")
		case slices.Contains(known, tag):
			if !slices.Contains(inline, tag) {
				before, err = '\n', c.finishBlock()
			}
		case tag == "<code>":
			rest, err = c.readHTMLCommand(rest)
			before = '>'
		default:
			rest, err = c.readHTMLBound(tag, rest, before)
			before = '>'
		}

		if err != nil {
			return err
		}
		text = rest
	}

	return c.finishBlock()
}

// readHTMLWords takes words outside of what is bound.
func (c *checker) readHTMLWords(words string) error {
	for i, line := range strings.Split(words, "\n") {
		if i > 0 {
			c.line++
			c.words.WriteByte(' ')
		}

		if err := c.readWords(line); err != nil {
			return err
		}
	}

	return nil
}

func (c *checker) readHTMLCommand(rest string) (string, error) {
	code, rest, ok := strings.Cut(rest, "</code>")
	if !ok || !isCommand(code) {
		return "", lineError(c.line, "%q has no binding: it was added", code)
	}
	c.words.WriteByte(' ')

	return rest, nil
}

// canFollowHTMLFigure says whether a figure may end before text: its block ends, or the
// next character is one that closes it.
func canFollowHTMLFigure(text string) bool {
	for _, tag := range []string{"</p>", "</li>", "</td>"} {
		if strings.HasPrefix(text, tag) {
			return true
		}
	}
	follows, _ := utf8.DecodeRuneInString(text)

	return text != "" && canFollowFigure(follows)
}

// readHTMLBound reads a bound piece: a figure, which must stand alone, a quotation or a name.
func (c *checker) readHTMLBound(tag, rest string, before rune) (string, error) {
	for _, kind := range []struct{ open, end string }{{`<span class="n" data-b="`, "</span>"}, {`<q data-b="`, "</q>"},
		{`<code data-b="`, "</code>"}} {
		bound, ok := strings.CutPrefix(tag, kind.open)
		if !ok {
			continue
		}
		bound = html.UnescapeString(strings.TrimSuffix(bound, `">`))

		stands, after, ok := strings.Cut(rest, kind.end)
		if !ok {
			return "", lineError(c.line, "%s is not closed", tag)
		}

		want, err := c.deriveText(bound)
		if err != nil {
			return "", err
		}

		if stands != html.EscapeString(want) {
			return "", c.mismatchError(html.UnescapeString(stands), bound, want)
		}

		if kind.end == "</span>" && (!canPrecedeFigure(before) || !canFollowHTMLFigure(after)) {
			return "", lineError(c.line, "%q does not stand alone: something was put before or behind it", want)
		}
		c.words.WriteByte(' ')

		return after, nil
	}

	return "", lineError(c.line, "the tag %s does not belong into a report", tag)
}
