// Package simulate plays whole virtual nights: a machine with a noise model, a
// stream of proposed edits with known true effects, and a rule that decides
// what to keep. Ratchet's own rules are driven through the very functions that
// a campaign uses (rules.Auto, rules.Certify, rules.Ablation); the peers' rules are
// restated from what those tools do.
//
// It is pure: the same rule, cell, seed and number give the same night. No
// I/O, no clock, no goroutine; a caller may play nights in parallel.
//
// Limits: effects add up on the log scale and noise does not depend on the
// edit; a run costs 1 whatever it measures; agents do not learn. The nights of
// a cell share their proposals between rules, so that rules are compared in
// pairs. Figures of different processors may differ in the last digits.
package simulate
