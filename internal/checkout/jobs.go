package checkout

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"ratchet/internal/research"
	"ratchet/sandbox"
)

// HasWorker says whether a supervisor holds the job's lock.
func (co *Checkout) HasWorker(campaign string, id research.JobID) bool {
	held, err := sandbox.Locked(co.JobFile(campaign, id))
	return held || err != nil
}

// ReadPhase is what a running job's supervisor says of itself.
func (co *Checkout) ReadPhase(campaign string, id research.JobID) (pid int, phase string) {
	b, err := os.ReadFile(co.JobFile(campaign, id))
	if err != nil {
		return 0, "starting"
	}
	first, rest, _ := strings.Cut(string(b), "\n")
	pid, _ = strconv.Atoi(first)
	phase, _, _ = strings.Cut(rest, "\n")

	return pid, phase
}

// JobsDir is the folder of the supervisors' locks.
func (co *Checkout) JobsDir() string { return filepath.Join(co.Ledger.Dir(), "jobs") }

func (co *Checkout) JobFile(campaign string, id research.JobID) string {
	return filepath.Join(co.JobsDir(), campaign+"."+string(id))
}
