package server

import (
	"container/list"
	"sync"
	"time"
)

// shelf keeps the values used last: at most max of them, none unused for
// longer than idle. dropped is told what falls off, if it is set.
type shelf[K comparable, V any] struct {
	max     int
	idle    time.Duration
	dropped func(K)

	mu    sync.Mutex
	at    map[K]*list.Element
	order list.List // the one used last stands in front
}

type book[K comparable, V any] struct {
	key  K
	val  V
	used time.Time
}

// get returns the value of k, which counts as a use.
func (s *shelf[K, V]) get(k K) (v V, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.at[k]
	if e == nil {
		return v, false
	}
	b := e.Value.(*book[K, V])
	b.used = time.Now()
	s.order.MoveToFront(e)
	return b.val, true
}

// put sets the value of k and drops what is too much or too old.
func (s *shelf[K, V]) put(k K, v V) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at == nil {
		s.at = map[K]*list.Element{}
	}
	if e := s.at[k]; e != nil {
		e.Value = &book[K, V]{k, v, time.Now()}
		s.order.MoveToFront(e)
	} else {
		s.at[k] = s.order.PushFront(&book[K, V]{k, v, time.Now()})
	}
	s.trim()
}

// sweep drops what is too old.
func (s *shelf[K, V]) sweep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trim()
}

func (s *shelf[K, V]) trim() {
	for e := s.order.Back(); e != nil; e = s.order.Back() {
		b := e.Value.(*book[K, V])
		if len(s.at) <= s.max && time.Since(b.used) <= s.idle {
			return
		}
		s.order.Remove(e)
		delete(s.at, b.key)
		if s.dropped != nil {
			s.dropped(b.key)
		}
	}
}

func (s *shelf[K, V]) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.at)
}
