package stage_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ratchet/sandbox/stage"
)

// tree writes files below dir; the contents of a folder are given by its name
// alone.
func tree(t *testing.T, dir string, paths ...string) {
	t.Helper()

	for _, path := range paths {
		at := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}

		var err error
		if strings.HasSuffix(path, "/") {
			err = os.MkdirAll(at, 0o755)
		} else {
			err = os.WriteFile(at, []byte(path), 0o644)
		}

		if err != nil {
			t.Fatal(err)
		}
	}
}

// confinedPlan is a run with everything that a plan can ask for of the file
// system: two views, one in the other, what is carried, covers and places to write.
func confinedPlan(t *testing.T, base, script string) *stage.Plan {
	t.Helper()
	tree(t, base, "repo/", "lower/main.txt", "lower/in/", "lower/carry/", "lower/link-target/", "upper/", "work/",
		"inner-lower/x", "inner-upper/", "inner-work/", "lib/lib.txt", "private/", "named/", "secret/key",
		"secret-file", "shm/", "root/", "unseen/file")

	plan := &stage.Plan{
		Namespaces: true, UserXattr: os.Geteuid() != 0, Dir: base + "/repo", Argv: shell(script), Confine: true,
		Views: []stage.View{
			{Root: base + "/repo", Lower: []string{base + "/lower"}, Upper: base + "/upper", Work: base + "/work",
				Inside: -1},
			{Root: base + "/repo/in", Lower: []string{base + "/inner-lower"}, Upper: base + "/inner-upper",
				Work: base + "/inner-work"},
		},
		Binds: []stage.Bind{{From: base + "/lib", To: base + "/repo/carry"}},
		Root:  base + "/root",
		Covers: []stage.Cover{{Path: base, From: base, ReadOnly: true}, {Path: base + "/named", From: base + "/named"},
			{Path: base + "/private", From: base + "/shm"}, {Path: base + "/secret"}, {Path: base + "/secret-file"},
			{Path: base + "/shm", Memory: true, Size: 1 << 20}, {Path: base + "/unseen/not-there"}},
	}

	for _, path := range []string{"/bin", "/dev/null", "/lib", "/lib64", "/usr"} {
		if target, err := os.Readlink(path); err == nil {
			plan.Links = append(plan.Links, stage.Link{Path: path, Target: target})
		} else if _, err := os.Stat(path); err == nil {
			plan.Covers = append(plan.Covers, stage.Cover{Path: path, From: path, ReadOnly: true})
		}
	}

	if dir := coverDir(); dir != "" {
		plan.Covers = append(plan.Covers, stage.Cover{Path: dir, From: dir})
	}

	return plan
}

// The host's root is gone from a confined run, and its own can't be written.
func TestOwnRoot(t *testing.T) {
	base := t.TempDir()
	plan := confinedPlan(t, base, "ls /; ls /etc /proc/1/root/etc; mkdir /new; cat /proc/self/mountinfo")
	_, output := startConfined(t, plan)

	if strings.Contains(output, "passwd") || strings.Contains(output, "hostname") {
		t.Errorf("/etc is seen, which the plan does not name:\n%s", output)
	}

	if _, mounts, _ := strings.Cut(output, "mkdir"); strings.Contains(mounts, " / / ") != strings.Contains(mounts,
		" / / ro") || !strings.Contains(mounts, " / / ro") {
		t.Errorf("another root than its own, read-only:\n%s", output)
	}
}

// startConfined runs the plan to its end in namespaces.
func startConfined(t *testing.T, plan *stage.Plan) (started *stage.Message, output string) {
	t.Helper()

	p := start(t, plan, namespaces(syscall.CLONE_NEWNET))
	started = p.next(stage.Started)
	_, output = p.end()

	return started, output
}

