package sandbox_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ratchet/sandbox"
)

// confined is a run of this test binary as a helper, under everything that
// confines, with a home of secrets beside the repository.
func (f *fixture) confined(helper string) sandbox.Spec {
	exe, _ := os.Executable()
	s := f.spec(`exec "$SELF"`)
	tmp := filepath.Join(f.dir, "scratch files")
	os.MkdirAll(tmp, 0o755)
	s.Env = append(s.Env, "SELF="+exe, helperVariable+"="+helper, "TMPDIR="+tmp)
	s.Confined, s.Hidden = true, []string{filepath.Join(f.dir, "home/.ssh"), filepath.Join(f.dir, "home/.netrc"),
		filepath.Join(f.dir, "nowhere")}

	s.Shown = []string{exe}

	return s
}

func (f *fixture) writeSecrets(t *testing.T) {
	writeFiles(t, f.dir, map[string]string{"home/.ssh/id": "key", "home/.netrc": "password",
		"home/open.txt": "readable", "outside/eval.py": "assert", "outside/dir/x": ""})
}

// parseAttacks is what each attack of a script came to.
func parseAttacks(t *testing.T, r sandbox.Result) map[string]string {
	t.Helper()
	m := map[string]string{}

	for _, line := range strings.Split(strings.TrimSpace(string(r.Output.Text())), "\n") {
		what, how, ok := strings.Cut(line, ": ")
		if !ok {
			t.Fatalf("not an answer: %q\n%+v", line, r)
		}
		m[what] = how
	}

	return m
}

// Nothing outside the views, TMPDIR and what is named can be changed.
func TestConfinedFiles(t *testing.T) {
	forEachTier(t, func(t *testing.T, f *fixture) {
		f.writeSecrets(t)
		target, dir := filepath.Join(f.dir, "outside/eval.py"), filepath.Join(f.dir, "outside/dir")

		var script []string
		for _, what := range []string{"append", "truncate", "unlink", "rename", "replace", "replace by link",
			"hard link", "symlink", "chmod", "chown", "utimes", "setxattr"} {
			script = append(script, what+"="+target)
		}

		script = append(script, "create="+dir+"/new", "chmod="+dir, "unlink="+dir+"/x", "append=/etc/passwd",
			"chmod=/etc/passwd", "create=/dev/new", "append=/proc/sys/kernel/hostname")
		if disks, _ := filepath.Glob("/dev/[vs]da"); len(disks) > 0 {
			script = append(script, "open="+disks[0])
		}
		before := describeTree(t, filepath.Join(f.dir, "outside"))
		s := f.confined("attack " + strings.Join(script, "|"))
		r := mustRun(t, s)

		after := describeTree(t, filepath.Join(f.dir, "outside"))
		for what, how := range parseAttacks(t, r) {
			metadata := strings.HasPrefix(what, "ch") || strings.HasPrefix(what, "utimes") || strings.HasPrefix(what,
				"setxattr")
			if how == "ALLOWED" && !(metadata && f.tier == sandbox.Copies) {
				t.Errorf("%s was allowed", what)
			}
		}

		if before != after && f.tier == sandbox.Namespaces {
			t.Errorf("outside changed:\n%s\n%s", before, after)
		}

		if !strings.HasPrefix(r.Enforced["files"], "enforced by") {
			t.Errorf("%v", r.Enforced)
		}
	})
}

// describeTree describes a folder with everything that an attacker could change.
func describeTree(t *testing.T, dir string) string {
	t.Helper()

	out, err := exec.Command("find", dir, "-printf", "%p %m %u %g %s %T@ %l %n\n").CombinedOutput()
	if err != nil {
		t.Fatal(err, string(out))
	}

	return string(out)
}

