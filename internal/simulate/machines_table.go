package simulate

import (
	"fmt"
	"math"
	"strings"
)

// RenderMachines has a row a machine: what of the promises holds there. Where only useless
// edits were played it has their share of false certificates alone.
func RenderMachines(machines []Machine) string {
	if len(machines) > 0 && machines[0].Mixed == nil {
		return renderNullNights(machines)
	}
	var text strings.Builder
	text.WriteString("| machine | sd of a run | useless edits: nights with a false certificate | kept on trial | " +
		"with an interval above the smallest gain | said to be worse | intervals that hold | their median width | " +
		"of a rule that is told the noise | gain against the best peer (se) | that peer | claimed/true | riders | " +
		"runs a proposal | fails |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")

	for _, m := range machines {
		fmt.Fprintf(&text, "| %s | %.1f %% | %.3f of %d | %.1f %% | %.2f %% | %.2f %% | %.1f %% of %d | %.1f %% | %s | "+
			"%.2f (%.2f) | %s | %.2f | %.2f | %.1f | %s |\n",
			m.Name, 100*m.SD, m.Null.FalseCertificates, m.Null.Nights, 100*m.Null.Kept, 100*m.Null.KeptAboveRope,
			100*m.Null.Regressed, 100*m.Mixed.Covered, m.Mixed.Intervals, 100*m.Mixed.Width, m.Mixed.toldText(),
			m.Mixed.GainOverPeer, m.Mixed.SE, m.Mixed.Peer,
			m.Mixed.Claimed, m.Mixed.Riders, m.Mixed.RunsPerProposal, strings.Join(m.Failures(), ", "))
	}

	return text.String()
}

// toldText is the width of a rule that is told the noise, and how much wider the rule's is.
func (m MachineMixed) toldText() string {
	if m.ToldWidth == 0 {
		return "not known"
	}

	return fmt.Sprintf("%.1f %%, %.2f ×", 100*m.ToldWidth, m.WidthOverTold)
}

func renderNullNights(machines []Machine) string {
	var text strings.Builder
	text.WriteString("| machine | nights of useless edits | with a false certificate | upper 95 % limit | fails |\n" +
		"|---|---|---|---|---|\n")

	for _, m := range machines {
		fails := ""
		if m.Null.FalseCertificates > .05 || m.Null.Limit > mostLimit {
			fails = "false certificates"
		}
		fmt.Fprintf(&text, "| %s | %d | %.4f | %.4f | %s |\n", m.Name, m.Null.Nights, m.Null.FalseCertificates,
			m.Null.Limit, fails)
	}

	return text.String()
}

const (
	mostLimit = .065 // that the share of false certificates may have
	mostWider = 1.5  // than the intervals of a rule that is told the noise
)

// Failures names what is promised and not shown on this machine, where mixed edits were
// played too.
func (m Machine) Failures() []string {
	var failures []string
	fails := func(is bool, what string) {
		if is {
			failures = append(failures, what)
		}
	}

	fails(m.Null.FalseCertificates > .05, "false certificates")
	fails(m.Null.Kept > .25, "useless edits kept")
	fails(m.Null.KeptAboveRope > .02, "useless edits kept above the smallest gain")
	fails(m.Null.Regressed > .05, "useless edits worse")
	fails(m.Mixed.Covered < .87, "intervals")
	fails(m.Mixed.Intervals < m.Mixed.Looked, "experiments without an interval")
	fails(m.Mixed.WidthOverTold > mostWider, "width")
	fails(m.Mixed.GainOverPeer+2*m.Mixed.SE < 1, "gain")
	fails(m.Mixed.Claimed != 0 && math.Abs(m.Mixed.Claimed-1) > .1, "claimed/true")
	fails(m.Mixed.SE > .1, "gain not resolved")

	return failures
}
