// Package ledger keeps the records of all campaigns of a repository: an
// append-only, hash-chained log in one bbolt file, with indexes that are folded
// from the records in the same transaction.
//
// What holds:
//   - A record that was acknowledged is on disk (as far as fsync tells the
//     truth), its head is anchored in a second file, and no later call changes
//     or hides it without an error.
//   - Every index entry is a function of the records; Verify derives all of
//     them again and compares, Rebuild replaces them.
//   - The file is open only inside a transaction, under a first-come,
//     first-served lock that the kernel drops when a process dies. Any number
//     of processes and handles may share a ledger.
//   - The cost of an append and of every read does not grow with the number of
//     experiments, but for the logarithm of a B+tree and for campaign states
//     that list what was kept.
//
// Limits: a local file system (advisory locks and rename must work). Fairness
// between processes is kept on Linux only; elsewhere the lock excludes, in no
// particular order. One transaction at a time, readers included; with a Log it
// lasts as long as the log's answers take. Somebody who rewrites the ledger,
// its indexes and its anchor alike is found out only by the hashes in the keep
// commits. One flipped bit in bbolt's own branch pages is reported as damage,
// without the number of the record behind it.
package ledger