// What a run may do it can do: its views, TMPDIR, named places, devices.
func TestConfinedAllows(t *testing.T) {
	forEachTier(t, func(t *testing.T, f *fixture) {
		f.writeSecrets(t)
		named := filepath.Join(f.dir, "named")
		writeFiles(t, named, map[string]string{"old": "old"})

		script := []string{"append=main.txt", "rename=sub/a.txt", "chmod=sub/deep/b.txt", "utimes=sub/deep/b.txt",
			"create=new", "append=/dev/null", "read=/etc/passwd", "create=" + filepath.Join(f.dir, "scratch files/tmp"),
			"append=" + named + "/old", "rename=" + named + "/old",
			"create=/dev/shm/" + filepath.Base(f.dir)}
		if f.tier == sandbox.Namespaces {
			script = append(script, "create=/tmp/x", "create=/var/tmp/x", "append=/dev/ptmx")
		} else {
			defer os.Remove("/dev/shm/" + filepath.Base(f.dir))
		}
		s := f.confined("attack " + strings.Join(script, "|"))
		s.Writable = []string{named, f.dir + "/missing"}

		r := mustRun(t, s)
		for what, how := range parseAttacks(t, r) {
			if how != "ALLOWED" {
				t.Errorf("%s: %s", what, how)
			}
		}

		if readFile(t, named, "old.away") != "oldforged\n" {
			t.Error("what was written did not arrive")
		}
	})
}

// Secrets can't be read, whichever tier, and the rest of a folder that is shown can.
func TestConfinedHidden(t *testing.T) {
	forEachTier(t, func(t *testing.T, f *fixture) {
		f.writeSecrets(t)
		home := filepath.Join(f.dir, "home")
		s := f.confined("attack read=" + home + "/.ssh/id|read=" + home + "/.netrc|list=" + home + "/.ssh")
		s.Writable = []string{filepath.Join(f.dir, "outside")}

		r := mustRun(t, s)
		for what, how := range parseAttacks(t, r) {
			if how == "ALLOWED" && !(strings.HasPrefix(what, "list") && f.tier == sandbox.Copies) &&
				!(strings.HasPrefix(what, "read "+home+"/.netrc") && f.tier == sandbox.Namespaces) {
				t.Errorf("%s was allowed", what)
			}
		}
		base, err := os.MkdirTemp("/var", "sandbox-test-")
		if err != nil {
			t.Skip("no place outside the private folders: ", err)
		}
		defer os.RemoveAll(base)
		writeFiles(t, base, map[string]string{".ssh/id": "key", ".netrc": "password", "open.txt": "readable"})
		s = f.spec("cat " + base + "/.netrc; cat " + base + "/.ssh/id; ls " + base + "/.ssh; cat " + base + "/open.txt")
		s.Confined, s.Shown, s.Hidden = true, []string{base}, []string{base + "/.ssh", base + "/.netrc"}

		text := string(mustRun(t, s).Output.Text())
		if strings.Contains(text, "key") || strings.Contains(text, "password") || !strings.Contains(text, "readable") {
			t.Errorf("%s", text)
		}
		checkHiddenParent(t, base, f.tier)
	})
}

// What is carried or read does not show the secrets that lie in it; one that is
// named itself is shown.
func TestConfinedHiddenInBinds(t *testing.T) {
	forEachTier(t, func(t *testing.T, f *fixture) {
		home := filepath.Join(f.dir, "home")
		writeFiles(t, home, map[string]string{".ssh/id": "key", ".netrc": "password", "sub/.token": "ticket",
			"open.txt": "readable", "named/x": "wanted"})

		if err := os.Symlink("home", filepath.Join(f.dir, "link")); err != nil {
			t.Fatal(err)
		}
		s := f.spec("cat in/.netrc in/.ssh/* in/sub/.token in/open.txt in2/.ssh/id named/x; rm -rf in/.ssh in/.netrc; umount in/.ssh; cat in/.ssh/id in/.netrc; true")

		s.Confined, s.Hidden = true, []string{home + "/.ssh", home + "/.netrc", home + "/sub/.token", home + "/missing",
			home + "/named"}
		for to, from := range map[string]string{"in": home, "in2": filepath.Join(f.dir, "link"),
			"named": home + "/named"} {
			s.Binds = append(s.Binds, sandbox.Bind{From: from, To: filepath.Join(f.root(), to)})
		}
		r := mustRun(t, s)

		text := string(r.Output.Text())
		if strings.Contains(text, "key") || strings.Contains(text, "password") || strings.Contains(text, "ticket") ||
			!strings.Contains(text, "readable") || !strings.Contains(text, "wanted") || len(r.Changes) > 0 {
			t.Errorf("%+v\n%s", r, text)
		}

		if readFile(t, home, ".ssh/id") != "key" || readFile(t, home, ".netrc") != "password" {
			t.Error("a secret is gone from where it was")
		}
	})
}

