package sandbox_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ratchet/sandbox"
)

// The abuse suite: what a hostile or broken program may do, and that it stays
// bounded, dies in time, leaves nobody and changes nothing outside. In go test
// it is a sample; the long form, with its table, is
//
//	go test ./sandbox -run Abuse -count 1 -timeout 2h -abuse.trials 200 -abuse.table
var (
	abuseTrials = flag.Int("abuse.trials", 1, "how often each abuse is tried")
	abuseTable  = flag.Bool("abuse.table", false, "print a table row for each abuse")
)

const (
	abuseWall  = 300 * time.Millisecond // at least; a helper should have begun by then
	abuseGrace = 30 * time.Millisecond
)

// abuse is one of them. Its command runs until the deadline if lasts is set.
// wrong says what is not as it should be, "" if nothing.
type abuse struct {
	name, command, helper string
	lasts, heavy          bool
	change                func(f *fixture, s *sandbox.Spec)
	wrong                 func(f *fixture, r sandbox.Result) string
}

func abuses() []abuse {
	exceeds := func(what string) func(*fixture, sandbox.Result) string {
		return func(_ *fixture, r sandbox.Result) string {
			if r.Exceeded != what {
				return fmt.Sprintf("exceeded %q, exit %d %s", r.Exceeded, r.Exit, r.Signal)
			}

			return ""
		}
	}
	ends := func(exit int, signal string) func(*fixture, sandbox.Result) string {
		return func(_ *fixture, r sandbox.Result) string {
			if r.Exit != exit || r.Signal != signal || r.Killed {
				return fmt.Sprintf("exit %d %s, killed %v: %.100s", r.Exit, r.Signal, r.Killed, r.Output.Text())
			}

			return ""
		}
	}
	long := func(_ *fixture, s *sandbox.Spec) { s.Env = append(s.Env, "BIG="+outputSize()) }
	const sleepers = "trap '' TERM HUP INT; for i in 1 2 3 4; do setsid sh -c 'trap \"\" TERM; sleep 100' & done; wait; sleep 100"

	return []abuse{
		{name: "daemons in sessions of their own hold the output", command: sleepers, lasts: true},
		{name: "double forks",
			command: "trap '' TERM; for i in 1 2 3 4; do (setsid sh -c '(sleep 100) &' &) ; done; sleep 100",
			lasts:   true},
		{name: "pid hoppers", helper: "hopper", command: "trap '' TERM; $SELF; sleep 100; sleep 100", lasts: true},
		{name: "daemons, hoppers and the deaf together", helper: "hostile", command: "exec $SELF", lasts: true},
		{name: "ignores every signal", helper: "deaf", command: "exec $SELF", lasts: true},
		{name: "closes its output and runs on", command: "trap '' TERM; exec >&- 2>&-; sleep 100; sleep 100",
			lasts: true},
		{name: "closes every descriptor and runs on", helper: "closer", command: "exec $SELF", lasts: true},
		{name: "leaves at once, its children stay",
			command: "(trap '' TERM; sleep 100) & (setsid sleep 100 &) ; exit 0", wrong: ends(0, "")},
		{name: "fork bomb", command: "ulimit -p 2500; trap '' TERM; b() { b | b & }; b 2>/dev/null; sleep 100",
			change: func(_ *fixture, s *sandbox.Spec) {
				s.Wall, s.Processes = 8*time.Second, 64
			}, // what counts only by looking may let it live
			wrong: func(_ *fixture, r sandbox.Result) string {
				if r.Exceeded != "processes" && r.Exit == 0 {
					return "it was not stopped"
				}

				return ""
			}},
		{name: "signals to the first process",
			command: "for s in TERM INT HUP QUIT SEGV ABRT CHLD PIPE URG USR1 TSTP STOP KILL 33 64; do kill -$s 1 2>/dev/null; done; exit 5", wrong: ends(5, "")},
		{name: "kills its own shell", command: "kill -KILL $$; echo alive", wrong: ends(-1, "SIGKILL")},
		{name: "exit code 256", command: "sh -c 'exit 256'; exit 9", wrong: ends(9, "")},
		{name: "writes to every descriptor, then fails",
			command: "i=3; while [ $i -lt 64 ]; do (echo forged >&$i) 2>/dev/null; i=$((i+1)); done; exit 3",
			wrong:   ends(3, "")},
		{name: "1 GB of output", command: "head -c ${BIG}00000 /dev/zero | tr '\\0' '\\n'; exit 4", heavy: true,
			change: long, wrong: ends(4, "")},
		{name: "one line of 200 MB",
			command: "head -c ${BIG}0000 /dev/zero | tr '\\0' x; head -c ${BIG}0000 /dev/zero | tr '\\0' x; exit 4",
			heavy:   true, change: long, wrong: ends(4, "")},
		{name: "binary output", command: "head -c 300000 /dev/urandom; exit 4", change: long, wrong: ends(4, "")},
		{name: "output without end", command: "trap '' TERM; cat /dev/zero",
			change: func(_ *fixture, s *sandbox.Spec) { s.MaxOutput = 4 << 20 }, wrong: exceeds("output")},
		{name: "fills the disk",
			command: "i=0; while :; do head -c 4000000 /dev/zero > f$i; i=$((i+1)); done 2>/dev/null",
			change:  func(_ *fixture, s *sandbox.Spec) { s.Disk = 16 << 20 }, wrong: exceeds("disk")},
		{name: "fills TMPDIR with one file",
			command: "trap '' XFSZ; head -c 40000000 /dev/zero > \"$TMPDIR/f\" 2>/dev/null; sleep 100",
			change:  func(_ *fixture, s *sandbox.Spec) { s.Disk = 16 << 20 }, wrong: exceeds("disk")},
		{name: "memory bomb", command: "ulimit -v 3000000; x=$(head -c 500000000 /dev/zero | tr '\\0' x); sleep 100; :",
			change: func(_ *fixture, s *sandbox.Spec) { s.Memory = 64 << 20 }, wrong: exceeds("memory")},
		{name: "memory bomb of many",
			command: "ulimit -v 3000000; for i in 1 2 3 4 5 6 7 8; do (x=$(head -c 20000000 /dev/zero | tr '\\0' x); sleep 100; :) & done; wait", change: func(_ *fixture, s *sandbox.Spec) { s.Memory = 64 << 20 }, wrong: exceeds("memory")},
		{name: "burns processor time unwaited",
			command: "trap '' CHLD; while :; do (i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done) & wait; done",
			change:  func(_ *fixture, s *sandbox.Spec) { s.CPU = 300 * time.Millisecond }, wrong: exceeds("cpu")},
		{name: "changes a frozen file", helper: "attack", command: "exec $SELF",
			change: attackOutside("append", "truncate",
				"unlink", "rename", "replace", "replace by link", "hard link", "symlink"), wrong: allDenied},
		{name: "chmod, chown, utimes, setxattr on a frozen file", helper: "attack", command: "exec $SELF",
			change: attackOutside("chmod", "chown", "utimes", "setxattr"), wrong: metadataDenied},
		{name: "mknod, umount, remount, mount",
			helper:  "attack mknod=.|umount=/proc|remount=/|bind=/mnt|mount in a namespace=/mnt|setuid=",
			command: "exec $SELF", wrong: allDenied},
		{name: "TCP, MPTCP and UDP, network off",
			helper: "attack listen=|tcp=127.0.0.1:22|mptcp=127.0.0.1:22|tcp=192.0.2.1:9|mptcp=192.0.2.1:9|udp=192.0.2.1:9|packet=", command: "exec $SELF", change: func(_ *fixture, s *sandbox.Spec) { s.Network = sandbox.NetworkOff }, wrong: allDenied},
		{name: "TCP, MPTCP and UDP, loopback only",
			helper: "attack tcp=192.0.2.1:9|mptcp=192.0.2.1:9|udp=192.0.2.1:9|packet=", command: "exec $SELF",
			change: func(_ *fixture, s *sandbox.Spec) { s.Network = sandbox.NetworkLoopback }, wrong: networkDenied},
		{name: "reads ~/.ssh", helper: "attack", command: "exec $SELF", change: func(f *fixture, s *sandbox.Spec) {
			s.Env = append(s.Env, helperVariable+"=attack read="+f.dir+"/home/.ssh/id|list="+f.dir+
				"/home/.ssh/sub|append="+f.dir+"/home/.ssh/id")
		}, wrong: secretsDenied},
		{name: "signals, traces and reads another process", helper: "attack", command: "exec $SELF",
			change: func(f *fixture, s *sandbox.Spec) {
				pid := fmt.Sprint(os.Getpid())
				s.Env = append(s.Env, helperVariable+"=attack environ="+pid+"|signal="+pid+"|trace="+pid+"|memory="+pid)
			}, wrong: processDenied},
	}
}

