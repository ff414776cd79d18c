// Package job is the life of a job as its sessions see it: an experiment, a
// calibration, a certificate, a measurement or an audit, which a worker does in
// a process of its own.
//
//	start.go     StartJob: the record, then the worker; RecordLost where none comes
//	alive.go     CurrentReaped: jobs whose worker has died are recorded as lost
//	await.go     AwaitJob, StopAndWait
//	outcome.go   what the ledger knows of a job, in words and values
//	next.go      the next step that an answer names
//	certify.go   when a certificate of the head is due
//	garbage.go   what runs left in the cache
//
// Invariants:
//
//   - The record comes before the worker, and a job that is open has a worker, or
//     is about to, or will be recorded as lost by the next call that looks.
//   - A job ends once, by its worker's record or by run.lost: RecordLost
//     appends nothing for a job that has ended.
//   - A worker is reached through host.Host only. In doubt it lives.
//   - A call that waits takes 50 s at most, holds nothing meanwhile, and may be
//     cancelled or killed without any effect on the job.
//
// Limits: an end is seen within 25 ms, a dead worker within about a second of a
// wait, and a worker that never announced itself after 15 s. This package makes
// no runs (package worker) and decides nothing (package lab).
package job
