// Package view reads a campaign for whoever looks at it: the brief of a session,
// the board of a person, pages of experiments, ideas, lessons and imports, a
// job's output, series for plots, and reports.
//
// Invariants: nothing here appends a record, apart from the loss of a job whose
// worker is gone, which job.CurrentReaped records first. What a view looks at
// does not grow with the campaign: folded states, the newest of each list, and
// what is in the incumbent. A view is of one moment unless it says that it is
// read in pages; then the ledger may grow in between. Raw values of a noisy
// metric are never set side by side: Best and Baseline are nil then.
//
// Limits: text of programs, agents and other programs' logs is passed on as it
// is; package tools and the dashboard make it harmless. The one file that is
// written counts how often an agent was held (CheckUnfinishedWork).
package view
