package checkout

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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
func (co *Checkout) Attend() { co.attendAs(false) }

// AttendHeard is Attend for a session that is known by its calls only, as over
// HTTP: it leaves when it has been silent for a while, but it may only be
// thinking, so its claims outlive that.
func (co *Checkout) AttendHeard() { co.attendAs(true) }

func (co *Checkout) attendAs(heard bool) {
	co.mu.Lock()
	defer co.mu.Unlock()

	if co.left {
		return
	}
	co.attends, co.heard = true, heard
	co.takeMark()
}

// Leave takes the mark back, for good: a call that is still under way marks
// nothing any more.
func (co *Checkout) Leave() {
	co.mu.Lock()
	defer co.mu.Unlock()

	co.left, co.attends = true, false
	_ = co.attending.Release() // the lock falls with the file, whatever closing it says
	co.attending = nil
}

// ownsCheckout says whether this session has the mark. It tries again to take it: the
// other session may have left.
func (co *Checkout) ownsCheckout() bool {
	co.mu.Lock()
	defer co.mu.Unlock()

	if co.attends {
		co.takeMark()
	}

	return co.attending != nil
}

// takeMark takes the checkout's lock, if no other session has it, and writes in it who
// holds it; the time of the last call is the file's. co.mu is held.
func (co *Checkout) takeMark() {
	if co.attending == nil {
		if os.MkdirAll(co.JobsDir(), 0o777) != nil {
			return
		}

		lock, ok, err := sandbox.TryLock(co.AttendanceFile())
		if err != nil || !ok {
			return
		}
		co.attending = lock
	}

	client := strings.TrimSpace(co.Opt.Client.Name + " " + co.Opt.Client.Version)
	if co.attending.Write(fmt.Appendf(nil, "%s, pid %d\n", client, os.Getpid())) != nil {
		_ = co.attending.Release()
		co.attending = nil
	}
}

// AttendanceFile is the file that says who works in this checkout.
func (co *Checkout) AttendanceFile() string { return co.attendanceFileOf(co.Repo.Root()) }

func (co *Checkout) attendanceFileOf(root string) string {
	sum := sha256.Sum256([]byte(root))
	return filepath.Join(co.JobsDir(), fmt.Sprintf("checkout.%x", sum[:8]))
}

// HoldsMark says whether this session has the mark, and is known to be gone when the
// mark is: not one that is known by its calls only.
func (co *Checkout) HoldsMark() bool { return co.ownsCheckout() && !co.heard }

// isDeserted says that no session works in a checkout any more. In doubt one does.
func (co *Checkout) isDeserted(root string) bool {
	held, err := sandbox.Locked(co.attendanceFileOf(root))
	return err == nil && !held
}

// OtherSessionNote says that another session works in this very checkout, and how to give
// this one its own; "" when there is none.
func (co *Checkout) OtherSessionNote(c *history.Campaign) string {
	if co.ownsCheckout() {
		return ""
	}

	who, readErr := os.ReadFile(co.AttendanceFile())
	info, statErr := os.Stat(co.AttendanceFile())
	held, lockErr := sandbox.Locked(co.AttendanceFile())

	if errors.Join(readErr, statErr, lockErr) != nil || !held {
		return ""
	}
	silent := max(0, time.Since(info.ModTime())).Round(time.Second)

	return fmt.Sprintf("another session works in this very checkout (%s, last call %s ago), and you would edit each other's file: give yours its own, git worktree add --detach %s %s, and start there",
		strings.TrimSpace(string(who)), silent, co.Repo.Root()+"-2", strings.TrimPrefix(c.Branch, "refs/heads/"))
}
