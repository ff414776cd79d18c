package main_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var cycles = flag.Int("cycle", 0, "how many experiment cycles TestCycleCost times (0: skip)")

// TestCycleCost prints what one experiment cycle costs beyond its command, in
// wall time and CPU time of every process that takes part, against the
// plain-shell protocol: edit, git commit, run, grep, append a line, git reset.
// Both are timed in turns in one run. It asserts nothing: `make bench` runs it.
func TestCycleCost(t *testing.T) {
	if *cycles == 0 {
		t.Skip("make bench runs it")
	}
	// Workers outlive their parents: adopt them, so that their CPU time can be read.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	shell, ours := newSite(t), newSite(t)
	shell.write("cycle.sh", shellCycle)

	for _, s := range []*site{shell, ours} { // about 1 ms
		s.write("bench.sh", "echo METRIC size=$(wc -c < work.txt)\n")
		s.sh("git", "commit", "-qam", "a quick benchmark")
	}
	c := ours.connect()
	c.calibrated()
	var a, b cost

	for n := range *cycles + 3 {
		one := measure(func() { shell.sh("sh", "cycle.sh", strconv.Itoa(n)) })
		two := measure(func() {
			ours.write("work.txt", fmt.Sprintf("%d %s", n, repoFiles["work.txt"]))

			if r := c.call("run_experiment",
				map[string]any{"hypothesis": fmt.Sprintf("edit %d", n)}); r.Verdict != "regressed" {
				t.Fatal(r.text)
			}
			c.call("revert", map[string]any{"lesson": "it got longer"})
			eventually(t, "the job's end", func() bool { return reap() && ours.hasNoJob() })
		})

		if n >= 3 { // the first ones warm caches
			a.add(one)
			b.add(two)
		}
	}
	c.close()
	k := time.Duration(*cycles)
	fmt.Printf("experiment cycle, %d each    wall          CPU\n", *cycles)
	fmt.Printf("  plain shell              %6.1f ms     %6.1f ms\n", ms(a.wall/k), ms(a.cpu/k))
	fmt.Printf("  ratchet                  %6.1f ms     %6.1f ms\n", ms(b.wall/k), ms(b.cpu/k))
	fmt.Printf("  ratio                    %6.2f        %6.2f      (bar: CPU 2.0)\n", float64(b.wall)/float64(a.wall),
		float64(b.cpu)/float64(a.cpu))
}

// shellCycle is the protocol that agents follow without a server.
const shellCycle = `set -e
echo "$1 $(cat work.txt)" > work.new && mv work.new work.txt
git commit -qam "experiment $1"
sh bench.sh > run.log 2>&1
value=$(grep '^METRIC size=' run.log | cut -d= -f2)
printf '%s\t%s\t%s\tdiscard\n' "$(git rev-parse --short HEAD)" "$value" "edit $1" >> results.tsv
git reset -q --hard HEAD~1
`

type cost struct{ wall, cpu time.Duration }

func (c *cost) add(d cost) { c.wall, c.cpu = c.wall+d.wall, c.cpu+d.cpu }

// measure is the cost of f: of this process's dead children, and of the living ones
// (the server, and the worker that stays) with their own.
func measure(f func()) cost {
	begin, before := time.Now(), childrenCPU()+livingCPU()
	f()

	return cost{time.Since(begin), childrenCPU() + livingCPU() - before}
}

// hasNoJob says whether no worker does a job: what its runs left is removed by then.
func (s *site) hasNoJob() bool {
	locks, _ := filepath.Glob(filepath.Join(s.dir, ".git/ratchet/jobs/*.x*"))
	return len(locks) == 0
}

func childrenCPU() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_CHILDREN, &r)

	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// livingCPU is what this process's living children have used, with their own dead ones.
func livingCPU() (sum time.Duration) {
	for _, pid := range livingChildren() {
		sum += processCPU(pid)
	}

	return sum
}

// processCPU reads /proc/PID/stat: utime, stime, cutime, cstime in 10 ms ticks.
func processCPU(pid string) time.Duration {
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	var ticks int64

	for _, i := range []int{11, 12, 13, 14} {
		n, _ := strconv.ParseInt(f[i], 10, 64)
		ticks += n
	}

	return time.Duration(ticks) * 10 * time.Millisecond
}

func livingChildren() (pids []string) {
	tasks, _ := filepath.Glob("/proc/self/task/*/children")
	for _, task := range tasks {
		b, _ := os.ReadFile(task)
		pids = append(pids, strings.Fields(string(b))...)
	}

	return pids
}

// reap collects dead adopted children, and says whether only the server and one worker
// are left.
func reap() bool {
	for {
		var st syscall.WaitStatus
		if pid, err := syscall.Wait4(-1, &st, syscall.WNOHANG, nil); pid <= 0 || err != nil {
			break
		}
	}

	return len(livingChildren()) <= 2
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
