package main_test

import (
	"flag"
	"fmt"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ratchet/internal/testform"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

var (
	uiMust = flag.Bool("ui-must", false,
		"TestPage fails, instead of skipping, where there is no Chromium or no axe-core")
	uiLong = flag.Int("ui-long", 0, "so many experiments, and 50 appends timed, in TestPageLong (0: a small form)")
	uiShot = flag.String("ui-shots", "", "folder that TestPageShots writes its pictures into (empty: skip)")
)

// hostile is what a hypothesis, an edit, an output, a lesson or a note may say.
const hostile = `<img src=x onerror="window.hit=1"></script><script>window.hit=1</script> & "quoted"`

// TestPage opens the dashboard that the real binary serves in a real browser.
func TestPage(t *testing.T) {
	testform.SkipQuick(t, "server/dashboard answers what the page asks")
	t.Parallel()
	b := newBrowser(t)
	s := newSite(t)
	d := s.played()

	for _, c := range []struct {
		name string
		test func(*testing.T, *browser, *shown)
	}{
		{"opens", testOpens}, {"looks", testLooks}, {"hostile text", testHostile}, {"filters", testFilters},
		{"keyboard", testKeyboard}, {"live", testLive}, {"roles", testRoles}, {"a chain", testChain},
		{"before a campaign", testBefore}, {"comes back", testComesBack}, {"steers", testSteers},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name != "opens" && c.name != "hostile text" {
				testform.SkipQuick(t, "server/dashboard answers what the page asks")
			}
			c.test(t, b, d)
		})
	}

	if !t.Failed() {
		s.sh(ratchet, "verify", "--recompute")
	}
}

// played is the dashboard of a small campaign: one experiment is kept, one
// reverted, one invalid; whatever can be said in it is hostile.
func (s *site) played() *shown {
	s.t.Helper()
	s.write("bench.sh", repoFiles["bench.sh"]+"cat work.txt\n")
	g := s.gated()

	c := s.connect()
	defer c.close()
	c.calibrated()
	try := func(text, hypothesis, verdict string) {
		s.write("work.txt", text)

		if a := c.call("run_experiment", map[string]any{"hypothesis": hypothesis}); a.Verdict != verdict {
			s.t.Fatal(a.text)
		}
	}
	try(hostile[:60]+"\n", "markup is short: "+hostile, "improved")
	c.call("keep", nil)
	try(hostile+"\nand more\n", "longer is not shorter", "regressed")
	c.call("revert", map[string]any{"lesson": "it grew: " + hostile})
	try("crash\n", "a crash says nothing", "invalid")
	c.call("revert", nil)
	c.call("share", map[string]any{"ops": []any{map[string]any{"op": "add", "idea": "try " + hostile}}})
	d := s.dashboard()
	d.gate = g

	return d
}

// The link opens the page, hands the token over and leaves it out of the
// address; a wrong token is asked for again.
func testOpens(t *testing.T, b *browser, d *shown) {
	p := b.tab(t)
	d.open(p, "person")
	p.shows("#best", "61 bytes")
	p.shows("#claim", "Size 81 → 61 bytes, 24.7 % less.")
	p.until("document.querySelectorAll('.grid .line:not([hidden])').length === 3")
	p.until("document.querySelector('.uplot .u-over')")

	for n := 0.; !eval[bool](p,
		// the chart may still find its place
		"document.querySelector('.tip:not([hidden])')?.textContent.includes('markup is short') || false"); n++ {
		over := eval[[]float64](p,
			"(() => { const r = document.querySelector('.u-over').getBoundingClientRect(); return [r.left + r.width / 3, r.bottom - 20] })()")
		p.do(chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, over[0]+math.Mod(n, 2), over[1]))

		if time.Sleep(20 * time.Millisecond); n > 3000 {
			t.Fatal("no tip at the mouse")
		}
	}

	if at := eval[string](p, "location.href"); strings.Contains(at, d.tokens["person"]) || !strings.Contains(at,
		d.dir) {
		t.Errorf("the address is %s", at)
	}
	q := b.tab(t)
	q.may = "401"
	q.do(chromedp.Navigate(strings.Replace(d.link("person"), d.tokens["person"], "wrong", 1)))
	q.shows("form", "does not know this token")
	q.do(chromedp.SendKeys(chromedp.CSS("#token"), d.tokens["read"]+kb.Enter))
	q.shows("#best", "61 bytes")
	q.do(chromedp.Reload()) // the token is the tab's
	q.shows("#best", "61 bytes")
}

