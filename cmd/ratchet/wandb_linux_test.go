package main_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// TestExportWandb reads the file back as W&B's own reader does: the framing of
// LevelDB's log with plain CRC-32, and in it records of known field numbers.
func TestExportWandb(t *testing.T) {
	s := newSite(t)
	long := strings.Repeat("x", 80<<10) // over three blocks
	s.write("bench.sh", "grep -q crash work.txt && exit 1\necho METRIC other=3\necho METRIC size=$(wc -c < work.txt)\n")
	s.sh("sed", "-i", "s/^run: sh bench.sh/run: 'sh bench.sh # "+long[:40<<10]+long[:40<<10]+
		"'/; s/^budget:/guards: [{name: other, max: 9}]\\nparallel: 64\\nbudget:/", "program.md")
	s.sh("git", "commit", "-q", "-a", "-m", "a long command")
	s.tool("start_campaign", "{}")
	s.tool("wait_run", `{"id": "c1"}`)
	s.try1("short\n", "shorter: 短い")
	s.tool("keep", "{}")
	s.try1("crash\n", "longer by far, longer than ever")
	s.tool("revert", `{"lesson": "no"}`)
	s.sh(ratchet, "export", "--format", "wandb", "--out", "wandb")

	files, err := filepath.Glob(filepath.Join(s.dir, "wandb", "offline-run-*", "run-*.wandb"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%q: %v", files, err)
	}

	id := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(files[0]), "run-"), ".wandb")
	if !strings.HasSuffix(filepath.Dir(files[0]), "-"+id) {
		t.Errorf("folder and file name different runs: %s", files[0])
	}

	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	records := wandbRecords(t, b)
	var kinds []protowire.Number

	for i, r := range records {
		f := wandbFields(t, r)
		if n, _ := protowire.ConsumeVarint(f[1][0]); n != uint64(i+1) {
			t.Errorf("record %d has the number %d", i+1, n)
		}

		for kind := range f {
			if kind != 1 {
				kinds = append(kinds, kind)
			}
		}
	}

	if fmt.Sprint(kinds) != "[17 12 2 2 2 3 18]" { // run, metric, history of the start and two experiments, summary, exit
		t.Fatalf("kinds of records: %v", kinds)
	}

	run := wandbFields(t, wandbFields(t, records[0])[17][0])
	if string(run[1][0]) != id || string(run[3][0]) != "shrink" {
		t.Errorf("run %s of project %s, want %s of shrink", run[1][0], run[3][0], id)
	}

	if config := wandbFacts(t, run[4][0]); len(config["run"].(string)) < 80<<10 {
		t.Errorf("the command has %d bytes", len(config["run"].(string)))
	}

	start, kept, lost := wandbStep(t, records[2], 0), wandbStep(t, records[3], 1), wandbStep(t, records[4], 2)
	if start["size"] != 81. || kept["size"] != 6. || kept["incumbent"] != 6. || kept["sample/other"] != 3. ||
		kept["hypothesis"] != "shorter: 短い" || kept["verdict"] != "improved" || kept["kept"] != 1. {
		t.Errorf("the start %v, then %v", start, kept)
	}

	if lost["lesson"] != "no" || lost["status"] != "invalid" || lost["verdict"] != "invalid" || lost["size"] != nil ||
		lost["incumbent"] != 6. {
		t.Errorf("the second experiment: %v", lost)
	}

	if sum := wandbFacts(t, wandbFields(t, records[5])[3][0]); sum["size"] != 6. || sum["experiments"] != 2. ||
		sum["kept"] != 1. {
		t.Errorf("summary: %v", sum)
	}
}

// wandbRecords takes the frames apart, as LevelDB's log format is described.
func wandbRecords(t *testing.T, b []byte) (records [][]byte) {
	t.Helper()
	const block = 32768

	if string(b[:4]) != ":W&B" || binary.LittleEndian.Uint16(b[4:]) != 0xBEE1 || b[6] != 0 {
		t.Fatalf("the file begins with %x", b[:7])
	}
	var part []byte
	inside := false

	for at := 7; at < len(b); {
		if room := block - at%block; room < 7 {
			at += room
			continue
		}

		sum, n, kind := binary.LittleEndian.Uint32(b[at:]), int(binary.LittleEndian.Uint16(b[at+4:])), b[at+6]
		if at%block+7+n > block {
			t.Fatalf("the chunk at %d of %d bytes leaves its block", at, n)
		}

		if crc32.ChecksumIEEE(b[at+6:at+7+n]) != sum {
			t.Fatalf("the chunk at %d has another checksum", at)
		}

		if first := kind == 1 || kind == 2; first == inside {
			t.Fatalf("the chunk at %d is of kind %d, inside a record: %t", at, kind, inside)
		}

		part = append(part, b[at+7:at+7+n]...)
		at += 7 + n

		if inside = kind == 2 || kind == 3; !inside {
			records, part = append(records, part), nil
		}
	}

	if inside {
		t.Fatal("the last record has no end")
	}

	return records
}

// wandbFields are a message's fields, undecoded, by their numbers.
func wandbFields(t *testing.T, b []byte) map[protowire.Number][][]byte {
	t.Helper()
	out := map[protowire.Number][][]byte{}

	for len(b) > 0 {
		num, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		b = b[n:]

		size := protowire.ConsumeFieldValue(num, kind, b)
		if size < 0 {
			t.Fatal(protowire.ParseError(size))
		}

		value := b[:size]
		if kind == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(b)
		}

		out[num] = append(out[num], value)
		b = b[size:]
	}

	return out
}

// wandbFacts are the items of a message.
func wandbFacts(t *testing.T, b []byte) map[string]any {
	t.Helper()
	out := map[string]any{}

	for _, item := range wandbFields(t, b)[1] {
		f := wandbFields(t, item)

		var v any
		if err := json.Unmarshal(f[16][0], &v); err != nil {
			t.Fatalf("%s: %v", f[1][0], err)
		}
		out[string(f[1][0])] = v
	}

	return out
}

// wandbStep are the facts of a history record, which must be step n.
func wandbStep(t *testing.T, record []byte, n int) map[string]any {
	t.Helper()
	history := wandbFields(t, record)[2][0]
	facts := wandbFacts(t, history)

	var step uint64
	if f := wandbFields(t, wandbFields(t, history)[2][0])[1]; len(f) > 0 {
		step, _ = protowire.ConsumeVarint(f[0])
	}

	if facts["_step"] != float64(n) || step != uint64(n) {
		t.Errorf("step %v, %d, want %d", facts["_step"], step, n)
	}

	return facts
}
