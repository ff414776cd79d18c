package history_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"ratchet/internal/research/history"
)

const campaign = "sort-speed"

// memory holds the states and index entries of one campaign as a ledger does:
// states are JSON, other entries are their value in words.
type memory struct {
	t       *testing.T
	entries map[string][]byte
}

// newMemory begins a campaign in which no session has joined.
func newMemory(t *testing.T) *memory {
	t.Helper()

	m := &memory{t: t, entries: map[string][]byte{}}
	r := record(t, history.KindCampaignStarted, history.CampaignStart{Start: "start"})
	r.Time, r.Campaign = time.Time{}, campaign

	if err := m.apply(r); err != nil {
		t.Fatal(err)
	}

	return m
}

// name is a key in words: index, names and numbers.
func name(key history.Key) string {
	parts := append([]string{string(key.Index)}, key.Names...)
	for _, n := range key.Numbers {
		parts = append(parts, fmt.Sprint(n))
	}

	return strings.Join(parts, " ")
}

func (m *memory) State(key history.Key, into any) (exists bool, err error) {
	stored := m.Value(key)
	if stored == nil {
		return false, nil
	}

	return true, json.Unmarshal(stored, into)
}

func (m *memory) Value(key history.Key) []byte { return m.entries[name(key)] }

// apply stores what a record changes; nothing of one that is refused.
func (m *memory) apply(r history.Record) error {
	change, err := history.Load(r, m)
	if err != nil {
		return err
	}

	if err := history.Fold(change, r); err != nil {
		return err
	}

	entries, err := change.IndexEntries(r)
	if err != nil {
		return err
	}
	next := maps.Clone(m.entries)

	for _, s := range change.States(r) {
		stored, err := json.Marshal(s.Value)
		if err != nil {
			m.t.Fatal(err)
		}
		next[name(s.Key)] = stored
	}

	for _, e := range entries {
		if e.Once && next[name(e.Key)] != nil {
			return history.NumberTaken(r.Kind, int(e.Numbers[0]))
		}

		next[name(e.Key)] = []byte(fmt.Sprint(e.Value))
		if e.Removed {
			delete(next, name(e.Key))
		}
	}
	m.entries = next

	return nil
}

// changed are the names of the entries in which two memories differ, in order:
// +new, -removed, ~changed.
func changed(before, after map[string][]byte) string {
	var all []string

	for name, was := range before {
		switch now, ok := after[name]; {
		case !ok:
			all = append(all, "-"+name)
		case string(now) != string(was):
			all = append(all, "~"+name)
		}
	}

	for name := range after {
		if _, ok := before[name]; !ok {
			all = append(all, "+"+name)
		}
	}

	slices.Sort(all)

	return strings.Join(all, ", ")
}

func (m *memory) idea(n int) (i history.IdeaState) {
	m.t.Helper()

	key := history.Key{Index: history.IndexIdeas, Numbers: []uint64{uint64(n)}}
	if exists, err := m.State(key, &i); !exists || err != nil {
		m.t.Fatalf("idea %d: %v", n, err)
	}

	return i
}