// checkHiddenParent hides a folder in which the views, TMPDIR and what may be written lie.
func checkHiddenParent(t *testing.T, base string, tier sandbox.Tier) {
	f := &fixture{dir: filepath.Join(base, "around"), tier: tier}
	writeFiles(t, f.root(), map[string]string{"main.txt": "host", ".git/config": "secret"})
	writeFiles(t, f.ownFolder("layer"), map[string]string{"main.txt": "lower"})
	writeFiles(t, f.dir, map[string]string{"scratch files/x": "", "named/x": "n", "other": "secret"})
	s := f.spec(`cat main.txt; echo w > new; echo t > "$TMPDIR/t"; echo n >> ` + f.dir + `/named/x; cat ` + f.dir +
		`/other; cat "$REPO/.git/config"; pwd`)
	s.Env = append(s.Env, "TMPDIR="+f.dir+"/scratch files",
		"REPO= "+f.root()) // a space, so that it is not taken for a path to map
	s.Command = `REPO=${REPO# }; ` + s.Command
	s.Confined, s.Hidden, s.Writable = true, []string{f.dir, filepath.Join(f.root(), ".git")},
		[]string{f.dir + "/named"}
	r := mustRun(t, s)

	text := string(r.Output.Text())
	if r.Exit != 0 || strings.Contains(text, "secret") || !strings.Contains(text, "lower") || readFile(t, f.dir,
		"named/x") != "nn\n" || len(r.Changes) != 1 {
		t.Errorf("%+v\n%s", r, text)
	}
}

// A run has no privileges beyond its user's, also when root calls, and can't
// undo or get around what was mounted.
func TestPrivileges(t *testing.T) {
	forEachTier(t, func(t *testing.T, f *fixture) {
		f.writeSecrets(t)

		sleeper := exec.Command("sleep", "100")

		sleeper.Env = []string{"SECRET=x"}
		if err := sleeper.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { sleeper.Process.Kill(); sleeper.Wait() }()
		outside := fmt.Sprint(sleeper.Process.Pid)

		script := []string{"mknod=.", "umount=" + f.root(), "remount=" + f.root(), "umount=/proc", "bind=/mnt",
			"mount in a namespace=/mnt", "setuid=", "sysctl=", "packet="}
		if f.tier == sandbox.Namespaces {
			script = append(script, "memory=1", "trace=1", "environ=1")
		}
		s := f.confined("attack " + strings.Join(script, "|"))

		r := mustRun(t, s)
		for what, how := range parseAttacks(t, r) {
			if how == "ALLOWED" {
				t.Errorf("%s was allowed", what)
			}
		}

		r = mustRun(t, f.confined("attack environ="+outside+"|signal="+outside+"|trace="+outside+"|memory="+outside))
		for what, how := range parseAttacks(t, r) {
			if how == "ALLOWED" && !strings.HasPrefix(what,
				"environ") { // files of the same user stay readable without a namespace
				t.Errorf("%s was allowed", what)
			} else if how == "ALLOWED" && f.tier == sandbox.Namespaces {
				t.Errorf("%s was allowed", what)
			}
		}

		r = mustRun(t, f.spec("grep -E '^(Cap|NoNewPrivs)' /proc/self/status | sort -u"))
		for _, line := range strings.Split(strings.TrimSpace(string(r.Output.Text())), "\n") {
			name, value, _ := strings.Cut(line, ":\t")
			if want := map[string]string{"NoNewPrivs": "1"}[name]; want == "" && name != "CapBnd" && strings.Trim(value,
				"0") != "" || want != "" && value != want {
				t.Errorf("%s", line)
			}
		}

		if !strings.HasPrefix(r.Enforced["privileges"], "enforced by") {
			t.Errorf("%v", r.Enforced)
		}
	})
}

