package foreign_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/foreign"
)

// detectAndRead is the whole of a source: detected, read, joined.
func detectAndRead(t testing.TB, path string, text []byte) (foreign.Format, []foreign.Item) {
	t.Helper()

	f, err := foreign.DetectFormat(path, text[:min(len(text), foreign.HeadBytes)])
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}

	return f, readItems(t, f, path, text)
}

// readItems reads text and holds what the package promises of it.
func readItems(t testing.TB, f foreign.Format, path string, text []byte) []foreign.Item {
	t.Helper()
	var all []foreign.Item
	var joined []byte

	err := f.ReadItems(path, bytes.NewReader(text), func(i foreign.Item) error {
		all = append(all, i)

		joined = append(joined, i.Text...)
		if (i.Kind == foreign.Broken) != (i.Broken != "") || i.Kind == "" {
			t.Errorf("%s line %d: kind %q, broken %q", path, i.Number, i.Kind, i.Broken)
		}

		return nil
	})
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}

	if !bytes.Equal(joined, text) {
		t.Fatalf("%s: the items are not the source: %d bytes, not %d", path, len(joined), len(text))
	}

	return all
}

// describeItem is an item in short, for tables.
func describeItem(i foreign.Item) string {
	value := "-"
	if i.Value != nil {
		value = strings.TrimRight(strings.TrimRight(formatFixed(*i.Value), "0"), ".")
	}

	return strings.Join([]string{string(i.Kind), i.Metric, i.Better, value, i.Status, i.Commit, i.Description,
		i.Note + i.Broken}, "|")
}

// The samples are files as these programs write them, with the quirks that
// they are known for; said.txt is what is understood of each line.
func TestSamples(t *testing.T) {
	dirs, err := filepath.Glob("testdata/*/said.txt")
	if err != nil || len(dirs) < len(foreign.AllFormats()) {
		t.Fatalf("%d samples of %d formats: %v", len(dirs), len(foreign.AllFormats()), err)
	}
	seen := map[string]bool{}

	for _, golden := range dirs {
		dir := filepath.Dir(golden)
		name := filepath.Base(dir)
		t.Run(name, func(t *testing.T) {
			var file string

			err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
				if err == nil && !d.IsDir() && d.Name() != "said.txt" {
					file = p
				}

				return err
			})
			if err != nil {
				t.Fatal(err)
			}

			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			rel, _ := filepath.Rel(dir, file)
			f, all := detectAndRead(t, filepath.ToSlash(rel), text)
			seen[f.Name] = true

			got := f.Name + "\n"
			for _, i := range all {
				got += describeItem(i) + "\n"
			}

			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}

			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}

			named, ok := foreign.FindFormat(f.Name)
			if !ok || named.Name != f.Name {
				t.Errorf("the format %s can't be named", f.Name)
			}
		})
	}

	for _, f := range foreign.AllFormats() {
		if !seen[f.Name] {
			t.Errorf("no sample is %s", f.Name)
		}
	}
}

func TestUnknown(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"prose":         {"Just words.\n", "text without"},
		"other table":   {"a\tb\tc\n1\t2\t3\n", "columns a, b, c"},
		"other JSON":    {`{"hello": 1}` + "\n", "keys hello"},
		"CSV":           {"commit,alpha,beta\n1,2,3\n", "columns commit, alpha, beta"},
		"commas":        {"first this, then that, and so on\n", "text without"},
		"binary":        {"\x7fELF\x00\x01\x02", "binary"},
		"other charset": {"\xff\xfe\xfd\xfc\xfb", "binary"},
		"SQLite":        {"SQLite format 3\x00....", "sqlite3 -json"},
		"empty":         {"", "empty"},
		"blank":         {" \n\n\t\n", "empty"},
	} {
		_, err := foreign.DetectFormat("x", []byte(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}

	if _, err := foreign.DetectFormat("x", nil); !errors.Is(err, foreign.ErrEmpty) {
		t.Error(err)
	}

	if _, ok := foreign.FindFormat("excel"); ok {
		t.Error("there is a format excel")
	}
}

// A line that is too long for memory's sake is kept in parts, and what follows is understood.
func TestLongLines(t *testing.T) {
	long := strings.Repeat("x", 3*foreign.MaxLine+17)
	text := "commit\tval_bpb\tmemory_gb\tstatus\tdescription\n" + long + "\nabc\t1.5\t0\tkeep\tok\n" + long
	all := readItems(t, findFormat(t, "karpathy"), "results.tsv", []byte(text))
	last := 0
	understood := false

	for _, i := range all {
		if len(i.Text) > foreign.MaxLine+1<<16 {
			t.Errorf("line %d part %d has %d bytes", i.Number, i.Part, len(i.Text))
		}

		if i.Number < last {
			t.Errorf("line %d after %d", i.Number, last)
		}
		last = i.Number
		understood = understood || i.Number == 3 && i.Value != nil && *i.Value == 1.5
	}

	if last != 4 || !understood {
		t.Errorf("%d lines, understood %t", last, understood)
	}

	if all := readItems(t, findFormat(t, "hugoferreira"), ".research/hypotheses/H-0001.md",
		[]byte(long)); len(all) < 3 ||
		all[0].Part != 1 {
		t.Errorf("%d parts", len(all))
	}
}

func findFormat(t testing.TB, name string) foreign.Format {
	t.Helper()

	f, ok := foreign.FindFormat(name)
	if !ok {
		t.Fatalf("no format %s", name)
	}

	return f
}

func TestFolder(t *testing.T) {
	tsv := &fstest.MapFile{Data: []byte("commit\tval_bpb\tmemory_gb\tstatus\tdescription\n")}
	run := &fstest.MapFile{Data: []byte(`{"run":1,"metric":1,"status":"keep","description":""}`)}
	program := &fstest.MapFile{Data: []byte(`{"id":"a","code":"","metrics":{"combined_score":1}}`)}
	fsys := fstest.MapFS{
		"results.tsv":                     tsv,
		"README.md":                       {Data: []byte("no log")},
		"node_modules/x/results.tsv":      tsv,
		".auto/log.jsonl":                 run,
		"autoresearch.jsonl":              run,
		"legacy/autoresearch.jsonl":       run,
		"empty/results.tsv":               {Data: nil},
		"o/checkpoint_10/programs/a.json": program,
		"o/checkpoint_9/programs/a.json":  program,
		".research/config.yaml":           {Data: []byte("mode: strict\n")},
	}

	found, skipped, err := foreign.FindSources(fsys, "work")
	if err != nil {
		t.Fatal(err)
	}

	var got []string
	for _, s := range found {
		got = append(got, s.Path+" "+s.Format.Name)
	}

	for _, s := range skipped {
		got = append(got, s.Path+": "+s.Why)
	}

	want := []string{".auto/log.jsonl pi", ".research/config.yaml hugoferreira", "legacy/autoresearch.jsonl pi",
		"o/checkpoint_10/programs/a.json openevolve", "results.tsv karpathy",
		"autoresearch.jsonl: .auto/log.jsonl stands for it; import it by its name if it holds more",
		"o/checkpoint_9/programs/a.json: there is a newer checkpoint", "empty/results.tsv: it is empty"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	inside, _, err := foreign.FindSources(fstest.MapFS{"state.json": {Data: []byte("{}")}}, ".research")
	if err != nil || len(inside) != 1 {
		t.Errorf("inside .research: %v %v", inside, err)
	}
}
