package rules

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
}

// Unlimited says in Outlook that the number of proposals to come is not known.
const Unlimited = -1

// countLostTests is the state with the lost tests counted that nobody has paid for.
func (s RuleState) countLostTests(o Outlook) RuleState {
	if n := o.LostTests - s.LostTests; n > 0 {
		s.Tests, s.LostTests = s.Tests+n, o.LostTests
		s.SimpleTests += n // whichever stream they were in
	}

	return s
}
