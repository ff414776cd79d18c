package dashboard

import (
	"cmp"
	"ratchet/internal/render"
	"slices"
	"strconv"
	"strings"

	"ratchet/internal/research"
	"ratchet/internal/wording"
)

// intParam reads a number of the query: at least 1, cut to most, fallback if it
// is left out. Errors: CodeBadArgument.
func (c *call) intParam(name string, fallback, most int) (int, error) {
	text := c.query.Get(name)
	if text == "" {
		return fallback, nil
	}

	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, research.Errorf(research.CodeBadArgument, "give a whole number from 1 to "+strconv.Itoa(most),
			"%s is %q", name, excerpt(text))
	}

	return min(n, most), nil
}

// textParam reads a text of the query, of at most most bytes. Errors:
// CodeBadArgument.
func (c *call) textParam(name string, most int) (string, error) {
	text := c.query.Get(name)
	if len(text) > most {
		return "", research.Errorf(research.CodeBadArgument, "give at most "+strconv.Itoa(most)+" bytes",
			"%s has %d bytes", name, len(text))
	}

	return text, nil
}

// wordParam reads one of the words from the query, the first if it is left out.
// Errors: CodeBadArgument.
func (c *call) wordParam(name string, words ...string) (string, error) {
	text := cmp.Or(c.query.Get(name), words[0])
	if slices.Contains(words, text) {
		return text, nil
	}

	return "", research.Errorf(research.CodeBadArgument, "use "+strings.TrimPrefix(strings.Join(words, ", "), ", "),
		"%s is %q", name, excerpt(text))
}

// excerpt is a text of the client's as an error may show it: no control
// characters, not long.
func excerpt(text string) string { return wording.ClipBytes(render.Clean(text), 200) }
