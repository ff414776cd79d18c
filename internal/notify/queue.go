package notify

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"ratchet/internal/atomicfile"
	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/wording"
)

// deliveryQueue is what a notifier must not forget. It is a file beside the ledger and
// not a record: that a message was sent is not an event of the campaign. It is stored
// before anything is sent and after each attempt, so a notifier that dies in between
// sends its last message again, with the same id, and loses none.
type deliveryQueue struct {
	Seq       uint64                  `json:"seq"`  // up to this record, everything is queued
	Last      time.Time               `json:"last"` // of the campaign's newest record by then
	Announced []history.Circumstance  `json:"told,omitempty"`
	Pending   []pendingNotice         `json:"pending,omitempty"`
	States    map[string]LastDelivery `json:"states,omitempty"` // by targetKey
	saved     uint64
}

// pendingNotice is a notice that one target has not got yet.
type pendingNotice struct {
	history.Notice
	Target   string    `json:"target"` // targetKey
	Attempts int       `json:"attempts,omitempty"`
	Due      time.Time `json:"due"`
	More     int       `json:"more,omitempty"` // of the same event, which it stands for
}

// LastDelivery is what became of a target's last message.
type LastDelivery struct {
	Name    string    `json:"name"`
	Hook    bool      `json:"hook,omitempty"` // it gets no messages: calls run it
	At      time.Time `json:"at"`
	Failed  string    `json:"failed,omitempty"` // trying again | given up; "" when it was delivered
	Why     string    `json:"why,omitempty"`
	Waiting int       `json:"waiting,omitempty"` // messages that are not delivered yet
}

// targetKey is a target's identity in the queue. It gives no address away.
func targetKey(t contract.Target) string {
	content, err := json.Marshal(t)
	if err != nil {
		panic(err) // a Target always encodes
	}
	sum := sha256.Sum256(content)

	return fmt.Sprintf("%x", sum[:8])
}

// recordResult notes what became of the last message to t; failed and why are "" of
// one that was delivered.
func (q *deliveryQueue) recordResult(target contract.Target, failed, why string) {
	if q.States == nil {
		q.States = map[string]LastDelivery{}
	}
	q.States[targetKey(target)] = LastDelivery{Name: target.Name(), At: time.Now().UTC(), Failed: failed, Why: why}
}

// readQueue is the campaign's queue, empty if there was none. One that can't be
// decoded counts as empty: its messages are lost, and the log says so.
func readQueue(co *checkout.Checkout, campaign string) (*deliveryQueue, error) {
	q, path := &deliveryQueue{}, NotifierFile(co, campaign, "queue")

	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return q, nil
	}

	if err != nil {
		return nil, research.Errorf(research.CodeStorage, "check the disk", "read the queue of notices: %w", err)
	}

	if err := json.Unmarshal(content, q); err != nil {
		logDelivery(co, campaign, "the queue of notices could not be read, and begins again: "+wording.ErrorLine(err))
		return &deliveryQueue{}, nil
	}
	q.saved = q.Seq

	return q, nil
}

// saveQueue stores the queue durably.
func (t *notifier) saveQueue() error {
	b, err := json.Marshal(t.queue)
	if err == nil {
		err = atomicfile.Write(NotifierFile(t.Checkout, t.campaign, "queue"), b, atomicfile.Options{Perm: 0o600})
	}

	if err != nil {
		return research.Errorf(research.CodeStorage, "check the disk", "store the queue of notices: %w", err)
	}
	t.queue.saved = t.queue.Seq

	return nil
}

// logBytes is the size above which the older half of a log of notices is removed.
const logBytes = 64 << 10

// logDelivery adds a line to the campaign's log of notices. A failure is ignored: the
// log is for people, and nothing is decided by it.
func logDelivery(co *checkout.Checkout, campaign, words string) {
	path := NotifierFile(co, campaign, "log")
	line := time.Now().UTC().Format(time.RFC3339) + " " + wording.FirstWords(words, 500) + "\n"

	if b, err := os.ReadFile(path); err == nil && len(b) > logBytes {
		b = b[len(b)/2:]
		_ = atomicfile.Write(path, b[bytes.IndexByte(b, '\n')+1:], atomicfile.Options{Perm: 0o600})
	}

	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	defer file.Close()
	_, _ = file.WriteString(line)
}

// readLastDeliveries are the last n lines of the log.
func readLastDeliveries(co *checkout.Checkout, campaign string, n int) (lines []string) {
	content, err := os.ReadFile(NotifierFile(co, campaign, "log"))
	if err != nil {
		return nil
	}

	for line := range bytes.Lines(content) {
		lines = append(lines, string(bytes.TrimSpace(line)))
	}

	return slices.Clone(lines[max(0, len(lines)-n):])
}
