package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"ratchet/internal/atomicfile"
	"ratchet/internal/fault"
	"ratchet/internal/research"
)

const (
	outputsLock = "outputs.lock"
	usageName   = "usage" // in outputs/: bytes stored, as decimal text; a hint, counted again before a removal
	keepShare   = .9      // of the quota, what a removal leaves
	tempPrefix  = "new-"  // prefix of a file being written
	staleAfter  = time.Hour
)

// outputStore is the folder of stored outputs: outputs/XX/DIGEST, where XX begins the digest.
type outputStore struct {
	dir   string
	quota int64 // bytes
}

// outputs is the folder of this ledger's outputs.
func (l *Ledger) outputs() outputStore {
	return outputStore{dir: l.file(outputsName), quota: l.quota}
}

// PutOutput stores what a run printed and returns its SHA-256 in hex, under
// which Output finds it. The same data is stored once. When the outputs exceed
// their quota, those not stored again for the longest time are removed; their
// digests stay in the records.
func (l *Ledger) PutOutput(data []byte) (string, error) {
	sum := sha256.Sum256(data)
	digest := hex.EncodeToString(sum[:])

	outputs := l.outputs()
	path := outputs.pathOf(digest)

	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", storageError("store an output", err)
	}

	held, err := acquireLock(context.Background(), l.file(outputsLock))
	if err != nil {
		return "", err
	}
	defer held.Close()

	// It is stored already: only its age is renewed.
	if info, err := os.Stat(path); err == nil && info.Size() == int64(len(data)) {
		now := time.Now()
		if err := os.Chtimes(path, now, now); err != nil {
			return "", storageError("store an output", err)
		}

		return digest, nil
	}

	if err := fault.At("output.store", func() error { return outputs.writeOutput(path, data) }); err != nil {
		return "", storageError("store an output", err)
	}

	return digest, nil
}

// writeOutput writes a new file, and makes room for it. The caller has the lock.
func (o outputStore) writeOutput(path string, data []byte) error {
	dir := filepath.Dir(path)
	if err := replaceFile(path, filepath.Join(dir, tempPrefix+filepath.Base(path)), data); err != nil {
		return err
	}

	if err := atomicfile.SyncDir(filepath.Dir(dir)); err != nil { // dir itself may be new
		return err
	}

	used, err := o.readUsage()
	used += int64(len(data))

	if err != nil || used > o.quota {
		if used, err = o.pruneOldest(path); err != nil {
			return err
		}
	}

	return os.WriteFile(o.usagePath(), strconv.AppendInt(nil, used, 10), 0o600)
}

// Output returns a stored output: research.CodeNotFound when it was removed,
// by retention or redaction, or never stored; CodeLedger when it was altered.
func (l *Ledger) Output(digest string) ([]byte, error) {
	if !isDigest(digest) {
		return nil, research.Errorf(research.CodeBadArgument, "give the digest that a run's record holds",
			"%q is not a digest", digest)
	}

	data, err := os.ReadFile(l.outputs().pathOf(digest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, research.Errorf(research.CodeNotFound, "run it again if its output matters",
			"the output %.12s is not stored any more", digest)
	}

	if err != nil {
		return nil, storageError("read an output", err)
	}

	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != digest {
		return nil, damageError("restore the file from a backup, or run it again",
			"the stored output %.12s was altered", digest)
	}

	return data, nil
}

// Redact removes a stored output for good and leaves its digest in the
// records. An output that is not stored is not an error.
func (l *Ledger) Redact(digest string) error {
	if !isDigest(digest) {
		return research.Errorf(research.CodeBadArgument, "give the digest that a run's record holds",
			"%q is not a digest", digest)
	}

	if err := os.Remove(l.outputs().pathOf(digest)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return storageError("remove an output", err)
	}

	return nil
}

func isDigest(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == sha256.Size && s == strings.ToLower(s)
}

// pathOf is where the output with a digest lies.
func (o outputStore) pathOf(digest string) string {
	return filepath.Join(o.dir, digest[:2], digest)
}

func (o outputStore) usagePath() string { return filepath.Join(o.dir, usageName) }

// readUsage reads how many bytes are stored, as the last write counted them.
func (o outputStore) readUsage() (int64, error) {
	content, err := os.ReadFile(o.usagePath())
	if err != nil {
		return 0, err
	}

	return strconv.ParseInt(string(content), 10, 64)
}

// pruneOldest counts the outputs and, where they exceed the quota, removes the oldest, but
// never the file keep. It returns the bytes that are left.
func (o outputStore) pruneOldest(keep string) (int64, error) {
	files, used, err := o.listOutputs()
	if err != nil || used <= o.quota {
		return used, err
	}

	slices.SortFunc(files, func(a, b storedOutput) int { return a.at.Compare(b.at) })
	enough := int64(float64(o.quota) * keepShare)

	for _, f := range files {
		if used <= enough {
			break
		}

		if f.path == keep {
			continue
		}

		if err := os.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return used, err
		}
		used -= f.size
	}

	return used, nil
}

// storedOutput is one stored file.
type storedOutput struct {
	path string
	size int64
	at   time.Time
}

// listOutputs walks all outputs, and removes what a crash left half-made.
func (o outputStore) listOutputs() (files []storedOutput, used int64, err error) {
	err = filepath.WalkDir(o.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == usageName {
			return err
		}

		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) { // redacted just now
			return nil
		}

		if err != nil {
			return err
		}

		if strings.HasPrefix(d.Name(), tempPrefix) {
			if time.Since(info.ModTime()) > staleAfter {
				return os.Remove(path)
			}

			return nil
		}

		files = append(files, storedOutput{path: path, size: info.Size(), at: info.ModTime()})
		used += info.Size()

		return nil
	})

	return files, used, err
}
