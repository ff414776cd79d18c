package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"ratchet/ledger"
)

// migrateEnv makes the test binary migrate the ledger that it names.
const migrateEnv = "LEDGER_TEST_MIGRATE"

func migrator(path string) {
	l, err := ledger.Open(path, ledger.Options{Version: "v2.0"})
	fmt.Println("begun")

	if err == nil {
		err = l.View(context.Background(), func(*ledger.Tx) error { return nil })
	}

	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// A migration that is killed leaves the older ledger or the newer one, whole.
// It is tried until one was killed in time, which where processes wait for their
// turn to run can take a while.
func TestMigrationKilled(t *testing.T) {
	l := fresh(t)
	put(t, l, opening()...)
	grow(t, l, 1, 60)
	meddle(t, l, func(tx *bbolt.Tx) error { return bucket(tx, "meta").Put([]byte("format"), []byte("1")) })
	old, head := read(t, l.Path()), read(t, anchorOf(l))
	records, _ := stored(t, l.Path())
	rnd := rand.New(rand.NewPCG(3, 4))

	trials := 12
	if testing.Short() {
		trials = 4
	}

	formats := map[string]int{}
	for trial := 0; trial < trials || formats["1"] == 0 && trial < 500; trial++ {
		path := filepath.Join(t.TempDir(), "ledger.db")
		write(t, path, old)
		write(t, filepath.Join(filepath.Dir(path), "ledger.head"), head)
		cmd := exec.Command(os.Args[0])

		cmd.Env = append(os.Environ(), migrateEnv+"="+path)

		out, err := cmd.StdoutPipe()
		if err = errors.Join(err, cmd.Start()); err != nil {
			t.Fatal(err)
		}
		out.Read(make([]byte, 1))
		time.Sleep(time.Duration(trial%12*rnd.IntN(10)) * time.Millisecond)
		cmd.Process.Kill()
		cmd.Wait()
		after, format := stored(t, path)
		formats[format]++

		if !slices.EqualFunc(records, after[:len(records)], bytes.Equal) {
			t.Fatal("records were rewritten")
		}

		if rep, err := versioned(t, path, "v2.0").Verify(t.Context()); err != nil ||
			rep.Records != uint64(len(records)+1) {
			t.Errorf("trial %d, format %s: %+v, %v", trial, format, rep, err)
		}
	}
	t.Logf("formats after the kill: %v", formats)

	if formats["1"] == 0 {
		t.Error("no migration was interrupted: the test shows nothing")
	}
}
