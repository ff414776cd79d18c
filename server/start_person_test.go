package server_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/client"

	"ratchet/internal/research/history"
	"ratchet/internal/testform"
)

// TestFurtherCampaignAsksThePerson holds that an agent can't start a campaign with a
// scope or budget of its own beside the one that the person set up: its person is asked,
// and what they agree to is what starts.
func TestFurtherCampaignAsksThePerson(t *testing.T) {
	testform.SkipQuick(t, "TestThePersonDecides")
	inEveryWay(t, func(t *testing.T, w way) {
		h := &human{}
		c := newRepository(t)
		c.t = t
		c.Client, _ = w.connect(t, c.dir, nil, client.WithElicitationHandler(h))
		c.do("start_campaign", `{}`)
		c.done(c.do("wait_run", `{"wait_seconds":20}`))
		git(t, c.dir, "switch", "-q", "main")

		h.says(no, "own", true)
		c.do("start_campaign", `{"name":"same"}`)
		h.wasAsked(t, "another name, the same contract", 0)
		c.done(c.do("wait_run", `{"wait_seconds":20}`))
		git(t, c.dir, "switch", "-q", "main")

		own := strings.Replace(programText, "{wall: 20s}", "{wall: 21s}", 1)
		c.write("program.md", own)
		c.refused("start_campaign", `{"name":"own"}`, "contract_changed")
		h.wasAsked(t, "declined", 1, "new campaign, own", "\n-  wall: 20s\n+  wall: 21s\n")
		c.refused("start_campaign", `{"name":"own"}`, "contract_changed")
		h.wasAsked(t, "again", 1)

		c.write("program.md", strings.Replace(own, "21s", "22s", 1))
		h.says(yes, "own", true)
		c.want(c.do("start_campaign", `{"name":"own"}`), "campaign", "own")
		h.wasAsked(t, "accepted", 1)
		c.done(c.do("wait_run", `{"wait_seconds":20}`)) // nothing is written any more

		all := c.records(history.KindCampaignStarted)
		want := []history.Way{"", "", history.ByElicitation}

		if len(all) != len(want) {
			t.Fatalf("%d campaigns started", len(all))
		}

		for i, r := range all {
			var body history.CampaignStart
			must(t, json.Unmarshal(r.Body, &body))

			if body.By != want[i] {
				t.Errorf("campaign %s was started by %q, want %q", r.Campaign, body.By, want[i])
			}
		}
	})
}
