// Package importer records the logs of other programs in the checkout's campaign:
// a file, or the files of known formats in a folder (package foreign reads them).
//
// Invariants: every line is kept byte for byte, also one that was not understood,
// so that the file can be written again. A line that is at its place already is
// not recorded again, so that a log which grows can be imported again and again; a
// changed line names the one that it replaces. What an imported line claims is
// self-reported: it takes part in no verdict, count, best value or budget.
//
// Limits: lines are appended in transactions of at most importLines lines, so an
// import that fails leaves what it had recorded; repeating it is safe. The first
// importTold broken lines are named, the others only counted.
package importer
