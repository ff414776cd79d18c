package main_test

import (
	"bytes"
	"cmp"
	"fmt"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"ratchet/internal/research/history"
	"ratchet/ledger"
)

// TestPageLong scrolls through a large campaign and appends to it while it is
// looked at. It asserts that the right rows are shown and that what is appended
// arrives; times and frames are printed.
func TestPageLong(t *testing.T) {
	if testing.Short() {
		t.Skip("TestPage is its short form; make ui-test draws long campaigns")
	}

	t.Parallel()

	size, appends := cmp.Or(*uiLong, 300), 3
	if *uiLong > 0 {
		appends = 50
	}
	b := newBrowser(t)
	s := newSite(t)
	s.write("bench.sh", "echo METRIC size=$(wc -c < work.txt)\n")
	s.write("program.md", strings.Replace(repoFiles["program.md"], "budget:",
		"campaign: {experiments: 1000000, hours: 100000}\nbudget:", 1))
	s.sh("git", "commit", "-qam", "a quick benchmark")

	c := s.connect()
	defer c.close()
	c.calibrated()
	s.write("work.txt", "and "+repoFiles["work.txt"])

	if a := c.call("run_experiment", map[string]any{"hypothesis": "what is copied"}); a.Verdict != "regressed" {
		t.Fatal(a.text)
	}
	c.call("revert", map[string]any{"lesson": "it got longer"})
	g := &garden{s: s, c: c, made: 1, n: 1}
	g.grow(t, size-1)
	d := s.dashboard() // ends after the tab
	p := b.tab(t)
	began := time.Now()
	d.open(p, "read")
	p.shows(".grid .line", guess(size))
	fmt.Printf("%d experiments: open and drawn in %v\n", size, time.Since(began).Round(time.Millisecond))

	for _, share := range []float64{.5, 1, .07, .93} { // jumps
		p.rightRows(t, size, share)
	}
	eval[bool](p, "(scrollTo(0, 0), true)")
	f := eval[frames](p, scrollAll)
	slices.Sort(f.Took)
	fmt.Printf("%d experiments scrolled through in %.1f s, %d frames: median %.1f ms, p99 %.1f, longest %.1f; %d over 50 ms; %d showed a row that was not read yet\n", size,
		sum(f.Took)/1000, len(f.Took), f.Took[len(f.Took)/2], f.Took[len(f.Took)*99/100], f.Took[len(f.Took)-1],
		over(f.Took, 50), f.Blank)
	p.rightRows(t, size, 1)
	eval[bool](p, "(scrollTo(0, 0), true)")

	took := make([]float64, 0, appends)
	for i := range appends {
		took = append(took, p.grows(t, g, size+i))
	}
	slices.Sort(took)
	fmt.Println(eval[string](p, slowest))
	fmt.Printf("%d appends at %d experiments, on the page after: median %.0f ms, p99 %.0f, longest %.0f\n", appends,
		size, took[appends/2], took[appends*99/100], took[appends-1])
}

// rightRows goes so far down, and holds what is in sight against what was made.
func (p *tab) rightRows(t *testing.T, size int, share float64) {
	t.Helper()
	eval[bool](p, fmt.Sprintf("(scrollTo(0, document.documentElement.scrollHeight * %g), true)", share))
	const lines = "[...document.querySelectorAll('.grid .line:not([hidden])')].filter((l) => { const r = l.getBoundingClientRect(); return r.bottom > 0 && r.top < innerHeight })"
	p.until("(() => { const ls = " + lines +
		"; return ls.length > 5 && !ls.some((l) => l.classList.contains('waiting')) })()")
	rows := eval[[]struct {
		N    string
		Text string
		Top  float64
	}](p,
		lines+
			".map((l) => ({N: l.querySelector('.n').textContent, Text: l.querySelector('a').textContent, Top: l.getBoundingClientRect().top})).sort((a, b) => a.Top - b.Top)")
	first := 0

	for i, r := range rows {
		n := 0
		if _, err := fmt.Sscanf(r.N, "#%d", &n); err != nil || n < 1 || n > size {
			t.Fatalf("a row is number %q", r.N)
		}

		if i == 0 {
			first = n
		}

		if n != first-i || n > 1 && r.Text != guess(n) {
			t.Fatalf("at %.2f row %d is %d, %q; the first is %d", share, i, n, r.Text, first)
		}
	}

	if last := first - len(rows) + 1; share == 1 && last != 1 {
		t.Errorf("the last row is %d", last)
	}
}

// grows appends an experiment by another process and tells how many milliseconds
// after that it is on the page.
func (p *tab) grows(t *testing.T, g *garden, to int) float64 {
	t.Helper()
	eval[bool](p, fmt.Sprintf(`(() => { window.arrived = new Promise((done) => {
		const here = () => [...document.querySelectorAll(".grid .line")].some((l) => l.textContent.includes(%s)) && done(Date.now());
		new MutationObserver(here).observe(document.body, {childList: true, subtree: true, characterData: true}); }); return true })()`, quoted(guess(to+1))))
	g.grow(t, to)
	var appended time.Time

	err := g.ledger(t).View(t.Context(), func(tx *ledger.Tx) error {
		return tx.Records(g.seq, func(r history.Record) error { appended = r.Time; return nil })
	})
	if err != nil {
		t.Fatal(err)
	}

	return float64(eval[int64](p, "window.arrived") - appended.UnixMilli())
}

