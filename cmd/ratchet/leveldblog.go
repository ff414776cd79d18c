package main

import (
	"encoding/binary"
	"hash/crc32"
)

// leveldbLog is a log of records as LevelDB frames them, in W&B's dialect: the
// file begins with seven bytes of its own, and checksums are plain CRC-32. Blocks
// of 32 KiB hold chunks; a record that does not fit into a block goes on in the next.
type leveldbLog struct {
	buf []byte
}

const (
	logBlock  = 32 << 10
	logHeader = 7 // bytes of a chunk's header: checksum, length, kind

	logWhole, logFirst, logMiddle, logLast = 1, 2, 3, 4 // kinds of a chunk
)

// logMagic begins a file: name, number and version.
const logMagic = ":W&B\xe1\xbe\x00"

func (l *leveldbLog) append(record []byte) {
	if len(l.buf) == 0 {
		l.buf = append(l.buf, logMagic...)
	}

	for first := true; ; first = false {
		room := logBlock - len(l.buf)%logBlock
		if room < logHeader { // a header does not fit: zeros
			l.buf = append(l.buf, make([]byte, room)...)
			room = logBlock
		}
		n := min(len(record), room-logHeader)
		l.chunk(chunkKind(first, n == len(record)), record[:n])

		record = record[n:]
		if len(record) == 0 {
			return
		}
	}
}

func chunkKind(first, last bool) byte {
	switch {
	case first && last:
		return logWhole
	case first:
		return logFirst
	case last:
		return logLast
	}

	return logMiddle
}

func (l *leveldbLog) chunk(kind byte, data []byte) {
	sum := crc32.Update(crc32.ChecksumIEEE([]byte{kind}), crc32.IEEETable, data)
	l.buf = binary.LittleEndian.AppendUint32(l.buf, sum)
	l.buf = binary.LittleEndian.AppendUint16(l.buf, uint16(len(data)))
	l.buf = append(append(l.buf, kind), data...)
}

// file is the whole file.
func (l *leveldbLog) file() []byte { return l.buf }