// A run reaches what its network lets it reach.
func TestNetwork(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })

	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	forEachTier(t, func(t *testing.T, f *fixture) {
		local := filepath.Join(f.dir, "home/.ssh/socket")
		f.writeSecrets(t)

		pathname, err := net.Listen("unix", local)
		if err != nil {
			t.Fatal(err)
		}
		defer pathname.Close()

		abstract, err := net.Listen("unix", "@ratchet-test-"+filepath.Base(f.dir)+string(f.tier))
		if err != nil {
			t.Fatal(err)
		}
		defer abstract.Close()

		script := "attack listen=|tcp=" + listener.Addr().String() + "|mptcp=" + listener.Addr().String() + "|udp=" +
			listener.Addr().String() + "|tcp=192.0.2.1:9|udp=192.0.2.1:9" +
			"|unix=" + local + "|unix=" + abstract.Addr().String()
		for _, network := range []sandbox.Network{sandbox.NetworkOff, sandbox.NetworkLoopback, sandbox.NetworkOn} {
			s := f.confined(script)
			s.Network = network
			r := mustRun(t, s)
			enforced := strings.HasPrefix(r.Enforced["network"], "enforced")
			t.Logf("%s: %s", network, r.Enforced["network"])

			if (r.Enforced["network"] == "") != (network == sandbox.NetworkOn) ||
				(f.tier == sandbox.Namespaces && network != sandbox.NetworkOn && !enforced) {
				t.Errorf("%s: %v", network, r.Enforced)
			}

			for what, how := range parseAttacks(t, r) {
				own := strings.HasPrefix(what, "listen")
				lost := strings.HasPrefix(what, "udp 127") &&
					network == sandbox.NetworkLoopback // into a loopback device where nobody listens

				abstractly := strings.HasPrefix(what, "unix @") && f.tier == sandbox.Copies
				switch {
				case own && (network != sandbox.NetworkOff) && how != "ALLOWED":
					t.Errorf("%s: %s: %s", network, what, how)
				case enforced && how == "ALLOWED" && !(own && network == sandbox.NetworkLoopback) && !lost &&
					!abstractly && !(strings.HasPrefix(what, "unix /") && f.tier == sandbox.Copies):
					t.Errorf("%s: %s was allowed", network, what)
				case network == sandbox.NetworkOn && strings.HasPrefix(what, "tcp 127") && how != "ALLOWED":
					t.Errorf("%s: %s: %s", network, what, how)
				}
			}
		}
	})
}

// Who ignores SIGCHLD is not told what its children used, but it is counted:
// else a metric of processor time could be made to vanish.
func TestBudgetsCountTheUnwaited(t *testing.T) {
	forEachTier(t, func(t *testing.T, f *fixture) {
		var used [2]time.Duration

		for i, how := range []string{"", "trap '' CHLD; "} {
			s := f.spec(how + "(i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done); echo done")
			s.Processes = 100

			r := mustRun(t, s)
			if !strings.Contains(string(r.Output.Text()), "done") {
				t.Fatalf("exit %d %s: %s", r.Exit, r.Signal, r.Output.Text())
			}
			used[i] = r.CPU
		}
		t.Logf("waited for %v, not waited for %v", used[0], used[1])

		if used[1] < used[0]/2 {
			t.Errorf("children that nobody waits for used %v, and %v were counted", used[0], used[1])
		}
	})
}

