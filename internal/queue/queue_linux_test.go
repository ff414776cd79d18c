package queue_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"ratchet/internal/queue"
)

// Turns come in the order of arrival, each that waits learns how many are
// ahead, and a place that is given up is not a turn.
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

	if !slices.Equal(told, []int{0, 1, 2, 2}) { // the third gave up before the fourth came
		t.Errorf("they were told that %v are ahead, besides the holder", told)
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

// A place has a number, which counts only places that are still there, and it
// delays nobody once it is closed.
func TestPlaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "queue")

	places := make([]*queue.Place, 4)
	for i := range places {
		var err error
		if places[i], err = queue.Join(t.Context(), path, 0); err != nil {
			t.Fatal(err)
		}
	}
	numbers := func(want ...int) {
		t.Helper()
		var got []int

		for _, p := range places {
			n, err := p.Number()
			if err != nil {
				t.Fatal(err)
			}

			got = append(got, n)
		}

		if !slices.Equal(got, want) {
			t.Errorf("places %v, want %v", got, want)
		}
	}
	leave := func(i int) {
		places[i].Close()
		places = slices.Delete(places, i, i+1)
	}
	numbers(1, 2, 3, 4)
	leave(1)
	numbers(1, 2, 3)
	leave(0)

	if n, err := places[1].Number(); err != nil || n != 2 { // before the first has seen its turn
		t.Errorf("the second is place %d, %v", n, err)
	}
	numbers(1, 2)

	last, err := queue.Join(t.Context(), path, 0)
	if err != nil {
		t.Fatal(err)
	}

	places = append(places, last)
	leave(0)
	leave(0)
	numbers(1)
	leave(0)

	f, err := queue.Enter(t.Context(), path, queue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}
