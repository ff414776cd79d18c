package rules

import (
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
)

// Evidence is an e-value, and the run after which it stood there.
type Evidence struct {
	Run int     `json:"run"`
	E   float64 `json:"e"`
}

// EvidencePath is how the e-value of the experiment that j judged came about, pair
// by pair: recomputed from its runs, in order, by the rule of p from the state st
// in which it began. nil where the verdict is made of no e-value, and where the
// path does not end at the recorded one, as after a rebase or from another state.
func EvidencePath(p contract.Program, st RuleState, j Judgement, runs []Run) []Evidence {
	rule, certifies := newCertify(p).(Certify)
	if p.Search != SearchCertify || !certifies || st.NoiseKind != research.Noisy || j.E <= 0 || j.Pairs == 0 {
		return nil
	}
	st = st.paid(j.Outlook)
	var obs []Observation
	var gain, simple []Evidence
	var last *confirmation

	for _, r := range runs {
		if r.Void {
			continue
		}
		obs = append(obs, NewObservation(r, p.Metric))
		t := rule.test(st, j.Outlook, ResolveRepeats(obs))

		gain = traced(gain, t.gain, r.Number)
		if t.simpleOpened {
			simple = traced(simple, t.simple, r.Number)
		}
		last = t
	}

	path, v := gain, (*evidence)(nil)
	if last != nil {
		v = last.gain
		if last.simpleOpened {
			path, v = simple, last.simple
		}
	}

	if v == nil || !NearlyEqual(v.e, j.E) && !NearlyEqual(v.best, j.E) {
		return nil
	}

	return path
}

// traced adds what v is now, unless it is there already.
func traced(path []Evidence, v *evidence, run int) []Evidence {
	if v == nil || v.n == 0 || len(path) > 0 && path[len(path)-1].E == v.e {
		return path
	}

	return append(path, Evidence{run, v.e})
}
