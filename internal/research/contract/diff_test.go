package contract_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
)

func TestChanges(t *testing.T) {
	was := contract.Program{Search: "auto", Campaign: contract.CampaignLimit{Experiments: 100, Hours: 1},
		Metric: contract.Metric{Name: "ns", Better: research.Lower, Noise: research.Noisy, MinGainSet: true}}
	now := was
	now.Run, now.Env = "./other", []string{"HF_HOME"}

	var keys []string
	for _, c := range contract.ListChanges(was, now) {
		keys = append(keys, c.Key)
		if c.Was == c.Now {
			t.Errorf("%+v", c)
		}
	}

	if diff := cmp.Diff([]string{"env", "run"}, keys); diff != "" {
		t.Error(diff)
	}

	if diff := cmp.Diff("+run: ./other\n+env: HF_HOME\n", contract.RenderDiff(was, now)); diff != "" {
		t.Error(diff)
	}
	was.Setup, was.Budget.Wall = "npm ci\nnpm run x", 1

	now.Setup, now.Budget.Wall, now.Env = "npm ci\nnpm run y", 2, nil
	if diff := cmp.Diff(" setup: |-\n-  npm run x\n+  npm run y\n+run: ./other\n budget:\n-  wall: 1ns\n+  wall: 2ns\n",
		contract.RenderDiff(was, now)); diff != "" {
		t.Error(diff)
	}

	if same := contract.RenderDiff(was, was); same != "" {
		t.Errorf("of the same: %q", same)
	}

	if all := contract.ListChanges(was, was); all != nil {
		t.Errorf("of the same: %v", all)
	}
}
