package foreign_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"ratchet/internal/foreign"
)

// FuzzRead: whatever the bytes, every format reads them all, and gives them back.
func FuzzRead(f *testing.F) {
	err := filepath.WalkDir("testdata", func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "said.txt" || d.Name() == "fuzz" {
			return err
		}
		b, err := os.ReadFile(p)
		f.Add(filepath.ToSlash(p), b)

		return err
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("x", []byte("commit\tstatus\tdescription\n\t\t\n"))
	f.Add("x", []byte("#\t\n\t\n"))
	f.Add("x", []byte("[{\"run\":1}]\n[\n]\n{}"))
	f.Fuzz(func(t *testing.T, path string, text []byte) {
		detected, err := foreign.DetectFormat(path, text[:min(len(text), foreign.HeadBytes)])

		known := false
		for _, format := range foreign.AllFormats() {
			known = known || format.Name == detected.Name
			var joined []byte

			if err := format.ReadItems(path, bytes.NewReader(text), func(i foreign.Item) error {
				joined = append(joined, i.Text...)
				return nil
			}); err != nil {
				t.Fatal(err)
			}

			if !bytes.Equal(joined, text) {
				t.Fatalf("%s: %d bytes of %d", format.Name, len(joined), len(text))
			}
		}

		if (err == nil) != known {
			t.Fatalf("detected %q: %v", detected.Name, err)
		}
	})
}
