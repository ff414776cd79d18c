package lru_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ratchet/server/lru"
)

func TestCacheKeepsTheValuesUsedLast(t *testing.T) {
	t.Parallel()

	var evicted []string
	c := lru.New(2, time.Hour, func(key string, _ int) { evicted = append(evicted, key) })
	c.GetOrAdd("a", 1)
	c.GetOrAdd("b", 2)

	if v, ok := c.Get("a"); v != 1 || !ok {
		t.Errorf("a is %d, %t", v, ok)
	}

	if v := c.GetOrAdd("a", 9); v != 1 {
		t.Errorf("a second value replaced the first: %d", v)
	}
	c.GetOrAdd("c", 3)

	if _, ok := c.Get("b"); ok || c.Len() != 2 {
		t.Errorf("b, used longest ago, is still there, of %d", c.Len())
	}
	c.RemoveIf(func(key string) bool { return key == "a" })

	if diff := cmp.Diff([]string{"b", "a"}, evicted); diff != "" {
		t.Errorf("evicted (-want +got):\n%s", diff)
	}
}

func TestCacheDropsUnusedValues(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := lru.New[string, int](9, time.Minute, nil)
		c.GetOrAdd("used", 1)
		c.GetOrAdd("unused", 2)
		time.Sleep(40 * time.Second)
		c.Get("used")
		time.Sleep(40 * time.Second)

		if c.Len() != 2 { // until somebody adds a value or asks for it
			t.Errorf("%d values before the clean-up", c.Len())
		}
		c.RemoveExpired()
		_, used := c.Get("used")

		if _, unused := c.Get("unused"); !used || unused {
			t.Errorf("after the clean-up: used %t, unused %t", used, unused)
		}
	})
}
