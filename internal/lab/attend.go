package lab

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
func (l *Lab) Attend() { l.attendAs(false) }

// AttendHeard is Attend for a session that is known by its calls only, as over
// HTTP: it leaves when it has been silent for a while, but it may only be
// thinking, so its claims outlive that.
func (l *Lab) AttendHeard() { l.attendAs(true) }

func (l *Lab) attendAs(heard bool) {
	l.mu.Lock()
	defer l.mu.Unlock()

	if l.left {
		return
	}
	l.attends, l.heard = true, heard
	l.takeMark()
}

// Leave takes the mark back, for good: a call that is still under way marks
// nothing any more.
func (l *Lab) Leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left, l.attends = true, false
	_ = l.attending.Release() // the lock falls with the file, whatever closing it says
	l.attending = nil
}

// ownsCheckout says whether the checkout is this session's. It tries again to mark it:
// the other one may have left.
func (l *Lab) ownsCheckout() bool {
	l.mu.Lock()
	defer l.mu.Unlock()

	if l.attends {
		l.takeMark()
	}

	return l.attending != nil
}

// takeMark takes the checkout's lock, if nobody else has it, and writes in it who
// holds it; the time is the file's. l.mu is held.
func (l *Lab) takeMark() {
	if l.attending == nil {
		if os.MkdirAll(l.jobsDir(), 0o777) != nil {
			return
		}
		lock, ok, err := sandbox.TryLock(l.attendanceFile())
		if err != nil || !ok {
			return
		}
		l.attending = lock
	}

	who := fmt.Appendf(nil, "%s, pid %d\n", strings.TrimSpace(l.opt.Client.Name+" "+l.opt.Client.Version), os.Getpid())
	if l.attending.Write(who) != nil {
		_ = l.attending.Release()
		l.attending = nil
	}
}

// attendanceFile is the file that says who works in this checkout.
func (l *Lab) attendanceFile() string { return l.attendanceFileOf(l.repo.Root()) }

func (l *Lab) attendanceFileOf(root string) string {
	sum := sha256.Sum256([]byte(root))
	return filepath.Join(l.jobsDir(), fmt.Sprintf("checkout.%x", sum[:8]))
}

// holdsMark says whether this session marks the checkout, and is gone when the mark is.
func (l *Lab) holdsMark() bool { return l.ownsCheckout() && !l.heard }

// isDeserted says that nobody works in a checkout any more. In doubt somebody does.
func (l *Lab) isDeserted(root string) bool {
	held, err := sandbox.Locked(l.attendanceFileOf(root))
	return err == nil && !held
}

// otherSessionNote says that another session works in this very checkout, and how to give
// this one its own; "" when there is none.
func (l *Lab) otherSessionNote(c *history.Campaign) string {
	if l.ownsCheckout() {
		return ""
	}
	who, err := os.ReadFile(l.attendanceFile())

	info, serr := os.Stat(l.attendanceFile())
	if held, lerr := sandbox.Locked(l.attendanceFile()); errors.Join(err, serr, lerr) != nil || !held {
		return ""
	}
	root := l.repo.Root()

	return fmt.Sprintf("another session works in this very checkout (%s, last call %s ago), and you would edit each other's file: give yours its own, git worktree add --detach %s %s, and start there",
		strings.TrimSpace(string(who)), max(0, time.Since(info.ModTime())).Round(time.Second), root+"-2",
		strings.TrimPrefix(c.Branch, "refs/heads/"))
}
