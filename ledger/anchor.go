package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"ratchet/internal/atomicfile"
	"ratchet/internal/fault"
)

// The anchor file has two slots, far enough apart that no torn write harms
// both. Each holds one line of JSON, padded with blanks. The newer slot that is
// whole counts; the other one is overwritten next. That is as safe as a new
// file renamed over the old one, and costs a fourth of it.
const (
	slotLen = 256
	slotGap = 4096
)

// anchor is the head as it was last acknowledged, kept outside the ledger's
// file so that a rollback of that file shows.
type anchor struct {
	Seq  uint64 `json:"seq"`
	Hash string `json:"hash"`
	Sum  string `json:"sum"` // of the two, so that a torn slot shows

	slot int64
}

func (a anchor) checksum() string {
	h := sha256.Sum256(fmt.Appendf(nil, "%d %s", a.Seq, a.Hash))
	return hex.EncodeToString(h[:8])
}

// encode gives a slot without its line end.
func (a anchor) encode() []byte {
	a.Sum = a.checksum()

	content, err := json.Marshal(a)
	if err != nil {
		panic(err) // a number and two hex strings
	}

	return append(content, bytes.Repeat([]byte(" "), slotLen-1-len(content))...)
}

// readSlots returns the bytes of both slots.
func readSlots(path string) ([2][slotLen]byte, error) {
	var slots [2][slotLen]byte

	file, err := os.Open(path)
	if err != nil {
		return slots, err
	}
	defer file.Close()

	for i := range slots {
		if _, err := file.ReadAt(slots[i][:], int64(i)*slotGap); err != nil && !errors.Is(err, io.EOF) {
			return slots, err
		}
	}

	return slots, nil
}

// readAnchor returns nil when there is no anchor file.
func readAnchor(path string) (*anchor, error) {
	slots, err := readSlots(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}

	if err != nil {
		return nil, storageError("read the ledger's anchor", err)
	}

	var newest *anchor
	for i, slot := range slots {
		a := anchor{slot: int64(i)}

		err := json.Unmarshal(bytes.TrimRight(slot[:], "\x00"), &a)
		isWhole := err == nil && a.Sum == a.checksum()

		if isWhole && (newest == nil || a.Seq > newest.Seq) {
			newest = &a
		}
	}

	if newest == nil {
		return nil, damageError("restore it from a backup, or delete it and run `ratchet verify`",
			"%s does not hold a head: the newest records can't be vouched for", path)
	}

	return newest, nil
}

// writeAnchor makes a the anchor, durably: after a crash the file holds either
// the old head or a. old is what readAnchor returned.
func writeAnchor(path string, a anchor, old *anchor) error {
	line := append(a.encode(), '\n')
	var err error

	if old == nil {
		err = replaceFile(path, path+".tmp", append(line, make([]byte, slotGap)...))
	} else { // the slot that does not count
		err = overwriteFile(path, (1-old.slot)*slotGap, line)
	}

	if err != nil {
		return storageError("write the ledger's anchor", err)
	}

	return nil
}

// overwriteFile writes data into an existing file, durably.
func overwriteFile(path string, at int64, data []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}

	err = fault.At("anchor.write", func() error {
		_, err := file.WriteAt(data, at)
		return err
	})
	if err == nil {
		err = fault.At("anchor.sync", func() error { return datasync(file) })
	}

	if cerr := file.Close(); err == nil {
		err = cerr
	}

	return err
}

// replaceFile puts data at path, durably: it writes tmp, which lies in the same
// folder, and renames it. It is not atomicfile's, because its steps are fault points
// and a tmp that a killed process left is written over.
func replaceFile(path, tmp string, data []byte) error {
	file, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}

	_, err = file.Write(data)
	if err == nil {
		err = fault.At("file.sync", file.Sync)
	}

	if cerr := file.Close(); err == nil {
		err = cerr
	}

	if err == nil {
		err = fault.At("file.rename", func() error { return os.Rename(tmp, path) })
	}

	if err != nil {
		os.Remove(tmp)
		return err
	}

	return atomicfile.SyncDir(filepath.Dir(path))
}
