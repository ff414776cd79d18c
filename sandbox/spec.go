package sandbox

import (
	"context"
	"io"
	"time"

	"ratchet/sandbox/layers"
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
	// absolute folder, empty or absent; after the run it holds exactly what changed, as an overlay's
	// upper folder, and can be a later Lower. "" = read-only view
	Upper string
	Work  string // the overlay's work folder, on Upper's file system; emptied and removed after the run
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
	// sees every output byte (stdout and stderr merged, in order) as it comes; may be nil. A slow one
	// slows the command
	Sink    io.Writer
	Scratch string // our folder for this run, on Upper's file system; made if absent. Copies go there
	// Kept is a folder for the content of what is removed from shared memory after a run of
	// tier copies: another program of this user may have made it. "" is one in Scratch.
	Kept string
	Tier Tier // from Detect

	// Confined keeps the run from changing anything but its views, TMPDIR, its
	// own /dev/shm and Writable, and from reading anything of the host but
	// SystemFolders, some devices, /proc, the hardware's part of /sys and what the
	// spec names. Where it can be done, /tmp and /var/tmp are its own too.
	Confined bool
	// absolute paths, folders or files, that a confined run sees besides, read-only; missing ones are
	// skipped. What Hidden names too is shown, where it is named itself
	Shown []string
	// absolute paths, folders, files or devices, that may be written besides; missing ones are
	// skipped. No layer of a view may lie in them
	Writable []string
	// absolute paths that can't be read, though they lie in what a run sees or in a bind; missing
	// ones are skipped
	Hidden  []string
	Network Network // "": NetworkOn

	// Begin, if not nil, is called when everything is prepared, right before the
	// command's first process is started; the run is not made when it fails. End, if
	// not nil, is called once after it, as soon as nothing of the run lives or is known
	// to die, before anything that the run left is looked at.
	Begin func(ctx context.Context) error
	End   func()

	// Limits of the whole tree. Zero is no limit; what goes beyond ends the run at once.
	Memory    int64 // bytes
	Processes int   // and their threads, at a time
	// bytes in the views' upper folders, TMPDIR and /tmp; also of any single file. Each file, link and
	// folder counts as 4 KiB at least
	Disk      int64
	CPU       time.Duration // user + system
	MaxOutput int64         // bytes of output

	// Result.CPU or Result.MaxRSS is what the run is judged by: where processes may
	// have hidden from it, Result.Hidden says so. A limit on CPU implies it.
	CountCPU, CountMaxRSS bool
}

// Network is what a run reaches.
type Network string

const (
	NetworkOff      Network = "off"      // nothing, not even itself
	NetworkLoopback Network = "loopback" // itself, by a loopback device of its own
	NetworkOn       Network = "on"       // what its caller reaches
)

// Result is what a run did. A failing command is a result, not an error.
type Result struct {
	Exit     int    // of the command itself; -1 when a signal ended it
	Signal   string // that ended the command itself ("SIGKILL"), else ""
	TimedOut bool   // it was still running at Wall
	// it was still running at Wall+Grace, or was cancelled, or exceeded a limit, or its stage died:
	// killed
	Killed    bool
	Cancelled bool          // the context ended before the command did
	Wall      time.Duration // from the command's start to its end, on the monotonic clock
	CPU       time.Duration // user + system of the whole reaped tree; with a cgroup, of the whole tree
	MaxRSS    int64         // bytes, of the largest single process
	// MaxTree is the most bytes that the tree was seen to hold at a time, every 20 ms;
	// 0 when nothing looked.
	MaxTree int64
	// DiskRead (bytes) and MajorFaults are of the whole reaped tree; nil where nothing
	// counted them.
	DiskRead, MajorFaults *int64

	// Exceeded is the limit that was exceeded: memory, processes, disk, depth, cpu or
	// output; else "".
	Exceeded string
	// Unlisted says why what the run left can't be listed, by its own fault; else "".
	// Changes is nil then.
	Unlisted string
	// Hidden says why CPU or MaxRSS may lack what processes used, where they count; else "".
	Hidden string

	Slept     time.Duration // the machine was suspended for so long during the run
	Output    Output
	SinkErr   error    // the first error of Sink, which then saw no more
	Changes   []Change // of Views[0], sorted by path; nil when there are survivors
	Survivors []int    // tier copies: pids that could not be killed
	// Enforced says of what was asked "enforced by …" or "not enforced: why"; see
	// EnforcedKeys.
	Enforced map[string]string
}

