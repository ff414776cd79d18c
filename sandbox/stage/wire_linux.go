package stage

import (
	"errors"
	"io"
	"syscall"
	"time"
)

// Name is the argv[0] that makes a binary with this package act as a stage.
const Name = "ratchet-stage"

// View is one overlay to mount. Lower is topmost first and never empty; an
// empty Upper makes a read-only view. Inside is the index of the earlier view
// whose tree holds Root, or -1.
type View struct {
	Root, Upper, Work string
	Lower             []string
	Inside            int
}

// Bind is one read-only bind mount. Inside is as in View.
type Bind struct {
	From, To string
	Inside   int
}

// Cover is what a confined run sees at an absolute path: what the host has at From,
// which may be written unless ReadOnly; or a fresh tmpfs of Size bytes, which may
// be written (Memory; Size 0: the kernel's default); or nothing, where an outer
// cover shows something.
type Cover struct {
	Path, From string
	ReadOnly   bool
	Memory     bool
	Size       int64
}

// Link is a symbolic link that a confined run sees at Path.
type Link struct{ Path, Target string }

// Limits are what the stage itself holds a run to; zero means no limit.
type Limits struct {
	FileSize int64         // bytes of any one file, by RLIMIT_FSIZE
	Tasks    int64         // processes and threads, by RLIMIT_NPROC, which counts per user namespace
	Sample   time.Duration // between two looks at the tree; 0: it is not looked at
	Memory   int64         // bytes of the tree, sampled
	Count    int64         // processes and threads of the tree, sampled
	CPU      time.Duration // of the tree, sampled
}

// Plan is what a stage does. Detach makes it a launcher: it starts Argv in a
// session of its own, handing it descriptor 4 as its descriptor 3, and exits.
type Plan struct {
	Detach     bool
	Namespaces bool // it is PID 1 of namespaces of its own; else it becomes a subreaper
	UserXattr  bool // the overlays keep their marks in user.overlay.*, as a user namespace needs
	Argv       []string
	Dir        string
	Env        []string
	Views      []View
	Binds      []Bind
	Wall       time.Duration // 0: no limit
	Grace      time.Duration

	Loopback bool // raise the loopback device of the run's own network namespace
	NoSocket bool // refuse every socket but a local one, by a seccomp filter
	Confine  bool // nothing may be written but views, covers with From or Memory, Writable and the usual devices
	// Of a confined run in namespaces: an existing empty folder to mount its own root on, the links
	// there, and what it sees besides views and binds, outer ones first
	Root   string
	Links  []Link
	Covers []Cover
	// Of a confined run without namespaces, held by Landlock: existing absolute paths, files or
	// folders, that may be written; those that may be read, and what of these may not
	Writable, Readable, Unread []string
	Cgroup                     int  // a descriptor: the version 2 cgroup to start the command in; 0: none
	Wait                       bool // start the command only when a byte has come over the control socket
	Limits                     Limits
	// Children asks to watch which processes ignore SIGCHLD: the kernel does not count
	// what their children use.
	Children bool
}

// Kind is the first byte of a message from the stage.
type Kind byte

const (
	Started Kind = 'S' // the command is about to run; Failed may still follow
	Failed  Kind = 'F' // it could not be started; Step, Path and Errno say why
	Ended   Kind = 'R' // the report
)

// Message is what a stage says.
type Message struct {
	Kind  Kind
	Pid   int // Started, of a launcher: the program's
	Step  string
	Path  string
	Errno syscall.Errno

	Status    syscall.WaitStatus // of the command itself
	Wall      time.Duration      // from its start to its end
	CPU       time.Duration      // user + system of everything that was reaped
	MaxRSS    int64              // bytes, of the largest single process
	TimedOut  bool               // it was still running at Wall
	Killed    bool               // it was killed: by the deadline or by the broken lease
	Survivors []int              // what could not be killed
	Exceeded  string             // the sampled limit that ended the run: memory, processes or cpu
	MaxTree   int64              // bytes: the most that the whole tree was seen to hold
	DiskRead  int64              // bytes that everything that was reaped read from disk
	Faults    int64              // its major page faults
	Ignored   string             // the first process that ignored SIGCHLD, "" if none was seen to; of Plan.Children
	Enforced  []string           // what holds by now; key, value, key, value …
}

