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
// firstTicket+t stands for ticket t, which its owner keeps locked for as long
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

// tryPlace takes the next ticket; nil while another process is just taking one.
func tryPlace(file *os.File) (*place, error) {
	if ok, err := lockBytes(file, unix.F_WRLCK, 0, counterLen); !ok {
		return nil, err
	}

	var counter [counterLen]byte
	if _, err := file.ReadAt(counter[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}

	p := &place{f: file, ticket: int64(binary.LittleEndian.Uint64(counter[:]))}
	if p.ticket < 0 || p.ticket > lastTicket {
		p.ticket = 0
	}

	// The ticket's byte is locked before anybody can get a later ticket.
	if ok, err := lockBytes(file, unix.F_WRLCK, firstTicket+p.ticket, 1); !ok {
		return nil, errors.Join(err, errors.New("the lock file's counter went back"))
	}

	binary.LittleEndian.PutUint64(counter[:], uint64(p.ticket+1))

	if _, err := file.WriteAt(counter[:], 0); err != nil {
		return nil, err
	}

	_, err := lockBytes(file, unix.F_UNLCK, 0, counterLen)

	return p, err
}

// tryTurn says whether all earlier tickets have been given up, and then notes
// in the file whose turn it is. Once true it stays true, since earlier tickets
// are never given out again. Else it returns whose turn it is and how many
// tickets lie between, of which some may be given up.
func (p *place) tryTurn() (isFirst bool, holder Holder, ahead int, err error) {
	locked, err := p.anyLocked(0, p.ticket)
	if err != nil {
		return false, Holder{}, 0, err
	}

	if locked {
		holder := p.readServing()
		return false, holder, int(max(p.ticket-holder.Ticket-1, 0)), nil
	}

	var serving [lockFileLen - servingAt]byte
	binary.LittleEndian.PutUint64(serving[:8], uint64(p.ticket))
	binary.LittleEndian.PutUint64(serving[8:], uint64(os.Getpid()))
	_, err = p.f.WriteAt(serving[:], servingAt)

	return err == nil, Holder{}, 0, err
}

// countLimit is how many tickets countAhead looks at, at most: each is a system call.
const countLimit = 1000

// countAhead counts who waits before p, without the first, whose turn it is or
// will be.
func (p *place) countAhead(holder Holder) (n int) {
	for ticket := max(holder.Ticket, p.ticket-countLimit, 0); ticket < p.ticket; ticket++ {
		if locked, err := p.anyLocked(ticket, 1); err == nil && locked {
			n++
		}
	}

	return max(n-1, 0)
}

// anyLocked says whether another place has any of count tickets from first on.
func (p *place) anyLocked(first, count int64) (bool, error) {
	if count == 0 { // to the kernel that is all to the end of the file
		return false, nil
	}

	lock := unix.Flock_t{Type: unix.F_RDLCK, Whence: io.SeekStart, Start: firstTicket + first, Len: count}
	err := unix.FcntlFlock(p.f.Fd(), unix.F_OFD_GETLK, &lock)

	return lock.Type != unix.F_UNLCK, err
}

// readServing reads whose turn it is; the zero Holder when it can't be read.
func (p *place) readServing() Holder {
	var serving [lockFileLen - servingAt]byte
	if _, err := p.f.ReadAt(serving[:], servingAt); err != nil {
		return Holder{}
	}

	return Holder{
		Ticket: int64(binary.LittleEndian.Uint64(serving[:8])),
		PID:    int(binary.LittleEndian.Uint64(serving[8:])),
	}
}

// lockBytes sets or drops a lock without waiting; false means that another has it.
func lockBytes(f *os.File, how int16, start, length int64) (bool, error) {
	lock := unix.Flock_t{Type: how, Whence: io.SeekStart, Start: start, Len: length}
	switch err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock); err {
	case nil:
		return true, nil
	case unix.EAGAIN, unix.EACCES:
		return false, nil
	default:
		return false, err
	}
}
