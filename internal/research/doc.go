// Package research is Ratchet's vocabulary: verdicts, roles and statuses of a
// campaign, ids of jobs, errors with their codes, and how numbers and times are
// written. The packages below it hold what is decided with these words:
//
//	contract  program.md: parse, render, compare
//	rules     statistics and verdicts
//	history   the ledger's records, folded and recomputed
//
// This package and those three do nothing by themselves: no I/O, no clock, no
// goroutine. Times, bytes and samples come in as arguments; everything that goes out
// is a value. A verdict can therefore be derived again, years later, from the records alone.
//
// Limits: texts are compared by their letters' pairs, not by their meaning.
package research
