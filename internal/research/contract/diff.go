package contract

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff"
)

// Change is a key of the contract whose value differs, both as JSON; "" where
// the key is missing.
type Change struct{ Key, Was, Now string }

// HaveComparableRuns says whether runs under two contracts give numbers that can be
// compared: the contracts differ at most in the totals, in who decides, in how edits
// are searched and in who gets notices.
func HaveComparableRuns(was, now Program) bool {
	for _, program := range []*Program{&was, &now} {
		program.Campaign, program.Stall, program.Notify = CampaignLimit{}, Stall{}, nil
		program.Search, program.Assumptions, program.Decide = "", "", ""
		program.Parallel = 0
	}

	return len(ListChanges(was, now)) == 0
}

// ListChanges are the keys in which two contracts differ, in alphabetical order.
func ListChanges(was, now Program) (changes []Change) {
	oldKeys, newKeys := encodeKeys(was), encodeKeys(now)

	all := maps.Clone(oldKeys)
	maps.Copy(all, newKeys)

	for _, key := range slices.Sorted(maps.Keys(all)) {
		before, after := string(oldKeys[key]), string(newKeys[key])
		if before != after {
			changes = append(changes, Change{key, before, after})
		}
	}

	return changes
}

// encodeKeys are a contract's keys with their values as JSON.
func encodeKeys(program Program) map[string]json.RawMessage {
	if program.Stall == DefaultStall() { // contracts from before the key have the zero value
		program.Stall = Stall{}
	}

	var values map[string]json.RawMessage

	text, err := json.Marshal(program)
	if err == nil {
		err = json.Unmarshal(text, &values)
	}

	if err != nil {
		panic(err) // a Program always encodes
	}

	return values
}

// RenderDiff shows what differs between two contracts as lines of the program's
// YAML, each after a sign: '-' was, '+' is, ' ' the key that a changed line
// belongs to. A key that is not there has its default. "" where nothing differs.
func RenderDiff(was, now Program) string {
	changes := ListChanges(was, now)
	if len(changes) == 0 {
		return ""
	}

	var out strings.Builder
	lines := diffLines(contractText(was), contractText(now))

	for i, line := range lines {
		if line[0] != ' ' || leadsToChange(lines[i:]) {
			out.WriteString(line + "\n")
		}
	}

	if out.Len() > 0 {
		return out.String()
	}

	// The difference does not show as YAML, so it is given in the ledger's words.
	for _, c := range changes {
		out.WriteString("- " + c.Key + ": " + c.Was + "\n+ " + c.Key + ": " + c.Now + "\n")
	}

	return out.String()
}

// contractText is the front matter without what explains it.
func contractText(p Program) string {
	w := &renderer{bare: true}
	w.writeContract(p)

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

// leadsToChange says whether the first line is the key above a line that changed.
func leadsToChange(lines []string) bool {
	depth := indent(lines[0])

	for _, line := range lines[1:] {
		switch {
		case indent(line) <= depth:
			return false
		case line[0] != ' ':
			return true
		}
	}

	return false
}

func indent(signed string) int { return len(signed) - len(strings.TrimLeft(signed[1:], " ")) }
