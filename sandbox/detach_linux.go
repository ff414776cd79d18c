package sandbox

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ratchet/internal/research"
	"ratchet/sandbox/stage"
)

// readyLimit is how long a detached program may take to call Ready.
const readyLimit = 30 * time.Second

// detach lets a stage start the program: the stage ends at once, so that init
// adopts the program and it never becomes a zombie of ours.
func detach(argv, env []string, dir, logPath string) (int, error) {
	if len(argv) == 0 {
		return 0, errors.New("detach: no program")
	}

	path, err := exec.LookPath(argv[0])
	if err != nil {
		return 0, fmt.Errorf("find %s: %w", argv[0], err)
	}

	log, err := os.OpenFile(logPath, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return 0, roomError("open the log", err)
	}
	defer log.Close()

	logStart, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, roomError("open the log", err)
	}

	ready, write, err := os.Pipe()
	if err != nil {
		return 0, fmt.Errorf("make a pipe: %w", err)
	}
	defer ready.Close()

	plan := &stage.Plan{
		Detach: true,
		Argv:   append([]string{path}, argv...),
		Dir:    dir,
		Env:    append(slices.Clone(env), ReadyVariable+"=3"), // see startDetached
	}
	pid, err := startDetached(plan, log, write)
	write.Close()

	if err != nil {
		return 0, err
	}

	if err := awaitReady(ready, pid); err != nil {
		return pid, describeStart(err, log, logStart, pid, argv[0])
	}

	return pid, nil
}

// startDetached runs a detaching stage to its end. The program has ready as its
// descriptor 3.
func startDetached(plan *stage.Plan, log, ready *os.File) (pid int, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("make a control socket: %w", err)
	}

	control, theirs := os.NewFile(uintptr(pair[0]), "control"), os.NewFile(uintptr(pair[1]), "control")
	defer control.Close()
	defer theirs.Close()

	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()

	process, err := os.StartProcess("/proc/self/exe", []string{stage.Name},
		&os.ProcAttr{Env: stageEnvironment(), Files: []*os.File{null, log, log, theirs, ready}})
	theirs.Close() // else the end of a stage that says nothing would not be seen

	if err != nil {
		return 0, fmt.Errorf("start a process: %w", err)
	}

	control.Write(plan.Encode()) // a stage that is gone says nothing

	message, err := stage.ReadMessage(control)
	if _, waitErr := process.Wait(); err == nil && waitErr != nil {
		err = waitErr
	}

	switch {
	case err != nil:
		return 0, fmt.Errorf("start a detached process: %w", err)
	case message.Kind != stage.Started:
		return 0, fmt.Errorf("%s %s: %w", message.Step, message.Path, message.Errno)
	}

	return message.Pid, nil
}

// What awaitReady returns beside the program's own refusal.
var (
	errEarlyEnd = errors.New("ended before it was ready")
	errNotReady = fmt.Errorf("did not become ready in %v", readyLimit)
)

// awaitReady waits for what the program says by Ready: its refusal, errEarlyEnd
// when it ends without a word, or errNotReady, which has killed it.
func awaitReady(ready *os.File, pid int) error {
	ready.SetReadDeadline(time.Now().Add(readyLimit))

	said := make([]byte, 64<<10)
	n, err := ready.Read(said) // one write, one read: no need to wait until every copy of the pipe is closed

	words := strings.SplitN(string(said[:n]), "\x00", 4)
	switch {
	case words[0] == "ready":
		return nil
	case words[0] == "refused" && len(words) == 4:
		return research.Errorf(research.Code(words[1]), words[2], "%s", words[3])
	case errors.Is(err, os.ErrDeadlineExceeded):
		unix.Kill(pid, unix.SIGKILL) // it has a session of its own and has started nothing yet
		return errNotReady
	}

	return errEarlyEnd
}

// describeStart adds to an error that is not the program's own its name and
// the end of its log.
func describeStart(err error, log *os.File, logStart int64, pid int, name string) error {
	if err != errEarlyEnd && err != errNotReady {
		return err
	}

	return fmt.Errorf("%s (pid %d) %w: %s", name, pid, err, readLogEnd(log, logStart))
}

// readLogEnd reads the last 2 KiB that were written to the log since start.
func readLogEnd(log *os.File, start int64) string {
	end, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return "its log can't be read"
	}

	from := max(start, end-2<<10)
	text := make([]byte, end-from)

	n, _ := log.ReadAt(text, from)
	if n == 0 {
		return "its log is empty"
	}

	return strings.TrimSpace(string(text[:n]))
}
