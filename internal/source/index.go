package source

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
)

// findIndexed finds the entry of the user's index for path, and the size of the file
// when git looked at it last (0: it has not). It reads no further than that
// entry, and decodes nothing else. ok is false where there is no such entry, or
// none that this can read: git must be asked then.
func (r *Repo) findIndexed(path string) (item entry, size uint32, ok bool) {
	content, err := os.ReadFile(filepath.Join(r.gitDir, "index"))
	if err != nil || len(content) < 12 || string(content[:4]) != "DIRC" {
		return item, 0, false
	}

	version, count := binary.BigEndian.Uint32(content[4:]), binary.BigEndian.Uint32(content[8:])
	if version < 2 || version > 4 {
		return item, 0, false
	}

	content = content[12:]
	var name []byte

	for ; count > 0; count-- {
		const fixed = 62 // times, device, owner, size, hash, flags
		if len(content) < fixed {
			return item, 0, false
		}

		flags, at := binary.BigEndian.Uint16(content[60:]), fixed
		if flags&0x4000 != 0 { // two more bytes: added with intent, or outside a sparse checkout
			at += 2
		}

		var next int
		if name, next = readEntryName(name, content, at, version); next < 0 {
			return item, 0, false
		}

		switch c := bytes.Compare(name, []byte(path)); {
		case c > 0:
			return item, 0, false
		case c == 0:
			item = entry{name: path, mode: binary.BigEndian.Uint32(content[24:]),
				hash: hex.EncodeToString(content[40:60])}
			isPlain := flags&0xf000 == 0 // not in a conflict, no assume-unchanged, no further flags

			return item, binary.BigEndian.Uint32(content[36:]), isPlain
		}

		content = content[next:]
	}

	return item, 0, false
}

// readEntryName reads the name at b[at:], of an entry that begins with b, and says
// where the next entry begins, -1 if there can be none. In version 4 a name says
// how much of the last one it leaves out.
func readEntryName(last, content []byte, at int, version uint32) (name []byte, next int) {
	var kept []byte // what the name shares with the last one

	if version == 4 {
		drop, after := readOffset(content, at)
		if after < 0 || drop > len(last) {
			return nil, -1
		}

		kept = last[:len(last)-drop]
		at = after
	}

	length := bytes.IndexByte(content[min(at, len(content)):], 0)
	if length < 0 {
		return nil, -1
	}

	end := at + length
	name = slices.Concat(kept, content[at:end])

	next = end + 1
	if version != 4 { // entries are padded to multiples of eight bytes
		next = (end + 8) &^ 7
	}

	if next > len(content) {
		return nil, -1
	}

	return name, next
}

// readOffset reads a number of git's variable length at b[at:]: seven bits a byte, and
// each further byte adds one. after is where it ends, -1 if there is none.
func readOffset(content []byte, at int) (n, after int) {
	const longest = 5 // bytes

	for i := range longest {
		if at+i >= len(content) {
			break
		}

		c := content[at+i]

		n = n<<7 | int(c&0x7f)
		if c&0x80 == 0 {
			return n, at + i + 1
		}

		n++
	}

	return 0, -1
}
