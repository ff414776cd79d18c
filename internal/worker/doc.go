// Package worker does the jobs of campaigns: it builds versions, runs them
// confined, and records every run and the end of the job. It is the only
// package that measures.
//
// A job is an experiment, a calibration, a measurement, an audit or a
// certificate of the head. [RunWorker] is the whole life of a worker's process,
// which does one job after another; [DoJob] does one, and judge.go shows an
// experiment in order. [Doctor] does the same work in the caller's process, on a
// campaign that is thrown away.
//
// What holds:
//
//   - One worker a job. It holds a presence at the host (package host) from before
//     its first record to its end, and reports there what it does now. A session that
//     finds an open job whose presence has fallen records it as lost.
//   - Crash-only. No job is continued. A killed worker leaves the runs that it
//     recorded, and the next call that looks at the campaign records the job as
//     lost (package job): its experiment ends invalid, without a verdict of those runs.
//   - Only the worker of an open job appends the job's runs, steps and end. The
//     end is appended in a transaction that sees the job still open and, for a
//     verdict or a certificate, the incumbent still the one that was measured.
//   - Nothing of a job is known in the next one but what is on disk: everything
//     that a job knows hangs on its own worker value, and no package-level variable
//     remembers anything of a job (internal/house has the test).
//   - The runs of a pair are one block: the measuring slot is held from the first to
//     the last.
//   - Nothing of the checkout is written. Versions and layers of runs lie in the
//     workspace below the user's cache folder (workspace.go); a folder appears
//     there by rename, or counts only once its mark exists.
//   - What a run may see, change and use is the sandbox's affair (package
//     sandbox); what it changed all the same makes the run invalid (guard.go).
//   - Waiting for the campaign's turn, the machine's slot or GPUs counts against
//     no budget.
//
// Limits: one version's build, a campaign's setup and the measuring slot are
// taken by file locks of this machine, so the workers of a campaign run on one
// machine. A run during which the machine was suspended is repeated, three times
// at most. A campaign's workspace may hold 20 GiB. What else the machine did
// during a run shorter than 200 ms is not known.
package worker
