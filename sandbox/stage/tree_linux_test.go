package stage_test

import (
	"bufio"
	"os"
	"os/exec"
	"testing"
	"time"

	"ratchet/sandbox/stage"
)

func countLiving(pid int) (n int) {
	for _, p := range stage.Descendants(pid) {
		if !p.Dead {
			n++
		}
	}

	return n
}

// A tree of processes is found and killed, grandchildren and other sessions too.
func TestDescendants(t *testing.T) {
	cmd := exec.Command("/bin/sh", "-c", "sh -c 'sleep 1000 & sleep 1000' & setsid sleep 1000 & echo up; wait")

	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}

	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()

	bufio.NewReader(out).ReadString('\n')

	for end := time.Now().Add(patient); countLiving(cmd.Process.Pid) < 4 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}

	if n := countLiving(cmd.Process.Pid); n < 4 {
		t.Fatalf("only %d processes are found", n)
	}

	for end := time.Now().Add(patient); countLiving(cmd.Process.Pid) > 0 && time.Now().Before(end); {
		stage.KillDescendants(cmd.Process.Pid)
		time.Sleep(time.Millisecond)
	}

	if n := countLiving(os.Getpid()); n > 1 {
		t.Errorf("%d processes survive", n)
	}
}
