package queue

import (
	"encoding/binary"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// The lock file: a counter of the tickets given out, the ticket being served
// and its process, 8 bytes each, little-endian. Beyond the file's end, byte
// firstTicket+t stands for ticket t, which its owner holds locked for as long
// as it waits or works. All locks are on the open file description, so they
// exclude handles of one process too, and fall with the last descriptor.
const (
	counterLen  = 8
	servingAt   = 8
	lockFileLen = 24
	firstTicket = 1 << 20
	lastTicket  = 1 << 60
)

// place is a position in the queue.
type place struct {
	f      *os.File
	ticket int64
}

// enter takes the next ticket; nil while somebody else is just taking one.
func enter(f *os.File) (*place, error) {
	if ok, err := lockBytes(f, unix.F_WRLCK, 0, counterLen); !ok {
		return nil, err
	}

	var b [counterLen]byte
	if _, err := f.ReadAt(b[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}

	p := &place{f: f, ticket: int64(binary.LittleEndian.Uint64(b[:]))}
	if p.ticket < 0 || p.ticket > lastTicket {
		p.ticket = 0
	}
	// The ticket's byte is locked before anybody can get a later ticket.
	if ok, err := lockBytes(f, unix.F_WRLCK, firstTicket+p.ticket, 1); !ok {
		return nil, errors.Join(err, errors.New("the lock file's counter went back"))
	}
	binary.LittleEndian.PutUint64(b[:], uint64(p.ticket+1))

	if _, err := f.WriteAt(b[:], 0); err != nil {
		return nil, err
	}
	_, err := lockBytes(f, unix.F_UNLCK, 0, counterLen)

	return p, err
}

// turn says whether no earlier ticket is held any more. Once true it stays
// true, since earlier tickets are never given out again. Else it tells whose
// turn it is and how many tickets lie between, of which some may be given up.
func (p *place) turn() (bool, Holder, int, error) {
	if p.ticket > 0 {
		lk := unix.Flock_t{Type: unix.F_RDLCK, Whence: io.SeekStart, Start: firstTicket, Len: p.ticket}
		if err := unix.FcntlFlock(p.f.Fd(), unix.F_OFD_GETLK, &lk); err != nil {
			return false, Holder{}, 0, err
		}

		if lk.Type != unix.F_UNLCK {
			h := p.serving()
			return false, h, int(max(p.ticket-h.Ticket-1, 0)), nil
		}
	}
	var b [lockFileLen - servingAt]byte
	binary.LittleEndian.PutUint64(b[:8], uint64(p.ticket))
	binary.LittleEndian.PutUint64(b[8:], uint64(os.Getpid()))
	_, err := p.f.WriteAt(b[:], servingAt)

	return err == nil, Holder{}, 0, err
}

// counted is how many tickets ahead looks at, at most: each is a system call.
const counted = 1000

// ahead is how many wait before p, without the first, whose turn it is or will be.
func (p *place) ahead(h Holder) (n int) {
	for t := max(h.Ticket, p.ticket-counted, 0); t < p.ticket; t++ {
		lk := unix.Flock_t{Type: unix.F_RDLCK, Whence: io.SeekStart, Start: firstTicket + t, Len: 1}
		if err := unix.FcntlFlock(p.f.Fd(), unix.F_OFD_GETLK, &lk); err == nil && lk.Type != unix.F_UNLCK {
			n++
		}
	}

	return max(n-1, 0)
}

func (p *place) serving() Holder {
	var b [lockFileLen - servingAt]byte
	if _, err := p.f.ReadAt(b[:], servingAt); err != nil {
		return Holder{}
	}

	return Holder{
		Ticket: int64(binary.LittleEndian.Uint64(b[:8])),
		PID:    int(binary.LittleEndian.Uint64(b[8:])),
	}
}

// lockBytes sets or drops a lock without waiting; false means it is held by another.
func lockBytes(f *os.File, how int16, start, length int64) (bool, error) {
	lk := unix.Flock_t{Type: how, Whence: io.SeekStart, Start: start, Len: length}
	switch err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lk); err {
	case nil:
		return true, nil
	case unix.EAGAIN, unix.EACCES:
		return false, nil
	default:
		return false, err
	}
}
