package report

import (
	"html"
	"slices"
	"strings"
	"unicode/utf8"
)

// html reads the body of a page: nothing but the tags that HTML writes.
func (c *checker) html(text string) error {
	known := []string{"<h1>", "</h1>", "<h2>", "</h2>", "<p>", "</p>", "<ul>", "</ul>", "<li>", "</li>", "<strong>",
		"</strong>", "<table>", "</table>", "<thead>", "</thead>", "<tbody>", "</tbody>", "<tr>", "</tr>",
		`<th scope="col">`, "</th>", "<td>", "</td>"}
	inline := []string{"<strong>", "</strong>"}
	before := '\n' // the visible character before

	for text != "" {
		words, rest, _ := strings.Cut(text, "<")
		if err := c.htmlWords(words); err != nil {
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
			return wrong(c.line, "a tag is not closed")
		case slices.Contains(known, tag):
			if !slices.Contains(inline, tag) {
				before, err = '\n', c.ended()
			}
		case tag == "<code>":
			rest, err = c.htmlCommand(rest)
			before = '>'
		default:
			rest, err = c.htmlBound(tag, rest, before)
			before = '>'
		}

		if err != nil {
			return err
		}
		text = rest
	}

	return c.ended()
}

// htmlWords takes words outside of what is bound.
func (c *checker) htmlWords(words string) error {
	for i, line := range strings.Split(words, "\n") {
		if i > 0 {
			c.line++
			c.words.WriteByte(' ')
		}

		if err := c.plain(line); err != nil {
			return err
		}
	}

	return nil
}

func (c *checker) htmlCommand(rest string) (string, error) {
	code, rest, ok := strings.Cut(rest, "</code>")
	if !ok || !isCommand(code) {
		return "", wrong(c.line, "%q has no binding: it was added", code)
	}
	c.words.WriteByte(' ')

	return rest, nil
}

// htmlCloses says whether a figure may end before text: its block ends, or the
// next character is one that closes it.
func htmlCloses(text string) bool {
	for _, tag := range []string{"</p>", "</li>", "</td>"} {
		if strings.HasPrefix(text, tag) {
			return true
		}
	}
	follows, _ := utf8.DecodeRuneInString(text)

	return text != "" && closes(follows)
}

// htmlBound reads a bound piece: a figure, which must stand alone, a quotation or a name.
func (c *checker) htmlBound(tag, rest string, before rune) (string, error) {
	for _, kind := range []struct{ open, end string }{{`<span class="n" data-b="`, "</span>"}, {`<q data-b="`, "</q>"},
		{`<code data-b="`, "</code>"}} {
		bound, ok := strings.CutPrefix(tag, kind.open)
		if !ok {
			continue
		}
		bound = html.UnescapeString(strings.TrimSuffix(bound, `">`))

		stands, after, ok := strings.Cut(rest, kind.end)
		if !ok {
			return "", wrong(c.line, "%s is not closed", tag)
		}

		want, err := c.expect(bound)
		if err != nil {
			return "", err
		}

		if stands != html.EscapeString(want) {
			return "", c.differs(html.UnescapeString(stands), bound, want)
		}

		if kind.end == "</span>" && (!opens(before) || !htmlCloses(after)) {
			return "", wrong(c.line, "%q does not stand alone: something was put before or behind it", want)
		}
		c.words.WriteByte(' ')

		return after, nil
	}

	return "", wrong(c.line, "the tag %s does not belong into a report", tag)
}