// Every view, light and dark, on a desk and on a phone: axe-core finds nothing
// serious, and nothing has to be scrolled sideways.
func testLooks(t *testing.T, b *browser, d *shown) {
	script := axe(t)
	if script == "" {
		t.Log("axe-core is not there: make ui-test installs it")
	}
	p := b.tab(t)
	d.open(p, "person")

	screens := []screen{{1280, 900, "light"}, {360, 740, "dark"}}
	if *uiMust {
		screens = append(screens, screen{1280, 900, "dark"}, screen{360, 740, "light"})
	}

	for _, at := range screens {
		p.screen(at.width, at.height, at.theme)

		for view, seen := range map[string]string{"": "#claim", "x/1": ".diff .add", "x/3": "pre.output",
			"ideas": ".card", "sessions": "tbody tr", "program": "pre.program", "figures": ".panel",
			"campaigns": ".panel a", "x/99": "h1"} {
			p.may = "404" // of experiment 99
			d.view(p, view)
			p.until("document.querySelector('main " + seen + "')")
			p.until("document.getAnimations().length === 0")

			if wide := eval[int](p, "document.documentElement.scrollWidth"); wide > int(at.width) {
				t.Errorf("view %q is %d wide on a screen of %d", view, wide, at.width)
			}
			p.axe(script, fmt.Sprintf("view %q, %s, %d wide", view, at.theme, at.width))
		}
	}
	d.view(p, "")
	p.click("[data-steer=note]")
	p.axe(script, "a dialog")
}

type screen struct {
	width, height int64
	theme         string
}

// axe reports what axe-core finds serious or critical on the page.
func (p *tab) axe(script, where string) {
	p.t.Helper()

	if script == "" {
		return
	}

	if !eval[bool](p, "'axe' in window") {
		eval[bool](p, script+"; true")
	}

	for _, found := range eval[[]string](p, `axe.run(document, {resultTypes: ["violations"]}).then((r) => r.violations
		.filter((v) => v.impact === "serious" || v.impact === "critical")
		.map((v) => v.id + ": " + v.help + ": " + v.nodes.map((n) => n.target + " " + n.failureSummary).join("; ")))`) {
		p.t.Errorf("%s: %s", where, found)
	}
}

// What an agent writes, and what a program prints, stays text.
func testHostile(t *testing.T, b *browser, d *shown) {
	p := b.tab(t)
	d.open(p, "person")

	for view, seen := range map[string]string{"": ".grid .what", "x/1": "h1", "x/2": ".diff", "ideas": ".board",
		"x/2#": ".finding ~ dl", "x/1#": "pre.output"} {
		d.view(p, strings.TrimSuffix(view, "#"))
		p.shows("main "+seen, hostile[:60])
	}
	p.click("[data-steer=note]")
	p.do(chromedp.SendKeys(chromedp.CSS("#steer-text"), hostile))
	p.click("dialog button.main")
	d.view(p, "ideas")
	p.shows("[aria-label=Notes]", hostile)

	if eval[bool](p,
		"'hit' in window || document.querySelectorAll('main img, main script, dialog img, dialog script').length > 0") {
		t.Error("a text became part of the page")
	}
}

// A filter finds what it says, stands in the address and survives a reload.
func testFilters(t *testing.T, b *browser, d *shown) {
	p := b.tab(t)
	d.open(p, "read")
	rows := func() string {
		return eval[string](p,
			"[...document.querySelectorAll('.grid .line:not([hidden])')].map((l) => l.innerText.split(/\\s/)[0]).join(' ')")
	}
	eval[bool](p,
		"(() => { const s = document.querySelector('select[aria-label=Verdict]'); s.value = 'regressed'; s.dispatchEvent(new Event('change')); return true })()")
	p.shows(".filters .count", "1 match")

	if got := rows(); got != "#2" {
		t.Errorf("regressed are %s", got)
	}
	p.do(chromedp.Reload())
	p.shows(".filters .count", "1 match")
	p.keys("/")
	p.do(chromedp.SendKeys(chromedp.CSS("input[type=search]"), "zeppelin"))
	p.shows(".empty", "No experiment matches")
	p.keys(kb.Escape, kb.Escape)
	p.until("document.querySelectorAll('.grid .line:not([hidden])').length === 3")
	p.do(chromedp.SendKeys(chromedp.CSS("input[type=search]"), "crash"))
	p.until("location.hash.includes('q=crash')") // the whole word, however slowly it was typed
	p.shows(".filters .count", "1 match")

	if got := rows(); got != "#3" {
		t.Errorf("crash is in %s", got)
	}
}

