package ledger_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/ledger"
)

// The test binary is its own helper: with this variable it is an appender on
// the ledger that the variable names, and prints every acknowledged record.
const helperEnv = "LEDGER_TEST_APPEND"

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(helperEnv) != "":
		appender(os.Getenv(helperEnv))
	case os.Getenv(migrateEnv) != "":
		migrator(os.Getenv(migrateEnv))
	case os.Getenv(faultEnv) != "":
		faulty(os.Getenv(faultEnv))
	case os.Getenv(diskEnv) != "":
		fullDisk(os.Getenv(diskEnv))
	case os.Getenv(operatorEnv) != "":
		if err := operate(os.Getenv(operatorEnv)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	default:
		os.Exit(m.Run())
	}
}

// appender appends experiments until its input ends; it starts with the first
// byte of the input.
func appender(path string) {
	l, err := ledger.Open(path, ledger.Options{})
	ended := make(chan bool)

	os.Stdin.Read(make([]byte, 1))
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()

	for err == nil {
		select {
		case <-ended:
			return
		default:
		}
		var last history.Record

		err = l.Update(context.Background(), func(tx *ledger.Tx) error {
			c, err := tx.Campaign(camp)
			if err != nil {
				return err
			}
			n := c.Experiments + 1

			_, err = tx.Append(proposal(n, hypothesis(n)))
			if err == nil {
				last, err = tx.Append(judged(n, research.Invalid))
			}

			return err
		})
		if err == nil {
			fmt.Println(last.Seq, last.Hash)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// process is a running appender and what it acknowledged.
type process struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	mu   sync.Mutex
	acks []string // while it runs, see acknowledged
	read sync.WaitGroup
}

// acknowledged is what was acknowledged so far.
func (p *process) acknowledged() []string {
	p.mu.Lock()
	defer p.mu.Unlock()

	return slices.Clone(p.acks)
}

func start(t *testing.T, l *ledger.Ledger) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0])}

	p.cmd.Env = append(os.Environ(), helperEnv+"="+l.Path())
	p.cmd.Stderr = os.Stderr
	p.in, _ = p.cmd.StdinPipe()

	out, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}

	if err != nil {
		t.Fatal(err)
	}
	p.read.Go(func() {
		for s := bufio.NewScanner(out); s.Scan(); {
			p.mu.Lock()
			p.acks = append(p.acks, s.Text())
			p.mu.Unlock()
		}
	})

	return p
}

func (p *process) begin() { p.in.Write([]byte{'\n'}) }

func (p *process) wait() error {
	p.read.Wait()
	return p.cmd.Wait()
}

// wantAcks wants every acknowledged record to be in the ledger, and the whole
// of it to be sound.
func wantAcks(t *testing.T, l *ledger.Ledger, acks []string) {
	t.Helper()

	rep, err := l.Verify(t.Context())
	if err != nil {
		t.Fatalf("%+v, %v", rep, err)
	}
	view(t, l, func(tx *ledger.Tx) error {
		for _, ack := range acks {
			var seq uint64

			var hash string
			if _, err := fmt.Sscan(ack, &seq, &hash); err != nil {
				continue // killed in the middle of a line
			}

			rec, err := tx.Record(seq)
			if len(hash) == 64 && (err != nil || rec.Hash != hash) {
				t.Errorf("record %d was acknowledged as %s, but is %s, %v", seq, hash, rec.Hash, err)
			}
		}

		return nil
	})
}

func TestKilledAppenders(t *testing.T) {
	l := fresh(t)
	put(t, l, opening()...)
	rnd := rand.New(rand.NewPCG(1, 2))

	var all, live []*process
	for trial := range 20 {
		for len(live) < 3 {
			p := start(t, l)
			p.begin()
			live, all = append(live, p), append(all, p)
		}
		eventually(t, "appenders append", func() bool { return acknowledged(all) > 2*trial })
		time.Sleep(time.Duration(20+rnd.IntN(60)) * time.Millisecond)
		i := rnd.IntN(len(live))
		live[i].cmd.Process.Kill()
		live = slices.Delete(live, i, i+1)
		// Nobody is locked out.
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)

		e := entry(history.KindLessonAdded, history.Lesson{N: trial + 1, Text: "still here"})
		if _, err := l.Append(ctx, e); err != nil {
			t.Fatalf("trial %d: %v", trial, err)
		}
		cancel()
	}
	var acks []string

	for _, p := range all {
		p.cmd.Process.Kill()
	}

	for _, p := range all {
		p.wait()
		acks = append(acks, p.acks...)
	}

	if len(acks) < 20 {
		t.Errorf("only %d experiments were acknowledged in all: the test shows little", len(acks))
	}
	wantAcks(t, l, acks)
}

// acknowledged is how many experiments were acknowledged to any so far.
func acknowledged(all []*process) (n int) {
	for _, p := range all {
		n += len(p.acknowledged())
	}

	return n
}

// tickets is the number of places given out at the lock so far.
func tickets(t *testing.T, l *ledger.Ledger) uint64 {
	given, _ := turns(t, l)
	return given
}

// turns are the number of places given out at the lock so far, and the place,
// from 0, that has its turn.
func turns(t *testing.T, l *ledger.Ledger) (given, serving uint64) {
	b, err := os.ReadFile(filepath.Join(l.Dir(), "ledger.lock"))
	if err != nil || len(b) < 16 {
		t.Fatalf("lock file: %v, %v", b, err)
	}

	return binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
}

