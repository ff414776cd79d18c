package history

import (
	"math"
	"regexp"
	"strconv"

	"ratchet/internal/research"
	"ratchet/internal/research/rules"
)

// Predictions compares what a session expected of its edits with what was
// found: sums over the judged experiments whose expectation names a percentage.
type Predictions struct {
	N        int     `json:"n"`
	Expected float64 `json:"expected"` // sum of expected gains, as shares
	Found    float64 `json:"found"`    // sum of estimated gains
	Missed   float64 `json:"missed"`   // sum of the absolute differences
	Gains    int     `json:"gains"`    // estimates that are gains at all
}

func (p *Predictions) addJudgement(expect string, judgement rules.Judgement) {
	expected, ok := Expected(expect)

	found := judgement.ExpectedGain()
	if !ok || found == nil || judgement.Scale != rules.LogScale {
		return
	}

	p.N++
	p.Expected += expected
	p.Found += found.Mid

	p.Missed += math.Abs(found.Mid - expected)
	if found.Mid > 0 {
		p.Gains++
	}
}

// percentages are one, or the two ends of a range: "3 %", "-5%", "2-4 %", "2 to 4 %".
var percentages = regexp.MustCompile(`([0-9]+(?:\.[0-9]+)?)(?:\s*%?\s*(?:-|–|to)\s*([0-9]+(?:\.[0-9]+)?))?\s*%`)

// Expected reads the gain that a prediction names, as a share: its first
// percentage, or the middle of a range. The sign is not read: a proposal expects
// a gain, and says "-5 %" of a time as well as "5 % faster".
func Expected(text string) (share float64, ok bool) {
	m := percentages.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}

	lo, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return 0, false
	}

	hi := lo
	if m[2] != "" {
		if hi, err = strconv.ParseFloat(m[2], 64); err != nil {
			return 0, false
		}
	}
	share = (lo + hi) / 200

	return share, research.IsFinite(share)
}
