// Package gpu leases whole NVIDIA GPUs to runs, watches what a run does on
// them and tells its GPU budget.
//
// What holds:
//   - A GPU, or a MIG instance, is leased to one holder at a time among all
//     processes and users that share sandbox.LockDir. The lease falls with its
//     holder, however that ends.
//   - A device goes on to the next holder only when its memory is back where it
//     was before the last lease; else it is quarantined, with the reason, until
//     the memory is back or a person clears it.
//   - The budget is leased devices × wall time. It needs nothing of the driver,
//     so a run can't dodge it. What the driver tells is evidence beside it.
//
// What does not:
//   - CUDA_VISIBLE_DEVICES is advice that a program may ignore. Only device
//     nodes that it can't open keep it from other GPUs; see Nodes. What others
//     than Ratchet's runs do on a GPU no lease prevents: it is seen and told.
//   - A first use is noticed at the next look, so that clock starts up to Every
//     late. Utilisation is the share of time in which some kernel ran, not how
//     full the GPU was; energy is the whole device's, all processes together.
//   - In a container the driver may list no processes, or those of the host
//     under numbers that mean nothing here. Memory and first use are then the
//     whole device's, and foreign processes are not seen; the evidence says so.
//   - A display on the GPU is told but does not make a run contended: it would
//     on every desktop, always. Clients of CUDA's multi-process service run in
//     its server, which is foreign here.
//   - A MIG instance counts as one device in budgets. A lease is of whole GPUs
//     or of one instance, since a CUDA process sees only one. The energy and
//     utilisation of an instance are not known. A change of MIG mode while
//     leases are held is not noticed.
//   - A user who may lock can also keep a lease for ever, or mark a GPU as
//     quarantined: users of one machine are trusted to share it.
//   - A process that hangs in the driver can't be killed; its GPU stays in
//     quarantine. A driver that hangs in a call is given up after a while, and
//     the goroutine in that call is then never joined.
//   - The library is found at run time, function by function. A binary that
//     holds this package does not start with LD_BIND_NOW set, or when it was linked
//     with -z now.
//   - Other makers' GPUs, and NVIDIA's under WSL, are not known here.
package gpu