// outputSize is how much a long output is, × 10⁵ or × 10⁴ bytes.
func outputSize() string {
	if *abuseTrials > 10 {
		return "10000"
	}

	return "50"
}

// attackOutside aims attacks at a file that the run may read but never change.
func attackOutside(what ...string) func(f *fixture, s *sandbox.Spec) {
	return func(f *fixture, s *sandbox.Spec) {
		file := filepath.Join(f.dir, "outside/eval.py")
		if f.tier == sandbox.Namespaces { // it shows below the private /tmp, because it is carried
			s.Binds = append(s.Binds, sandbox.Bind{From: file, To: file})
		}

		for i := range what {
			what[i] = strings.Split(what[i], "=")[0] + "=" + file
		}
		s.Env = append(s.Env, helperVariable+"=attack "+strings.Join(what, "|"))
	}
}

// listAllowed lists the attacks that came through.
func listAllowed(r sandbox.Result) string {
	var list []string

	for _, line := range strings.Split(string(r.Output.Text()), "\n") {
		if what, ok := strings.CutSuffix(line, ": ALLOWED"); ok {
			list = append(list, "allowed: "+what)
		}
	}

	if !strings.Contains(string(r.Output.Text()), ": ") {
		return fmt.Sprintf("no answer: %+v", r)
	}

	return strings.Join(list, ", ")
}