// EnforcedKeys are the keys that Result.Enforced may have: tree, deadline,
// privileges and calls for every run, the others where the spec asks for them.
// Older records lack calls, ipc and accounting, which nothing enforced then.
func EnforcedKeys() []string {
	return []string{"tree", "deadline", "privileges", "calls", "ipc", "view", "carry", "files", "network", "memory",
		"processes", "disk", "cpu", "accounting", "output"}
}

// CollectLimit is how long what a run left is moved to its place and listed, at most.
const CollectLimit = 2 * time.Minute

// RunOverhead is how much longer than Wall and Grace Begin and End may lie apart, on a
// machine that is very busy.
const RunOverhead = time.Minute

// Change is one difference between Views[0] before and after the run.
type Change struct {
	Path string // slash-separated, relative to Root
	Kind string // Written, Restored, Deleted or Dir
}

// Kinds of changes.
const (
	Written = layers.Written // a file, link or other non-folder is new, or has other content, mode or type
	// it is as it was, but was changed and put back meanwhile or, in tier namespaces, opened for writing
	Restored = layers.Restored
	Deleted  = layers.Deleted // it is gone; a deleted folder is listed with everything that was in it
	Dir      = layers.Dir     // a folder is new or has another mode
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

// Handover is what one run leaves to another, whose views are else its own.
type Handover struct {
	Paths []string // files or folders, slash-separated, relative to the views' root, none inside another
	From  []string // what the one run saw at its end: its upper folder, then its layers, topmost first
	To    []string // the layers that the other sees, topmost first
	Dir   string   // absent or empty, on the file system of From; the layers are made there
	// Refuse says why a file or link may not be handed, "" if it may. at is where it lies in From. May be nil
	Refuse func(file, at string) string
}

// HandOver makes layers to lie on To, topmost first, by which Paths look as they do
// in From, and nothing else is changed: what From lacks there, they hide. Files are
// linked where that can be done. why says what can't be handed, "" for nothing:
// anything but files, folders, and links that stay inside a folder that is handed.
// It reads no file. Nothing of the one run may live any more.
func HandOver(handed Handover) (made []string, why string, err error) { return handOver(handed) }

// Run executes one command and returns when its whole process tree is dead (or
// what survived is known). Cancelling ctx kills the run and is a result. It
// fails only when the run could not be made: CodeUnsupported when this machine
// can't do what the tier needs, CodeStorage when there is no room,
// CodeBadArgument when the spec can't be used.
func Run(ctx context.Context, s Spec) (Result, error) { return run(ctx, s) }

// CheckSystem fails with CodeUnsupported where nothing can be run, whatever is installed:
// on any system but Linux. It costs nothing.
func CheckSystem() error { return checkSystem() }

// Detect finds the tier of this machine by making a small run in dir, an
// existing folder of ours where views will lie. For Copies, why is the reason
// in one sentence. It fails when dir can't be used at all.
func Detect(ctx context.Context, dir string) (tier Tier, why string, err error) {
	return detect(ctx, dir)
}

// Promises says what runs of a tier have on this machine and what they lack,
// found out by one small run with everything asked for; that is made once in a
// process. Each line is one sentence without a full stop.
func Promises(tier Tier) (gives, lacks []string) { return promises(tier) }

// Detach starts argv in a new session, with /dev/null as its input, the file
// logPath (appended to) as its output and no other descriptor of ours, in dir
// with the environment env. It returns when the program has called Ready. A
// refusal by the program comes back as the same coded error; an early death,
// or 30 s without a word, is an error with the end of its log. The program is
// nobody's child: there is nothing to wait for.
func Detach(argv, env []string, dir, logPath string) (pid int, err error) {
	return detach(argv, env, dir, logPath)
}
