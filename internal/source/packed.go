package source

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// packedProbe is how much of packed-refs one step reads: a line and a half.
const packedProbe = 1 << 10

// findPackedRef is what the file of packed refs says of a name, in a number of reads
// that grows with the logarithm of its size. Only git can tell where it is not
// found, or the file is not sorted.
func (r *Repo) findPackedRef(name string) (hash string, ok bool) {
	f, err := os.Open(filepath.Join(r.commonDir, "packed-refs"))
	if err != nil {
		return "", false
	}
	defer f.Close()

	info, err := f.Stat()
	if err != nil {
		return "", false
	}
	head := readProbe(f, 0)

	first, _, whole := bytes.Cut(head, []byte("\n"))
	if !whole || !bytes.HasPrefix(first, []byte("#")) || !strings.Contains(string(first)+" ", " sorted ") {
		return "", false
	}
	// The line of name begins in [low, high); low is the beginning of a line.
	low, high := int64(len(first)+1), info.Size()
	for high-low > packedProbe/2 {
		middle := low + (high-low)/2

		at, found := firstRefAfter(readProbe(f, middle))
		if found == "" {
			return "", false
		}

		if found > name {
			high = middle + 1
		} else {
			low = middle + int64(at)
		}
	}

	for line := range bytes.Lines(readProbe(f, low)) {
		if hash, is := parsePackedLine(line); is == name && isHash(hash) {
			return hash, true
		}
	}

	return "", false
}

// readProbe reads what lies at an offset.
func readProbe(f io.ReaderAt, at int64) []byte {
	b := make([]byte, packedProbe)
	n, _ := f.ReadAt(b, at)

	return b[:n]
}

// firstRefAfter finds the first ref whose line begins after b does.
func firstRefAfter(b []byte) (at int, name string) {
	for {
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			return 0, ""
		}
		at += i + 1

		line, _, whole := bytes.Cut(b[at:], []byte("\n"))
		if !whole {
			return 0, ""
		}

		if _, name := parsePackedLine(line); name != "" {
			return at, name
		}
	}
}

// parsePackedLine reads "HASH NAME"; other lines, such as what a tag peels to, have no name.
func parsePackedLine(line []byte) (hash, name string) {
	hash, name, _ = strings.Cut(strings.TrimSuffix(string(line), "\n"), " ")
	return hash, name
}
