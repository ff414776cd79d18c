// Package sandbox runs a command where nothing it does outlives it: in a tree
// that is put together for the run and thrown away, under a deadline after
// which the whole process tree is dead. It also has what such runs need around
// them: machine-wide locks and slots, processes that outlive their parent, and
// copies of trees.
//
// There are two tiers, found by trying (Detect):
//
//   - Namespaces: the run has a PID and a mount namespace of its own (a user
//     namespace too, when not root). Its views are overlays at their real
//     paths. The death of its first process is the death of all, also when the
//     supervisor is killed.
//   - Copies: a subreaper instead of the PID namespace, merged copies at other
//     paths instead of overlays.
//
// Result.Enforced says what was really enforced, and by what.
//
// Limits, common to both tiers:
//   - A run has the privileges of its caller. Network, memory, number of
//     processes, and files outside the views are not restricted; root can undo
//     its own mounts.
//   - CPU is of the processes that were reaped; a program that ignores SIGCHLD
//     hides its children's.
//   - MaxRSS has a floor of some MiB: the kernel counts what the stage used
//     before it executed the shell.
//   - A process stuck in the kernel can't be killed by anything; it is gone
//     when the kernel lets go of it.
//
// Limits of tier Copies:
//   - The repository's own absolute path leads to the user's own files. Dir and
//     the values of Env that name something in a view are mapped to the copy,
//     the text of the command is not.
//   - Carried folders are copies: written to, they change for this run only.
//   - A program that forks faster than /proc can be read may survive, and one
//     that kills its own stage leaves orphans. Survivors has what is known of both.
//
// Runs exist on Linux only; elsewhere Run, Detect and Detach refuse with
// CodeUnsupported.
package sandbox
