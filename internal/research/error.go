package research

import (
	"errors"
	"fmt"
)

// Code classes an error for programs; it never changes its meaning.
type Code string

const (
	CodeBadArgument Code = "bad_argument"     // a tool or command got an argument that can't be used
	CodeProgram     Code = "invalid_program"  // program.md is missing or breaks its format
	CodeRepository  Code = "repository"       // the repository can't be used, or not in this state
	CodeNoCampaign  Code = "no_campaign"      // nothing has been started here
	CodeNotFound    Code = "not_found"        // no such experiment, run, idea or version
	CodeScope       Code = "out_of_scope"     // files other than the edited one differ from the incumbent
	CodeContract    Code = "contract_changed" // the front matter differs from the accepted one
	CodeNoChange    Code = "no_change"        // the edited file equals the incumbent's
	CodeDuplicate   Code = "already_judged"   // this very tree was judged against this incumbent
	CodeUnresolved  Code = "unresolved"       // an improved experiment waits for keep or revert
	CodeBusy        Code = "busy"             // another job of this campaign is running
	CodeVerdict     Code = "verdict_forbids"  // keep is refused by the verdict
	CodeConflict    Code = "conflict"         // somebody else moved what this call wanted to move
	CodeClaimed     Code = "claimed"          // another session holds the idea
	CodeBudget      Code = "budget_exhausted" // the campaign's budget is spent
	CodeLocked      Code = "locked"           // a person's decision needs the passphrase of `ratchet lock`
	CodeStopped     Code = "loop_stopped"     // a person stopped the loop; it goes on when a person says so
	CodeEnded       Code = "campaign_ended"   // the campaign was ended or abandoned
	CodeLedger      Code = "ledger_damaged"   // the ledger's file is not what was written
	CodeReport      Code = "report_altered"   // a written report does not say what the ledger says
	CodeStorage     Code = "storage"          // disk full, read-only or failing; nothing acknowledged is lost
	CodeUnsupported Code = "unsupported"      // this machine or repository lacks what is asked for
	CodeCancelled   Code = "cancelled"        // the caller gave up; what runs goes on
	CodeInternal    Code = "internal"         // a defect of Ratchet
)

// Error is what every package returns for what a user can act on: a code, one
// sentence (lower case, no full stop) and the next step.
type Error struct {
	Code Code
	Msg  string
	Next string
	Err  error // the cause, for %w; may be nil
}

func (e *Error) Error() string { return e.Msg }

func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error. A %w in the format becomes its cause.
func Errorf(code Code, next, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Msg: err.Error(), Next: next, Err: errors.Unwrap(err)}
}

// Describe returns the code, sentence and next step of any error. An uncoded
// one is internal, and its details stay out of what an agent reads.
func Describe(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}

	return &Error{Code: CodeInternal, Msg: "internal error", Err: err,
		Next: "run `ratchet doctor`; the server's stderr has the details"}
}

// DescribeInFull is Describe for another process of Ratchet's own: an internal error
// keeps its details.
func DescribeInFull(err error) *Error {
	said := *Describe(err)
	if said.Code == CodeInternal {
		said.Msg = err.Error()
	}

	return &said
}

// HasCode says whether err, or an error that it wraps, is an Error with the code.
func HasCode(err error, code Code) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}
