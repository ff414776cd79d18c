package send

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"ratchet/internal/research/contract"
)

// Later is the error of a message that may get through another time. Everything
// else that fails stays so: the target must be fixed first.
type Later struct {
	After time.Duration // what the other side asked for, 0 for nothing
	Err   error
}

func (l *Later) Error() string { return l.Err.Error() }
func (l *Later) Unwrap() error { return l.Err }

// attemptTimeout is how long one attempt may take, the answer's body included.
const attemptTimeout = 10 * time.Second

// Client is an HTTP client that follows no redirect and verifies certificates;
// proxies are the environment's.
func Client() *http.Client {
	return &http.Client{Timeout: attemptTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// Webhook posts the message to address, signed as Standard Webhooks 1.0 says
// where there is a secret. The error is a *Later, or final.
func Webhook(ctx context.Context, c *http.Client, address, secret string, message Message, now time.Time) error {
	body, err := message.Body()
	if err != nil {
		return fmt.Errorf("encode the message: %w", err)
	}

	req, err := newRequest(ctx, address, false, false, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("webhook-id", message.Data.ID)
	req.Header.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))

	if secret != "" {
		signature, err := Sign(secret, message.Data.ID, now, body)
		if err != nil {
			return err
		}
		req.Header.Set("webhook-signature", signature)
	}

	return sendRequest(c, req)
}

// Sign is the value of webhook-signature: HMAC-SHA256 over id.timestamp.body
// under the secret, which is base64, with or without whsec_ before it
// (Standard Webhooks 1.0, symmetric signatures).
func Sign(secret, id string, at time.Time, body []byte) (string, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(strings.TrimSpace(secret), "whsec_"))
	if err != nil || len(key) < 24 || len(key) > 64 {
		return "",
			errors.New("the signing secret must be whsec_ and 24 to 64 bytes in base64; make one: echo whsec_$(openssl rand -base64 32)")
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.", id, at.Unix())
	mac.Write(body)

	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)), nil
}

// priorities is an ntfy message's priority (1 to 5) and tag.
var priorities = map[contract.Event][2]string{
	contract.EventBest:       {"3", "tada"},
	contract.EventCertified:  {"4", "white_check_mark"},
	contract.EventRolledBack: {"3", "leftwards_arrow_with_hook"},
	contract.EventStall:      {"4", "hourglass"},
	contract.EventCrashLoop:  {"4", "rotating_light"},
	contract.EventBudget:     {"4", "checkered_flag"},
	contract.EventNeedsYou:   {"5", "raised_hand"},
}

// Ntfy publishes the message to the topic at address. token and click may be "".
// The error is a *Later, or final.
func Ntfy(ctx context.Context, c *http.Client, address, token, click string, message Message) error {
	req, err := newRequest(ctx, address, true, token != "", []byte(message.Lines()))
	if err != nil {
		return err
	}
	u := priorities[message.Data.Event]
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	req.Header.Set("Title", mime.QEncoding.Encode("utf-8", message.Title()))
	req.Header.Set("Priority", u[0])
	req.Header.Set("Tags", u[1])

	if click != "" {
		req.Header.Set("Click", click)
	}

	if token != "" {
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(token))
	}

	return sendRequest(c, req)
}

// newRequest checks the address once more, since it may come from a variable.
func newRequest(ctx context.Context, address string, topic, secret bool, body []byte) (*http.Request, error) {
	u, hint := contract.CheckAddress(strings.TrimSpace(address), topic, secret)
	if hint != "" {
		return nil, errors.New("its address can't be used: " + hint)
	}

	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("its address can't be used")
	}
	req.Header.Set("User-Agent", "ratchet")

	return req, nil
}

func sendRequest(c *http.Client, req *http.Request) error {
	resp, err := c.Do(req)
	if err != nil {
		var bad *url.Error
		if errors.As(err, &bad) { // which names the whole address, often a secret
			err = bad.Err
		}

		var cert *tls.CertificateVerificationError
		if errors.As(err, &cert) {
			return fmt.Errorf("%s is not who it says: %w", req.URL.Host, err)
		}

		return &Later{Err: fmt.Errorf("reach %s: %w", req.URL.Host, err)}
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10) // so that the connection can be used again; whatever it says

	err = fmt.Errorf("%s answered %s", req.URL.Host, resp.Status)
	switch code := resp.StatusCode; {
	case code >= 200 && code < 300:
		return nil
	case code >= 300 && code < 400:
		return fmt.Errorf("%w: give the address that it leads to; redirects are not followed", err)
	case code == http.StatusTooManyRequests || code == http.StatusRequestTimeout || code >= 500:
		return &Later{After: parseRetryAfter(resp.Header.Get("Retry-After")), Err: err}
	}

	return err
}

// parseRetryAfter reads the header's seconds or date; 0 where it says nothing.
func parseRetryAfter(s string) time.Duration {
	if n, err := strconv.Atoi(s); err == nil && n > 0 {
		return time.Duration(min(n, 86400)) * time.Second
	}

	if at, err := http.ParseTime(s); err == nil {
		return max(0, time.Until(at))
	}

	return 0
}

// delays are the pauses after each failed attempt; after the last the message
// is given up.
var delays = []time.Duration{time.Second, 3 * time.Second, 10 * time.Second, 30 * time.Second,
	2 * time.Minute, 5 * time.Minute, 10 * time.Minute}

const longestDelay = 15 * time.Minute // whatever the other side asks for

// Delay is how long to wait after so many failed attempts (1 and up), and
// whether to try again at all. spread is a random number from 0 to 1: the pause
// is lengthened by up to a quarter. asked is the other side's wish.
func Delay(attempts int, asked time.Duration, spread float64) (time.Duration, bool) {
	if attempts < 1 || attempts > len(delays) {
		return 0, false
	}
	d := max(delays[attempts-1], min(asked, longestDelay))

	return d + time.Duration(spread*float64(d)/4), true
}
