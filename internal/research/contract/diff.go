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
// compared: they differ at most in the totals, in who decides and how edits are
// searched, and in who is told.
func HaveComparableRuns(was, now Program) bool {
	for _, p := range []*Program{&was, &now} {
		p.Campaign, p.Parallel, p.Search, p.Assumptions, p.Decide, p.Notify, p.Stall = CampaignLimit{}, 0, "", "", "",
			nil, Stall{}
	}

	return len(ListChanges(was, now)) == 0
}

// ListChanges are the keys in which two contracts differ, in alphabetical order.
func ListChanges(was, now Program) (out []Change) {
	old, new := encodeKeys(was), encodeKeys(now)
	all := maps.Clone(old)
	maps.Copy(all, new)

	for _, k := range slices.Sorted(maps.Keys(all)) {
		if a, b := string(old[k]), string(new[k]); a != b {
			out = append(out, Change{k, a, b})
		}
	}

	return out
}

func encodeKeys(p Program) map[string]json.RawMessage {
	if p.Stall == DefaultStall() { // as in contracts of before the key
		p.Stall = Stall{}
	}
	var m map[string]json.RawMessage

	b, err := json.Marshal(p)
	if err == nil {
		err = json.Unmarshal(b, &m)
	}

	if err != nil {
		panic(err) // a Program always encodes
	}

	return m
}

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
		if l[0] != ' ' || leadsToChange(lines[i:]) {
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
