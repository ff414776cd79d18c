package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"ratchet/internal/research/history"
	"ratchet/ledger"
)

// Everything that a person may do is done in the browser, and read in the
// ledger afterwards.
func testSteers(t *testing.T, b *browser, d *shown) {
	p := b.tab(t)

	c := d.site.connect()
	defer c.close()
	d.open(p, "person")
	dialog := func(text, name string) {
		t.Helper()
		p.until("document.querySelector('dialog[open]')")

		if text != "" {
			p.do(chromedp.SendKeys(chromedp.CSS("#steer-text"), text))
		}

		if name != "" {
			p.do(chromedp.SendKeys(chromedp.CSS("#steer-name"), name))
		}
		p.click("dialog button.main")
	}
	done := func() { t.Helper(); p.until("!document.querySelector('dialog')") }

	p.click("[data-steer=pause]")
	dialog("", "")
	done()
	p.shows("#notices", "The loop rests")
	d.wrote(t, history.KindLoopStopped, `"by":"dashboard"`)
	p.click("[data-steer=resume]")
	dialog("", "")
	done()
	p.until("document.querySelector('[data-steer=pause]')")
	d.wrote(t, history.KindLoopResumed, `"by":"dashboard"`)

	p.click("[data-steer=idea]")
	dialog("shorter words", "")
	done()
	d.wrote(t, history.KindIdeaAdded, "shorter words")

	p.click("[data-steer=note]")
	dialog("prefer plain words", "")
	done()
	d.wrote(t, "note.added", "prefer plain words")

	if a := c.call("read_log", map[string]any{"view": "brief"}); !strings.Contains(a.text, "prefer plain words") {
		t.Errorf("the next brief has no note:\n%s", a.text)
	}
	d.view(p, "ideas")
	p.shows("[aria-label=Notes]", "delivered to")

	d.write("work.txt", "hang\n")
	a := c.call("run_experiment", map[string]any{"hypothesis": "it hangs", "wait_seconds": 0})
	d.view(p, "")
	p.click(fmt.Sprintf("[data-id=%s] button", a.ID))
	dialog("", "")
	done()
	p.shows("#running", "Nothing runs")

	if got := c.call("wait_run", map[string]any{"id": a.ID}); got.Status == "running" {
		t.Errorf("it was not stopped: %s", got.text)
	}
	c.call("revert", nil)
	testSteersContract(t, p, d, dialog, done)
	testSteersVerdict(t, p, d, c, dialog, done)
}

// A changed contract is shown and accepted, by the campaign's name alone.
func testSteersContract(t *testing.T, p *tab, d *shown, dialog func(text, name string), done func()) {
	was := d.read("program.md")
	d.write("program.md", strings.Replace(was, "wall: 120s", "wall: 121s", 1))
	d.view(p, "program")
	p.do(chromedp.Reload()) // a file that changes is not a record
	p.shows(".diff .add", "2m1s")
	p.shows("#notices", "The contract in program.md has changed")
	p.click("#accept")
	dialog("", "another")
	p.shows("dialog [role=alert]", "the campaign's name is shrink")
	dialog("", "shrink") // over what is selected
	done()
	p.until("!document.querySelector('#accept')")
	d.wrote(t, history.KindContractAccepted, `dashboard`)
}

// A refused keep is overridden.
func testSteersVerdict(t *testing.T, p *tab, d *shown, c *client, dialog func(text, name string), done func()) {
	d.write("work.txt", "longer than what was kept, and yet clearer\n")

	a := c.call("run_experiment", map[string]any{"hypothesis": "clearer is worth it"})
	if a.Verdict != "regressed" {
		t.Fatal(a.text)
	}
	d.view(p, fmt.Sprintf("x/%d", a.Experiment))
	p.click("#override")
	dialog("a person reads this", "shrink")
	done()
	p.shows(".finding ~ dl", "kept")
	d.wrote(t, history.KindExperimentKept, `dashboard`)

	if text := d.sh("git", "show", "ratchet/shrink:work.txt"); !strings.HasPrefix(text, "longer than") {
		t.Errorf("the branch has %s", text)
	}
}

// wrote says that the last record of a kind has a text in its body.
func (s *site) wrote(t *testing.T, kind history.Kind, text string) {
	t.Helper()
	var body json.RawMessage

	err := s.ledger().View(context.Background(), func(tx *ledger.Tx) error {
		return tx.Records(1, func(r history.Record) error {
			if r.Kind == kind {
				body = r.Body
			}

			return nil
		})
	})
	if err != nil || !strings.Contains(string(body), text) {
		t.Errorf("the last %s is %s, without %s (%v)", kind, body, text, err)
	}
}
