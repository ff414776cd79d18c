// Package research is Ratchet's vocabulary: the words of a campaign, the
// contract in program.md, the records of the ledger, and the rule that turns
// samples into verdicts.
//
// It does nothing by itself: no I/O, no clock, no goroutine. Times, bytes and
// samples come in as arguments; everything that goes out is a value. A verdict
// can therefore be derived again, years later, from the records alone.
package research
