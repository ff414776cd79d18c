package queue_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"ratchet/internal/queue"
)

// waitVariable makes the test binary wait for a turn at the file that it names.
const waitVariable = "QUEUE_TEST_WAIT"

const waiterPatience = time.Second

func TestMain(m *testing.M) {
	path := os.Getenv(waitVariable)
	if path == "" {
		os.Exit(m.Run())
	}
	began := time.Now().UnixMilli()
	once := sync.OnceFunc(func() { fmt.Println(began) })
	_, err := queue.Enter(context.Background(), path,
		queue.Options{Patience: waiterPatience, Waiting: func(int, queue.Holder) { once() }})
	fmt.Println("entered:", err)
}

// A machine that stood still has not shown that a holder stays too long: the
// process that waits was stopped too, and did not look.
func TestPatienceWhileNothingRuns(t *testing.T) {
	for range 60 {
		said, awake := waitWhileStopped(t)
		if awake > waiterPatience/3 {
			t.Logf("it was awake for %v: that shows nothing", awake)
			continue
		}

		if said != "entered: <nil>" {
			t.Errorf("after %v of waiting: %s", awake, said)
		}

		return
	}
	t.Skip("this machine is too busy")
}

// waitWhileStopped lets a process wait for a holder, but stops it for longer than its
// patience. It returns what that process says, and for how long at most it
// was awake while there was a holder.
func waitWhileStopped(t *testing.T) (said string, awake time.Duration) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "queue")

	f, err := queue.Enter(t.Context(), path, queue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()

	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), waitVariable+"="+path)

	out, err := c.StdoutPipe()
	if err := errors.Join(err, c.Start()); err != nil {
		t.Fatal(err)
	}
	defer func() { c.Process.Kill(); c.Wait() }()

	lines := bufio.NewScanner(out)
	lines.Scan() // it waits, since then
	c.Process.Signal(syscall.SIGSTOP)

	since, err := strconv.ParseInt(lines.Text(), 10, 64)
	if err != nil {
		t.Fatal(err)
	}

	awake = time.Since(time.UnixMilli(since))
	time.Sleep(waiterPatience + waiterPatience/2)

	began := time.Now()
	c.Process.Signal(syscall.SIGCONT)
	time.Sleep(waiterPatience / 5) // several looks
	f.Close()
	awake += time.Since(began)
	lines.Scan()

	return lines.Text(), awake
}