// Everything can be reached and done with the keyboard alone.
func testKeyboard(t *testing.T, b *browser, d *shown) {
	p := b.tab(t)
	d.open(p, "person")
	p.keys(kb.Tab)

	if at := eval[string](p, "document.activeElement.id"); at != "skip" {
		t.Errorf("Tab goes to %q first", at)
	}
	p.keys(kb.Enter)
	p.until("document.activeElement.id === 'main'")
	p.shows(".grid .line", "longer is not shorter")
	p.keys("j", "j")
	p.until("document.activeElement.textContent === 'longer is not shorter'")

	if outline := eval[string](p, "getComputedStyle(document.activeElement).outlineStyle"); outline != "solid" {
		t.Errorf("the focus is shown as %q", outline)
	}
	p.keys(kb.Enter)
	p.shows("h1", "longer is not shorter")
	p.keys("k")
	p.shows("h1", "markup is short")
	p.keys(kb.Escape)
	p.until("document.querySelector('#claim')")
	p.keys("?")
	p.until("document.querySelector('dialog[open]')")
	p.keys(kb.Escape)
	p.until("!document.querySelector('dialog')")

	for letter, title := range map[string]string{"i": "Ideas", "s": "Sessions", "p": "Program", "f": "Figures",
		"c": "Repositories"} {
		p.goes(letter, "document.querySelector('h1')?.textContent.includes("+quoted(title)+")")
	}
	p.goes("o", "document.querySelector('.uplot canvas')")
	p.do(chromedp.Focus(chromedp.CSS(".chart .plot")))
	p.keys(kb.ArrowLeft, kb.ArrowLeft)
	p.shows(".tip:not([hidden])", "longer is not shorter")
	p.keys(kb.Enter)
	p.shows("h1", "longer is not shorter")
	p.goes("o", "document.querySelector('[data-steer=idea]')")
	p.do(chromedp.Focus(chromedp.CSS("[data-steer=idea]")))
	p.keys(kb.Enter)
	p.until("document.activeElement.id === 'steer-text'")
	p.do(chromedp.KeyEvent("by keyboard alone"))
	p.listen("#notices", "Idea ")
	p.keys(kb.Tab, kb.Tab, kb.Enter)
	p.until("window.heard")
	p.goes("i", "document.querySelector('.board')?.textContent.includes('by keyboard alone')")
}

// What another process appends appears by itself.
func testLive(t *testing.T, b *browser, d *shown) {
	p := b.tab(t)
	d.open(p, "read")

	c := d.site.connect()
	defer c.close()
	d.write("work.txt", "slow\n")
	c.call("run_experiment", map[string]any{"hypothesis": "seen while it runs", "wait_seconds": 0})
	p.shows("#running", "seen while it runs")
	p.shows("#running .phase", "run ")
	p.shows(".grid .line", "seen while it runs")
	d.gate.open()
	p.until("[...document.querySelectorAll('.grid .line')].some((l) => l.textContent.includes('seen while it runs') && l.textContent.includes('improved'))")
	p.shows("#running", "Nothing runs")
	c.call("keep", nil)
	p.shows("#best", "5 bytes")
	d.view(p, "ideas")

	for i := range 3 {
		took := p.arrives(c, fmt.Sprintf("an idea that arrives by itself, %d", i))
		t.Logf("an idea of another process was on the page %v after its append", took)
	}
}

// arrives appends an idea by another process and tells how long after the
// append's answer it is on the page.
func (p *tab) arrives(c *client, idea string) time.Duration {
	p.t.Helper()
	eval[bool](p, fmt.Sprintf(`(() => { window.arrived = new Promise((done) => {
		const here = () => document.querySelector(".board")?.textContent.includes(%[1]s) && done(Date.now());
		new MutationObserver(here).observe(document.body, {childList: true, subtree: true, characterData: true}); }); return true })()`, quoted(idea)))
	c.call("share", map[string]any{"ops": []any{map[string]any{"op": "add", "idea": idea}}})
	appended := time.Now().UnixMilli()

	return time.Duration(max(0, eval[int64](p, "window.arrived")-appended)) * time.Millisecond
}

