package send_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ratchet/internal/notify/send"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
)

// The secret, id, time, body and signature that the Standard Webhooks
// libraries are tested with.
const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func TestSignIsTheStandardOne(t *testing.T) {
	got, err := send.Sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0),
		[]byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want || err != nil {
		t.Errorf("%s %v, want %s", got, err, want)
	}

	for _, bad := range []string{"", "whsec_", "whsec_c2hvcnQ=", "not base64!",
		"whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 65))} {
		if got, err := send.Sign(bad, "id", time.Now(), nil); err == nil {
			t.Errorf("the secret %q signs: %s", bad, got)
		}
	}
}

func message() send.Message {
	value := 80.

	return send.Message{Type: "best", Time: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC),
		Data: send.Data{ID: "ratchet_1", Event: contract.EventBest,
			Campaign: "sort-speed", Repository: "repo", Text: "experiment 7 is the new best: 100 → 80 ns",
			Experiment: 7, Hypothesis: "a size hint", Metric: "ns", Better: research.Lower, Value: &value,
			Show: "ratchet show 7"}}
}

// seen is a request as a server got it.
type seen struct {
	header http.Header
	body   []byte
	path   string
}

// server answers with the handler, and keeps what it is asked.
func server(t *testing.T, answer http.HandlerFunc) (url string, got *[]seen) {
	t.Helper()
	got = &[]seen{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}

		*got = append(*got, seen{r.Header.Clone(), b, r.URL.String()})
		answer(w, r)
	}))
	t.Cleanup(s.Close)

	return s.URL, got
}

func TestWebhookIsSigned(t *testing.T) {
	url, got := server(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	if err := send.Webhook(t.Context(), send.Client(), url+"/in?x=1", secret, message(),
		time.Unix(1614265330, 0)); err != nil {
		t.Fatal(err)
	}
	r := (*got)[0]
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	mac := hmac.New(sha256.New, key) // as a receiver does it, from what came over the wire
	mac.Write([]byte(r.header.Get("webhook-id") + "." + r.header.Get("webhook-timestamp") + "."))
	mac.Write(r.body)

	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); r.header.Get("webhook-signature") != want {
		t.Errorf("signature %q, want %q", r.header.Get("webhook-signature"), want)
	}

	if r.header.Get("webhook-id") != "ratchet_1" || r.header.Get("Content-Type") != "application/json" ||
		r.path != "/in?x=1" {
		t.Errorf("%s %v", r.path, r.header)
	}

	var m send.Message
	if err := json.Unmarshal(r.body, &m); err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(message(), m); diff != "" {
		t.Error(diff)
	}

	if err := send.Webhook(t.Context(), send.Client(), url, "", message(), time.Now()); err != nil {
		t.Fatal(err)
	}

	if h := (*got)[1].header; h.Get("webhook-signature") != "" || h.Get("webhook-id") == "" {
		t.Errorf("without a secret: %v", h)
	}
}

// TestAnswers: what may be tried again is told from what may not.
func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		code  int
		after string
		later bool
		asked time.Duration
		words string
	}{
		{200, "", false, 0, ""}, {204, "", false, 0, ""},
		{500, "", true, 0, "answered 500"}, {503, "7", true, 7 * time.Second, ""}, {429, "120", true, 2 * time.Minute,
			""}, {408, "", true, 0, ""},
		{429, "soon", true, 0, ""}, {429, "-4", true, 0, ""},
		{400, "", false, 0, "answered 400"}, {401, "9", false, 0, "answered 401"}, {404, "", false, 0, ""}, {410, "",
			false, 0, ""},
	} {
		url, got := server(t, func(w http.ResponseWriter, _ *http.Request) {
			if c.after != "" {
				w.Header().Set("Retry-After", c.after)
			}
			w.WriteHeader(c.code)
		})
		err := send.Webhook(t.Context(), send.Client(), url, "", message(), time.Now())

		var later *send.Later
		if is := errors.As(err, &later); is != c.later || (err == nil) != (c.code < 300) || len(*got) != 1 {
			t.Errorf("%d: %v, %d requests", c.code, err, len(*got))
		} else if is && later.After != c.asked {
			t.Errorf("%d: asked for %v, want %v", c.code, later.After, c.asked)
		}

		if err != nil && !strings.Contains(err.Error(), c.words) {
			t.Errorf("%d: %v", c.code, err)
		}
	}
}

// TestRedirectsAreNotFollowed: whoever can answer for one host must not learn
// what is sent by naming another.
func TestRedirectsAreNotFollowed(t *testing.T) {
	other, got := server(t, func(http.ResponseWriter, *http.Request) {})
	url, _ := server(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other, http.StatusTemporaryRedirect)
	})
	err := send.Webhook(t.Context(), send.Client(), url, secret, message(), time.Now())

	var later *send.Later
	if err == nil || errors.As(err, &later) || !strings.Contains(err.Error(), "redirects are not followed") ||
		len(*got) != 0 {
		t.Errorf("%v, and the other host got %d requests", err, len(*got))
	}
}

