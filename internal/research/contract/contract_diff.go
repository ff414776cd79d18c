package contract

import (
	"strings"

	"github.com/aymanbagabas/go-udiff"
)

// RenderDiff shows what differs between two contracts as lines of the program's
// YAML, each after a sign: '-' was, '+' is, ' ' the key that a changed line
// belongs to. A key that is not there has its default. "" where nothing differs.
func RenderDiff(was, now Program) string {
	changes := ListChanges(was, now)
	if len(changes) == 0 {
		return ""
	}
	lines := diffLines(contractText(was), contractText(now))
	var b strings.Builder

	for i, l := range lines {
		if l[0] != ' ' || heads(lines[i:]) {
			b.WriteString(l + "\n")
		}
	}

	if b.Len() > 0 {
		return b.String()
	}

	for _, c := range changes { // not as YAML, so in the ledger's words
		b.WriteString("- " + c.Key + ": " + c.Was + "\n+ " + c.Key + ": " + c.Now + "\n")
	}

	return b.String()
}

// contractText is the front matter without what explains it.
func contractText(p Program) string {
	w := &renderer{bare: true}
	w.contract(p)

	return w.String()
}

// diffLines are the lines of both texts, in order, each after its sign.
func diffLines(a, b string) []string {
	diff, err := udiff.ToUnified("", "", a, udiff.Lines(a, b), len(a)+len(b)) // one hunk, with every line
	if err != nil || diff == "" {
		return nil
	}
	lines := strings.Split(strings.TrimSuffix(diff, "\n"), "\n")

	return lines[3:] // ---, +++, @@
}

// heads says whether the first line is the key above a line that changed.
func heads(lines []string) bool {
	depth := indent(lines[0])
	for _, l := range lines[1:] {
		if indent(l) <= depth {
			return false
		}

		if l[0] != ' ' {
			return true
		}
	}

	return false
}

func indent(signed string) int { return len(signed) - len(strings.TrimLeft(signed[1:], " ")) }
