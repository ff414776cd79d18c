// Package foreign reads the logs of other programs of this kind: a line at a
// time, each kept as it stands, with what it says beside it.
//
// What holds: the texts of a source's items, joined, are the source, byte for
// byte; an item that can't be understood is Broken and has its number, none is
// left out; memory does not grow with the source. What a log says is its
// writer's word: nothing here is evidence, and no status is translated.
//
// It knows nothing of Ratchet, and touches no file but through an io.Reader or
// fs.FS that it is given.
package foreign

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// MaxLine is how many bytes an item has at most. A longer line, or a longer
// file of a kind that is read as a whole, comes in parts, which are not understood.
const MaxLine = 1 << 20

// Kind says what sort of item it is.
type Kind string

const (
	Run    Kind = "run"    // an experiment, with or without a value
	Header Kind = "header" // what the runs are about: columns, or a line of settings
	Other  Kind = "other"  // neither: blank, a hook's, a note
	Broken Kind = "broken" // not understood, see Item.Broken
)

// Entry is what an item says.
type Entry struct {
	Kind        Kind
	Metric      string   // name, "" where neither the item nor its header gives one
	Better      string   // lower | higher | "", of a header, and of a run where its segment says it
	Unit        string   // the metric's, "" where nothing says it
	Value       *float64 // nil where there is none, or it means a crash
	Status      string   // as it stands there
	Description string
	Commit      string // as it stands there, often shortened
	Note        string // what a reader of the value should know
}

// Item is one line of a source, or all of it.
type Item struct {
	Number int    // the line's, from 1
	Part   int    // of a line longer than MaxLine, from 1; 0 for a whole one
	Text   []byte // verbatim, line ending included
	Broken string // why it was not understood
	Entry
}

// decoder understands one line after the other; it remembers the header.
type decoder func(line string) (Entry, error)

// Format is a format that sources can have.
type Format struct {
	Name  string
	About string // in words, with the files that it is found in
	Whole bool   // a file is one item
	fits  func(head sample) bool
	start func(head sample) decoder
}

// AllFormats are all of them, in the order in which Detect tries them.
func AllFormats() []Format {
	return []Format{pi, rigor, uditgoenka, coreline, shreemulay, autokernel, karpathy,
		hugoEvents, wecoIndex, wecoObserve, wecoOutput, openevolve, shinka, openevolveLines, hub, hugoEntity,
		shinkaMetrics, plainTable, plainLines}
}

// FindFormat returns the format of that name, or of another name that it has.
func FindFormat(name string) (Format, bool) {
	switch name {
	case "codex":
		name = pi.Name
	case "mlx":
		name = karpathy.Name
	}

	for _, f := range AllFormats() {
		if f.Name == name {
			return f, true
		}
	}

	return Format{}, false
}

// HeadBytes is how much of a source Detect wants to see.
const HeadBytes = 64 << 10

// ErrEmpty is Detect's of a source without any text.
var ErrEmpty = errors.New("it is empty")

// DetectFormat tells a source's format from its slash-separated path and its first
// HeadBytes bytes. Its error says what the source looks like instead.
func DetectFormat(path string, head []byte) (Format, error) {
	s, err := readSample(path, head)
	if err != nil {
		return Format{}, err
	}

	for _, f := range AllFormats() {
		if f.fits(s) {
			return f, nil
		}
	}

	return Format{}, s.explainUnknown()
}

// ReadItems calls f with the items of a source in order, and ends with f's error.
// Text is f's to keep. Reading it again with the same format gives the same.
func (f Format) ReadItems(path string, input io.Reader, each func(Item) error) error {
	in := bufio.NewReaderSize(input, HeadBytes)

	// What Peek fails with, reading fails with, too; a head that is not text leaves the path alone.
	head, _ := in.Peek(HeadBytes)

	s, err := readSample(path, head)
	if err != nil {
		s = sample{path: path}
	}

	decode := f.start(s)
	if s.separator != 0 {
		decode = decodeCSV(decode, s.separator)
	}

	for number := 1; ; number++ {
		text, whole, err := readItem(in, f.Whole)
		if err != nil && err != io.EOF {
			return fmt.Errorf("read line %d: %w", number, err)
		}

		if len(text) == 0 {
			return nil
		}

		if whole {
			if err := each(decodeItem(decode, number, text)); err != nil {
				return err
			}

			continue
		}

		if err := readParts(in, f.Whole, number, text, each); err != nil {
			return err
		}
	}
}

// readItem reads one item, or the first MaxLine bytes of it; then whole is false.
func readItem(in *bufio.Reader, all bool) (text []byte, whole bool, err error) {
	for {
		var chunk []byte
		if all {
			chunk = make([]byte, 1<<15)
			n := 0
			n, err = in.Read(chunk)
			chunk = chunk[:n]
		} else {
			chunk, err = in.ReadSlice('\n')
		}

		text = append(text, chunk...)

		switch {
		case err == bufio.ErrBufferFull || all && err == nil:
			err = nil
		default:
			return text, true, err
		}

		if len(text) >= MaxLine {
			return text, false, nil
		}
	}
}

// readParts gives the pieces of an item that is too long to be understood.
func readParts(in *bufio.Reader, all bool, number int, text []byte, each func(Item) error) error {
	for part := 1; ; part++ {
		why := fmt.Sprintf("longer than %d bytes: kept in parts, not read", MaxLine)
		if err := each(Item{Number: number, Part: part, Text: text, Broken: why,
			Entry: Entry{Kind: Broken}}); err != nil {
			return err
		}

		whole, err := false, error(nil)
		if text, whole, err = readItem(in, all); err != nil && err != io.EOF {
			return fmt.Errorf("read line %d: %w", number, err)
		}

		if len(text) == 0 {
			return nil
		}

		if whole {
			return each(Item{Number: number, Part: part + 1, Text: text, Broken: why, Entry: Entry{Kind: Broken}})
		}
	}
}

func decodeItem(decode decoder, number int, text []byte) Item {
	item := Item{Number: number, Text: text}

	line := string(text)
	if number == 1 {
		line = strings.TrimPrefix(line, "\ufeff")
	}

	line = strings.TrimRight(line, "\r\n")
	if strings.TrimSpace(line) == "" {
		item.Entry.Kind = Other
		return item
	}

	entry, err := decode(line)
	if err != nil {
		entry, item.Broken = Entry{Kind: Broken}, err.Error()
	}
	item.Entry = entry

	return item
}
