package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"strings"
)

// A privateWord is one that a reader of Ratchet's output would have to be told, or would
// not use today, with what to say instead.
type privateWord struct {
	pattern *regexp.Regexp
	instead string
}

func newPrivateWord(pattern, instead string) privateWord {
	return privateWord{regexp.MustCompile(pattern), instead}
}

// privateWords are kept out of every sentence that a person or a model reads.
var privateWords = []privateWord{
	newPrivateWord(`stopped by (%s|%v|price|looks|futility|cap|screen)|stopped at the screen`,
		"why the runs ended: rules.Judgement.Describe has the words"),
	newPrivateWord(`%\.?[0-9]*[ge] ?%%`, "wording.Metric: a percentage has no exponent"),
	newPrivateWord(`(?i)\bmend(s|ed|ing)?\b`, "fix"),
	newPrivateWord(`(?i)\banew\b`, "again"),
	newPrivateWord(`(?i)\bwhoever\b`, "anyone who, or the process that"),
	newPrivateWord(`(?i)\b(what|which) keeps? (it|them) from\b`, "why not"),
	newPrivateWord(`(?i)\bis worth what\b`, "the gain is"),
	newPrivateWord(`(?i)\b(holds|tells) nobody\b`, "what happens instead"),
	newPrivateWord(`(?i)\bnobody is\b`, "no person is, no process is"),
	newPrivateWord(`(?i)\b(is|was) another (since|than)\b`, "has changed"),
	newPrivateWord(`(?i)\b(numbers|records|tokens|runs) of before\b`, "earlier"),
	newPrivateWord(`(?i)\blooks on\b`, "can read"),
	newPrivateWord(`(?i)\bspeaks of\b`, "mentions"),
	newPrivateWord(`(?i)\b(here|there|where)(of|upon|unto)\b|\b(thither|whither|hence|thence|whence)\b`, "a plain word"),
	newPrivateWord(`(?i)\bno plain file\b`, "not a regular file"),
	newPrivateWord(`(?i)\bincumbent is another\b`, "the incumbent has changed"),
}

// CheckWords names the private words in the sentences of a file: in the texts of Go code
// (which have a blank or a verb in them; a stored kind has neither), and everywhere in
// other files.
func CheckWords(path string, src []byte) (faults []string) {
	check := func(line int, text string) {
		for _, word := range privateWords {
			if found := word.pattern.FindString(text); found != "" {
				faults = append(faults, fmt.Sprintf("%s:%d says %q; say: %s", path, line, found, word.instead))
			}
		}
	}

	if !strings.HasSuffix(path, ".go") {
		for i, line := range strings.Split(string(src), "\n") {
			check(i+1, line)
		}

		return faults
	}

	fset := token.NewFileSet()

	file, err := parser.ParseFile(fset, path, src, 0)
	if err != nil {
		return []string{err.Error()}
	}

	ast.Inspect(file, func(node ast.Node) bool {
		literal, ok := node.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return true
		}

		if text, err := strconv.Unquote(literal.Value); err == nil && strings.ContainsAny(text, " %") {
			check(fset.Position(literal.Pos()).Line, text)
		}

		return true
	})

	return faults
}