func allDenied(_ *fixture, r sandbox.Result) string { return listAllowed(r) }

// metadataDenied: Landlock has no say in it, so in copies the report must tell.
func metadataDenied(f *fixture, r sandbox.Result) string {
	if f.tier == sandbox.Copies && strings.Contains(r.Enforced["files"],
		"modes, owners and times of files outside can be changed") {
		return ""
	}

	return listAllowed(r)
}

func networkDenied(f *fixture, r sandbox.Result) string {
	if strings.HasPrefix(r.Enforced["network"], "not enforced: ") {
		return ""
	}

	return listAllowed(r)
}

// secretsDenied: Landlock hides what is in files, not what they are called.
func secretsDenied(f *fixture, r sandbox.Result) string {
	text := listAllowed(r)
	if f.tier == sandbox.Copies && strings.HasPrefix(text, "allowed: list") && strings.Count(text, "allowed") == 1 {
		return ""
	}

	return text
}

// processDenied: without a PID namespace the processes of the same user can be read by it.
func processDenied(f *fixture, r sandbox.Result) string {
	text := listAllowed(r)
	if f.tier == sandbox.Copies && strings.HasPrefix(text, "allowed: environ") && strings.Count(text, "allowed") == 1 &&
		!strings.HasPrefix(r.Enforced["files"], "enforced by read-only") {
		return ""
	}

	return text
}

// figures of all trials of one abuse.
type figures struct {
	trials, survivors int
	late              []time.Duration // from the deadline to the last death
	wrong             string
}

func (f *figures) row(name string, tier sandbox.Tier) string {
	dead := "–"

	if len(f.late) > 0 {
		slices.Sort(f.late)
		ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }
		dead = fmt.Sprintf("%.1f / %.1f", ms(f.late[len(f.late)/2]), ms(f.late[(len(f.late)*99+99)/100-1]))
	}

	user, verdict := "root", "as it should be"
	if os.Geteuid() != 0 {
		user = "other"
	}

	if f.wrong != "" {
		verdict = f.wrong
	}

	return fmt.Sprintf("| %s | %s | %s | %d | %s | %d | %s |\n", name, tier, user, f.trials, dead, f.survivors, verdict)
}