// Who may not steer is shown nothing that does.
func testRoles(t *testing.T, b *browser, d *shown) {
	for _, role := range []string{"read", "agent"} {
		p := b.tab(t)
		d.open(p, role)

		for _, view := range []string{"", "ideas", "program", "x/2"} {
			d.view(p, view)
			p.until("document.querySelector('main .panel')")

			if n := eval[int](p,
				"[...document.querySelectorAll('button')].filter((b) => /Pause|Resume|Note|Idea|idea|note|Stop|Keep|Accept/.test(b.textContent)).length"); n > 0 {
				t.Errorf("%s is shown %d buttons that steer in view %q", role, n, view)
			}
		}
	}
}

// A noisy campaign shows gains, never two raw numbers, and how the evidence grew.
func testChain(t *testing.T, b *browser, _ *shown) {
	n := night{number: 4, alone: true, search: "certify", noise: "normal", edits: []string{"gain", "gain"}}
	s := n.prepare(t)

	c := s.connect()
	defer c.close()
	c.calibrated()
	(&driver{t: t, s: s, c: c, night: n}).propose("gain 1\n")
	d := s.dashboard()
	p := b.tab(t)
	d.open(p, "read")
	p.until("document.querySelector('.grid .gain')?.textContent.includes('%') || document.querySelectorAll('.grid .line .gain')[0].textContent.includes('%')")

	if got := eval[bool](p, "document.querySelector('#best').hidden"); !got {
		t.Error("a raw value of a noisy metric is shown as the best")
	}
	d.view(p, "x/1")
	p.shows("h2", "Evidence")
	p.until("document.querySelectorAll('.uplot canvas').length === 1")
	p.axe(axe(t), "an experiment with evidence")
}

// A page that was opened before there is a campaign shows it once it has begun.
func testBefore(t *testing.T, b *browser, _ *shown) {
	s := newSite(t)
	d := s.dashboard() // ends after the tab
	p := b.tab(t)
	p.may = "404"
	p.do(chromedp.Navigate(d.link("read")))
	p.shows("main", "looked for again by itself")

	c := s.connect()
	defer c.close()
	c.calibrated()
	p.shows("#claim", "Size 81 → 81 bytes, no change.")
}

// A server that goes away is said to be gone, and found again.
func testComesBack(t *testing.T, b *browser, d *shown) {
	p := b.tab(t)
	p.may = "ERR_"
	other := d.site.dashboardAgain(quietPort(t))
	other.tokens = d.tokens
	other.open(p, "read")

	at, err := url.Parse(other.served.url)
	if err != nil {
		t.Fatal(err)
	}
	other.served.kill()
	p.until("document.querySelector('#live[data-status=disconnected]')")
	p.shows("#live", "disconnected")

	again := d.site.dashboardAgain(at.Host)
	defer again.served.kill()
	p.click("#live")
	p.until("document.querySelector('#live[data-status=live]')")
	d.sh(ratchet, "call", "share", `{"ops": [{"op": "add", "idea": "after it came back"}]}`)
	d.view(p, "ideas")
	p.shows(".board", "after it came back")
}

// dashboardAgain serves the site's dashboard once more.
func (s *site) dashboardAgain(listen string) *shown {
	return &shown{site: s, served: s.serve("", "--listen", listen, "--root", s.dir)}
}

// The files of the page are small, plain and whole: every module within the
// house's limits, nothing asked of another host.
func TestPageFiles(t *testing.T) {
	dir := filepath.Join("..", "..", "server", "dashboard")

	names, err := filepath.Glob(filepath.Join(dir, "assets", "*.[jc]s*"))
	if err != nil || len(names) < 10 {
		t.Fatalf("%d files, %v", len(names), err)
	}

	for _, name := range append(names, filepath.Join(dir, "index.html")) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}

		base := filepath.Base(name)
		if strings.HasPrefix(base, "uplot") || strings.HasPrefix(base, "highlight") {
			continue
		}

		if n := strings.Count(string(text), "\n"); n > 400 {
			t.Errorf("%s has %d lines", base, n)
		}

		for _, never := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(",
			"https://", "http://"} {
			if strings.Contains(strings.ReplaceAll(string(text), "http://www.w3.org/2000/svg", ""), never) {
				t.Errorf("%s has %s", base, never)
			}
		}
	}
}
