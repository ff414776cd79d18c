// Package finalize turns a campaign into what a reviewer wants: certify, ablate,
// audit, then commits on a branch of their own, with the text of a pull request.
//
//	Finalize → requireFinalizable → Certify → requireFinalizable → assembleResult
//	assembleResult → ablate → auditOnce → measureStack → commitResult → createBranch
//
// Invariants: what a call has measured is in the ledger and counts, so that a call
// that died is repeated and goes on where it was. Versions that lack some of the
// changes depend on nothing but their content. The first audit of a version
// counts, so that nobody measures until a result pleases. The record of what was
// made comes before the branch. The campaign's own branch, HEAD, the index and
// all files stay as they are.
//
// Limits: it measures beyond the campaign's budget, since a person asks. It
// refuses while anything else runs, and begins again when the incumbent moves or
// the contract changes meanwhile. The rule that says what to compare next is
// rules.Ablation; the result is unmerged work: merging it is a person's.
package finalize
