// Package report is the morning report: a document whose every figure is bound
// to a record of the ledger, or to a named figure of its folded state, and a
// checker that reads the finished bytes again.
//
// What holds:
//   - Plain words of a report hold no digit and no number word. A figure
//     (number, sign, unit and noun together), a name and a quotation each carry
//     a binding, which stands in the file.
//   - Check takes the finished bytes, not the document: it finds every figure
//     in the visible text, reads its record afresh, derives and formats the
//     value again and compares. What has no binding, a binding without a
//     figure, another order, sign, unit or noun, a record that is missing or is
//     another one: each is an error with its line.
//   - A report is a function of the ledger at its head, and of nothing else: it
//     has no clock. So the same head gives the same bytes, and a reader can hold
//     the words too against a second report.
//
// What is not promised: that a quotation is true (it is an agent's or a
// person's text, and marked as such), and that a ledger which was forged as a
// whole is the one that was written (ratchet verify, and the hashes in the keep
// commits, are for that).
//
// Everything here is pure but for the Source that a check is given.
package report