var errWire = errors.New("malformed message")

// maxFrame bounds a message: an environment and a long list of layers fit.
const maxFrame = 64 << 20

// encoder collects the bytes of a message: numbers in 8 bytes, little-endian,
// texts and lists with their length before them.
type encoder []byte

func (e *encoder) num(n int64) {
	for i := range 8 {
		*e = append(*e, byte(n>>(8*i)))
	}
}

func (e *encoder) flag(b bool) {
	if b {
		e.num(1)
	} else {
		e.num(0)
	}
}

func (e *encoder) str(s string) {
	e.num(int64(len(s)))
	*e = append(*e, s...)
}

func (e *encoder) strs(list []string) {
	e.num(int64(len(list)))

	for _, s := range list {
		e.str(s)
	}
}

// frame is the bytes with their length before them.
func (e encoder) frame() []byte {
	var head encoder
	head.num(int64(len(e)))

	return append(head, e...)
}

// decoder reads what encoder wrote; after the first defect it yields zeros.
type decoder struct {
	rest []byte
	bad  bool
}

// take takes the next n bytes; nil when there are not so many.

func (d *decoder) take(n int64) []byte {
	if d.bad || n < 0 || n > int64(len(d.rest)) {
		d.bad = true
		return nil
	}

	taken := d.rest[:n]
	d.rest = d.rest[n:]

	return taken
}

func (d *decoder) num() (n int64) {
	for i, c := range d.take(8) {
		n |= int64(c) << (8 * i)
	}

	return n
}

func (d *decoder) flag() bool  { return d.num() != 0 }
func (d *decoder) str() string { return string(d.take(d.num())) }

func (d *decoder) strs() []string {
	var list []string
	for n := d.num(); n > 0 && !d.bad; n-- {
		list = append(list, d.str())
	}

	return list
}

// readFrame reads one framed message; io.EOF when there is none.
func readFrame(input io.Reader) (*decoder, error) {
	var head [8]byte
	if _, err := io.ReadFull(input, head[:]); err != nil {
		return nil, err
	}

	n := (&decoder{rest: head[:]}).num()
	if n < 0 || n > maxFrame {
		return nil, errWire
	}

	body := make([]byte, n)
	if _, err := io.ReadFull(input, body); err != nil {
		return nil, err
	}

	return &decoder{rest: body}, nil
}

// Encode is the plan as it goes over the control socket.
func (p *Plan) Encode() []byte {
	var enc encoder

	enc.flag(p.Detach)
	enc.flag(p.Namespaces)
	enc.flag(p.UserXattr)
	enc.strs(p.Argv)
	enc.str(p.Dir)
	enc.strs(p.Env)

	enc.num(int64(len(p.Views)))

	for _, v := range p.Views {
		enc.str(v.Root)
		enc.str(v.Upper)
		enc.str(v.Work)
		enc.strs(v.Lower)
		enc.num(int64(v.Inside))
	}

	enc.num(int64(len(p.Binds)))

	for _, b := range p.Binds {
		enc.str(b.From)
		enc.str(b.To)
		enc.num(int64(b.Inside))
	}

	enc.num(int64(p.Wall))
	enc.num(int64(p.Grace))
	p.encodeConfinement(&enc)

	return enc.frame()
}

// encodeConfinement encodes the second half of a plan.
func (p *Plan) encodeConfinement(e *encoder) {
	e.flag(p.Loopback)
	e.flag(p.NoSocket)
	e.flag(p.Confine)

	e.str(p.Root)
	e.num(int64(len(p.Links)))

	for _, l := range p.Links {
		e.str(l.Path)
		e.str(l.Target)
	}

	e.num(int64(len(p.Covers)))

	for _, c := range p.Covers {
		e.str(c.Path)
		e.str(c.From)
		e.flag(c.ReadOnly)
		e.flag(c.Memory)
		e.num(c.Size)
	}

	e.strs(p.Writable)
	e.strs(p.Readable)
	e.strs(p.Unread)
	e.num(int64(p.Cgroup))
	e.flag(p.Wait)

	e.num(p.Limits.FileSize)
	e.num(p.Limits.Tasks)
	e.num(int64(p.Limits.Sample))
	e.num(p.Limits.Memory)
	e.num(p.Limits.Count)
	e.num(int64(p.Limits.CPU))
	e.flag(p.Children)
}

