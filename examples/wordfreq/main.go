// Command bench counts the words of a generated text several times and checks
// every result against a frozen checksum. It is the evaluator of the campaign:
// a faster count that is a wrong count ends with exit status 1, and no number.
package main

import (
	"fmt"
	"hash/crc32"
	"os"
)

const (
	rounds   = 3
	textSize = 1 << 20    // bytes, at least
	frozen   = 0xbeb45910 // CRC-32 of the right answer
)

func main() {
	text := corpus(textSize)
	for range [rounds]struct{}{} {
		if got := checksum(Count(text)); got != frozen {
			fmt.Fprintf(os.Stderr, "wrong counts: checksum %08x, want %08x\n", got, uint32(frozen))
			os.Exit(1)
		}
	}
	fmt.Printf("%d rounds over %d bytes, checksum %08x\n", rounds, len(text), uint32(frozen))
}

// checksum covers every word, its count and the order.
func checksum(entries []Entry) uint32 {
	var content []byte
	for _, e := range entries {
		content = append(content, e.Word...)
		content = append(content, byte(e.Count), byte(e.Count>>8), byte(e.Count>>16), '\n')
	}
	return crc32.ChecksumIEEE(content)
}
