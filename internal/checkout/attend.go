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
// apart by their Labs, also within one process. What keeps it from marking
// keeps nobody from working.
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

// ownsCheckout says whether the checkout is this session's. It tries again to mark it:
// the other one may have left.
func (co *Checkout) ownsCheckout() bool {
	co.mu.Lock()
	defer co.mu.Unlock()

	if co.attends {
		co.takeMark()
	}

	return co.attending != nil
}

// takeMark takes the checkout's lock, if nobody else has it, and writes in it who
// holds it; the time is the file's. l.mu is held.
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

	who := fmt.Appendf(nil, "%s, pid %d\n", strings.TrimSpace(co.Opt.Client.Name+" "+co.Opt.Client.Version),
		os.Getpid())
	if co.attending.Write(who) != nil {
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

// HoldsMark says whether this session marks the checkout, and is gone when the mark is.
func (co *Checkout) HoldsMark() bool { return co.ownsCheckout() && !co.heard }

// isDeserted says that nobody works in a checkout any more. In doubt somebody does.
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
	who, err := os.ReadFile(co.AttendanceFile())

	info, serr := os.Stat(co.AttendanceFile())
	if held, lerr := sandbox.Locked(co.AttendanceFile()); errors.Join(err, serr, lerr) != nil || !held {
		return ""
	}
	root := co.Repo.Root()

	return fmt.Sprintf("another session works in this very checkout (%s, last call %s ago), and you would edit each other's file: give yours its own, git worktree add --detach %s %s, and start there",
		strings.TrimSpace(string(who)), max(0, time.Since(info.ModTime())).Round(time.Second), root+"-2",
		strings.TrimPrefix(c.Branch, "refs/heads/"))
}
