// Package lru is a cache of the values used last, bounded in number and in
// the time that one is kept unused.
//
// hashicorp/golang-lru does not fit: its expirable cache counts from when a
// value was added, not used, and its goroutine never ends. jellydator/ttlcache
// reports evictions from goroutines of its own, later than the eviction.
package lru

import (
	"container/list"
	"sync"
	"time"
)

// Cache holds at most a number of values. The zero value is not usable: New
// makes one. Its methods may be called from several goroutines.
type Cache[K comparable, V any] struct {
	capacity int
	idle     time.Duration
	onEvict  func(K, V)

	mu      sync.Mutex
	entries map[K]*list.Element
	recent  list.List // of *entry, the one used last in front
}

type entry[K comparable, V any] struct {
	key   K
	value V
	used  time.Time
}

// New makes a cache of at most capacity values, none unused for longer than idle.
// onEvict, unless it is nil, gets every value that leaves the cache, under its
// lock: it must not use the cache.
func New[K comparable, V any](capacity int, idle time.Duration, onEvict func(K, V)) *Cache[K, V] {
	return &Cache[K, V]{capacity: capacity, idle: idle, onEvict: onEvict, entries: map[K]*list.Element{}}
}

// Get returns the value of key, which counts as a use.
func (c *Cache[K, V]) Get(key K) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()

	element := c.entries[key]
	if element == nil {
		return value, false
	}

	return c.markUsed(element), true
}

// GetOrAdd returns the value of key, which counts as a use: value, if there was
// none. Then it evicts what is beyond the bounds.
func (c *Cache[K, V]) GetOrAdd(key K, value V) V {
	c.mu.Lock()
	defer c.mu.Unlock()

	element := c.entries[key]
	if element == nil {
		element = c.recent.PushFront(&entry[K, V]{key: key, value: value})
		c.entries[key] = element
	}

	current := c.markUsed(element)
	c.trimToBounds()

	return current
}

// RemoveIf evicts the values of the keys that match.
func (c *Cache[K, V]) RemoveIf(match func(K) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()

	for key, element := range c.entries {
		if match(key) {
			c.evictElement(element)
		}
	}
}

// RemoveExpired evicts the values that were not used for too long.
func (c *Cache[K, V]) RemoveExpired() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trimToBounds()
}

// Len is the number of values.
func (c *Cache[K, V]) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()

	return len(c.entries)
}

func (c *Cache[K, V]) markUsed(element *list.Element) V {
	e := element.Value.(*entry[K, V])
	e.used = time.Now()
	c.recent.MoveToFront(element)

	return e.value
}

// trimToBounds evicts from the least recently used value on, until the rest is within
// the bounds.
func (c *Cache[K, V]) trimToBounds() {
	for element := c.recent.Back(); element != nil; element = c.recent.Back() {
		e := element.Value.(*entry[K, V])
		if len(c.entries) <= c.capacity && time.Since(e.used) <= c.idle {
			return
		}

		c.evictElement(element)
	}
}

func (c *Cache[K, V]) evictElement(element *list.Element) {
	e := element.Value.(*entry[K, V])
	c.recent.Remove(element)
	delete(c.entries, e.key)

	if c.onEvict != nil {
		c.onEvict(e.key, e.value)
	}
}
