// Package sandbox runs a command where nothing it does outlives it: in a tree
// that is put together for the run and thrown away, under a deadline after
// which the whole process tree is dead. It also has what such runs need around
// them: machine-wide locks and slots, and processes that outlive their parent.
// The packages below it are its parts, and hostinfo and gpu.
//
// There are two tiers, found by trying (Detect):
//
//   - Namespaces: the run has a PID and a mount namespace of its own (a user
//     namespace too, when not root). Its views are overlays at their real
//     paths. The death of its first process is the death of all, also when the
//     caller is killed.
//   - Copies: a subreaper instead of the PID namespace, merged copies at other
//     paths instead of overlays.
//
// In every run the command has no capability and can get none, also when root called.
// A Confined run can change nothing but its views, TMPDIR and what its spec
// names, and sees of the host's files only the system's (SystemFolders, some
// devices, a part of /sys) and what its spec names; Network and the limits hold what
// they say. Result.Enforced says for each of these what really enforced it, or
// that nothing did and why; Promises says it beforehand.
//
// How: mounts first (an empty root; in it what it sees of the host, read-only, with
// covers over what is hidden; overlays; /tmp, /var/tmp and /dev/shm of its own;
// then the host's root is let go), then a network and an IPC namespace, then the
// loss of privileges, Landlock, and last a seccomp filter that refuses what has no
// business in a run. Memory, processes
// and CPU are limited by cgroups where one can be made, version 2 or 1;
// otherwise by RLIMIT_NPROC and by looking at the tree every 20 ms.
//
// Limits, common to both tiers:
//   - A run is the same user as its caller. It can read what that user can read
//     of what it sees, no matter who put it there, and connect to sockets that lie there.
//   - With a sampled limit a run can go beyond it for 20 ms; memory that is in no
//     process, as in pipes and memfds, is not seen then. MaxTree is always sampled.
//   - Disk is sampled too, but for the size of each single file; what lies in a
//     folder that the run made unreadable for its own user is not counted.
//   - Without a cgroup, CPU is of the processes that were reaped, or of those that
//     were seen alive if that is more: a program that ignores SIGCHLD hides what
//     its children use between two looks. MaxRSS lacks such children in any case.
//     Where they count, Hidden names the first that ignored it.
//   - MaxRSS has a floor of some MiB: the kernel counts what the stage used
//     before it executed the shell.
//   - A process stuck in the kernel can't be killed by anything; it is gone
//     when the kernel lets go of it.
//   - What a candidate does in the evaluator's own process nothing here can see.
//   - A confined run can't mount anything, so it can't confine again: nested
//     sandboxes (a browser's, bubblewrap) fail in it.
//   - Root without capabilities can't pass through folders of others that are
//     closed to it, nor read their closed files.
//
// Limits of tier Copies:
//   - What the run's user had in /dev/shm or System V IPC before a run can be
//     changed by it. What the run made there is removed, and what another program
//     of the user puts there and closes meanwhile is taken for the run's.
//   - The repository's own absolute path is closed to a confined run, and leads
//     any other to the user's own files. Dir and the values of Env that name
//     something in a view are mapped to the copy, the text of the command is not.
//   - Carried folders are copies: written to, they change for this run only.
//   - A program that forks faster than /proc can be read may survive, and one
//     that kills its own stage leaves orphans. Survivors has what is known of both.
//   - Landlock alone keeps a confined run in: it does not keep the run from
//     changing modes, owners and times of files of its user, nor hides that a file
//     exists, nor keeps it from connecting to a socket by its path. /tmp can't be written at all, the user's terminals can.
//   - Without CAP_SYS_ADMIN there is no network namespace: NetworkOff is a seccomp
//     filter that leaves local sockets, NetworkLoopback is not enforced.
//
// Runs exist on Linux only; elsewhere Run, Detect and Detach refuse with
// CodeUnsupported.
package sandbox