func TestUnreachable(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a server that nobody vouches for was told")
	}))
	s.Config.ErrorLog = nil
	t.Cleanup(s.Close)
	var later *send.Later

	err := send.Webhook(t.Context(), send.Client(), s.URL, secret, message(), time.Now())
	if err == nil || errors.As(err, &later) || !strings.Contains(err.Error(), "is not who it says") {
		t.Errorf("an unknown certificate: %v", err)
	}
	gone := httptest.NewServer(nil)
	gone.Close()

	err = send.Webhook(t.Context(), send.Client(), gone.URL+"/s3cret", "", message(), time.Now())
	if !errors.As(err, &later) || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("nobody there: %v; it may be tried again, and its path may be a secret", err)
	}
	slow, _ := server(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	client := send.Client()

	client.Timeout = 50 * time.Millisecond
	if err := send.Webhook(t.Context(), client, slow, "", message(), time.Now()); !errors.As(err, &later) {
		t.Errorf("a slow one: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	if err := send.Webhook(ctx, send.Client(), slow, "", message(), time.Now()); err == nil {
		t.Error("a cancelled call succeeded")
	}

	for _, bad := range []string{"", "ftp://example.org", "https://u:p@example.org", "example.org"} {
		if err := send.Webhook(t.Context(), send.Client(), bad, "", message(), time.Now()); err == nil ||
			errors.As(err, &later) {
			t.Errorf("the address %q: %v", bad, err)
		}
	}
}

func TestNtfy(t *testing.T) {
	url, got := server(t, func(http.ResponseWriter, *http.Request) {})
	if err := send.Ntfy(t.Context(), send.Client(), url+"/topic", "tk_x\n", "http://localhost:7777/",
		message()); err != nil {
		t.Fatal(err)
	}
	r := (*got)[0]

	have := map[string]string{"path": r.path, "body": string(r.body)}
	for _, k := range []string{"Title", "Priority", "Tags", "Click", "Authorization"} {
		have[k] = r.header.Get(k)
	}

	want := map[string]string{"path": "/topic", "Title": "New best: sort-speed", "Priority": "3", "Tags": "tada",
		"Click": "http://localhost:7777/", "Authorization": "Bearer tk_x",
		"body": "experiment 7 is the new best: 100 → 80 ns\na size hint\nratchet show 7"}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Error(diff)
	}

	for _, e := range contract.Events() {
		m := message()

		m.Data.Event = e
		if err := send.Ntfy(t.Context(), send.Client(), url+"/topic", "", "", m); err != nil {
			t.Fatal(err)
		}

		h := (*got)[len(*got)-1].header
		if h.Get("Priority") == "" || h.Get("Tags") == "" || strings.HasPrefix(h.Get("Title"), ":") ||
			h.Get("Authorization") != "" {
			t.Errorf("%s: %v", e, h)
		}
	}

	if err := send.Ntfy(t.Context(), send.Client(), "http://ntfy.example.org/topic", "tk_x", "",
		message()); err == nil || !strings.Contains(err.Error(), "https only") {
		t.Errorf("a token went out unencrypted: %v", err)
	}
}

func TestDelay(t *testing.T) {
	total, n := time.Duration(0), 0
	for n = 1; ; n++ {
		d, again := send.Delay(n, 0, 1)
		if !again {
			break
		}

		if low, _ := send.Delay(n, 0, 0); low >= d {
			t.Errorf("attempt %d: no spread between %v and %v", n, low, d)
		}
		total += d
	}

	if n < 5 || total > 30*time.Minute {
		t.Errorf("%d attempts over %v", n, total)
	}

	if d, _ := send.Delay(1, time.Minute, 0); d != time.Minute {
		t.Errorf("the other side asked for a minute and gets %v", d)
	}

	if d, _ := send.Delay(1, 24*time.Hour, 0); d > 20*time.Minute {
		t.Errorf("the other side holds the message for %v", d)
	}
}

// TestDesktop: the texts are arguments; what a shell or an option could make of
// them does not happen.
func TestDesktop(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)

	if err := send.Desktop(t.Context(), message()); err == nil || !strings.Contains(err.Error(), "there is no ") {
		t.Errorf("without a notifier: %v", err)
	}

	script := "#!/bin/sh\nfor a in \"$@\"; do echo \"<$a>\"; done > " + filepath.Join(dir, "said") + "\n"
	for _, name := range []string{"notify-send", "osascript"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	m := message()

	m.Data.Text = "--help; $(touch x) `y`"
	if err := send.Desktop(t.Context(), m); err != nil {
		t.Fatal(err)
	}

	said, err := os.ReadFile(filepath.Join(dir, "said"))
	if err != nil || !strings.Contains(string(said), "<New best: sort-speed>\n<--help; $(touch x) `y`\n") {
		t.Errorf("%s %v", said, err)
	}
}