// hold keeps the ledger locked until the returned function is called.
func hold(t *testing.T, l *ledger.Ledger) (release func()) {
	t.Helper()
	held, free := make(chan bool), make(chan bool)
	var done sync.WaitGroup
	done.Go(func() {
		err := l.View(context.Background(), func(*ledger.Tx) error { close(held); <-free; return nil })
		if err != nil {
			t.Error(err)
		}
	})
	<-held

	return func() { close(free); done.Wait() }
}

func TestTurnsAreInOrder(t *testing.T) {
	l := fresh(t)
	put(t, l, opening()...)
	release := hold(t, l)
	var order []int
	var all sync.WaitGroup

	for i := range 12 {
		before := tickets(t, l)
		all.Go(func() {
			err := l.View(context.Background(), func(*ledger.Tx) error { order = append(order, i); return nil })
			if err != nil {
				t.Error(err)
			}
		})

		for tickets(t, l) == before {
			time.Sleep(time.Millisecond)
		}
	}
	release()
	all.Wait()

	if !slices.IsSorted(order) || len(order) != 12 {
		t.Errorf("turns came in the order %v", order)
	}
}

func TestWaitingEndsWithItsContext(t *testing.T) {
	l := fresh(t)
	put(t, l, opening()...)
	release := hold(t, l)

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := l.Append(ctx, proposal(1, "a"))
	wantError(t, err, research.CodeCancelled)

	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the cause of %v is lost", err)
	}
	release()
	put(t, l, proposal(1, "a")) // the place given up blocks nobody
}

func TestRemovedLockFile(t *testing.T) {
	l := fresh(t)
	put(t, l, opening()...)

	if err := os.Remove(filepath.Join(l.Dir(), "ledger.lock")); err != nil {
		t.Fatal(err)
	}
	grow(t, l, 1, 1)

	if _, err := l.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

// diskEnv makes the test binary fill a small disk of its own.
const diskEnv = "LEDGER_TEST_DISK"

// TestDisk runs in a child with a mount namespace: a file system of 600 kB
// that fills up, is freed, and is made read-only.
func TestDisk(t *testing.T) {
	cmd := exec.Command(os.Args[0])

	cmd.Env = append(os.Environ(), diskEnv+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}

	out, err := cmd.CombinedOutput()
	if err != nil && (len(out) == 0 || strings.HasPrefix(string(out), "mount:")) {
		t.Skipf("no mount namespace here: %v %s", err, out)
	}

	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func fullDisk(dir string) {
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=600k"); err != nil {
		fmt.Println("mount:", err)
		os.Exit(1)
	}

	if err := fillDisk(dir); err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}

func fillDisk(dir string) error {
	ctx := context.Background()

	l, err := ledger.Open(filepath.Join(dir, "ledger.db"), ledger.Options{})
	if err != nil {
		return err
	}

	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 200<<10), 0o600); err != nil {
		return err
	}

	if _, err := l.Append(ctx, opening()...); err != nil {
		return err
	}

	n := 0
	for err == nil && n < 2000 {
		n++
		_, err = l.Append(ctx, experiment(n, hypothesis(n), "x")...)
	}

	if code(err) != research.CodeStorage || !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("filling ended with %v (code %q)", err, code(err))
	}
	full := n

	if _, err := l.PutOutput(make([]byte, 1<<20)); code(err) != research.CodeStorage {
		return fmt.Errorf("an output on a full disk gave %v", err)
	}

	if err := os.Remove(ballast); err != nil {
		return err
	}

	if _, err := l.Verify(ctx); err != nil {
		return fmt.Errorf("verify after the disk was full: %w", err)
	}

	if _, err := l.Append(ctx, experiment(full, "again", "x")...); err != nil {
		return fmt.Errorf("append after space was freed: %w", err)
	}

	if err := syscall.Mount("none", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("remount: %w", err)
	}

	if _, err := l.Append(ctx, experiment(full+1, "no", "x")...); code(err) != research.CodeStorage {
		return fmt.Errorf("append to a read-only disk gave %v", err)
	}

	if _, err := ledger.Open(filepath.Join(dir, "sub", "ledger.db"),
		ledger.Options{}); code(err) != research.CodeStorage {
		return fmt.Errorf("open on a read-only disk gave %v", err)
	}

	return nil
}

// An anchor that can't be written fails the call; repeated with its key it
// goes through, and appends nothing twice.
func TestAnchorFailure(t *testing.T) {
	l := fresh(t)
	put(t, l, opening()...)
	e := proposal(1, "a")
	e.Key = "k"
	path := filepath.Join(l.Dir(), "ledger.head")

	saved, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// Without an anchor a new one is written by way of a file, whose name is taken.
	if err := errors.Join(os.Remove(path), os.Mkdir(path+".tmp", 0o700)); err != nil {
		t.Fatal(err)
	}
	_, err = l.Append(t.Context(), e)
	wantError(t, err, research.CodeStorage, "anchor")

	if err := errors.Join(os.Remove(path+".tmp"), os.WriteFile(path, saved, 0o600)); err != nil {
		t.Fatal(err)
	}
	put(t, l, e)

	if rep, err := l.Verify(t.Context()); err != nil || rep.Records != 6 || rep.Anchor != 6 {
		t.Errorf("%+v, %v", rep, err)
	}
}
