package host

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"ratchet/internal/research"
	"ratchet/sandbox"
)

// This file is the worker's side of staying: one process does the jobs that
// sessions hand over through a socket, one at a time. handover.go is the sessions'
// side.
//
// The socket only saves time. Whether a job has a worker is told by the job's own
// lock, as without it; a request that is lost on the way, or that comes to a worker
// that is about to exit, is answered by starting another process.

// request is what a session asks of a worker that stays. One of the three is set.
type request struct {
	Secret  string         `json:"secret"`            // from the standby file, which runs can't read
	Job     research.JobID `json:"job,omitempty"`     // do this one
	Stop    research.JobID `json:"stop,omitempty"`    // end this one, and exit
	Dismiss bool           `json:"dismiss,omitempty"` // exit, unless there is a job: then after it
}

// reply is the worker's answer to it.
type reply struct {
	Done bool          `json:"done"`           // it was done; of a job: the worker has announced itself
	Code research.Code `json:"code,omitempty"` // the job was refused
	Next string        `json:"next,omitempty"`
	Msg  string        `json:"msg,omitempty"`
}

const (
	requestLimit = 2 * time.Second // for a session to say what it wants
	// A worker that has recorded the end of a job still removes what its runs
	// left. The next job waits so long for that before it gets a process of its own.
	tailLimit = 150 * time.Millisecond
	// presenceTick is how often an idle worker looks whether its socket is still there:
	// a repository that was removed takes its worker with it.
	presenceTick = 5 * time.Second
)

func (h *Local) standbyFile(campaign, key, kind string) string {
	return filepath.Join(h.dir, campaign+"."+key+"."+kind)
}

// Serve is Stayer's.
func (h *Local) Serve(ctx context.Context, key string, first Job, idle time.Duration, do DoFunc) error {
	s, err := h.openStandby(key, first.Campaign, idle)
	if err != nil {
		return err
	}

	if s == nil {
		return do(ctx, first, sandbox.Ready)
	}
	defer s.close()

	if err := s.doJob(ctx, first.ID, sandbox.Ready, do); err != nil {
		return err
	}

	for ctx.Err() == nil {
		offer := s.awaitOffer(ctx, idle)
		if offer == nil {
			break
		}

		if err := s.doJob(ctx, offer.id, offer.answer, do); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", offer.id, err)
		}
	}

	return nil
}

// standby is a worker that stays.
type standby struct {
	host     *Local
	campaign string
	key      string
	secret   string
	lock     *sandbox.Lock
	listener net.Listener
	offers   chan *offer   // jobs; taken while the worker is idle
	leaving  chan struct{} // closed when the worker shall exit

	mu      sync.Mutex
	current research.JobID
	cancel  context.CancelFunc // ends current
	leave   func()             // closes leaving, once
}

// offer is a job that a session hands over.
type offer struct {
	id     research.JobID
	answer func(error)
}

// openStandby makes this process the one that stays for its campaign and key. It is
// nil where another one is, where jobs are not to be waited for, or where the folder
// takes no socket.
func (h *Local) openStandby(key, campaign string, idle time.Duration) (*standby, error) {
	if key == "" || idle <= 0 {
		return nil, nil
	}

	// Nobody but this user may read the secret.
	path := h.standbyFile(campaign, key, "standby")
	if file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600); err == nil {
		_ = file.Close()
	}

	lock, ok, err := sandbox.TryLock(path)
	if err != nil || !ok {
		return nil, err
	}

	s := &standby{host: h, campaign: campaign, key: key, secret: rand.Text(), lock: lock,
		offers: make(chan *offer), leaving: make(chan struct{})}
	s.leave = sync.OnceFunc(func() { close(s.leaving) })

	s.listener, err = listen(h.standbyFile(campaign, key, "socket"))
	if err != nil {
		_ = os.Remove(path)
		return nil, lock.Release() // it does this job alone
	}

	if err := lock.Write(fmt.Appendf(nil, "%d\n%s\n", os.Getpid(), s.secret)); err != nil {
		s.close()
		return nil, err
	}
	h.standby = key

	go s.accept()

	return s, nil
}

