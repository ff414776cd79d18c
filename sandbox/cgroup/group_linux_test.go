package cgroup_test

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ratchet/sandbox/cgroup"
)

// newGroup skips the test where this process can make no groups.
func newGroup(t *testing.T) *cgroup.Group {
	t.Helper()

	g := cgroup.New()
	if g == nil {
		t.Skip("no control groups can be made here")
	}
	t.Cleanup(g.Close)

	return g
}

// runIn runs a script in the group and waits for its end. The script begins
// when it is in the group.
func runIn(t *testing.T, g *cgroup.Group, script string) {
	t.Helper()

	cmd := exec.Command("/bin/sh", "-c", "read go; "+script)
	if folder := g.Folder(); folder != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(folder.Fd())}
	}

	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}

	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}

	if err := g.Join(cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}

	in.Write([]byte("go\n"))
	in.Close()
	cmd.Wait() // a script that was killed is what some tests want
}

func TestGroupMeasures(t *testing.T) {
	g := newGroup(t)
	runIn(t, g, "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done")

	used := g.CPU()
	if used <= 0 || used > time.Minute {
		t.Errorf("a busy loop used %v", used)
	}

	g.ResetCPU()

	if after := g.CPU(); after >= used {
		t.Errorf("after a reset it is %v", after)
	}

	if limit := g.Exceeded(); limit != "" {
		t.Errorf("without a limit it exceeded %q", limit)
	}

	if bytes := g.Memory(); bytes < 0 || bytes > 1<<30 {
		t.Errorf("an empty group holds %d bytes", bytes)
	}
}

func TestGroupLimits(t *testing.T) {
	for what, c := range map[string]struct {
		n      int64
		script string
	}{
		cgroup.ProcessLimit: {5, strings.Repeat("sleep 1 & ", 20) + "wait"},
		cgroup.MemoryLimit: {32 << 20,
			"exec head -c " + strconv.Itoa(256<<20) + " /dev/zero | sort -S 200M >/dev/null"},
	} {
		t.Run(what, func(t *testing.T) {
			g := newGroup(t)

			how := g.Limit(what, c.n)
			if how == "" {
				t.Skip("this limit can't be set here")
			}

			if !strings.HasPrefix(how, "enforced by cgroup version ") {
				t.Error(how)
			}

			runIn(t, g, c.script)

			if got := g.Exceeded(); got != what {
				t.Errorf("it exceeded %q", got)
			}
		})
	}
}

// Without a group there is no limit, and nothing fails.
func TestNoGroup(t *testing.T) {
	var g *cgroup.Group

	if how := g.Limit(cgroup.MemoryLimit, 1); how != "" || g.Folder() != nil || g.Join(1) != nil {
		t.Error(how)
	}

	g.ResetCPU()
	g.Close()
}
