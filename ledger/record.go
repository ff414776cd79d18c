package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"ratchet/internal/research/history"
)

// The stored bytes of a record are its JSON, which ends in its hash. What is
// hashed are these very bytes with the hash left empty, so a check needs no
// second encoding and outlives changes of the encoder.
var (
	hashLead = []byte(`,"hash":"`)
	hashTail = []byte(`"}`)
)

const hashLen = 2 * sha256.Size

// Hash returns the hash that a record with these contents has; r.Hash itself
// takes no part. For imports and for checks outside a ledger.
func Hash(r history.Record) (string, error) {
	sealed, _, err := sealRecord(r)
	return sealed.Hash, err
}

// sealRecord fills in r's hash and returns the bytes to store.
func sealRecord(record history.Record) (history.Record, []byte, error) {
	record.Hash = ""

	unsealed, err := json.Marshal(record)
	if err != nil {
		return record, nil, fmt.Errorf("encode record: %w", err)
	}

	sum := sha256.Sum256(unsealed)
	record.Hash = hex.EncodeToString(sum[:])
	stored := append(unsealed[:len(unsealed)-len(hashTail)], record.Hash...)

	return record, append(stored, hashTail...), nil
}

// checkSeal returns the hash that stored bytes carry, after recomputing it.
func checkSeal(stored []byte) (string, error) {
	cut := len(stored) - hashLen - len(hashTail)
	if cut < len(hashLead) || !bytes.HasSuffix(stored, hashTail) || !bytes.HasSuffix(stored[:cut], hashLead) {
		return "", errors.New("it does not end in a hash")
	}

	sum := sha256.New()
	sum.Write(stored[:cut])
	sum.Write(hashTail)

	want := hex.EncodeToString(sum.Sum(nil))
	if string(stored[cut:cut+hashLen]) != want {
		return "", errors.New("its content does not match its hash")
	}

	return want, nil
}

// unseal checks stored bytes against their own hash and their place, and decodes them.
func unseal(seq uint64, stored []byte) (history.Record, error) {
	var record history.Record
	if _, err := checkSeal(stored); err != nil {
		return record, damageError(nextRestore, "record %d was altered: %w", seq, err)
	}

	if err := json.Unmarshal(stored, &record); err != nil {
		return record, damageError(nextRestore, "record %d can't be decoded: %w", seq, err)
	}

	if record.Seq != seq {
		return record, damageError(nextRestore, "record %d stands in the place of record %d", record.Seq, seq)
	}

	return record, nil
}
