package contract

// The values of Program.Assumptions.
const (
	AssumeModel = "model" // a pair's noise is a contaminated normal
	AssumeNone  = "none"  // a pair is as likely to fall either way, and nothing more
)
