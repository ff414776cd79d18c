// Package lab is the one straight path of a campaign: loop.go holds the life
// of an experiment from proposal to keep or revert, supervise.go what happens
// in the supervisor's own process, workspace.go what a run sees. certify.go is
// the life of a certificate, merge.go what happens when another session moves
// the incumbent.
//
// State lives in the ledger; everything here is a reading of it or an append
// to it. Git refs and the user's files follow the ledger, never lead it: a
// call that dies half-way is finished by the next one.
//
// Limits: one experiment of a checkout is open at a time, and one of a campaign
// is measured at a time. The supervisor of a job holds a lock on a file in the ledger's folder for as long as it lives;
// a job whose lock has fallen is recorded as lost by whoever notices first.
package lab
