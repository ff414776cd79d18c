// Package notify carries a campaign's news to where `notify:` in program.md says,
// and runs the program's hooks around experiments.
//
// Messages go out of a process of their own, the notifier, so that no call waits
// for them:
//
//	StartNotifier  by a worker, or by a decision that finds none running
//	RunNotifier    in that process: queueNews → deliverDue → sleep, until nothing is to come
//	queueNews      records since the cursor and circumstances that began → the stored queue
//	deliverDue     one attempt for each message that is due; a failed one is due again later
//
// Invariants: nothing of `notify:` happens before a person has allowed just these
// targets and just this content of the files that they name (allow.go). There is
// at most one notifier of a campaign. The queue is stored before anything is sent
// and after each attempt: a message may be sent twice, with the same id, and none
// is lost. No failure here changes an experiment, a verdict or a record.
//
// Limits: commands and hooks run as the person who started Ratchet, unconfined.
// A file that a command reaches in a way that its words don't show can change
// without a new allowance. A message given up is named in the log only.
package notify
