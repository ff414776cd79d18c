// Package checkout is one checkout of a repository as everything above sees it: its
// repository, its ledger, the host of its workers, the program that lies in it,
// and the session that works in it.
//
//	checkout.go   Open, and the same checkout for a person, a sibling or another ledger
//	campaign.go   which campaign is meant, and which of its jobs
//	program.go    program.md as it is on disk, and whether it is the accepted contract
//	branch.go     the campaign's branches and refs, commits of candidates, merges
//	start.go      what a campaign's start needs of a checkout
//	session.go    UpdateCampaign: the one way to append in a session's name
//	attend.go     the mark of the session that works here
//	answers.go    how much the session's agent was told
//	ideas.go      who holds an idea, and until when
//	limits.go     what is left of budget and time
//
// Invariants:
//
//   - A Checkout remembers nothing of a campaign: every call reads the ledger afresh,
//     and an update sees the campaign as it is within its own transaction.
//   - A record in a session's name is appended by UpdateCampaign only, which
//     makes the session join first, once for each checkout and client.
//   - Files, refs and the index change only on a branch of the campaign
//     (RequireCampaignBranch), and never a commit that Ratchet did not make.
//   - The mark of a session is advisory. It is a lock, so it falls with the process.
//
// Limits: a transaction of the ledger must not be begun within another one, so
// what takes a *ledger.Tx begins none. Nothing here starts or stops a job (package
// job), and nothing decides about an experiment (package lab).
package checkout
