package host

import (
	"context"
	"time"

	"ratchet/internal/research"
)

// Job is one job of one campaign. A number is never given to two jobs, so one
// that has ended is not started again.
type Job struct {
	Campaign string
	ID       research.JobID
}

// Launch is what a host needs to bring a worker to life.
type Launch struct {
	Job
	// Argv is the worker's command; its first word is looked up as by exec.LookPath.
	// The host appends --campaign and --job, perhaps --standby, and then Args.
	Argv, Args []string
	Dir        string // where it is started: the root of the checkout
}

// State is what can be seen of a job's worker.
type State int

// The states of a worker.
const (
	// Unannounced: no worker has announced itself, or what it left was removed at
	// its end. It may be about to announce itself, or have died before it did:
	// only the age of the job's record tells these apart.
	Unannounced State = iota
	// Alive: its Presence is held, or it waits in a queue of the host.
	Alive
	// Gone: it had announced itself, and its process is no more.
	Gone
)

// Status is what a host knows of a job's worker.
type Status struct {
	State State
	Phase string // what it reported last, in words, "starting" before that
}

// Host brings workers to life and watches them. Its methods may be called by any
// number of goroutines and processes at once.
type Host interface {
	// Start gives the job to a worker, a new process or one that stays (see Stayer),
	// and returns once the worker has announced itself for the job, or waits in a
	// queue of the host. The job's record is in the ledger by then. The worker
	// outlives the caller's process, and neither ctx nor a signal to the caller's
	// group ends it.
	//
	// Start is called once a job and is not idempotent: if a worker lives already,
	// the second one fails at Announce and Start returns its error. After an error
	// no worker is left running; the error is the worker's own refusal, with its
	// code, or says in words why none came up.
	Start(ctx context.Context, l Launch) error

	// Status says whether the job's worker lives. It changes nothing and may be
	// called at any time, for jobs that were never started or have long ended,
	// and by other processes than the one that started it.
	//
	// It is called within transactions of the ledger and several times a second,
	// so it answers within milliseconds: a host that has to ask a slow service
	// answers from what it heard last. A worker that ended its job may be seen
	// Gone for a moment; the ledger says which. With an error State means nothing:
	// the caller takes the worker for alive. Phase is set whatever the error.
	Status(job Job) (Status, error)

	// Stop asks the job's worker to end: it ends the run under way, records that,
	// and exits. Stop does not wait for it; asked is false when no worker could be
	// asked, as before it has announced itself. It may be repeated, also after the
	// job's end, and asks no other process than that worker: one that was given
	// its number since, or another job, is left alone. It has no error, since a
	// caller asks until the ledger says that the job has ended.
	//
	// Without an ID it asks every worker of the campaign that has no job to exit.
	Stop(job Job) (asked bool)

	// Announce is called by the worker, in its own process, before it does
	// anything for the job: from then on Status is Alive for everybody.
	// Errors: CodeBusy where the job has a worker; others where the presence
	// could not be made known, and then the worker must not go on.
	Announce(job Job) (Presence, error)
}

// Presence is a living worker, as others see it. It is not for use by several
// goroutines at once.
type Presence interface {
	// Report tells others what the worker does now, in a few words of one line.
	// It is advisory: a failure to write it is ignored.
	Report(phase string)

	// Finish ends the presence after the job's end is recorded, and removes what
	// the host kept for the job: Status is Unannounced then. An output of the
	// worker's own, which it should not have made, stays for people to read.
	Finish() error

	// Release ends the presence and leaves the rest: Status is Gone. It is what
	// the end of the process does by itself. After Finish it does nothing.
	Release()
}

// Stayer is a host whose workers may stay after a job and do the next one.
type Stayer interface {
	Host

	// Serve is the life of a worker that stays, in its own process: it does the
	// first job and those that Start hands over, one at a time, until none has come
	// for idle, it was asked to end, or ctx is cancelled. standby is what Start
	// appended as --standby; with "", or where another worker stays already, the
	// first job is the only one. A job's error that nobody else learns of is printed.
	Serve(ctx context.Context, standby string, first Job, idle time.Duration, do DoFunc) error
}

// DoFunc does one job to its end. It calls ready once: with nil when it has
// announced itself for the job, or with its refusal.
type DoFunc func(ctx context.Context, job Job, ready func(error)) error
