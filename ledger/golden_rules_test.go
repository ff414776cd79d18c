package ledger_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/ledger"
)

// Ledgers of each version of the rule: their states fold as they were stored, and every
// verdict follows from its runs by the version that its campaign began with.
func TestGoldenVerdictsFollow(t *testing.T) {
	recorded, err := os.ReadDir("testdata/rule1")
	if err != nil || len(recorded) < 5 {
		t.Fatalf("%d ledgers of the rule's second version: %v", len(recorded), err)
	}
	versions := map[string]int{"v1": rules.FirstVersion}

	for _, folder := range recorded {
		if folder.IsDir() {
			versions[filepath.Join("rule1", folder.Name())] = 1
		}
	}

	for folder, version := range versions {
		t.Run(folder, func(t *testing.T) {
			l := versioned(t, golden(t, folder), "v2.0")
			records := goldenRecordsOf(t, l, version)

			if err := history.Recompute(slices.Values(records)); err != nil {
				t.Error(err)
			}

			if _, err := l.Verify(t.Context()); err != nil {
				t.Error(err)
			}

			// A run that gave another value leads to another verdict.
			if n := alterRuns(records); n == 0 || history.Recompute(slices.Values(records)) == nil {
				t.Errorf("%d runs were altered, and every verdict still follows", n)
			}
		})
	}
}

// goldenRecordsOf reads the records of a ledger whose campaigns all have that version of
// the rule.
func goldenRecordsOf(t *testing.T, l *ledger.Ledger, version int) (records []history.Record) {
	t.Helper()

	view(t, l, func(tx *ledger.Tx) error {
		campaigns, err := tx.Campaigns()
		if err != nil {
			return err
		}

		for _, c := range campaigns {
			if c.Rule.Version != version || c.Kept == 0 {
				t.Errorf("%s: version %d of the rule, %d kept", c.Name, c.Rule.Version, c.Kept)
			}
		}

		return tx.Records(1, func(r history.Record) error {
			records = append(records, r)
			return nil
		})
	})

	return records
}

var firstSample = regexp.MustCompile(`"samples":\{"\w+":`)

// alterRuns puts another digit before the candidates' values, and says of how many runs.
func alterRuns(records []history.Record) (altered int) {
	for i, r := range records {
		if r.Kind != history.KindRunFinished || !bytes.Contains(r.Body, []byte(`"side":"candidate"`)) {
			continue
		}

		if at := firstSample.FindIndex(r.Body); at != nil {
			records[i].Body = slices.Insert(bytes.Clone(r.Body), at[1], '7')
			altered++
		}
	}

	return altered
}
