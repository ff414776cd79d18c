package research

import "math"

const (
	priceRate  = 3.0  // a run's price, in units of the campaign's gain per run
	priceStep  = .15  // how fast the price follows the pace
	priceFloor = 1e-6 // of the rope
)

// price is what the value of one more look must exceed, in units of the
// scale: at most what a fresh proposal would earn with the run, 3 (gained +
// 20 v0) / (runs + 20) with v0 the expected gain of a fresh proposal.
func (a Auto) price(st AutoState, prior effectPrior) float64 {
	fresh := priceRate * (st.Gained + autoPseudo*prior.gain) / (float64(st.Belief.Runs) + autoPseudo)
	if st.Price > 0 {
		return math.Min(st.Price, fresh)
	}
	return fresh
}

// priceAfter is the price after a proposal that took looks runs: dearer when
// it took more than the pace (runs left per proposal left), cheaper when less,
// so that where proposals are the scarce thing exactly the budget is spent.
func (a Auto) priceAfter(st AutoState, o Outlook, prior effectPrior, looks int) float64 {
	pace := 0.0
	if o.Proposals > 0 {
		left, _ := a.spare(st, o)
		pace = float64(left) / float64(o.Proposals)
	}
	step := max(-5, min(5, float64(looks)-pace))
	return max(a.price(st, prior)*math.Exp(priceStep*step), priceFloor*st.Rope)
}
