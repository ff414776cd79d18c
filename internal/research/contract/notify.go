package contract

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"ratchet/internal/wording"
)

// Event is what a notice is about.
type Event string

const (
	EventBest       Event = "best"        // an edit was kept for its gain
	EventCertified  Event = "certified"   // the head is proven better than the last checkpoint
	EventRolledBack Event = "rolled_back" // the head was not, and went back to the checkpoint
	EventStall      Event = "stall"       // no keep for many experiments, or no record for long
	EventCrashLoop  Event = "crash_loop"  // experiments end invalid, one after the other, for the same reason
	EventBudget     Event = "budget_end"  // nothing is left to spend
	EventNeedsYou   Event = "needs_you"   // runs stop until a person does something

	HookBefore Event = "before" // an agent is about to think of the next experiment
	HookAfter  Event = "after"  // an experiment was kept, reverted or found invalid
)

// Events are the events of notices, which a target without `on` gets all of.
func Events() []Event {
	return []Event{EventBest, EventCertified, EventRolledBack, EventStall, EventCrashLoop, EventBudget, EventNeedsYou}
}

// Target is one entry of the program's notify: a person's command or service
// that gets notices of events, or a script that runs before and after each
// experiment. Exactly one of Command, Webhook, Ntfy, Desktop and Hook is set.
type Target struct {
	Command string `json:"command,omitempty"` // for sh -c
	Webhook string `json:"webhook,omitempty"` // a URL, or env:NAME for the variable that holds it
	Ntfy    string `json:"ntfy,omitempty"`    // the same, of a topic
	Desktop bool   `json:"desktop,omitempty"`
	Hook    string `json:"hook,omitempty"` // a script's path, relative to the program's folder
	// SecretEnv and TokenEnv name the variables that hold the webhook's signing
	// secret and the topic's access token. Neither is ever in the program.
	SecretEnv string  `json:"secret_env,omitempty"`
	TokenEnv  string  `json:"token_env,omitempty"`
	Click     string  `json:"click,omitempty"` // ntfy: the page that a notification opens
	On        []Event `json:"on,omitempty"`    // empty: all of Events
}

// Stall says when a campaign is thought to stand still. Zero values, as in
// contracts of before the key, are the defaults.
type Stall struct {
	Experiments int     `json:"experiments,omitempty"` // judged in a row without a keep
	Hours       float64 `json:"hours,omitempty"`       // without any record while something could run
}

// DefaultStall is what a program says that gives no stall.
func DefaultStall() Stall { return Stall{Experiments: 30, Hours: 2} }

// WithDefaults fills in what is not given.
func (s Stall) WithDefaults() Stall {
	if s.Experiments == 0 {
		s.Experiments = DefaultStall().Experiments
	}

	if s.Hours == 0 {
		s.Hours = DefaultStall().Hours
	}

	return s
}

// WantsEvent says whether the target gets notices of the event.
func (t Target) WantsEvent(e Event) bool {
	if len(t.On) == 0 {
		return slices.Contains(Events(), e)
	}

	return slices.Contains(t.On, e)
}

// HasNotifier says whether the program has a target for notices, hooks aside.
func (p Program) HasNotifier() bool {
	return slices.ContainsFunc(p.Notify, func(t Target) bool { return t.Hook == "" })
}

// HookPaths are the program's scripts for before or after an experiment.
func (p Program) HookPaths(e Event) (paths []string) {
	for _, t := range p.Notify {
		if t.Hook != "" && t.WantsEvent(e) {
			paths = append(paths, t.Hook)
		}
	}

	return paths
}

// Name is the target for readers and logs, without anything secret: of an
// address the host alone, since the rest of it often is a password.
func (t Target) Name() string {
	host := func(kind, address string) string {
		if u, err := url.Parse(address); err == nil && u.Host != "" {
			return kind + " " + u.Host
		}

		return kind + " " + address // env:NAME
	}

	switch {
	case t.Webhook != "":
		return host("webhook", t.Webhook)
	case t.Ntfy != "":
		return host("ntfy", t.Ntfy)
	case t.Desktop:
		return "desktop"
	case t.Hook != "":
		return "hook " + t.Hook
	}

	return "command " + clipText(wording.FirstLine(t.Command))
}

// CheckAddress checks a URL that notices are sent to; topic says that it is an ntfy
// topic's, and secret that a token goes with it. hint says what is wrong.
func CheckAddress(text string, topic, secret bool) (_ *url.URL, hint string) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || len(text) > 2048:
		return nil, "give an address such as https://example.org/path, or env:NAME for the variable that holds it"
	case u.User != nil:
		return nil, "an address with a password in it belongs into a variable: env:NAME"
	case u.Fragment != "":
		return nil, "leave out what follows #"
	case topic && (strings.Trim(u.Path, "/") == "" || u.RawQuery != ""):
		return nil, "name the topic: https://ntfy.sh/TOPIC"
	case secret && u.Scheme == "http" && !isLoopback(u.Hostname()):
		return nil, "a token is sent by https only"
	}

	return u, ""
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
