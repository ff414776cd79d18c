package rules

import (
	"math"

	"ratchet/internal/research"
)

const (
	reserveSlack     = 1.25 // evidence kept back, in units of the expected need, in the first version
	firstReserve     = .2   // of the budget, at most, in the first version
	reserveShare     = .25  // of the budget, at most
	reserveLeast     = 4    // runs
	betsCost         = 1.5  // of the log of the evidence, since bets are spread around the claim
	reserveCare      = 1.0  // standard deviations of the evidence that may be missing
	reserveRisk      = .015 // chance that the pairs kept back hold too few clean ones
	maxPairOutliers  = .30
	trustedResiduals = 30 // from which the pair noise rests on residuals alone
)

// AutoAlpha is the level of the campaign's t-th certificate of the head
// (from 1) after passed ones: alpha_t = .05 gamma_t (passed+1), the e-LOND
// rule (Xu & Ramdas 2024), with gamma_t = (t+1)^-1.6 / 1.29, whose sum is
// below 1: few tests are made, so most is spent early.
func AutoAlpha(t, passed int) float64 {
	return alpha * math.Pow(float64(t)+1, -1.6) / 1.29 * float64(passed+1)
}

// logNeed is log(1/alpha_t) of the next certificate.
func (st RuleState) logNeed() float64 {
	return -math.Log(st.alphaNext())
}

// pairNoise is the noise of a certificate's pair. Its scale rests on repeated
// runs of one version; with fewer than 30 differences of those it is at least
// what the belief says of two runs and the drift between them, with a margin.
// A pair has the outliers of two runs.
func (st RuleState) pairNoise(mix *mixture) noiseModel {
	pair := noiseModel{s: st.S}
	if mix.Speeds != nil {
		pair = mix.pairSpeeds().fit(st.Residuals, st.Auto.Rope/100)
	}

	if n := float64(len(st.Residuals)); n < trustedResiduals {
		run, drift := mix.noiseVariances()
		pair.s = max(pair.s, math.Sqrt(2*run+drift)*(1+1/math.Sqrt(2*max(n, 1))))
	}
	// A coarse clock shows most differences as none and the others as whole ticks.
	pair.s = max(pair.s, math.Sqrt(2*mix.tickVar()))
	pair.eps = max(outlierShare, min(maxPairOutliers, 2*mix.outlierShare()))

	return pair
}

// ReservePairs is the number of pairs to keep back for a certificate of
// the claim: what the evidence is expected to need (a normal likelihood ratio
// grows by claim^2 / 2s^2 a pair, Wald 1945), with slack, and enough more that
// spoiled pairs can be repeated. Without a claim it is the cap.
func (st RuleState) ReservePairs(outlook Outlook) int {
	claim, most := st.Auto.Claim, outlook.MostCertificatePairs()
	if !(claim > 0) {
		return most
	}

	belief := st.Auto.mixture()
	pair := st.pairNoise(belief)

	if st.Version > FirstVersion {
		return max(pair.leastPairsKept(), pair.pairsFor(claim, st.logNeed()+betsCost, most))
	}

	clean := max(2, math.Ceil(reserveSlack*(st.logNeed()+1.5)*2*pair.s*pair.s/(claim*claim)))
	if !(clean < float64(most)) {
		return most
	}

	// An outlier, of scale 5s, spoils a pair only if it is larger than half the claim.
	spoiled := min(maxPairOutliers, 2*belief.outlierShare()) * 2 / math.Pi * math.Atan(10*pair.s/claim)
	for n := int(clean); n < most; n++ {
		if chanceFewerClean(int(clean), n, spoiled) < reserveRisk {
			return n
		}
	}

	return most
}

// chanceFewerClean is P(fewer than k of n pairs are clean), each spoiled with chance p < 1.
func chanceFewerClean(k, n int, p float64) float64 {
	term, sum := math.Pow(1-p, float64(n)), 0.0 // P(i of n spoiled)
	for i := 0; i <= n; i++ {
		if n-i < k {
			sum += term
		}
		term *= float64(n-i) / float64(i+1) * p / (1 - p)
	}

	return sum
}

// spareRuns is the number of runs that the search may still use. late says that
// the main certificate's reserve is no longer kept back, only a few runs for the last.
func (a Auto) spareRuns(st RuleState, outlook Outlook) (left int, late bool) {
	if st.NoiseKind != research.Noisy {
		return outlook.Left, false
	}

	if !st.Auto.Late {
		most := max(reserveLeast, int(mostReserved(st)*float64(outlook.Budget)))
		left = outlook.Left - min(2*st.ReservePairs(outlook), most)
	}

	if left < 1 {
		return outlook.Left - reserveLeast, true
	}

	return left, false
}

// mostReserved is the share of the budget that is kept back at most.
func mostReserved(st RuleState) float64 {
	if st.Version == FirstVersion {
		return firstReserve
	}

	return reserveShare
}

// Plan is what a campaign does next.
type Plan string

// The plans.
const (
	PlanPropose Plan = "propose" // the next experiment
	PlanCertify Plan = "certify" // the head against the checkpoint: NextPair
	PlanEnd     Plan = "end"     // nothing more can be learnt
)

// Plan says what comes next. A certificate is due when the runs left have come
// down to its reserve, once, and then again at the end. A caller may certify
// at any other time too: e-LOND pays for every test.
func (a Auto) Plan(st RuleState, outlook Outlook) Plan {
	lastStep := PlanEnd
	if a.CanCertify(st) && outlook.Left >= 2 {
		lastStep = PlanCertify
	}

	left, late := a.spareRuns(st, outlook)
	switch {
	case outlook.Proposals == 0 || left < 1:
		return lastStep
	case late && !st.Auto.Late && lastStep == PlanCertify:
		return PlanCertify
	}

	return PlanPropose
}

// CanCertify says whether the head has a claim that a certificate could prove.
func (a Auto) CanCertify(st RuleState) bool {
	return st.NoiseKind == research.Noisy && st.Auto.Chain > 0 && st.Auto.Claim > st.Auto.MinEffect
}
