package checkout

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"ratchet/internal/research/history"
	"ratchet/sandbox"
)

// Attend marks the checkout as worked in by this session, until Leave or the
// end of the process: two sessions that edit the same file in the same checkout
// would measure each other's edits. Servers call it at every call, the time of
// which others are told; a command that looks once does not. Sessions are told
// apart by their Checkouts, also within one process. The mark is advisory: a
// failure to take it is ignored.
func (co *Checkout) Attend() { co.mark.attend(co, false) }

// AttendHeard is Attend for a session that is known by its calls only, as over
// HTTP: it leaves when it has been silent for a while, but it may only be
// thinking, so its claims outlive that.
func (co *Checkout) AttendHeard() { co.mark.attend(co, true) }

// Leave takes the mark back, for good: a call that is still under way marks
// nothing any more.
func (co *Checkout) Leave() { co.mark.leave() }

// AttendanceFile is the file that says who works in this checkout.
func (co *Checkout) AttendanceFile() string { return attendanceFileOf(co, co.Repo.Root()) }

// attendanceFileOf is the attendance file of the checkout at root, of the same ledger.
func attendanceFileOf(co *Checkout, root string) string {
	sum := sha256.Sum256([]byte(root))
	return filepath.Join(co.JobsDir(), fmt.Sprintf("checkout.%x", sum[:8]))
}

// HoldsMark says whether this session has the mark, and is known to be gone when the
// mark is: not one that is known by its calls only.
func (co *Checkout) HoldsMark() bool {
	held, heard := co.mark.isHeld(co)
	return held && !heard
}

// isDeserted says that no session works in a checkout any more. In doubt one does.
func isDeserted(co *Checkout, root string) bool {
	held, err := sandbox.Locked(attendanceFileOf(co, root))
	return err == nil && !held
}

// OtherSessionNote says that another session works in this checkout, and how to give
// this one its own; "" when there is none.
func (co *Checkout) OtherSessionNote(campaign *history.Campaign) string {
	if held, _ := co.mark.isHeld(co); held {
		return ""
	}

	who, readErr := os.ReadFile(co.AttendanceFile())
	info, statErr := os.Stat(co.AttendanceFile())
	held, lockErr := sandbox.Locked(co.AttendanceFile())

	if errors.Join(readErr, statErr, lockErr) != nil || !held {
		return ""
	}
	silent := max(0, time.Since(info.ModTime())).Round(time.Second)

	return fmt.Sprintf("another session works in this checkout (%s, last call %s ago), and you would edit each other's file: give yours its own, git worktree add --detach %s %s, and start there",
		strings.TrimSpace(string(who)), silent, co.Repo.Root()+"-2", strings.TrimPrefix(campaign.Branch, "refs/heads/"))
}

// mark is the lock of a session on its checkout.
type mark struct {
	mu      sync.Mutex
	attends bool          // this is a session, not a single command
	heard   bool          // it is known by its calls only
	left    bool          // it has ended, and marks nothing any more
	lock    *sandbox.Lock // nil while another session has it
}

func (m *mark) attend(co *Checkout, heard bool) {
	m.mu.Lock()
	defer m.mu.Unlock()

	if m.left {
		return
	}
	m.attends, m.heard = true, heard
	m.take(co)
}

func (m *mark) leave() {
	m.mu.Lock()
	defer m.mu.Unlock()

	m.left, m.attends = true, false
	_ = m.lock.Release() // the lock falls with the file, whatever closing it says
	m.lock = nil
}

// isHeld says whether this session has the mark, and is known by its calls only. It
// tries again to take it: the other session may have left.
func (m *mark) isHeld(co *Checkout) (held, heard bool) {
	m.mu.Lock()
	defer m.mu.Unlock()

	if m.attends {
		m.take(co)
	}

	return m.lock != nil, m.heard
}

// take takes the checkout's lock, if no other session has it, and writes in it who
// holds it; the time of the last call is the file's. m.mu is held.
func (m *mark) take(co *Checkout) {
	if m.lock == nil {
		if os.MkdirAll(co.JobsDir(), 0o777) != nil {
			return
		}

		lock, ok, err := sandbox.TryLock(co.AttendanceFile())
		if err != nil || !ok {
			return
		}
		m.lock = lock
	}

	client := strings.TrimSpace(co.Opt.Client.Name + " " + co.Opt.Client.Version)
	if m.lock.Write(fmt.Appendf(nil, "%s, pid %d\n", client, os.Getpid())) != nil {
		_ = m.lock.Release()
		m.lock = nil
	}
}