// A confined run sees its views and can write there and where the plan says,
// and nowhere else.
func TestConfine(t *testing.T) {
	base := t.TempDir()
	script := strings.Join([]string{
		"cat main.txt in/x carry/lib.txt",
		"try() { if sh -c \"$2\" 2>/dev/null; then echo \" $1:yes\"; else echo \" $1:no\"; fi; }",
		"try view 'echo new > new.txt'",
		"try inner 'echo new > in/new.txt'",
		"try carry 'echo new > carry/new.txt'",
		"try named 'echo new > ../named/new.txt'",
		"try private 'echo new > ../private/new.txt'",
		"try memory 'echo new > ../shm/new.txt'",
		"try null 'echo new > /dev/null'",
		"try outside 'echo new > ../outside.txt'",
		"try secret 'test -e ../secret/key'",
		"try secret-file 'test -s ../secret-file'",
		"try lower 'echo new > ../lower/new.txt'",
		"try first 'test $(ls /proc | grep -c \"^[0-9]\") -lt 20'",
	}, "\n")
	m, output := startConfined(t, confinedPlan(t, base, script))

	if how := enforced(m, "files"); !strings.HasPrefix(how, "enforced by read-only mounts") {
		t.Errorf("files: %q", how)
	}

	const want = "lower/main.txtinner-lower/xlib/lib.txt view:yes inner:yes carry:no named:yes private:yes memory:yes" +
		" null:yes outside:no secret:no secret-file:no lower:no first:yes"
	if got := strings.ReplaceAll(strings.TrimSpace(output), "\n", ""); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}

	for _, path := range []string{"upper/new.txt", "inner-upper/new.txt", "named/new.txt", "shm/new.txt"} {
		if _, err := os.Stat(filepath.Join(base, path)); err != nil {
			t.Errorf("what was written did not arrive: %v", err)
		}
	}
}

// The tree under test must not choose what a carried folder covers.
func TestBindBehindLink(t *testing.T) {
	base := t.TempDir()
	plan := confinedPlan(t, base, ":")
	os.Remove(base + "/lower/carry")
	os.Symlink("link-target", base+"/lower/carry")

	p := start(t, plan, namespaces(0))
	if m := p.next(stage.Failed); m.Step != "find" || m.Errno != syscall.ELOOP {
		t.Errorf("%+v", m)
	}
}

// A run has the loopback device of its own network, or no sockets.
func TestNetwork(t *testing.T) {
	plan := &stage.Plan{Namespaces: true, Loopback: true, Argv: shell("cat /proc/net/dev; cat /proc/net/route")}
	p := start(t, plan, namespaces(syscall.CLONE_NEWNET))
	p.next(stage.Started)

	if _, output := p.end(); !strings.Contains(output, "lo:") || strings.Contains(output, "eth0") {
		t.Error(output)
	}

	p = start(t, &stage.Plan{NoSocket: true, Argv: shell("grep Seccomp: /proc/self/status")}, subreaper())
	m := p.next(stage.Started)

	if how := enforced(m, "network"); !strings.HasPrefix(how, "enforced by a seccomp filter") {
		t.Skip(how)
	}

	if _, output := p.end(); !strings.Contains(output, "2") {
		t.Errorf("no filter: %s", output)
	}
}

// Without namespaces Landlock alone keeps a run in.
func TestLandlock(t *testing.T) {
	base := t.TempDir()
	tree(t, base, "view/", "named/", "secret/key", "outside/file", "shown/file", "shown/secret/key")

	plan := &stage.Plan{Confine: true, Dir: base + "/view", Argv: shell(strings.Join([]string{
		"echo x > in.txt && echo view", "echo x > ../named/x && echo named", "echo x > ../outside/x && echo outside",
		"cat ../secret/key && echo secret", "cat ../shown/file > /dev/null && echo read",
		"cat ../shown/secret/key && echo inner", "cat ../outside/file && echo unnamed",
	}, "\n")), Writable: []string{base + "/named", base + "/view"}, Unread: []string{base + "/shown/secret"},
		Readable: []string{"/bin", "/dev", "/etc", "/lib", "/lib64", "/usr", base + "/shown"}}
	if dir := coverDir(); dir != "" {
		plan.Writable = append(plan.Writable, dir)
	}

	p := start(t, plan, subreaper())
	if how := enforced(p.next(stage.Started), "files"); !strings.HasPrefix(how, "enforced by Landlock") {
		t.Skip(how)
	}

	_, output := p.end()
	for _, what := range []string{"view", "named", "read"} {
		if !strings.Contains(output, what+"\n") {
			t.Errorf("%s is refused:\n%s", what, output)
		}
	}

	for _, what := range []string{"outside", "secret", "inner", "unnamed"} {
		if strings.Contains(output, "\n"+what+"\n") {
			t.Errorf("%s is allowed:\n%s", what, output)
		}
	}
}
