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

// collector keeps the first and the last half of what is written to it, in
// memory bounded by keep.
type collector struct {
	keep       int64
	head, tail []byte // tail is a ring once it is full
	next       int    // where the ring's oldest byte stands
	bytes      int64
}

func (c *collector) add(p []byte) {
	c.bytes += int64(len(p))
	if room := int((c.keep+1)/2) - len(c.head); room > 0 {
		n := min(room, len(p))
		c.head = append(c.head, p[:n]...)
		p = p[n:]
	}

	half := int(c.keep / 2)
	if half == 0 || len(p) == 0 {
		return
	}

	p = p[max(len(p)-half, 0):]
	if room := half - len(c.tail); room > 0 {
		n := min(room, len(p))
		c.tail = append(c.tail, p[:n]...)
		p = p[n:]
	}

	for len(p) > 0 {
		n := copy(c.tail[c.next:], p)
		c.next = (c.next + n) % half
		p = p[n:]
	}
}

func (c *collector) output() Output {
	tail := append(append([]byte(nil), c.tail[c.next:]...), c.tail[:c.next]...)
	return Output{Head: c.head, Tail: tail, Bytes: c.bytes}
}
