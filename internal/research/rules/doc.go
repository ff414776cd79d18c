// Package rules turns samples into verdicts: how runs are asked for, how they are
// compared, and when a difference is proven. NewRule gives a program's rule; Auto and
// Certify are the two, and Ablation decides which kept changes can go again.
//
// Invariants:
//
//   - It is pure. A verdict follows from the program, the RuleState in which the
//     experiment began, its Outlook and its runs in order, and from nothing else;
//     all four are in the ledger, so that every verdict can be derived again.
//   - What a test bets with (noise, belief, threshold) is fixed before the first pair
//     that it bets on. Which runs are repeated depends on the machine's load, never on a value.
//   - Tests are counted when they see a run, also when they are lost; e-LOND pays for each.
//   - Everything is compared on metricScale, where lower is better: log x, or x where
//     values are not all positive.
//
// Where a formula stands, its source is cited: e-processes (Ville 1939; Robbins 1970),
// e-LOND (Xu & Ramdas 2024), the noise of a pair (Huber 1964, fitted by Dempster, Laird &
// Rubin 1977), the belief (Kalman 1960; Magill 1965; Blom & Bar-Shalom 1988), the value of
// a look (Frazier, Powell & Dayanik 2008), expected evidence (Wald 1945), order statistics
// (David & Nagaraja 2003), the guards' test (Berger 1982). Constants come from simulation
// (package simulate; docs/evidence.md has the figures), and none is an option.
//
// Limits: the promises hold under the noise model of a pair and interleaved runs; each of
// Auto, Certify and Ablation states its own. On another processor the last digits may
// differ, which NearlyEqual forgives.
package rules