// close gives the campaign's place up to the next worker. The lock is given back last.
func (s *standby) close() {
	s.leave()
	_ = s.listener.Close()

	_ = os.Remove(s.host.standbyFile(s.campaign, s.key, "socket"))
	_ = os.Remove(s.host.standbyFile(s.campaign, s.key, "standby"))

	log := s.host.standbyFile(s.campaign, s.key, "log")
	if info, err := os.Stat(log); err == nil && info.Size() == 0 {
		_ = os.Remove(log)
	}

	_ = s.lock.Release()
}

// doJob does one job, which a request can stop.
func (s *standby) doJob(ctx context.Context, id research.JobID, ready func(error), do DoFunc) error {
	running, cancel := context.WithCancel(ctx)
	defer cancel()

	s.mu.Lock()
	s.current, s.cancel = id, cancel
	s.mu.Unlock()

	err := do(running, Job{Campaign: s.campaign, ID: id}, ready)

	s.mu.Lock()
	s.current = ""
	s.mu.Unlock()

	return err
}

// awaitOffer waits for the next job. It is nil when the worker shall exit.
func (s *standby) awaitOffer(ctx context.Context, idle time.Duration) *offer {
	select { // what was asked for during a job comes first
	case <-s.leaving:
		return nil
	default:
	}

	ended := time.NewTimer(idle)
	defer ended.Stop()
	look := time.NewTicker(presenceTick)
	defer look.Stop()

	for {
		select {
		case offered := <-s.offers:
			return offered
		case <-look.C:
			if _, err := os.Lstat(s.host.standbyFile(s.campaign, s.key, "socket")); errors.Is(err, fs.ErrNotExist) {
				return nil
			}
		case <-ended.C:
			return nil
		case <-s.leaving:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// accept answers requests until the listener is closed.
func (s *standby) accept() {
	for {
		conn, err := s.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}

		if err != nil { // out of descriptors, for instance: sessions start processes meanwhile
			time.Sleep(requestLimit)
			continue
		}

		go s.answer(conn)
	}
}

// answer does what one session asks for.
func (s *standby) answer(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(requestLimit))

	var asked request
	if json.NewDecoder(conn).Decode(&asked) != nil || asked.Secret != s.secret {
		return
	}

	switch {
	case asked.Job != "":
		s.takeOver(conn, asked.Job)
	case asked.Stop != "":
		_ = json.NewEncoder(conn).Encode(reply{Done: s.stop(asked.Stop)})
	case asked.Dismiss:
		s.leave()
		_ = json.NewEncoder(conn).Encode(reply{Done: true})
	}
}

// takeOver gives the job to the process's main loop, if that is free or about to be.
// Without an answer the session starts a process.
func (s *standby) takeOver(conn net.Conn, id research.JobID) {
	_ = conn.SetDeadline(time.Time{})
	answered := make(chan struct{})

	var once sync.Once
	offered := &offer{id: id, answer: func(err error) {
		once.Do(func() {
			_ = json.NewEncoder(conn).Encode(newReply(err)) // the session may be dead; the job goes on
			close(answered)
		})
	}}

	select {
	case s.offers <- offered:
		<-answered
	case <-s.leaving:
	case <-time.After(tailLimit):
	}
}

func newReply(err error) reply {
	if err == nil {
		return reply{Done: true}
	}

	said := research.DescribeInFull(err)

	return reply{Code: said.Code, Next: said.Next, Msg: said.Msg}
}

// stop ends the job, if it is the one under way, and has the worker exit after it.
func (s *standby) stop(id research.JobID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()

	if s.current != id {
		return false
	}
	s.leave()
	s.cancel()

	return true
}

// listen makes the socket path, in place of one that a dead worker left.
func listen(path string) (net.Listener, error) {
	short, done, err := shortenSocket(path)
	if err != nil {
		return nil, err
	}
	defer done()

	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}

	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: short, Net: "unix"})
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false) // its name may be gone, or another's

	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, listener.Close())
	}

	return listener, nil
}

// maxSocketPath is what every system takes as a socket's path, in bytes.
const maxSocketPath = 100

// shortenSocket is a name of the path that a socket's address can hold, until done.
func shortenSocket(path string) (short string, done func(), err error) {
	if len(path) <= maxSocketPath {
		return path, func() {}, nil
	}

	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, err
	}
	short = fmt.Sprintf("/proc/self/fd/%d/%s", folder.Fd(), filepath.Base(path))

	if len(short) > maxSocketPath { // a campaign's name of a hundred letters
		return "", nil, errors.Join(fs.ErrInvalid, folder.Close())
	}

	return short, func() { _ = folder.Close() }, nil
}
