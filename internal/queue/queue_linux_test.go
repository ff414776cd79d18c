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

// Turns come in the order of arrival, those who wait are told their place, and
// a place that is given up is no turn.
func TestOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "queue")
	first, err := queue.Enter(t.Context(), path, queue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var order, told []int
	var wg sync.WaitGroup
	for i := range 4 {
		entered, left := make(chan struct{}), make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		wg.Add(1)
		go func() {
			defer wg.Done()
			defer close(left)
			once := sync.OnceFunc(func() { close(entered) })
			f, err := queue.Enter(ctx, path, queue.Options{Waiting: func(ahead int, _ queue.Holder) {
				mu.Lock()
				defer mu.Unlock()
				if len(told) <= i {
					told = append(told, ahead)
				}
				once()
			}})
			if err != nil {
				if i != 2 || !errors.Is(err, context.Canceled) {
					t.Errorf("place %d: %v", i, err)
				}
				return
			}
			mu.Lock()
			order = append(order, i)
			mu.Unlock()
			time.Sleep(5 * time.Millisecond)
			f.Close()
		}()
		<-entered
		if i == 2 {
			cancel()
			<-left
		}
		defer cancel()
	}
	first.Close()
	wg.Wait()
	if len(order) != 3 || order[0] != 0 || order[1] != 1 || order[2] != 3 {
		t.Errorf("turns came as %v", order)
	}
	for i, ahead := range told {
		if ahead != i {
			t.Errorf("place %d was told that %d are ahead, besides the holder", i, ahead)
		}
	}
}

// A holder that stays too long is named.
func TestPatience(t *testing.T) {
	path := filepath.Join(t.TempDir(), "queue")
	f, err := queue.Enter(t.Context(), path, queue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, err = queue.Enter(t.Context(), path, queue.Options{Patience: 50 * time.Millisecond})
	var stuck *queue.StuckError
	if !errors.As(err, &stuck) || stuck.PID == 0 {
		t.Fatalf("got %v", err)
	}
}

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
	_, err := queue.Enter(context.Background(), path, queue.Options{Patience: waiterPatience, Waiting: func(int, queue.Holder) { once() }})
	fmt.Println("entered:", err)
}

// A machine that stood still has not shown that a holder stays too long: who
// waits was stopped too, and did not look.
func TestPatienceWhileNothingRuns(t *testing.T) {
	for range 60 {
		said, awake := stopped(t)
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

// stopped lets a process wait for a holder, but stops it for longer than its
// patience. It returns what that process says, and for how long at most it
// was awake while there was a holder.
func stopped(t *testing.T) (said string, awake time.Duration) {
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