// frames are what a scroll through all rows took: milliseconds a frame, and how
// many frames showed a row whose experiment had not been read yet.
type frames struct {
	Took  []float64
	Blank int
}

// slowest tells what the page's requests took, by name.
const slowest = `(() => { const by = {};
	for (const e of performance.getEntriesByType("resource")) { const n = e.name.replace(/.*\/ui\//, "").replace(/[?].*/, ""); if (n.startsWith("api/")) (by[n] ||= []).push(e.duration); }
	return Object.entries(by).map(([n, ds]) => { ds.sort((a, b) => a - b); return n + ": " + ds.length + " requests, median " + Math.round(ds[ds.length >> 1]) + " ms, longest " + Math.round(ds[ds.length - 1]) }).join("\n") })()`

const scrollAll = `new Promise((done) => {
	const took = []; let blank = 0, last = performance.now();
	const frame = (at) => {
		took.push(at - last); last = at;
		if ([...document.querySelectorAll(".grid .waiting:not([hidden])")].some((l) => { const r = l.getBoundingClientRect(); return r.bottom > 0 && r.top < innerHeight })) blank++;
		if (scrollY + innerHeight >= document.documentElement.scrollHeight - 2) return done({Took: took, Blank: blank});
		scrollBy({top: 240, behavior: "instant"});
		requestAnimationFrame(frame);
	};
	requestAnimationFrame(frame);
})`

func sum(vs []float64) (total float64) {
	for _, v := range vs {
		total += v
	}

	return total
}

func over(vs []float64, limit float64) (n int) {
	for _, v := range vs {
		if v > limit {
			n++
		}
	}

	return n
}

// TestPageShots takes the pictures of docs/img, of the campaign of
// examples/wordfreq as ratchet demo plays it.
func TestPageShots(t *testing.T) {
	if *uiShot == "" {
		t.Skip("a target of its own: make ui-test")
	}
	b := newBrowser(t)
	s := newSite(t)

	c := s.exemplary(t)
	defer c.close()
	d := s.dashboard()
	p := b.tab(t)
	d.open(p, "person")

	for _, shot := range []struct {
		name, view string
		screen
		before func()
	}{
		{"dashboard-experiment", "x/7", screen{1180, 900, "light"}, func() {
			p.until("document.querySelector('.diff .t-keyword') && document.querySelector('.uplot canvas')")
		}},
		{"dashboard-ideas", "ideas", screen{1280, 620, "light"}, nil},
		{"dashboard-light", "", screen{1280, 1000, "light"}, func() { p.running(c, s) }},
		{"dashboard-dark", "", screen{1280, 1000, "dark"}, nil},
		{"dashboard-phone", "", screen{360, 1240, "light"}, nil},
	} {
		p.screen(shot.width, shot.height, shot.theme)
		d.view(p, shot.view)
		p.until("document.querySelector('main .panel')")

		if shot.before != nil {
			shot.before()
		}
		time.Sleep(300 * time.Millisecond) // what is drawn comes with the next frames

		picture, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatal(err)
		}
		keepPicture(t, shot.name, picture)
	}
}

// exemplary is a session of the campaign of examples/wordfreq, in a repository
// that becomes the site's.
func (s *site) exemplary(t *testing.T) *client {
	t.Helper()
	cmd := exec.Command(ratchet, "demo", "--keep")

	cmd.Env = append(s.env, "TMPDIR="+t.TempDir())
	out, err := cmd.CombinedOutput()

	kept := regexp.MustCompile(`is kept in (\S+)`).FindSubmatch(out)
	if err != nil || kept == nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s.dir = string(kept[1])
	c := s.connect()
	c.call("start_campaign", nil)
	add := func(text string) map[string]any { return map[string]any{"op": "add", "idea": text} }
	c.call("share", map[string]any{"ops": []any{add("a table of 256 entries tells letters and lowers them in one step"),
		add("count in a slice of pairs that is sorted once, and no map"),
		add("two passes: find the words' ends first, then count"), map[string]any{"op": "claim", "idea": "1"}}})
	c.call("share", map[string]any{"ops": []any{map[string]any{"op": "drop", "idea": "3",
		"lesson": "the first pass alone costs what it could save"}}})
	s.atTerminal("", "note", "Readability counts: a page of tables is not worth half a percent.")
	c.call("read_log", nil)

	return c
}

// running starts an experiment that is slow enough to be seen at work.
func (p *tab) running(c *client, s *site) {
	p.t.Helper()
	s.write("wordcount.go",
		s.read("wordcount.go")+
			"\nvar folded [256]int\n\nfunc init() {\n\tfor i := 0; i < 3_000_000_000; i++ {\n\t\tfolded[i&255] += i\n\t}\n}\n")
	c.call("run_experiment",
		map[string]any{"hypothesis": "a table that is made before the first word spares a branch for every letter",
			"wait_seconds": 0})
	p.until("/^(build|run)/.test(document.querySelector('#running .phase')?.textContent)")
}

// keepPicture writes a picture, which must be one and at most 200 kB.
func keepPicture(t *testing.T, name string, picture []byte) {
	t.Helper()

	if _, err := png.Decode(bytes.NewReader(picture)); err != nil || len(picture) > 200_000 {
		t.Errorf("%s has %d bytes, %v", name, len(picture), err)
	}

	if err := os.WriteFile(filepath.Join(*uiShot, name+".png"), picture, 0o644); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("%s.png: %d kB\n", name, len(picture)/1000)
}
