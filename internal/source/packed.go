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

// findPackedRef looks a name up in the file of packed refs by bisection. ok is false
// where the name is not found or the file is not sorted: git must be asked then.
func (r *Repo) findPackedRef(name string) (hash string, ok bool) {
	file, err := os.Open(filepath.Join(r.commonDir, "packed-refs"))
	if err != nil {
		return "", false
	}
	defer file.Close()

	info, err := file.Stat()
	if err != nil {
		return "", false
	}

	first, _, whole := bytes.Cut(readProbe(file, 0), []byte("\n"))
	isHeader := whole && bytes.HasPrefix(first, []byte("#"))

	if !isHeader || !strings.Contains(string(first)+" ", " sorted ") {
		return "", false
	}

	// The line of name begins in [low, high); low is the beginning of a line.
	low, high := int64(len(first)+1), info.Size()
	for high-low > packedProbe/2 {
		middle := low + (high-low)/2

		at, found := firstRefAfter(readProbe(file, middle))
		if found == "" {
			return "", false
		}

		if found > name {
			high = middle + 1
		} else {
			low = middle + int64(at)
		}
	}

	for line := range bytes.Lines(readProbe(file, low)) {
		if hash, found := parsePackedLine(line); found == name && isHash(hash) {
			return hash, true
		}
	}

	return "", false
}

// readProbe reads packedProbe bytes at an offset, fewer at the end of the file.
func readProbe(f io.ReaderAt, at int64) []byte {
	content := make([]byte, packedProbe)
	n, _ := f.ReadAt(content, at)

	return content[:n]
}

// firstRefAfter finds the first ref whose line begins after the beginning of b, and lies
// within b; "" if there is none.
func firstRefAfter(content []byte) (at int, name string) {
	for {
		newline := bytes.IndexByte(content[at:], '\n')
		if newline < 0 {
			return 0, ""
		}

		at += newline + 1

		line, _, whole := bytes.Cut(content[at:], []byte("\n"))
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
