package queue_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
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
		entered := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		wg.Add(1)
		go func() {
			defer wg.Done()
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
			time.Sleep(20 * time.Millisecond)
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
