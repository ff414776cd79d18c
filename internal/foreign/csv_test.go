package foreign_test

import (
	"strings"
	"testing"

	"ratchet/internal/foreign"
)

// Tables with commas or semicolons are read as the same tables with tabs.
func TestCommaSeparatedTables(t *testing.T) {
	for name, c := range map[string]struct {
		text, columns string
		format        string
		want          []string
	}{
		"karpathy's columns, quoted": {"commit,val_bpb,memory_gb,status,description\n" +
			"aaaaaa1,0.99,44.0,keep,\"start, as it is\"\naaaaaa2,0.000000,0.0,crash,\"say \"\"wider\"\"\"\n", "", "karpathy",
			[]string{"val_bpb 0.99 keep start, as it is", `val_bpb - crash say "wider"`}},
		"semicolons, CRLF and a byte order mark": {"\ufeffrun;latency_ms;status;notes\r\n1;12.5;keep;a, b\r\n2;11.0;discard;c\r\n",
			"", "table", []string{"latency_ms 12.5 keep a, b", "latency_ms 11 discard c"}},
		"columns that a person names": {"id,alpha,omega,status,notes\n1,0.5,7,keep,x\n", "metric=omega,status=status,note=notes", "table",
			[]string{"omega 7 keep x"}},
		"a comment first, a tab in a field": {"# sweep of today\nrun,accuracy,status,notes\n1,0.5,keep,a\tb\n", "", "table",
			[]string{"accuracy 0.5 keep a b"}},
		"quotation marks that don't close": {"run,accuracy,status,notes\n1,0.5,keep,x\n2,0.6,keep,\"over\n3,0.7,keep,y\n", "", "table",
			[]string{"accuracy 0.5 keep x", "broken", "accuracy 0.7 keep y"}},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := foreign.DetectFormat("results.csv", []byte(c.text))
			if c.columns != "" {
				columns, parseErr := foreign.ParseColumns(c.columns)
				if parseErr != nil {
					t.Fatal(parseErr)
				}
				f, err = foreign.UseColumns("results.csv", []byte(c.text), columns)
			}

			if err != nil {
				t.Fatal(err)
			}

			var got []string

			for _, item := range readItems(t, f, "results.csv", []byte(c.text)) {
				switch item.Kind {
				case foreign.Run:
					got = append(got, describeRun(item))
				case foreign.Broken:
					got = append(got, "broken")
				}
			}

			if f.Name != c.format || strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("%s gives\n%s\nwant\n%s", f.Name, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// Text with commas in it is no table.
func TestCommasAlone(t *testing.T) {
	for _, text := range []string{"first we tried this, then that, and it was slower\nno gain, reverted\n",
		"{\"metric\": 1, \"status\": 2, \"note\": 3}\n", "1,2,3\n4,5,6\n", "a,b\n1,2\n"} {
		if f, err := foreign.DetectFormat("notes.txt", []byte(text)); err == nil && f.Name == "table" {
			t.Errorf("%q is taken for a table", text)
		}
	}
}
