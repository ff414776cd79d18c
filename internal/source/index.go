package source

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
)

// indexed is the entry of the user's index for path, and the size of the file
// when git looked at it last (0: it has not). It reads no further than that
// entry, and decodes nothing else. Not ok where there is none, or none that
// this can read: git must be asked then.
func (r *Repo) indexed(path string) (e entry, size uint32, ok bool) {
	b, err := os.ReadFile(filepath.Join(r.gitDir, "index"))
	if err != nil || len(b) < 12 || string(b[:4]) != "DIRC" {
		return e, 0, false
	}
	version, left := binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	b = b[12:]
	var name []byte

	for ; left > 0 && version >= 2 && version <= 4; left-- {
		const fixed = 62 // times, device, owner, size, hash, flags
		if len(b) < fixed {
			return e, 0, false
		}

		flags, at := binary.BigEndian.Uint16(b[60:]), fixed
		if flags&0x4000 != 0 { // more of them: added with intent, left out of a sparse checkout
			at += 2
		}

		var next int
		if name, next = entryName(name, b, at, version); next < 0 {
			return e, 0, false
		}

		switch c := bytes.Compare(name, []byte(path)); {
		case c > 0:
			return e, 0, false
		case c == 0:
			e = entry{name: path, mode: binary.BigEndian.Uint32(b[24:]), hash: hex.EncodeToString(b[40:60])}
			return e, binary.BigEndian.Uint32(b[36:]), flags&0xf000 == 0 // merged, and nothing odd about it
		}
		b = b[next:]
	}

	return e, 0, false
}

// entryName reads the name at b[at:], of an entry that begins with b, and says
// where the next entry begins, -1 if there can be none. In version 4 a name says
// how much of the last one it leaves out.
func entryName(last, b []byte, at int, version uint32) (name []byte, next int) {
	if version == 4 {
		drop := 0

		for i := 0; ; i++ { // git's own variable length: each further byte adds one
			if at >= len(b) || i > 4 {
				return nil, -1
			}
			c := b[at]
			at++

			drop = drop<<7 | int(c&0x7f)
			if c&0x80 == 0 {
				break
			}

			drop++
		}

		if drop > len(last) {
			return nil, -1
		}
		last = last[:len(last)-drop]
	} else {
		last = nil
	}

	end := bytes.IndexByte(b[min(at, len(b)):], 0)
	if end < 0 {
		return nil, -1
	}
	name = append(last[:len(last):len(last)], b[at:at+end]...)

	next = at + end + 1
	if version != 4 {
		next = (at + end + 8) &^ 7
	}

	if next > len(b) {
		return nil, -1
	}

	return name, next
}
