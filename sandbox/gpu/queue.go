package gpu

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"ratchet/sandbox"
)

// Waiting for GPUs is first come, first served, among all processes of the
// machine: only the first in the queue takes leases. Else one who needs all
// GPUs would wait for ever behind those who need one. A place in the queue is
// a lock, so it falls with its holder; places are numbered files that are used again.

// place is one's own in the queue.
type place struct {
	lock   *sandbox.Lock
	dir    string
	path   string
	ticket int64 // who has a smaller one comes first
}

func doorPath(dir string) string { return filepath.Join(dir, "gpu.door") }

// enqueue draws the next ticket. The door makes sure that tickets are drawn one
// after the other.
func enqueue(ctx context.Context, dir string) (*place, error) {
	door, err := sandbox.AcquireLock(ctx, doorPath(dir), 2*time.Millisecond)
	if err != nil {
		return nil, err
	}
	defer door.Release()
	others, err := queued(dir)
	if err != nil {
		return nil, err
	}
	p := &place{dir: dir, ticket: 1}
	for _, ticket := range others {
		p.ticket = max(p.ticket, ticket+1)
	}
	for i := range 1 << 16 {
		p.path = filepath.Join(dir, fmt.Sprintf("gpu.place.%d", i))
		lock, ok, err := sandbox.TryLock(p.path)
		if err != nil {
			return nil, err
		}
		if ok {
			p.lock = lock
			break
		}
	}
	if p.lock == nil {
		return nil, fmt.Errorf("queue for GPUs: all places are taken")
	}
	if err := p.lock.Write([]byte(strconv.FormatInt(p.ticket, 10))); err != nil {
		p.lock.Release()
		return nil, err
	}
	return p, nil
}

// queued maps the places that are taken to their tickets. A ticket that is just
// being drawn is not among them: it will be larger than all others.
func queued(dir string) (map[string]int64, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "gpu.place.*"))
	if err != nil {
		return nil, fmt.Errorf("list the queue for GPUs: %w", err)
	}
	tickets := map[string]int64{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("list the queue for GPUs: %w", err)
		}
		ticket, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		if err != nil {
			continue
		}
		if taken, err := sandbox.Locked(path); err != nil {
			return nil, err
		} else if taken {
			tickets[path] = ticket
		}
	}
	return tickets, nil
}

// position counts from 1, which is first.
func (p *place) position() (int, error) {
	others, err := queued(p.dir)
	if err != nil {
		return 0, err
	}
	n := 1
	for path, ticket := range others {
		if path != p.path && ticket < p.ticket {
			n++
		}
	}
	return n, nil
}

func (p *place) leave() error { return p.lock.Release() }