func TestBudgets(t *testing.T) {
	forEachTier(t, func(t *testing.T, f *fixture) {
		for i, c := range []struct {
			exceeded, command string
			limit             func(s *sandbox.Spec)
		}{
			{"memory", `x=$(head -c 400000000 /dev/zero | tr '\0' x); sleep 100`,
				func(s *sandbox.Spec) { s.Memory = 64 << 20 }},
			{"processes", `i=0; while [ $i -lt 60 ]; do sleep 100 & i=$((i+1)); done; wait`,
				func(s *sandbox.Spec) { s.Processes = 20 }},
			{"disk", `head -c 20000000 /dev/zero > big; sleep 0.2; exit 0`, func(s *sandbox.Spec) { s.Disk = 8 << 20 }},
			{"disk", `i=0; while [ $i -lt 100 ]; do head -c 1000000 /dev/zero > f$i; i=$((i+1)); done; sleep 100`,
				func(s *sandbox.Spec) { s.Disk = 8 << 20 }},
			{"disk",
				`exec 3>f; rm f; head -c 7000000 /dev/zero >&3; exec 4>g; rm g; head -c 7000000 /dev/zero >&4; sleep 100`, func(s *sandbox.Spec) { s.Disk = 8 << 20 }},
			{"cpu", `while :; do :; done`, func(s *sandbox.Spec) { s.CPU = 300 * time.Millisecond }},
			{"cpu", `(trap '' CHLD; while :; do (i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done); done)`,
				func(s *sandbox.Spec) { s.CPU = 300 * time.Millisecond }},
			{"output", `cat /dev/zero`, func(s *sandbox.Spec) { s.MaxOutput = 1 << 20 }},
			{"", `echo fine`, func(s *sandbox.Spec) {
				s.Memory, s.Processes, s.Disk, s.CPU, s.MaxOutput = 512<<20, 100, 8<<20, 10*time.Second, 100
			}},
		} {
			if !f.hasTurn(i) {
				continue
			}
			s := f.spec("ulimit -v 4000000; " + c.command)
			c.limit(&s)
			start := time.Now()

			r := mustRun(t, s)
			if c.exceeded == "processes" && r.Exceeded == "" && r.Exit == 2 && strings.Contains(r.Enforced["processes"],
				"RLIMIT") {
				continue // it gave up before anybody looked
			}

			if r.Exceeded != c.exceeded || r.TimedOut {
				t.Errorf("%s, %s: exceeded %q, exit %d %s, timed out %v, output %.200s", c.exceeded, c.command,
					r.Exceeded, r.Exit, r.Signal, r.TimedOut, r.Output.Text())
			}
			t.Logf("%s: %v, cpu %v, tree %d MiB, %s", c.exceeded, time.Since(start).Round(time.Millisecond),
				r.CPU.Round(time.Millisecond), r.MaxTree>>20, r.Enforced[c.exceeded])

			if c.exceeded != "" && !strings.HasPrefix(r.Enforced[c.exceeded], "enforced by") {
				t.Errorf("%v", r.Enforced)
			}
		}
	})
}

func TestPromises(t *testing.T) {
	for _, tier := range []sandbox.Tier{sandbox.Namespaces, sandbox.Copies} {
		gives, lacks := sandbox.Promises(tier)
		if len(gives)+len(lacks) < len(sandbox.EnforcedKeys()) {
			t.Errorf("%s: %q, %q", tier, gives, lacks)
		}

		if tier == sandbox.Namespaces && os.Geteuid() == 0 && len(lacks) > 0 {
			t.Errorf("lacks %q", lacks)
		}
		t.Logf("%s gives:\n%s\nlacks:\n%s", tier, strings.Join(gives, "\n"), strings.Join(lacks, "\n"))
	}
}
