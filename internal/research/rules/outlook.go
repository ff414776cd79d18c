package rules

import "ratchet/internal/research"

// Outlook is what a campaign has left when an experiment or a certificate
// begins; it stays the same for every call about that one.
type Outlook struct {
	Budget    int `json:"budget"`    // runs of the whole campaign
	Left      int `json:"left"`      // of them, before this experiment or certificate
	Proposals int `json:"proposals"` // still expected, the next one included; Unlimited when unknown
	// Shorter says that the edit removes more lines than it adds: it may be kept
	// for that, if it is shown not to be worse.
	Shorter bool `json:"shorter,omitempty"`
	// LostTests counts the campaign's tests that saw a run and were lost. Those
	// that no test has paid for yet are counted in t before this one.
	LostTests int `json:"lost_tests,omitempty"`
	// RunSeconds is the mean length of the campaign's runs. 0, as in every older record,
	// says that it is not known: then all caps are the sparing ones.
	RunSeconds float64 `json:"run_s,omitempty"`
}

// Unlimited says in Outlook that the number of proposals to come is not known.
const Unlimited = -1

// The caps of benchmarks whose runs are dear, or of unknown length: each question has
// at least these.
const (
	sparingLooks         = 24 // runs of one experiment, of the candidate and of the head
	sparingCertificate   = 60 // pairs
	SparingAuditPairs    = 6  // pairs
	SparingAblationPairs = 12 // pairs: DetectableGain is 1.9 standard deviations of a run
)

// What a question may cost where runs are cheap, in seconds of run time, and how many
// runs it may have then. An edit costs its agent minutes of thought, so four minutes of
// runs are no more than that; 300 pairs prove a gain of 10 % at a noise of 20 %.
const (
	experimentSeconds  = 240.
	certificateSeconds = 600.
	auditSeconds       = 60.
	comparisonSeconds  = 60. // of an ablation, which makes many
	mostRuns           = 600 // of an experiment of search: certify
	mostOfAuto         = 300 // runs of an experiment of search: auto; pairs of a certificate
	patientRuns        = 200 // of an experiment: from there on a test is given up late
	mostAudit          = 30  // pairs
	mostAblation       = 60  // pairs
)

// runsIn is how many runs fit into so many seconds, 0 where their length is not known.
func (o Outlook) runsIn(seconds float64) float64 {
	if !(o.RunSeconds > 0) {
		return 0
	}

	return seconds / o.RunSeconds
}

// runsOfExperiment is how many runs an edit is worth: what fits into four minutes, and
// not more than each proposal still expected could have; 0 where that is not known.
func (o Outlook) runsOfExperiment() int {
	share := float64(o.Left) / 20 // where the number of proposals is not known
	if o.Proposals >= 0 {
		share = float64(o.Left) / float64(max(o.Proposals, 1))
	}

	return int(min(o.runsIn(experimentSeconds), share, mostRuns))
}

// mostLooks is the cap on the runs of one experiment of search: auto.
func (o Outlook) mostLooks() int { return max(sparingLooks, min(o.runsOfExperiment(), mostOfAuto)) }

// ForecastExperiment is how many runs of the candidate and the incumbent an experiment
// makes, at least and at most, under a state's kind of noise and a program's search.
func (o Outlook) ForecastExperiment(state RuleState, search string) (least, most int) {
	switch {
	case state.NoiseKind == research.Deterministic:
		return 1, 2
	case search == SearchCertify:
		return 2 * 2, 2 * Certify{}.choosePreset(o).pairs
	default:
		return 2, o.mostLooks()
	}
}

// ForecastFinalize is how many runs a finalize is likely to make of so many kept edits,
// most of which pay: their certificate, the ablation and the audit.
func (o Outlook) ForecastFinalize(state RuleState, edits int) int {
	if state.NoiseKind == research.Deterministic {
		return edits + 1 + 2*2
	}

	return 2*state.ReservePairs(o) + 2*o.AblationPairs()*edits/2 + 2*o.AuditPairs()
}

// mostPairs is the cap on the pairs of one test of search: certify, at least sparing.
func (o Outlook) mostPairs(sparing int) int { return max(sparing, o.runsOfExperiment()/2) }

// MostCertificatePairs is the cap on the pairs of one certificate: what fits into ten
// minutes, and into the share of the budget that is kept back for it.
func (o Outlook) MostCertificatePairs() int {
	pairs := min(o.runsIn(certificateSeconds), reserveShare*float64(o.Budget)) / 2
	return max(sparingCertificate, int(min(pairs, mostOfAuto)))
}

// AuditPairs is how many pairs an audit makes unless a person says another number.
func (o Outlook) AuditPairs() int {
	return max(SparingAuditPairs, int(min(o.runsIn(auditSeconds)/2, mostAudit)))
}

// AblationPairs is the cap on the pairs of one comparison of an ablation unless a
// person says another.
func (o Outlook) AblationPairs() int {
	return max(SparingAblationPairs, int(min(o.runsIn(comparisonSeconds)/2, mostAblation)))
}

// countLostTests is the state with the lost tests counted that nobody has paid for.
func (s RuleState) countLostTests(o Outlook) RuleState {
	if n := o.LostTests - s.LostTests; n > 0 {
		s.Tests, s.LostTests = s.Tests+n, o.LostTests
		s.SimpleTests += n // whichever stream they were in
	}

	return s
}
