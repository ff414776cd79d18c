package tools_test

import (
	"strings"
	"testing"

	"ratchet/internal/checkout"
	"ratchet/internal/lab"
	"ratchet/internal/render"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/view"
	"ratchet/tools"
)

// A person's note stays whole in the answers of a cycle, and they keep their bounds.
func TestNotesInACycle(t *testing.T) {
	note := strings.Repeat("keep it simple, ", 10) + "please"
	run := hugeOutcome("done", research.Invalid)
	run.Human, run.Next, run.Unit = note, "revert{lesson}", "ns"

	m := fits(t, tools.RenderOutcome(run), 760)
	if m["human_note"] != note || m["verdict"] != "invalid" {
		t.Errorf("the note or the verdict is cut: %v", m)
	}
	short := note[:100]
	left := checkout.Left{Experiments: 99999, Hours: 999.9999}

	kept := tools.RenderKept(&lab.KeptAnswer{Experiment: 99999, Commit: "0123456789ab",
		Branch: "ratchet/" + strings.Repeat("n", 48), Value: ptr(1.0 / 3), Human: short, Notes: []string{long, long},
		Left: left, Next: "edit the file for the next idea, then run_experiment{hypothesis}"})
	if m := fits(t, kept, 440); m["human_note"] != short || !strings.Contains(kept.Text,
		"\nnote from your human: keep it simple") {
		t.Errorf("the note is cut: %s", kept.Text)
	}

	back := tools.RenderReverted(&lab.RevertedAnswer{Experiment: 99999, Restored: []string{long, long},
		SavedAs: "refs/ratchet/n/saved/3", Lesson: true, Human: short, Notes: []string{long, long}, Left: left,
		Next: "edit the file for the next idea, then run_experiment{hypothesis}"})
	if m := fits(t, back, 440); m["human_note"] != short {
		t.Errorf("the note is cut: %s", back.Text)
	}

	if over := len(tools.RenderOutcome(run).Text) + len(kept.Text); over > 1200 {
		t.Errorf("a cycle has %d bytes", over)
	}
}

// The brief shows notes whole before anything else that can give way, and fits.
func TestNotesInABrief(t *testing.T) {
	b := brief("unroll the inner loop: fewer branches")
	for i := range 5 {
		b.Notes = append(b.Notes, view.NoteView{Note: history.Note{N: i + 1, Text: strings.Repeat("word ", 20+5*i)},
			Unheard: true})
	}

	m := fits(t, tools.RenderBrief(b), render.Limit)
	if ns, _ := m["human_notes"].([]any); len(ns) < 3 {
		t.Errorf("%d notes: %v", len(ns), m["human_notes"])
	}

	if rows, _ := m["rows"].([]any); len(rows) < 3 {
		t.Errorf("%d rows", len(rows))
	}
	b = brief(long)
	b.Notes = []view.NoteView{{Note: history.Note{N: 1, Text: long[:2000]}, Unheard: true}}

	m = fits(t, tools.RenderBrief(b), render.Limit)
	if ns, _ := m["human_notes"].([]any); len(ns) != 1 {
		t.Errorf("a hostile campaign hides the note: %v", m)
	}
}
