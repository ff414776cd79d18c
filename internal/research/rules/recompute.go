package rules

import (
	"math"

	"ratchet/internal/research/contract"
)

// NewObservation is a recorded run as a rule sees it.
func NewObservation(r Run, m contract.Metric) Observation {
	v, ok := r.Samples[m.Name]

	o := Observation{
		RunRequest: RunRequest{Side: r.Side, Role: r.Role, Pair: r.Pair, Order: r.Order, WarmUp: r.WarmUp, Again: r.Again},
		Valid:      r.Valid, Reason: r.Reason, Value: v, Guards: r.Samples, Contended: r.Contended,
	}
	if o.Valid && !ok {
		o.Valid, o.Reason = false, "the run has no sample of "+m.Name
	}

	return o
}

// NearlyEqual forgives what another processor's arithmetic may change.
func NearlyEqual(a, b float64) bool {
	return a == b || math.Abs(a-b) <= 1e-6*max(math.Abs(a), math.Abs(b))
}
