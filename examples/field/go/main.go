// Command go measures how long the edited file takes for its units of work.
package main

import (
	"fmt"
	"strings"
	"time"
)

func main() {
	text := makeLog(160)
	warm := doUnit(text)

	units, begin := 0, time.Now()
	for range make([]struct{}, rounds) {
		if sum := doUnit(text); sum != warm {
			panic(fmt.Sprintf("a unit's checksum is %d, it was %d", sum, warm))
		}
		units++
	}
	fmt.Printf("METRIC ms=%.4f\nunits: %d\nchecksum: %d\n", float64(time.Since(begin).Microseconds())/1000, units, warm)
}

// makeLog is a log of n lines, always the same.
func makeLog(n int) string {
	var log strings.Builder

	for i, x := 0, uint32(1); i < n; i++ {
		x = x*1664525 + 1013904223
		fmt.Fprintf(&log, "%d host%d GET /page/%d status=%d bytes=%d\n", i, x>>8%17, x>>12%89, 200+x>>20%4*100,
			x>>9%9000)
	}

	return log.String()
}
