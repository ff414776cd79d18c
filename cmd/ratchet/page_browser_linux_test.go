package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"ratchet/server"
)

// browser is a headless Chromium with a profile of its own.
type browser struct {
	ctx context.Context
}

// newBrowser starts one, which ends with the test. It skips without a Chromium,
// or fails if -ui-must says so.
func newBrowser(t *testing.T) *browser {
	t.Helper()
	path := ""

	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}

	if path == "" {
		if *uiMust {
			t.Fatal("there is no Chromium: apt-get install chromium")
		}
		t.Skip("there is no Chromium; make ui-test installs Debian's")
	}

	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(path),
		chromedp.WSURLReadTimeout(patience), chromedp.UserDataDir(t.TempDir()), chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)

	if err := chromedp.Do(ctx); err != nil { // starts it
		t.Fatalf("start %s: %v", path, err)
	}

	return &browser{ctx}
}

// tab is one with a storage of its own. Whatever it says to the console as a
// warning or an error, a violation of its policy included, fails the test.
type tab struct {
	t   *testing.T
	ctx context.Context
	mu  sync.Mutex
	bad []string
	may string // part of a message that is expected, "" for none
}

func (b *browser) tab(t *testing.T) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	p := &tab{t: t, ctx: ctx}
	said := chromedp.Console(ctx)

	done := make(chan struct{})
	go func() {
		defer close(done)

		for m, err := range said {
			if err != nil {
				return
			}

			if m.Type == chromedp.ConsoleError || m.Type == chromedp.ConsoleWarning ||
				m.Type == chromedp.ConsoleException {
				p.mu.Lock()
				p.bad = append(p.bad, fmt.Sprintf("%s: %s %s", m.Type, m.Text, m.URL))
				p.mu.Unlock()
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done

		for _, m := range p.bad {
			if p.may == "" || !strings.Contains(m, p.may) {
				t.Errorf("the console has %s", m)
			}
		}
	})
	p.screen(1280, 900, "light")

	return p
}

// screen sets the window's size and what the system wishes; a narrow one is a phone's.
func (p *tab) screen(width, height int64, theme string) {
	p.t.Helper()

	_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme},
			{Name: "prefers-reduced-motion", Value: "reduce"}}})
	if err == nil {
		_, err = chromedp.Call(p.ctx, emulation.SetDeviceMetricsOverride,
			emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1,
				Mobile: width < 700})
	}

	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()

	if err := chromedp.Do(p.ctx, steps...); err != nil {
		p.t.Fatal(err)
	}
}

// eval is the value of an expression; a promise is waited for.
func eval[T any](p *tab, expression string) T {
	p.t.Helper()

	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}

	return v
}

// until waits for an expression to become true.
func (p *tab) until(expression string) {
	p.t.Helper()

	for end := time.Now().Add(patience); !eval[bool](p, "Boolean("+expression+")"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("it never came to %s; the page is at %s:\n%s", expression, eval[string](p, "location.href"),
				eval[string](p, "document.body.innerText"))
		}
	}
}

// shows waits for a text within what a selector finds.
func (p *tab) shows(selector, text string) {
	p.t.Helper()
	p.until(fmt.Sprintf("[...document.querySelectorAll(%s)].some((e) => e.textContent.includes(%s))", quoted(selector),
		quoted(text)))
}

// listen sets window.heard once a text was within what a selector finds, also if
// it is gone again by then.
func (p *tab) listen(selector, text string) {
	p.t.Helper()
	eval[bool](p, fmt.Sprintf(`(() => { window.heard = false;
		new MutationObserver(() => { if ([...document.querySelectorAll(%s)].some((e) => e.textContent.includes(%s))) window.heard = true })
			.observe(document.body, {childList: true, subtree: true, characterData: true}); return true })()`,
		quoted(selector), quoted(text)))
}

// goes presses g and a letter until that leads somewhere: the page takes the
// second key for one of its own when it comes more than 1.5 s after the first.
func (p *tab) goes(letter, there string) {
	p.t.Helper()

	for range 10 {
		p.keys("g", letter)

		for end := time.Now().Add(patience / 10); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if eval[bool](p, "Boolean("+there+")") {
				return
			}
		}
	}
	p.until(there)
}

func (p *tab) click(selector string) {
	p.t.Helper()
	p.until("document.querySelector(" + quoted(selector) + ")")
	p.do(chromedp.Click(chromedp.CSS(selector)))
}

func (p *tab) keys(keys ...string) {
	p.t.Helper()

	for _, k := range keys {
		p.do(chromedp.KeyEvent(k))
	}
}

// quoted is a text as JavaScript writes it.
func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// shown is the dashboard of a site as a server shows it.
type shown struct {
	*site
	*served
	tokens map[string]string // by role
	gate   *gate             // of its slow runs
}

// dashboard serves the site's dashboard, and others' below roots, to a person,
// an agent and one who may only read.
func (s *site) dashboard(roots ...string) *shown {
	s.t.Helper()
	b := &shown{site: s, tokens: map[string]string{}}
	var config string

	for _, kv := range s.env {
		if v, ok := strings.CutPrefix(kv, "XDG_CONFIG_HOME="); ok {
			config = v
		}
	}

	tokens := server.OpenTokens(filepath.Join(config, "ratchet",
		"tokens.json")) // a person's is made in a terminal only
	for _, role := range []server.Role{server.RoleAgent, server.RoleRead, server.RolePerson} {
		token, err := tokens.Add(string(role), role)
		if err != nil {
			s.t.Fatalf("no token for %s: %v", role, err)
		}
		b.tokens[string(role)] = token
	}

	var args []string
	for _, root := range append(roots, s.dir) {
		args = append(args, "--root", root)
	}
	b.served = s.serve("", args...)

	return b
}

// link is what a person opens.
func (b *shown) link(role string) string {
	return strings.TrimSuffix(b.served.url, "mcp") + "ui/#" + url.Values{"token": {b.tokens[role]},
		"repo": {b.dir}}.Encode()
}

// open opens the dashboard and waits until it follows the ledger.
func (b *shown) open(p *tab, role string) {
	p.t.Helper()
	p.do(chromedp.Navigate(b.link(role)))
	p.until("document.querySelector('#live[data-status=live]') && document.querySelector('#claim')?.textContent")
}

// view opens another view of it.
func (b *shown) view(p *tab, path string) {
	p.t.Helper()
	eval[string](p, "location.hash = "+quoted("#/"+path+"?repo="+b.dir))
}

// quietPort is an address that nobody is given by chance between the server's end
// and its return: the kernel's own choice begins at 32768.
func quietPort(t *testing.T) string {
	t.Helper()

	for range 100 {
		at := fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(10000))
		if l, err := net.Listen("tcp", at); err == nil {
			l.Close()
			return at
		}
	}
	t.Fatal("no port is free")

	return ""
}

// axe is the accessibility checker's script, "" when there is none.
func axe(t *testing.T) string {
	t.Helper()
	path := filepath.Join("..", "..", "bin", "ui", "node_modules", "axe-core", "axe.min.js")

	b, err := os.ReadFile(path)
	if err != nil {
		if *uiMust {
			t.Fatalf("there is no axe-core: %v", err)
		}

		return ""
	}

	return string(b)
}
