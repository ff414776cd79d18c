package research

import (
	"slices"
	"strings"
)

// ContractDiff shows what differs between two contracts as lines of the program's
// YAML, each after a sign: '-' was, '+' is, ' ' the key that a changed line
// belongs to. A key that is not there has its default. "" where nothing differs.
func ContractDiff(was, now Program) string {
	changes := Changes(was, now)
	if len(changes) == 0 {
		return ""
	}
	lines := diffLines(contractLines(was), contractLines(now))
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

// contractLines is the front matter without what explains it.
func contractLines(p Program) []string {
	w := &renderer{bare: true}
	w.contract(p)
	return strings.Split(strings.TrimSuffix(w.String(), "\n"), "\n")
}

// diffLines are the lines of both, in order, by the longest common subsequence.
func diffLines(a, b []string) (out []string) {
	common := make([][]int, len(a)+1) // of a[i:] and b[j:]
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i, x := range slices.Backward(a) {
		for j, y := range slices.Backward(b) {
			if common[i][j] = max(common[i+1][j], common[i][j+1]); x == y {
				common[i][j] = common[i+1][j+1] + 1
			}
		}
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			out = append(out, " "+a[i])
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			out = append(out, "-"+a[i])
			i++
		default:
			out = append(out, "+"+b[j])
			j++
		}
	}
	return out
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
