package sandbox

import (
	"context"
	"io"
	"time"
)

// Tier is how runs are isolated on this machine.
type Tier string

const (
	Namespaces Tier = "namespaces" // PID and mount namespace, overlays
	Copies     Tier = "copies"     // subreaper, merged copies
)

// TierVariable is the environment variable that overrides Detect: "copies" or
// "namespaces". It is for tests and for kernels on which trying misleads.
const TierVariable = "RATCHET_TIER"

// View is a tree that appears at Root inside the run: Lower, never written,
// under a fresh Upper.
type View struct {
	Root  string   // absolute path where it appears. Made if missing, except the first view's
	Lower []string // absolute existing folders, topmost first; may be empty
	Upper string   // absolute folder, empty or absent; after the run it holds exactly what changed, as an overlay's upper folder, and can be a later Lower. "" = read-only view
	Work  string   // the overlay's work folder, on Upper's file system; emptied and removed after the run
}

// Bind makes From, a folder or file of the host, appear read-only at To inside
// the run. A missing To inside a view is made for the run alone; one outside every view must exist.
type Bind struct{ From, To string }

// Spec is one run.
type Spec struct {
	Command string        // for /bin/sh -c
	Dir     string        // absolute working folder, as the run sees it
	Env     []string      // complete environment, KEY=value
	Views   []View        // mounted in order; Views[0] is the repository
	Binds   []Bind        // carry: git-ignored folders, read-only
	Wall    time.Duration // 0: no limit. At Wall: SIGTERM to the whole tree
	Grace   time.Duration // at Wall+Grace: SIGKILL of the whole tree
	Keep    int64         // bytes of output kept, half head and half tail; the rest is counted, never buffered
	Sink    io.Writer     // sees every output byte (stdout and stderr merged, in order) as it comes; may be nil. A slow one slows the command
	Scratch string        // our folder for this run, on Upper's file system; made if absent. Copies go there
	Tier    Tier          // from Detect
}

// Result is what a run did. A failing command is a result, not an error.
type Result struct {
	Exit      int           // of the command itself; -1 when a signal ended it
	Signal    string        // that ended the command itself ("SIGKILL"), else ""
	TimedOut  bool          // it was still running at Wall
	Killed    bool          // it was still running at Wall+Grace, or was cancelled, or its stage died: killed
	Cancelled bool          // the context ended before the command did
	Wall      time.Duration // from the command's start to its end, on the monotonic clock
	CPU       time.Duration // user + system of the whole reaped tree
	MaxRSS    int64         // bytes, of the largest single process
	Slept     time.Duration // the machine was suspended for so long during the run
	Output    Output
	SinkErr   error             // the first error of Sink, which then saw no more
	Changes   []Change          // of Views[0], sorted by path; nil when there are survivors
	Survivors []int             // tier copies: pids that could not be killed
	Enforced  map[string]string // what was really enforced, and how
}

// Change is one difference between Views[0] before and after the run. A file
// that was rewritten with the same content and mode is none.
type Change struct {
	Path string // slash-separated, relative to Root
	Kind string // Written, Deleted or Dir
}

// Kinds of changes.
const (
	Written = "written" // a file, link or other non-folder is new, or has other content, mode or type
	Deleted = "deleted" // it is gone; a deleted folder is listed with everything that was in it
	Dir     = "dir"     // a folder is new or has another mode
)

// Slept is how long the machine was suspended while the boot clock advanced by
// boot and the monotonic clock, which stands still then, by mono. Below 10 ms
// it is the jitter of reading two clocks, and zero.
func Slept(boot, mono time.Duration) time.Duration {
	if d := boot - mono; d >= 10*time.Millisecond {
		return d
	}
	return 0
}

// Run executes one command and returns when its whole process tree is dead (or
// what survived is known). Cancelling ctx kills the run and is a result. It
// fails only when the run could not be made: CodeUnsupported when this machine
// can't do what the tier needs, CodeStorage when there is no room,
// CodeBadArgument when the spec can't be used.
func Run(ctx context.Context, s Spec) (Result, error) { return run(ctx, s) }

// Detect finds the tier of this machine by making a small run in dir, an
// existing folder of ours where views will lie. For Copies, why is the reason
// in one sentence. It fails when dir can't be used at all.
func Detect(ctx context.Context, dir string) (tier Tier, why string, err error) {
	return detect(ctx, dir)
}

// Detach starts argv in a new session, with /dev/null as its input, the file
// logPath (appended to) as its output and no other descriptor of ours, in dir
// with the environment env. It returns when the program has called Ready. A
// refusal by the program comes back as the same coded error; an early death,
// or 30 s without a word, is an error with the end of its log. The program is
// nobody's child: there is nothing to wait for.
func Detach(argv, env []string, dir, logPath string) (pid int, err error) {
	return detach(argv, env, dir, logPath)
}