func TestAbuse(t *testing.T) {
	forEachTier(t, func(t *testing.T, f *fixture) {
		f.writeSecrets(t)
		writeFiles(t, f.dir, map[string]string{"home/.ssh/sub/x": ""})

		f.begins = f.measureBeginning(t)
		for i, a := range abuses() {
			if !f.hasTurn(i) {
				continue
			}
			t.Run(a.name, func(t *testing.T) { f.runAbuse(t, a) })
		}
		t.Run("kills its worker", func(t *testing.T) { f.checkAbuse(t, "kills its worker", f.killCallers(t)) })
	})
}

// runAbuse tries one of them as often as it takes.
func (f *fixture) runAbuse(t *testing.T, a abuse) {
	if f.tier == sandbox.Copies && strings.HasPrefix(a.name, "signals to the first") {
		t.Skip("pid 1 is the host's there; TestRunAttacksItsStage has its like")
	}
	var sum figures
	trials := *abuseTrials

	switch {
	case a.heavy:
		trials = min(trials, 5)
	case !a.lasts: // no race in it
		trials = min(trials, 20)
	}

	before := describeTree(t, filepath.Join(f.dir, "outside"))
	for range trials {
		f.tryAbuse(t, a, &sum)
	}

	if after := describeTree(t, filepath.Join(f.dir, "outside")); before != after && !strings.HasPrefix(a.name,
		"chmod") {
		sum.wrong = "files outside were changed"
	}
	f.checkAbuse(t, a.name, &sum)
}

func (f *fixture) checkAbuse(t *testing.T, name string, sum *figures) {
	t.Helper()

	if sum.wrong != "" || sum.survivors > 0 {
		t.Errorf("%s: %d survivors, %s", name, sum.survivors, sum.wrong)
	}

	if *abuseTable {
		fmt.Print(sum.row(name, f.tier))
	} else {
		t.Log(strings.TrimSpace(sum.row(name, f.tier)))
	}
}

// measureBeginning is how long a command takes until its first line is out, or a
// little more: what a trivial one takes to its end.
func (f *fixture) measureBeginning(t *testing.T) time.Duration {
	var took []time.Duration

	for range 9 {
		s := f.confined("")
		s.Command = "echo up"
		took = append(took, mustRun(t, s).Wall)
		os.RemoveAll(f.upper())
	}
	slices.Sort(took)

	return took[len(took)/2]
}

// tryAbuse makes one run of an abuse. One that lasts is made again, with more time,
// where the deadline came before it ignored a SIGTERM: on a busy machine.
func (f *fixture) tryAbuse(t *testing.T, a abuse, sum *figures) {
	sum.trials++

	wall := patient
	if a.lasts {
		wall = max(abuseWall, 10*f.begins)
	}

	for !f.tryOnce(t, a, wall, sum) {
		wall *= 4
	}
}

