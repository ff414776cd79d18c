package contract

// ListKeys are the full names of all keys that a program may have, in the order in
// which the reference explains them: a section before its keys, "guards.max"
// for a key of each guard. required says which must be given.
func ListKeys() (keys []string, required map[string]bool) {
	var p Program
	required = map[string]bool{}

	sections := map[string][]field{
		"metric": metricFields(&p.Metric), "guards": guardFields(&Guard{}),
		"budget": budgetFields(&p.Budget), "campaign": campaignFields(&p.Campaign),
		"notify": targetFields(&Target{}), "stall": stallFields(&p.Stall),
	}
	for _, f := range programFields(&p) {
		keys, required[f.key] = append(keys, f.key), f.required
		for _, inner := range sections[f.key] {
			name := join(f.key, inner.key)
			keys, required[name] = append(keys, name), inner.required
		}
	}

	return keys, required
}
