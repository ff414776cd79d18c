package research

import (
	"fmt"
	"strconv"
	"strings"
)

// Verdict is the server's judgement of an experiment. No tool accepts one.
type Verdict string

const (
	Improved     Verdict = "improved"     // proven better than the incumbent
	Provisional  Verdict = "provisional"  // expected to be better; certified later, as part of a chain
	Equivalent   Verdict = "equivalent"   // proven to differ by less than min_gain
	Regressed    Verdict = "regressed"    // proven worse
	Inconclusive Verdict = "inconclusive" // not decided within its budget
	Invalid      Verdict = "invalid"      // no comparable number came out; the reason says why
)

// Role says what a run was made for.
type Role string

const (
	Calibrate Role = "calibrate" // of the start version, to learn the noise
	Screen    Role = "screen"    // a first look at a candidate; steers, never evidence
	Confirm   Role = "confirm"   // half of an interleaved pair; evidence
	Anchor    Role = "anchor"    // of the incumbent, to follow drift
	Audit     Role = "audit"     // start against head, for the campaign's gain
	Measure   Role = "measure"   // asked for by measure_metric; changes no verdict
)

// Status is where an experiment stands. It ends kept, reverted or invalid.
type Status string

const (
	Running    Status = "running"    // proposed, no verdict yet
	Unresolved Status = "unresolved" // judged; neither kept nor reverted yet
	Kept       Status = "kept"
	Reverted   Status = "reverted"
	Voided     Status = "invalid"
)

// Direction says which way the metric gets better.
type Direction string

const (
	Lower  Direction = "lower"
	Higher Direction = "higher"
)

// NoiseKind is what a program, or a calibration, says of the metric's noise.
type NoiseKind string

const (
	NoiseAuto     NoiseKind = "auto"
	Deterministic NoiseKind = "deterministic"
	Noisy         NoiseKind = "noisy"
)

// JobID names one piece of work that a worker does: "x7" (experiment 7),
// "c1" (the first calibration), "m2" (the second measurement), "h1" (the first
// certificate of the head), "a1" (the first audit).
type JobID string

// The kinds of job, as the first letter of their ids.
const (
	ExperimentJob  = 'x'
	CalibrationJob = 'c'
	MeasurementJob = 'm'
	CertificateJob = 'h' // of the head
	AuditJob       = 'a'
)

// NewJobID joins a kind and a number.
func NewJobID(kind byte, n int) JobID { return JobID(fmt.Sprintf("%c%d", kind, n)) }

// ParseJobID accepts "x7", "c1", "m2" and, for an experiment, plain "7".
func ParseJobID(s string) (JobID, error) {
	t := strings.TrimSpace(s)
	if t != "" && t[0] >= '0' && t[0] <= '9' {
		t = "x" + t
	}

	if len(t) >= 2 && strings.IndexByte("xcmha", t[0]) >= 0 {
		if n, err := strconv.Atoi(t[1:]); err == nil && n > 0 {
			return NewJobID(t[0], n), nil
		}
	}

	return "", Errorf(CodeBadArgument,
		"give an experiment's number such as 7 or x7, a calibration's (c1), a measurement's (m2), a certificate's (h1) or an audit's (a1)", "%q is not an id", s)
}

// Kind is the id's first letter.
func (id JobID) Kind() byte {
	if id == "" {
		return 0
	}

	return id[0]
}

// N is the id's number, 0 when there is none.
func (id JobID) N() int {
	if id == "" {
		return 0
	}
	n, _ := strconv.Atoi(string(id[1:]))

	return n
}
