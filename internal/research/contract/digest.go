package contract

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"ratchet/internal/research"
)

// Digest is the contract's identity: hex SHA-256 over the canonical JSON of
// the program. Comments, the order of keys, the order inside lists and the
// spelling of equal values (300s, 5m) don't change it; every enforced value
// does. The name is left out: it says which campaign is meant, not what is
// enforced, and its default differs between two worktrees of one repository.
func (p Program) Digest() string {
	p.Name = ""

	// Older contracts lack these keys and must keep their digests.
	if p.Assumptions == AssumeModel {
		p.Assumptions = ""
	}

	if p.Stall == DefaultStall() {
		p.Stall = Stall{}
	}

	// The order inside lists means nothing.
	p.Edit = slices.Sorted(slices.Values(p.Edit))
	p.Hands = slices.Sorted(slices.Values(p.Hands)) // nil stays nil: contracts without the key keep their digests
	p.Env = slices.Sorted(slices.Values(p.Env))
	p.Reads = slices.Sorted(slices.Values(p.Reads))
	p.Writes = slices.Sorted(slices.Values(p.Writes))
	p.Guards = slices.SortedFunc(slices.Values(p.Guards), func(a, b Guard) int { return cmp.Compare(a.Name, b.Name) })

	if p.Carry != nil { // nil, an absent key, differs from an empty list
		p.Carry = append([]string{}, p.Carry...)
		slices.Sort(p.Carry)
	}

	p.Notify = slices.Clone(p.Notify)
	for i := range p.Notify {
		p.Notify[i].On = slices.Sorted(slices.Values(p.Notify[i].On))
	}

	// Only noise: auto treats a given min_gain otherwise than the default.
	p.Metric.MinGainSet = p.Metric.MinGainSet && p.Metric.Noise == research.NoiseAuto

	text, err := json.Marshal(p)
	if err != nil { // a Program holds only text and finite numbers
		panic("research: encode the program: " + err.Error())
	}

	sum := sha256.Sum256(text)

	return hex.EncodeToString(sum[:])
}
