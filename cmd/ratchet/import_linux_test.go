package main_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ratchet/internal/testform"
)

// Every sample of every format goes into a ledger through the real binary, and
// comes out of it byte for byte.
func TestImportRoundTrip(t *testing.T) {
	testform.SkipQuick(t, "internal/export: TestImportedFileComesBack")
	t.Parallel()
	s := newSite(t)
	s.sh(ratchet, "call", "start_campaign")
	s.sh(ratchet, "call", "wait_run", `{"id": "c1"}`)

	samples, err := filepath.Abs("../../internal/foreign/testdata")
	if err != nil {
		t.Fatal(err)
	}
	n := 0

	err = filepath.WalkDir(samples, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "said.txt" || strings.Contains(file, "/fuzz/") {
			return err
		}

		n++
		var got struct {
			Source             string
			Lines, Added, Runs int
		}

		out := s.sh(ratchet, "--json", "import", file)
		if err := json.Unmarshal([]byte(out), &got); err != nil || got.Lines == 0 || got.Added != got.Lines {
			t.Errorf("%s: %v: %s", file, err, out)
		}

		want, err := os.ReadFile(file)
		if err != nil {
			return err
		}

		if back := s.sh(ratchet, "export", "--format", "imported", "--source", got.Source); back != string(want) {
			t.Errorf("%s came back as\n%s", file, back)
		}

		return nil
	})
	if err != nil || n < 20 {
		t.Fatalf("%d samples: %v", n, err)
	}
	s.sh(ratchet, "verify")
}
