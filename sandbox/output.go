package sandbox

import (
	"fmt"
)

// Output is the kept part of a command's output.
type Output struct {
	Head, Tail []byte // Tail follows Head directly when nothing was left out
	Bytes      int64  // how many there were in all
}

// Omitted is the number of bytes between Head and Tail that were not kept.
func (o Output) Omitted() int64 { return o.Bytes - int64(len(o.Head)+len(o.Tail)) }

// Text is the output, with a line in the middle that says how many bytes were
// left out, if any.
func (o Output) Text() []byte {
	text := append([]byte(nil), o.Head...)

	if n := o.Omitted(); n > 0 {
		if len(text) > 0 && text[len(text)-1] != '\n' {
			text = append(text, '\n')
		}

		text = fmt.Appendf(text, "[ratchet: %d bytes left out]\n", n)
	}

	return append(text, o.Tail...)
}

// outputBuffer keeps the first and the last half of what is added to it, in
// memory bounded by keep.
type outputBuffer struct {
	keep  int64
	head  []byte
	tail  []byte // a ring once it is full
	next  int    // where the ring's oldest byte stands
	bytes int64  // how many were added
}

func (b *outputBuffer) add(content []byte) {
	b.bytes += int64(len(content))

	// The head first, until it is full.
	if room := int((b.keep+1)/2) - len(b.head); room > 0 {
		n := min(room, len(content))
		b.head = append(b.head, content[:n]...)
		content = content[n:]
	}

	half := int(b.keep / 2)
	if half == 0 || len(content) == 0 {
		return
	}

	content = content[max(len(content)-half, 0):] // what came before would be overwritten

	// Then the tail, until it is full too.
	if room := half - len(b.tail); room > 0 {
		n := min(room, len(content))
		b.tail = append(b.tail, content[:n]...)
		content = content[n:]
	}

	// From then on the newest bytes replace the oldest.
	for len(content) > 0 {
		n := copy(b.tail[b.next:], content)
		b.next = (b.next + n) % half
		content = content[n:]
	}
}

func (b *outputBuffer) output() Output {
	tail := append(append([]byte(nil), b.tail[b.next:]...), b.tail[:b.next]...)
	return Output{Head: b.head, Tail: tail, Bytes: b.bytes}
}
