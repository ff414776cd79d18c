// Package host is the seam to the machines that measure: how the worker of a
// job comes to life, how others see that it lives, how it is asked to end, and
// the files that say so. Whether a job has ended is never asked here: that is a
// record of the ledger.
//
//	a session          Host.Start ─→ a worker's process, new or staying
//	the worker         Host.Announce ─→ Presence.Report … ─→ Presence.Finish
//	every session      Host.Status    (also of a worker that another session started)
//	who stops it       Host.Stop
//
// A worker may stay after its job and do the next (Stayer): that saves a process
// start, an initialisation and an opening of everything for each experiment.
//
// Invariants:
//
//   - A job has at most one worker: a second Announce of the same job fails
//     while the first one's Presence is held, on every machine that shares the
//     host.
//   - A Presence falls with the worker's process, however that ends, and no
//     other process inherits it. Gone is reported only then: a session that
//     reads Gone records the job as lost.
//   - A worker that stays does a job only if it is equal to the process that would
//     else be started for it: program file, arguments, folder, environment, users,
//     limits, control groups, namespaces.
//   - Nothing here is durable or part of a verdict. What a host says of a
//     job may be lost with the machine; the records say what was measured.
//
// Local is the host of this machine. Another one (a scheduler of a cluster, for
// instance) implements Host, passes hosttest.TestHost, and is given to
// checkout.Options.Host. The comments here are the contract; what else such workers need
// stands under Limits, and in package worker.
//
// Limits: a host does not choose where a worker measures, does not queue
// measurements (the workers of one machine do, see package queue), and moves
// no files: the worker reads the same repository and the same ledger as the
// session that started it.
package host
