package server

import (
	"container/list"
	"sync"
	"time"
)

// shelf keeps the values used last: at most max of them, none unused for
// longer than idle. dropped is told what falls off, if it is set; it must not
// use the shelf.
type shelf[K comparable, V any] struct {
	max     int
	idle    time.Duration
	dropped func(K, V)

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

// add sets the value of k, if it has none, and drops what is too much or too
// old. It returns k's value, which counts as a use.
func (s *shelf[K, V]) add(k K, v V) V {
	s.mu.Lock()
	defer s.mu.Unlock()

	if s.at == nil {
		s.at = map[K]*list.Element{}
	}

	e := s.at[k]
	if e == nil {
		e = s.order.PushFront(&book[K, V]{key: k, val: v})
		s.at[k] = e
	}
	b := e.Value.(*book[K, V])
	b.used = time.Now()
	s.order.MoveToFront(e)
	s.trim()

	return b.val
}

// remove drops the values whose keys are gone.
func (s *shelf[K, V]) remove(gone func(K) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()

	for k, e := range s.at {
		if gone(k) {
			s.drop(e)
		}
	}
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
		s.drop(e)
	}
}

func (s *shelf[K, V]) drop(e *list.Element) {
	b := e.Value.(*book[K, V])
	s.order.Remove(e)
	delete(s.at, b.key)

	if s.dropped != nil {
		s.dropped(b.key, b.val)
	}
}

func (s *shelf[K, V]) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()

	return len(s.at)
}
