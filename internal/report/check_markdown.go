package report

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// tableRule is the line under a table's head.
var tableRule = regexp.MustCompile(`^\|( --- \|)+$`)

// markdown reads visible Markdown, line by line.
func (c *checker) markdown(text string) error {
	for _, line := range strings.Split(text, "\n") {
		if !tableRule.MatchString(line) {
			if err := c.markdownLine(line); err != nil {
				return err
			}
		}

		c.line++
	}

	c.line--
	if len(c.binds) > 0 {
		return wrong(c.line, "nothing stands here any more for %s: a figure was removed", about(c.binds[0]))
	}

	return nil
}

// markdownLine reads one line: its mark, then words and bound pieces in turn.
func (c *checker) markdownLine(line string) error {
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
		n, err := c.markdownPiece(line[:end], i)
		if err != nil {
			return err
		}
		i += n
	}

	return c.ended()
}

// markdownPiece reads what begins at line[i], and says how long it is.
func (c *checker) markdownPiece(line string, i int) (int, error) {
	rest := line[i:]
	switch r, size := utf8.DecodeRuneInString(rest); {
	case r == '“':
		return c.markdownHeld(rest, size, "”", markdownText)
	case r == '`':
		inner, _, _ := strings.Cut(rest[size:], "`")
		if isCommand(inner) && c.peek() != inner {
			return size + len(inner) + 1, nil
		}

		return c.markdownHeld(rest, size, "`", func(s string) string { return s })
	case strings.HasPrefix(rest, "**"):
		return 2, nil
	case strings.HasPrefix(rest, " | ") && strings.HasPrefix(line, "| "):
		c.words.WriteByte(' ')
		return 3, nil
	case numeric(r) || c.begins(line, i):
		return c.markdownFigure(line, i)
	default:
		return size, c.plain(rest[:size])
	}
}

// isCommand says whether a code span is a command to type, which no record holds.
func isCommand(code string) bool {
	return strings.HasPrefix(code, "ratchet ") && wordsError(code) == ""
}

// peek is what the next binding stands for, "" if nothing.
func (c *checker) peek() string {
	if len(c.binds) == 0 {
		return ""
	}

	if c.peeked != c.binds[0] {
		c.peeked = c.binds[0]
		c.peekText, _ = resolve(c.src, c.facts, c.peeked)
	}

	return c.peekText
}

// next takes the next binding.
func (c *checker) next(stands string) (bound, want string, err error) {
	if len(c.binds) == 0 {
		return "", "", wrong(c.line, "%q has no binding: it was added", stands)
	}
	bound, c.binds, c.peeked = c.binds[0], c.binds[1:], ""
	want, err = c.expect(bound)

	return bound, want, err
}

// markdownHeld reads a quotation or name: what stands up to the mark that ends it.
func (c *checker) markdownHeld(rest string, size int, end string, written func(string) string) (int, error) {
	stands, _, ok := strings.Cut(rest[size:], end)
	if !ok {
		return 0, wrong(c.line, "%q is not closed", rest)
	}

	bound, want, err := c.next(stands)
	if err == nil && stands != written(want) {
		err = c.differs(stands, bound, want)
	}
	c.words.WriteByte(' ')

	return size + len(stands) + len(end), err
}

// begins says whether the next figure, which begins with a letter, stands at line[i].
func (c *checker) begins(line string, i int) bool {
	if i > 0 && !opens(rune(line[i-1])) {
		return false
	}
	want := c.peek()

	return want != "" && strings.HasPrefix(line[i:], markdownText(want)) && strings.ContainsFunc(want, numeric)
}

// markdownFigure reads a figure, which must stand there whole and alone.
func (c *checker) markdownFigure(line string, i int) (int, error) {
	stands, _, _ := strings.Cut(line[i:], " ")

	bound, want, err := c.next(stands)
	if err != nil {
		return 0, err
	}
	written := markdownText(want)
	after, whole := strings.CutPrefix(line[i:], written)
	before := i == 0 || opens(rune(line[i-1]))

	follows, _ := utf8.DecodeRuneInString(after)
	if !whole || !before || after != "" && !closes(follows) {
		from := strings.LastIndexByte(line[:i], ' ') + 1
		return 0, c.differs(excerpt(line[from:], len(written)+i-from), bound, want)
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