func (p *Plan) decodeConfinement(dec *decoder) {
	p.Loopback, p.NoSocket, p.Confine = dec.flag(), dec.flag(), dec.flag()
	p.Root = dec.str()

	for n := dec.num(); n > 0 && !dec.bad; n-- {
		p.Links = append(p.Links, Link{Path: dec.str(), Target: dec.str()})
	}

	for n := dec.num(); n > 0 && !dec.bad; n-- {
		p.Covers = append(p.Covers, Cover{Path: dec.str(), From: dec.str(), ReadOnly: dec.flag(), Memory: dec.flag(),
			Size: dec.num()})
	}

	p.Writable, p.Readable, p.Unread = dec.strs(), dec.strs(), dec.strs()
	p.Cgroup, p.Wait = int(dec.num()), dec.flag()
	p.Limits = Limits{FileSize: dec.num(), Tasks: dec.num(), Sample: time.Duration(dec.num()), Memory: dec.num(),
		Count: dec.num(), CPU: time.Duration(dec.num())}
	p.Children = dec.flag()
}

// ReadPlan reads an encoded plan.
func ReadPlan(r io.Reader) (*Plan, error) {
	dec, err := readFrame(r)
	if err != nil {
		return nil, err
	}

	p := &Plan{Detach: dec.flag(), Namespaces: dec.flag(), UserXattr: dec.flag(), Argv: dec.strs(), Dir: dec.str(),
		Env: dec.strs()}

	for n := dec.num(); n > 0 && !dec.bad; n-- {
		p.Views = append(p.Views, View{Root: dec.str(), Upper: dec.str(), Work: dec.str(), Lower: dec.strs(),
			Inside: int(dec.num())})
	}

	for n := dec.num(); n > 0 && !dec.bad; n-- {
		p.Binds = append(p.Binds, Bind{From: dec.str(), To: dec.str(), Inside: int(dec.num())})
	}

	p.Wall, p.Grace = time.Duration(dec.num()), time.Duration(dec.num())
	p.decodeConfinement(dec)

	if dec.bad || len(p.Argv) == 0 {
		return nil, errWire
	}

	return p, nil
}

// Encode is the message as it goes over the control socket.
func (m *Message) Encode() []byte {
	var enc encoder

	enc.num(int64(m.Kind))
	enc.num(int64(m.Pid))
	enc.str(m.Step)
	enc.str(m.Path)
	enc.num(int64(m.Errno))
	enc.num(int64(m.Status))
	enc.num(int64(m.Wall))
	enc.num(int64(m.CPU))
	enc.num(m.MaxRSS)
	enc.flag(m.TimedOut)
	enc.flag(m.Killed)

	enc.num(int64(len(m.Survivors)))

	for _, pid := range m.Survivors {
		enc.num(int64(pid))
	}

	enc.str(m.Exceeded)
	enc.num(m.MaxTree)
	enc.num(m.DiskRead)
	enc.num(m.Faults)
	enc.str(m.Ignored)
	enc.strs(m.Enforced)

	return enc.frame()
}

// ReadMessage reads the stage's next message; io.EOF when there is no other.
func ReadMessage(r io.Reader) (*Message, error) {
	dec, err := readFrame(r)
	if err != nil {
		return nil, err
	}

	message := &Message{Kind: Kind(dec.num()), Pid: int(dec.num()), Step: dec.str(), Path: dec.str(),
		Errno: syscall.Errno(dec.num()), Status: syscall.WaitStatus(dec.num()), Wall: time.Duration(dec.num()),
		CPU: time.Duration(dec.num()), MaxRSS: dec.num(), TimedOut: dec.flag(), Killed: dec.flag()}

	for n := dec.num(); n > 0 && !dec.bad; n-- {
		message.Survivors = append(message.Survivors, int(dec.num()))
	}

	message.Exceeded, message.MaxTree = dec.str(), dec.num()
	message.DiskRead, message.Faults = dec.num(), dec.num()
	message.Ignored, message.Enforced = dec.str(), dec.strs()
	if dec.bad {
		return nil, errWire
	}

	return message, nil
}
