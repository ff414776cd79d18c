package rules

import (
	"slices"

	"ratchet/internal/research/contract"
)

// GuardValue is what a guard's number was with the candidate.
type GuardValue struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"` // the median of its valid runs
}

// GuardValues are the guards' values in an experiment's runs, in the program's order. A
// guard that no valid run of the candidate has a value of is left out.
func GuardValues(program contract.Program, runs []Run) []GuardValue {
	var all []GuardValue

	for _, guard := range program.Guards {
		var values []float64
		for _, run := range runs {
			if v, ok := run.Samples[guard.Name]; ok && run.Valid && run.Side == Candidate {
				values = append(values, v)
			}
		}

		if len(values) > 0 {
			slices.Sort(values)
			all = append(all, GuardValue{guard.Name, (values[(len(values)-1)/2] + values[len(values)/2]) / 2})
		}
	}

	return all
}
