package rules

import (
	"math"
)

const (
	priceRate  = 3.0  // a run's price, in units of the campaign's gain per run
	priceStep  = .15  // how fast the price follows the pace
	priceFloor = 1e-6 // of the rope
	priceIdle  = 1e-3 // of the rope, where runs are in plenty
)

// lookPrice is what the value of one more look must exceed, in units of the
// scale: at most what a fresh proposal would earn with the run, 3 (gained +
// 20 v0) / (runs + 20) with v0 the expected gain of a fresh proposal. Where
// every proposal still expected may have as many looks as one can, a run costs
// next to nothing.
func (a Auto) lookPrice(st RuleState, o Outlook, prior effectPrior) float64 {
	if a.runsPerProposal(st, o) >= sparingLooks {
		return priceIdle * st.Auto.Rope
	}

	fresh := priceRate * (st.Auto.Gained + autoPseudo*prior.gain) / (float64(st.Auto.Belief.Runs) + autoPseudo)
	if st.Auto.Price > 0 {
		return math.Min(st.Auto.Price, fresh)
	}

	return fresh
}

// nextPrice is the price after a proposal that took looks runs: dearer when
// it took more than the runs left for each proposal, cheaper when less, so that
// exactly the budget is spent where proposals are scarce.
func (a Auto) nextPrice(st RuleState, outlook Outlook, prior effectPrior, looks int) float64 {
	step := max(-5, min(5, float64(looks)-a.runsPerProposal(st, outlook)))

	return max(a.lookPrice(st, outlook, prior)*math.Exp(priceStep*step), priceFloor*st.Auto.Rope)
}

// runsPerProposal is the number of runs left for each proposal still expected, 0
// when their number is not known.
func (a Auto) runsPerProposal(st RuleState, outlook Outlook) float64 {
	if outlook.Proposals <= 0 {
		return 0
	}

	left, _ := a.spareRuns(st, outlook)

	return float64(left) / float64(outlook.Proposals)
}
