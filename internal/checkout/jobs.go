package checkout

import (
	"path/filepath"

	"ratchet/internal/host"
	"ratchet/internal/research"
)

// HasWorker says whether the job's worker lives; in doubt it does.
func (co *Checkout) HasWorker(campaign string, id research.JobID) bool {
	status, err := co.Host.Status(host.Job{Campaign: campaign, ID: id})
	return err != nil || status.State == host.Alive
}

// ReadPhase is what a running job's worker reported last, "starting" before that.
func (co *Checkout) ReadPhase(campaign string, id research.JobID) string {
	status, _ := co.Host.Status(host.Job{Campaign: campaign, ID: id}) // the phase is set whatever the error
	return status.Phase
}

// JobsDir is the folder of the locks of this repository: of sessions, of the turns to
// measure and, with the local host, of workers.
func (co *Checkout) JobsDir() string { return filepath.Join(co.Ledger.Dir(), "jobs") }
