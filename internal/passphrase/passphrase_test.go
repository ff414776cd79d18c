package passphrase_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ratchet/internal/passphrase"
	"ratchet/internal/research"
)

const right = "four words and more"

// clock is a clock that the test moves.
type clock struct{ now time.Time }

func newLock(t *testing.T) (passphrase.Lock, *clock) {
	t.Helper()
	c := &clock{now: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)}
	l := passphrase.Lock{Path: filepath.Join(t.TempDir(), "ratchet", "passphrase.json"),
		Now: func() time.Time { return c.now }, MemoryKiB: 64}

	if err := l.Set(right); err != nil {
		t.Fatal(err)
	}

	return l, c
}

func wantLocked(t *testing.T, what string, err error) {
	t.Helper()
	if !research.HasCode(err, research.CodeLocked) {
		t.Errorf("%s: %v, want it locked", what, err)
	}
}

func TestCheck(t *testing.T) {
	l, c := newLock(t)

	if err := l.Check(right); err != nil {
		t.Fatal(err)
	}
	wantLocked(t, "none given", l.Check(""))
	wantLocked(t, "a wrong one", l.Check("four words and less"))
	wantLocked(t, "the right one at once after a wrong one", l.Check(right))

	c.now = c.now.Add(time.Second)
	if err := l.Check(right); err != nil {
		t.Errorf("a second later: %v", err)
	}
}

// TestWrongOnesAreDelayed holds that each further guess waits twice as long, to a limit
// that a person can sit out.
func TestWrongOnesAreDelayed(t *testing.T) {
	l, c := newLock(t)

	for _, delay := range []time.Duration{1, 2, 4, 8} {
		wantLocked(t, "a guess", l.Check("guess guess"))
		c.now = c.now.Add(delay*time.Second - time.Millisecond)
		wantLocked(t, "too early", l.Check(right))
		c.now = c.now.Add(time.Millisecond)
	}

	if err := l.Check(right); err != nil {
		t.Fatal(err)
	}
	wantLocked(t, "a guess", l.Check("guess guess"))
	c.now = c.now.Add(time.Second)

	if err := l.Check(right); err != nil {
		t.Errorf("a right one does not take the delays back: %v", err)
	}
}

// TestGuessesAtOnce holds that guesses side by side are not counted as one.
func TestGuessesAtOnce(t *testing.T) {
	l, _ := newLock(t)
	var looked atomic.Int32 // guesses that were compared, and not sent away
	var all sync.WaitGroup

	for range 8 {
		all.Go(func() {
			err := l.Check("guess guess")
			if err != nil && strings.Contains(err.Error(), "not the passphrase") {
				looked.Add(1)
			}
		})
	}
	all.Wait()

	if n := looked.Load(); n != 1 {
		t.Errorf("%d guesses were compared at one time", n)
	}
}

func TestFile(t *testing.T) {
	l, _ := newLock(t)

	text, err := os.ReadFile(l.Path)
	if err != nil {
		t.Fatal(err)
	}

	if strings.Contains(string(text), "words") {
		t.Errorf("the passphrase stands in the file: %s", text)
	}

	if info, _ := os.Stat(l.Path); info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v", info.Mode())
	}

	// A file that can't be trusted lets nobody through.
	for name, spoil := range map[string]func() error{
		"others may write it": func() error { return os.Chmod(l.Path, 0o666) },
		"emptied":             func() error { return os.WriteFile(l.Path, nil, 0o600) },
		"no hash":             func() error { return os.WriteFile(l.Path, []byte("{}"), 0o600) },
		"a link": func() error {
			_ = os.Remove(l.Path)
			return os.Symlink(os.DevNull, l.Path)
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := spoil(); err != nil {
				t.Fatal(err)
			}

			if err := l.Check(right); !research.HasCode(err, research.CodeStorage) {
				t.Errorf("%v", err)
			}
			_ = os.Remove(l.Path)

			if err := l.Set(right); err != nil {
				t.Fatal(err)
			}
		})
	}

	if err := l.Remove(); err != nil {
		t.Fatal(err)
	}

	if err := l.Check(""); err != nil {
		t.Errorf("without a passphrase: %v", err)
	}

	if err := l.Set("short"); !research.HasCode(err, research.CodeBadArgument) {
		t.Errorf("a short one: %v", err)
	}
}
