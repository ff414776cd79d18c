//go:build unix

package ledger_test

import (
	"os"
	"runtime"
	"runtime/pprof"
	"testing"
	"fmt"
)

func BenchmarkProf(b *testing.B) {
	l := grown(b, 10000)
	runtime.GC()
	f, _ := os.Create("/tmp/p.prof")
	per := map[string]int64{}
	pprof.StartCPUProfile(f)
	for n := 10001; n < 10001+b.N; n++ {
		for i, e := range experiment(n, hypothesis(n), "no gain, since the compiler did it already") {
			s := cpu(b)
			put(b, l, e)
			per[fmt.Sprint(i, e.Kind)] += cpu(b) - s
		}
	}
	pprof.StopCPUProfile()
	f.Close()
	for k, v := range per {
		b.Log(k, v/int64(b.N)/1000)
	}
}
