// Package lab has the verbs of agents and of the people who steer them. One call of
// a tool or a command is one function here; loop.go shows the life of an
// experiment from top to bottom.
//
//	start.go, resume.go  StartCampaign
//	loop.go              RunExperiment, Keep, Revert
//	candidate.go         the edit becomes a commit; refusals before anything is spent
//	propose.go           experiment.proposed, also of an edit merged with a newer incumbent
//	decide.go            which experiment a decision is about (whether it may be kept is history.Keepable)
//	refs.go              refs, branch, index and files follow the ledger
//	wait.go, rest.go     Wait, StopJob; StopLoop, ResumeLoop
//	measure.go           Measure: runs that decide nothing
//	share.go, claims.go  Share: ideas, lessons, and who holds an idea
//	similar.go           what an edit or an idea is like
//	notes.go             AddNote, and how sessions are told
//	undo.go, person.go   what only a person does: Undo, Abandon, AcceptContract
//
// Invariants:
//
//   - Write before you spend: a record comes before the ref, the file or the worker
//     that follows from it, and a call that died in between is finished by the
//     next one.
//   - The incumbent moves by compare-and-swap only (recordKeep, recordUndo): a
//     decision on a reading of the ledger that has grown old is CodeConflict.
//   - No edit is lost: what neither the candidate nor the incumbent holds is stored
//     under refs/ratchet/<campaign>/saved before a file is written.
//   - A verdict is the worker's record, or that of the loss of its job. Nothing here measures, and a person who keeps
//     against the verdict is named in the record and in the commit.
//
// Limits: a call may take as long as it waits for its job (50 s) and for the
// program's hooks. Requests and answers are plain values; package tools renders them.
package lab
