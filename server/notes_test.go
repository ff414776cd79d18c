package server_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"

	"ratchet/internal/research/history"
	"ratchet/server"
)

// deliveredTo are the sessions that note n was delivered to, as the dashboard shows.
func (o *observer) deliveredTo(n int) (codenames []string) {
	o.t.Helper()

	for _, v := range o.get("state")["notes"].([]any) {
		if at(o.t, v, "n") == float64(n) {
			for _, name := range at(o.t, v, "delivered").([]any) {
				codenames = append(codenames, name.(string))
			}
		}
	}

	return codenames
}

// A note reaches every session once, wherever the session is in its loop, and
// that it did is a record of the session's.
func TestNotesAreToldOnce(t *testing.T) {
	t.Parallel()
	c := played(t)
	second := filepath.Join(t.TempDir(), "second")
	git(t, c.dir, "worktree", "add", "-q", "--detach", second, "ratchet/tiny")
	two := (&campaign{t: t, dir: second}).stdio(t)
	two.do("start_campaign", `{}`)
	o := c.look(server.RolePerson)
	c.want(o.steer(`{"action":"note","text":" leave the \u001b[0mloader\nalone "}`), "done", "note 1 is recorded")
	c.lastRecord(history.KindNoteAdded, `"text":"leave the`, `"by":"dashboard"`)

	if got := o.deliveredTo(1); got != nil {
		t.Errorf("delivered before any call: %v", got)
	}
	const want = "leave the loader alone"
	c.want(c.do("revert", `{}`), "human_note", want)
	c.write("value.txt", "85\n")
	c.want(c.do("run_experiment", `{"hypothesis":"after the note"}`), "human_note", nil)
	two.write("value.txt", "84\n")
	two.want(two.do("run_experiment", `{"hypothesis":"in the second checkout"}`), "human_note", want)
	two.want(two.do("wait_run", `{}`), "human_note", nil)

	if got := o.deliveredTo(1); len(got) != 2 {
		t.Errorf("delivered to %v", got)
	}

	records := c.records(history.KindNoteDelivered)
	if len(records) != 2 || records[0].Session == "" || records[0].Session == records[1].Session ||
		string(records[0].Body) != `{"n":1}` {
		t.Errorf("delivered: %+v", records)
	}

	// two at once come one after the other
	o.steer(`{"action":"note","text":"first"}`)
	o.steer(`{"action":"note","text":"second"}`)
	c.want(c.do("wait_run", `{}`), "human_note", "first")
	c.want(c.do("keep", `{}`), "human_note", "second")
	c.want(c.do("wait_run", `{}`), "human_note", nil)
	// the brief tells all, and tells the last ones again: a context may be lost
	brief := two.do("read_log", `{}`)
	wantAt(t, brief, "first", "human_notes", 0, "text")
	wantAt(t, brief, "second", "human_notes", 1, "text")
	two.want(two.do("wait_run", `{}`), "human_note", nil)
	wantAt(t, two.do("read_log", `{}`), "second", "human_notes", 1, "text")

	if n := len(c.records(history.KindNoteDelivered)); n != 6 {
		t.Errorf("%d deliveries of 3 notes to 2 sessions", n)
	}
	// a later session gets them too
	if n := len(c.records(history.KindNoteAdded)); n != 3 {
		t.Errorf("%d notes", n)
	}
	c.whole()
}

// brief reads the brief as a resource.
func (c *campaign) brief() string {
	c.t.Helper()
	var req mcp.ReadResourceRequest
	req.Params.URI = "ratchet://brief"
	r, err := c.ReadResource(c.t.Context(), req)
	must(c.t, err)

	return r.Contents[0].(mcp.TextResourceContents).Text
}

// A note that is too long for an answer is pointed at until it was read whole; a
// resource, which a client may show for itself, tells nobody.
func TestLongNotes(t *testing.T) {
	t.Parallel()
	c := played(t)
	o := c.look(server.RolePerson)

	for i, length := range []int{400, 2000} {
		text := strings.TrimSpace(strings.Repeat(`"é" `, length/5))
		o.steer(fmt.Sprintf(`{"action":"note","text":%q}`, text))

		for range 2 {
			line, _ := c.do("wait_run", `{}`)["human_note"].(string)
			if len(line) > 180 || !strings.HasSuffix(line, "… (the whole: read_log{})") {
				t.Errorf("%d bytes: %q", len(line), line)
			}
		}
		c.brief()
		brief := c.do("read_log", `{}`)

		shown, _ := at(t, brief, "human_notes", i, "text").(string)
		if whole := shown == text; whole != (length == 400) {
			t.Errorf("a note of %d bytes in the brief: %q", length, shown)
		}

		if length > 400 {
			if !strings.HasSuffix(shown, "… (the whole: read_log{limit: 6000})") || len(o.deliveredTo(i+1)) != 0 {
				t.Errorf("delivered to %v by %q", o.deliveredTo(i+1), shown)
			}
			_, brief, _ = call(t, c.Client, "read_log", map[string]any{"limit": 6000})
			wantAt(t, brief, text, "human_notes", i, "text")
		}

		if len(o.deliveredTo(i+1)) != 1 {
			t.Errorf("note %d was delivered to %v", i+1, o.deliveredTo(i+1))
		}
		c.want(c.do("wait_run", `{}`), "human_note", nil)
	}
	c.whole()
}
