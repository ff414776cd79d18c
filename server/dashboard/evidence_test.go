package dashboard_test

import (
	"strings"
	"testing"

	"ratchet/internal/testform"
	"ratchet/server"
)

// The path of an e-value is recomputed from the runs alone, and ends where the
// verdict stands: of the first experiment, and of one after a keep and a revert.
func TestDashboardShowsTheEvidence(t *testing.T) {
	testform.SkipQuick(t, "internal/view has the evidence")
	t.Parallel()
	c := newCampaign(t)
	c.write("program.md",
		strings.NewReplacer("noise: deterministic", "noise: noisy", "\nbudget:", "\nsearch: certify\nbudget:",
			"score=$(cat value.txt)",
			"score=$(( $(cat value.txt) * 1000 + $(od -An -N2 -tu2 /dev/urandom) % 200 ))").Replace(programText))
	c.write("value.txt", "1000\n")
	git(t, c.dir, "commit", "-qam", "noise")
	c.do("start_campaign", `{}`)
	c.done(c.do("wait_run", `{"wait_seconds":40}`))

	o := c.look(server.RoleRead)
	for _, w := range []struct {
		value, verdict, then string
	}{{"900\n", "improved", "keep"}, {"950\n", "regressed", "revert"}, {"800\n", "improved", "keep"}} {
		c.write("value.txt", w.value)
		m := c.done(c.do("run_experiment", `{"hypothesis":"`+strings.TrimSpace(w.value)+`"}`))
		c.want(m, "verdict", w.verdict)
		c.do(w.then, `{}`)
		x := o.get("experiments/" + m["id"].(string)[1:])
		path := x["evidence"].([]any)

		if w.verdict != "improved" {
			continue // judged by its screen alone, or by few pairs
		}

		if len(path) < 2 {
			t.Fatalf("%s: evidence %v, e %v", w.value, path, x["e"])
		}

		e, need := at(t, path, len(path)-1, "e").(float64), x["need"].(float64)
		if e < need || e != x["e"] {
			t.Errorf("%s: ends at %g, recorded %v, needed %g", w.value, e, x["e"], need)
		}

		if first, last := at(t, path, 0, "run").(float64), at(t, path, len(path)-1, "run").(float64); first < 2 ||
			last <= first || int(last) > len(x["runs"].([]any)) {
			t.Errorf("%s: runs %g to %g of %d", w.value, first, last, len(x["runs"].([]any)))
		}
	}
	wantAt(t, o.get("state"), true, "campaign", "noisy")
	wantAt(t, o.get("state"), nil, "campaign", "best") // no two raw numbers as if they could be compared
	c.whole()
}
