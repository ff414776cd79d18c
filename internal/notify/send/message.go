// Package send carries notices to a person: by a signed webhook, to an ntfy
// topic, or to the desktop that this machine shows. It sends one message once
// and says what became of it; when to try again is its caller's affair (Delay).
//
// Limits: nothing here knows whether a person has seen a message. A message
// that was sent while its answer got lost is sent again: it carries the same
// id. Redirects are not followed, so an address must be the final one.
package send

import (
	"encoding/json"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
)

// Message is what a target is told, and the body that webhooks and commands
// get as JSON. Its names never change their meaning; it only ever gains some.
type Message struct {
	Type string    `json:"type"` // the event
	Time time.Time `json:"timestamp"`
	Data Data      `json:"data"`
}

// Data says what happened. It holds no secret and no path.
type Data struct {
	ID          string             `json:"id"` // the same however often it is sent
	Event       contract.Event     `json:"event"`
	Campaign    string             `json:"campaign"`
	Repository  string             `json:"repository"` // the folder's name
	Text        string             `json:"text"`       // one sentence
	Experiment  int                `json:"experiment,omitempty"`
	Hypothesis  string             `json:"hypothesis,omitempty"` // an agent's words
	Metric      string             `json:"metric"`
	Unit        string             `json:"unit,omitempty"`
	Better      research.Direction `json:"better"`
	Value       *float64           `json:"value,omitempty"` // of a deterministic metric
	Gain        *research.Interval `json:"gain,omitempty"`  // positive is better
	Scale       string             `json:"scale,omitempty"` // of gain: log (a share) | linear (in the unit)
	Experiments int                `json:"experiments"`     // made by now
	Kept        int                `json:"kept"`
	// notices of the same event before this one that were not sent by themselves
	More int    `json:"more,omitempty"`
	Show string `json:"show"`           // the command that shows more
	Test bool   `json:"test,omitempty"` // nothing happened: somebody tries the target
}

// Body is the message as JSON.
func (m Message) Body() ([]byte, error) { return json.Marshal(m) }

// Title is the message's heading, in ASCII.
func (m Message) Title() string {
	return titles[m.Data.Event] + ": " + m.Data.Campaign
}

// Lines are the message for a person's eyes: what happened, and what the edit was.
func (m Message) Lines() string {
	text := m.Data.Text
	if m.Data.Hypothesis != "" {
		text += "\n" + m.Data.Hypothesis
	}

	if m.Data.Show != "" {
		text += "\n" + m.Data.Show
	}

	return text
}

// Environment is the message for a command, as KEY=value.
func (m Message) Environment() []string {
	return []string{"RATCHET_EVENT=" + m.Type, "RATCHET_NOTICE_ID=" + m.Data.ID,
		"RATCHET_NOTICE_CAMPAIGN=" + m.Data.Campaign, "RATCHET_NOTICE_TITLE=" + m.Title(),
		"RATCHET_NOTICE_TEXT=" + m.Data.Text, "RATCHET_NOTICE_SHOW=" + m.Data.Show}
}

var titles = map[contract.Event]string{
	contract.EventBest:       "New best",
	contract.EventCertified:  "Certified",
	contract.EventRolledBack: "Rolled back",
	contract.EventStall:      "Stalled",
	contract.EventCrashLoop:  "Crash loop",
	contract.EventBudget:     "Budget spent",
	contract.EventNeedsYou:   "Needs you",
}
