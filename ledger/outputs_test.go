package ledger_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ratchet/internal/research"
	"ratchet/ledger"
)

func TestOutputs(t *testing.T) {
	l := fresh(t)
	for _, data := range []string{"", "ns_per_op: 812.25\n", strings.Repeat("x", 1<<20)} {
		d, err := l.PutOutput([]byte(data))
		if err != nil {
			t.Fatal(err)
		}

		if again, err := l.PutOutput([]byte(data)); again != d || err != nil {
			t.Errorf("stored again: %q, %v, want %q", again, err, d)
		}

		if got, err := l.Output(d); string(got) != data || err != nil {
			t.Errorf("%d bytes came back as %d, %v", len(data), len(got), err)
		}

		if _, err := os.Stat(filepath.Join(l.Dir(), "outputs", d[:2], d)); err != nil {
			t.Error(err)
		}
	}
}

func TestOutputErrors(t *testing.T) {
	l := fresh(t)

	d, err := l.PutOutput([]byte("secret"))
	if err != nil {
		t.Fatal(err)
	}

	for _, bad := range []string{"", "..", "../../../etc/passwd", d[:63], strings.ToUpper(d), d + "0"} {
		_, err := l.Output(bad)
		wantError(t, err, research.CodeBadArgument)
		wantError(t, l.Redact(bad), research.CodeBadArgument)
	}

	path := filepath.Join(l.Dir(), "outputs", d[:2], d)
	if err := os.WriteFile(path, []byte("secreT"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = l.Output(d)
	wantError(t, err, research.CodeLedger, d[:12])

	for range 2 {
		if err := l.Redact(d); err != nil {
			t.Error(err)
		}
	}
	_, err = l.Output(d)
	wantError(t, err, research.CodeNotFound, d[:12])
}

func TestOutputRetention(t *testing.T) {
	l, err := ledger.Open(filepath.Join(t.TempDir(), "ledger.db"), ledger.Options{Quota: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	var digests []string

	store := func(fill byte, n int) string {
		d, err := l.PutOutput(bytes.Repeat([]byte{fill}, n))
		if err != nil {
			t.Fatal(err)
		}

		return d
	}
	for i := range 10 {
		d := store(byte(i), 1000)
		digests = append(digests, d)

		at := epoch.Add(time.Duration(i) * time.Minute)
		if err := os.Chtimes(filepath.Join(l.Dir(), "outputs", d[:2], d), at, at); err != nil {
			t.Fatal(err)
		}
	}
	store(0, 1000) // the oldest is stored again, and so is the newest now

	last := store(99, 500)
	for i, d := range append(digests, last) {
		_, err := l.Output(d)
		if gone := i == 1 || i == 2; gone != (code(err) == research.CodeNotFound) {
			t.Errorf("output %d: %v, want it gone: %v", i, err, gone)
		}
	}

	if got, err := l.Output(store(7, 20_000)); len(got) != 20_000 || err != nil {
		t.Errorf("an output above the quota was not kept: %d bytes, %v", len(got), err)
	}
}
