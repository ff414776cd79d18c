package report

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// tableRule is the line under a table's head.
var tableRule = regexp.MustCompile(`^\|( --- \|)+$`)

// checkMarkdown reads visible Markdown, line by line.
func (c *checker) checkMarkdown(text string) error {
	for _, line := range strings.Split(text, "\n") {
		if !tableRule.MatchString(line) {
			if err := c.readMarkdownLine(line); err != nil {
				return err
			}
		}

		c.line++
	}

	c.line--
	if len(c.binds) > 0 {
		return lineError(c.line, "nothing stands here any more for %s: a figure was removed",
			describeBinding(c.binds[0]))
	}

	return nil
}

// readMarkdownLine reads one line: its mark, then words and bound pieces in turn.
func (c *checker) readMarkdownLine(line string) error {
	begin, end := 0, len(line)
	for _, mark := range []string{"# ", "## ", "- ", "| "} {
		if strings.HasPrefix(line, mark) {
			begin = len(mark)
		}
	}

	if strings.HasPrefix(line, "| ") {
		end = len(strings.TrimSuffix(line, " |"))
	}

	for i := begin; i < end; {
		n, err := c.readMarkdownPiece(line[:end], i)
		if err != nil {
			return err
		}
		i += n
	}

	return c.finishBlock()
}

// readMarkdownPiece reads what begins at line[i], and says how long it is.
func (c *checker) readMarkdownPiece(line string, i int) (int, error) {
	rest := line[i:]
	switch r, size := utf8.DecodeRuneInString(rest); {
	case r == '“':
		return c.readMarkdownHeld(rest, size, "”", escapeMarkdown)
	case r == '`':
		inner, _, _ := strings.Cut(rest[size:], "`")
		if isCommand(inner) && c.peekBinding() != inner {
			return size + len(inner) + 1, nil
		}

		return c.readMarkdownHeld(rest, size, "`", func(s string) string { return s })
	case strings.HasPrefix(rest, "**"):
		return 2, nil
	case strings.HasPrefix(rest, " | ") && strings.HasPrefix(line, "| "):
		c.words.WriteByte(' ')
		return 3, nil
	case isNumeric(r) || c.beginsFigure(line, i):
		return c.readMarkdownFigure(line, i)
	default:
		return size, c.readWords(rest[:size])
	}
}

// isCommand says whether a code span is a command to type, which no record holds.
func isCommand(code string) bool {
	return strings.HasPrefix(code, "ratchet ") && wordsError(code) == ""
}

// peekBinding derives the text of the next binding without taking it, "" if there is none.
func (c *checker) peekBinding() string {
	if len(c.binds) == 0 {
		return ""
	}

	if c.peeked != c.binds[0] {
		c.peeked = c.binds[0]
		c.peekText, _ = resolveBinding(c.src, c.facts, c.peeked)
	}

	return c.peekText
}

// takeBinding takes the next binding.
func (c *checker) takeBinding(stands string) (bound, want string, err error) {
	if len(c.binds) == 0 {
		return "", "", lineError(c.line, "%q has no binding: it was added", stands)
	}
	bound, c.binds, c.peeked = c.binds[0], c.binds[1:], ""
	want, err = c.deriveText(bound)

	return bound, want, err
}

// readMarkdownHeld reads a quotation or name: what stands up to the mark that ends it.
func (c *checker) readMarkdownHeld(rest string, size int, end string, written func(string) string) (int, error) {
	stands, _, ok := strings.Cut(rest[size:], end)
	if !ok {
		return 0, lineError(c.line, "%q is not closed", rest)
	}

	bound, want, err := c.takeBinding(stands)
	if err == nil && stands != written(want) {
		err = c.mismatchError(stands, bound, want)
	}
	c.words.WriteByte(' ')

	return size + len(stands) + len(end), err
}

// beginsFigure says whether the next figure, which begins with a letter, stands at line[i].
func (c *checker) beginsFigure(line string, i int) bool {
	if i > 0 && !canPrecedeFigure(rune(line[i-1])) {
		return false
	}
	want := c.peekBinding()

	return want != "" && strings.HasPrefix(line[i:], escapeMarkdown(want)) && strings.ContainsFunc(want, isNumeric)
}

// readMarkdownFigure reads a figure, which must stand there whole and alone.
func (c *checker) readMarkdownFigure(line string, i int) (int, error) {
	stands, _, _ := strings.Cut(line[i:], " ")

	bound, want, err := c.takeBinding(stands)
	if err != nil {
		return 0, err
	}
	written := escapeMarkdown(want)
	after, whole := strings.CutPrefix(line[i:], written)
	before := i == 0 || canPrecedeFigure(rune(line[i-1]))

	follows, _ := utf8.DecodeRuneInString(after)
	if !whole || !before || after != "" && !canFollowFigure(follows) {
		from := strings.LastIndexByte(line[:i], ' ') + 1
		return 0, c.mismatchError(excerpt(line[from:], len(written)+i-from), bound, want)
	}
	c.words.WriteByte(' ')

	return len(written), nil
}

// excerpt is the beginning of s, up to the end of the word that n lies in.
func excerpt(s string, n int) string {
	if n >= len(s) {
		return s
	}

	if i := strings.IndexByte(s[n:], ' '); i >= 0 {
		return s[:n+i]
	}

	return s
}