// tryOnce makes a run of an abuse, unless it says that this one does not count.
// Every process of it holds a pipe, and a mark in its environment.
func (f *fixture) tryOnce(t *testing.T, a abuse, wall time.Duration, sum *figures) bool {
	alive := filepath.Join(f.dir, "scratch files", "alive")
	os.MkdirAll(filepath.Dir(alive), 0o755)
	os.Remove(alive)
	os.Remove(filepath.Join(filepath.Dir(alive), "f"))
	m := openDeathPipe(t, alive)
	s := f.confined(a.helper)
	mark := fmt.Sprintf("%s-%d", f.dir, f.n)
	s.Env = append(s.Env, abuseMark+"="+mark)
	s.Command = `exec 9>"$TMPDIR/alive"; echo up >&9; ` + a.command

	s.Wall, s.Grace = wall, abuseGrace
	if a.change != nil {
		a.change(f, &s)
	}

	life, over := make(chan [2]time.Time, 1), make(chan struct{})
	go func() { life <- m.recordLife(over) }()

	r, err := sandbox.Run(t.Context(), s)
	if err != nil {
		t.Fatalf("%s: %v", a.name, err)
	}
	close(over)
	m.f.SetReadDeadline(time.Now().Add(patient))
	was := <-life

	m.f.Close()
	defer os.RemoveAll(f.upper())

	if a.lasts && r.Signal == "SIGTERM" && wall < patient {
		return false
	}

	if a.lasts && a.helper != "closer" { // of which only the mark tells that it is gone
		sum.late = append(sum.late, max(was[1].Sub(was[0])+f.begins-s.Wall-s.Grace, 0))
	}

	sum.survivors += len(r.Survivors) + countMarked(mark)
	if was[1].IsZero() {
		sum.survivors++
	}

	switch wrong := ""; {
	case a.wrong != nil:
		if wrong = a.wrong(f, r); wrong != "" {
			sum.wrong = wrong
		}
	case !r.Killed || !r.TimedOut || r.Signal != "SIGKILL":
		sum.wrong = fmt.Sprintf("not killed at the deadline: exit %d %s: %.200s", r.Exit, r.Signal, r.Output.Text())
	}

	return true
}

const abuseMark = "SANDBOX_TEST_MARK"

// countMarked counts the processes that have a mark in their environment.
func countMarked(mark string) (n int) {
	environs, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range environs {
		if env, err := os.ReadFile(path); err == nil && bytes.Contains(env, []byte(abuseMark+"="+mark+"\x00")) {
			n++
		}
	}

	return n
}

// recordLife is when the first line came, or the run was over without one, and when
// the last process was gone; zero if it never was.
func (m deathPipe) recordLife(over <-chan struct{}) (life [2]time.Time) {
	buf := make([]byte, 1)
	for ended := false; !ended; {
		k, err := m.f.Read(buf)
		if k == 1 && buf[0] == '\n' || k == 0 && err != io.EOF {
			break
		} else if k == 0 { // nobody has opened it yet
			select {
			case <-over:
				ended = true
			case <-time.After(200 * time.Microsecond):
			}
		}
	}

	life[0] = time.Now()
	if _, err := io.Copy(io.Discard, m.f); err == nil {
		life[1] = time.Now()
	}

	return life
}

// killCallers: a supervisor that dies takes its run with it.
func (f *fixture) killCallers(t *testing.T) *figures {
	var sum figures

	trials := max(*abuseTrials, 3)
	if f.tier == sandbox.Copies {
		trials = min(trials, 20)
	}

	for n := range trials {
		sum.trials++
		m := openDeathPipe(t, filepath.Join(f.dir, "fifo"))
		c := exec.Command("/proc/self/exe")
		c.Env = []string{helperVariable + fmt.Sprintf("=supervisor %s %d %s", f.tier, n, f.dir)}

		c.Stdout, c.Stderr = os.Stderr, os.Stderr
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		m.awaitLines(t, 5)
		killed := time.Now()
		c.Process.Kill()

		sum.late = append(sum.late, m.awaitDeath(t).Sub(killed))
		m.f.Close()
		c.Wait()
		os.Remove(filepath.Join(f.dir, "fifo"))
		os.RemoveAll(f.ownFolder("scratch")) // a killed supervisor cleans nothing
	}

	return &sum
}

// runFixture is what the killed supervisor does: it runs the fixture, in folders
// of its number, since those of the one before may be in use for a moment longer.
func runFixture(tier, n, dir string) {
	f := fixture{dir: dir, tier: sandbox.Tier(tier)}
	fmt.Sscan(n, &f.n)
	s := f.spec(hostileTo(filepath.Join(dir, "fifo")))
	s.Env = append(s.Env, helperVariable+"=hostile")
	fmt.Println(sandbox.Run(context.Background(), s))
}

// closeAll closes every descriptor, so that nothing tells that it is there.
func closeAll() {
	for fd := range 256 {
		syscall.Close(fd)
	}
	syscall.Pause()

	for {
		syscall.Pause()
	}
}
