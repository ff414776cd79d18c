package contract

import (
	"encoding/json"
	"maps"
	"slices"
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
	old, new := keys(was), keys(now)
	all := maps.Clone(old)
	maps.Copy(all, new)

	for _, k := range slices.Sorted(maps.Keys(all)) {
		if a, b := string(old[k]), string(new[k]); a != b {
			out = append(out, Change{k, a, b})
		}
	}

	return out
}

func keys(p Program) map[string]json.RawMessage {
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
