package ledger_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"testing"
	"time"
	"runtime"
	"ratchet/ledger"
	"ratchet/internal/research"
)

// every bit of branch pages' ids
func TestAdhocBranch(t *testing.T) {
	if os.Getenv("ADHOC") != "branch" { t.Skip() }
	l := fresh(t)
	put(t, l, opening()...)
	grow(t, l, 1, 400)
	want, err := l.Verify(t.Context())
	if err != nil { t.Fatal(err) }
	good := read(t, l.Path())
	var noticed, harmless, n int
	for p := 0; p < len(good)/4096; p++ {
		pg := good[p*4096:]
		if binary.LittleEndian.Uint16(pg[8:]) != 1 { continue }
		cnt := int(binary.LittleEndian.Uint16(pg[10:]))
		for e := 0; e < cnt; e++ {
			for bit := 0; bit < 12; bit++ {
				at := p*4096 + 16 + e*16 + 8 + bit/8
				b := bytes.Clone(good)
				b[at] ^= 1 << (bit % 8)
				write(t, l.Path(), b)
				n++
				rep, err := l.Verify(t.Context())
				if err != nil { noticed++ } else if rep != want { t.Errorf("at %d", at) } else { harmless++ }
			}
		}
	}
	t.Log(n, noticed, harmless)
}

func TestAdhocBig(t *testing.T) {
	if os.Getenv("ADHOC") != "big" { t.Skip() }
	l := fresh(t)
	put(t, l, opening()...)
	t0 := time.Now()
	grow(t, l, 1, 100000)
	fi, _ := os.Stat(l.Path())
	t.Log("grown", time.Since(t0), fi.Size()>>20, "MiB")
	runtime.GC()
	stat := func(name string, n int, f func(i int)) {
		t0 := time.Now(); c0 := cpuNow()
		for i := range n { f(i) }
		t.Logf("%-20s wall %v cpu %v", name, time.Since(t0)/time.Duration(n), (cpuNow()-c0)/time.Duration(n))
	}
	n := 100000
	for k, e := range experiment(0, "", "") {
		k := k
		stat(string(e.Kind)+fmt.Sprint(k), 1, func(int) {})
		_ = k
	}
	var es [5]time.Duration
	for i := range 200 {
		for k, e := range experiment(n+1+i, hypothesis(n+1+i), "no gain, since the compiler did it already") {
			c := cpuNow(); put(t, l, e); es[k] += cpuNow() - c
		}
	}
	for k := range es { t.Log(k, es[k]/200) }
	stat("campaign", 500, func(int) { view(t, l, func(tx *ledger.Tx) error { _, err := tx.Campaign(camp); return err }) })
	stat("table", 100, func(int) { view(t, l, func(tx *ledger.Tx) error { _, _, err := tx.Experiments(camp, ledger.Query{Limit: 8}); return err }) })
	stat("search", 100, func(int) { view(t, l, func(tx *ledger.Tx) error { _, _, err := tx.Experiments(camp, ledger.Query{Text: "partition vectorize"}); return err }) })
	stat("search none", 100, func(int) { view(t, l, func(tx *ledger.Tx) error { _, _, err := tx.Experiments(camp, ledger.Query{Text: "unroll inline"}); return err }) })
	stat("status", 100, func(int) { view(t, l, func(tx *ledger.Tx) error { _, _, err := tx.Experiments(camp, ledger.Query{Status: research.Reverted}); return err }) })
	t0 = time.Now()
	rep, err := l.Verify(t.Context())
	t.Log(rep, err, time.Since(t0))
	var ms runtime.MemStats
	runtime.ReadMemStats(&ms); t.Log("sys MiB", ms.Sys>>20)
}
