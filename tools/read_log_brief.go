package tools

import (
	"fmt"
	"math"
	"strings"

	"ratchet/internal/job"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/view"
	"ratchet/internal/wording"
)

// RenderBrief is what a session needs to go on, in at most Limit bytes
// whatever the campaign's size.
func RenderBrief(b *view.Brief) Answer {
	a, _ := renderBrief(b, Limit)
	return a
}

// renderBrief also gives the notes that the answer has whole, and that the
// session had not been told.
func renderBrief(b *view.Brief, limit int) (a Answer, told []int) {
	c := &b.Campaign
	notes, told := humanNotes(b.Notes, max(briefNotes, limit-Limit))
	m := c.Program.Metric

	fields := []field{
		{key: "view", val: "brief"},
		{key: "campaign", val: c.Name, line: "campaign " + c.Name + ended(c)},
		{key: "metric", val: metric(m), line: "metric: " + metric(m)},
		one("merge", "your human's next step: ", b.Merge),
		one("rests", "", rests(c)),
		notes,
		value("baseline", "at the start: ", b.Baseline, m.Unit),
		value("best", "best: ", b.Best, m.Unit),
		one("standing", "", b.Standing),
		one("machine", "", classWords(c)),
		{key: "edit", list: prefixed("edit only: ", b.Edit), min: 1},
		{key: "counts", val: counts(c), line: counts(c)},
		{key: "running", list: running(b.Running), min: 1},
		one("tried", "tried of late: ", tried(b.Families)),
		{key: "rows", list: recent(b.Recent), min: 3},
		lessonList(b.Lessons, 200),
		ideaList(b.Ideas, 160),
		{key: "contract", list: lines(contractLines(&c.Program)), min: 3},
	}
	if b.Changed {
		fields = append(fields, field{key: "contract_changed", val: true,
			line: "program.md's contract differs from the accepted one: no run until a person accepts it"})
	}

	return build(limit, append(fields, left(b.Left), next(b.Next))...), told
}

const (
	briefNotes = 700 // bytes of persons' notes in a brief, as JSON
	noteShown  = `… (the whole: read_log{limit: 6000})`
)

// noteRow is a person's note.
type noteRow struct {
	N    int    `json:"n"`
	Text string `json:"text"`
	At   string `json:"at"`
}

// humanNotes are a person's notes in at most room bytes, which stay whole; the last
// of them is cut if need be. told are the numbers of those that are whole and new.
func humanNotes(ns []view.NoteView, room int) (f field, told []int) {
	var rows []noteRow
	var said []string

	for _, n := range ns {
		text, whole := oneLine(n.Text, maxText), true
		for len(encode(text)) > room && len(text) > len(noteShown) {
			text = strings.TrimSuffix(head(strings.TrimSuffix(text, noteShown), max(0, len(text)-len(noteShown)-40)),
				"…") + noteShown
			whole = false
		}

		if len(encode(text)) > room {
			break
		}
		room -= len(encode(text)) + 40
		r := noteRow{n.N, text, n.At.UTC().Format("2006-01-02 15:04")}
		rows, said = append(rows, r), append(said, fmt.Sprintf("note from your human (%s): %s", r.At, text))

		if !whole {
			break
		}

		if n.Unheard {
			told = append(told, n.N)
		}
	}

	if len(rows) > 0 {
		f = field{key: "human_notes", val: rows, line: strings.Join(said, "\n")}
	}

	return f, told
}

// classWords says that the machine has changed under the campaign.
func classWords(c *history.Campaign) string {
	if c.Class < 2 {
		return ""
	}

	return fmt.Sprintf("calibrated anew at experiment %d (%s): numbers of before are not comparable with later ones",
		c.ClassFrom, c.Changed)
}

func ended(c *history.Campaign) string {
	if c.Ended == "" {
		return ""
	}

	return ", ended: " + oneLine(c.Ended, 80)
}

// rests says that somebody stopped the loop, "" while it goes on.
func rests(c *history.Campaign) string {
	if c.Rests == nil || c.Ended != "" {
		return ""
	}

	return c.Rests.Words() + ": finish what is open, report, and wait; a person goes on with `ratchet resume`"
}

// metric is the metric in words.
func metric(m contract.Metric) string {
	s := fmt.Sprintf("%s, %s is better", oneLine(m.Name, 60), m.Better)
	if m.Unit != "" {
		s += ", in " + oneLine(m.Unit, 16)
	}

	return s
}

// counts is how the experiments came out.
func counts(c *history.Campaign) string {
	s := wording.Count(c.Experiments, "experiment")
	var by []string

	for _, v := range []research.Verdict{research.Improved, research.Provisional, research.Equivalent,
		research.Regressed, research.Inconclusive, research.Invalid} {
		if n := c.Verdicts[v]; n > 0 {
			by = append(by, fmt.Sprintf("%d %s", n, v))
		}
	}

	if len(by) > 0 {
		s += " (" + strings.Join(by, ", ") + ")"
	}

	s += fmt.Sprintf(", %d kept", c.Kept)
	if c.Overridden > 0 {
		s += fmt.Sprintf(" (%d by a person against the verdict)", c.Overridden)
	}

	if c.Streak > 2 {
		s += fmt.Sprintf("; %d since the last keep", c.Streak)
	}

	return s
}

// tried names what the last experiments were about.
func tried(fs []history.Family) string {
	var out []string
	for _, f := range fs {
		out = append(out, oneLine(f.Words(), 40))
	}

	return strings.Join(out, ", ")
}

func running(js []job.RunningJob) []item {
	out := make([]item, len(js))
	for i, j := range js {
		j.Phase = oneLine(j.Phase, 80)
		out[i] = item{j, fmt.Sprintf("running: %s, %s, %s", j.ID, j.Phase,
			wording.FormatDuration(math.Round(j.Elapsed)))}
	}

	return out
}

// recent is the last experiments, under a heading that goes when they do.
func recent(xs []history.Experiment) []item {
	out := make([]item, len(xs))
	for i := range xs {
		out[i] = rowOf(&xs[i], 80)
		if i == 0 {
			out[0].line = rowHead + "\n" + out[0].line
		}
	}

	return out
}

// runRow is one run of an experiment.
type runRow struct {
	Run    int           `json:"run"`
	Role   research.Role `json:"role"`
	Side   rules.Side    `json:"side"`
	Value  *float64      `json:"value,omitempty"`
	Reason string        `json:"reason,omitempty"`
	Wall   float64       `json:"wall_s"`
	Mark   string        `json:"mark,omitempty"` // contended: others kept the machine busy; again: repeats such a pair
}

func runRows(rs []rules.Run, metric string) []item {
	out := make([]item, len(rs))
	for i, r := range rs {
		x := runRow{Run: r.Number, Role: r.Role, Side: r.Side, Wall: r.Wall, Reason: oneLine(r.Reason, 120)}
		if v, ok := r.Samples[metric]; ok {
			x.Value = &v
		}

		switch {
		case r.Again:
			x.Mark = "again"
		case r.Contended:
			x.Mark = "contended"
		}
		line := fmt.Sprintf("run %d %s %s %s %s %s", x.Run, x.Role, x.Side, optional(x.Value),
			wording.FormatDuration(x.Wall), x.Mark)
		out[i] = item{x, strings.TrimSpace(strings.TrimSpace(line) + " " + x.Reason)}
	}

	return out
}

// RenderDetail is one experiment with its runs and its diff, in at most limit
// bytes: the diff gives way first, then runs.
func RenderDetail(d *view.Detail, limit int) Answer {
	x := &d.Experiment
	fields := []field{
		{key: "view", val: "experiment"},
		{key: "experiment", val: x.N, line: fmt.Sprintf("x%d, %s, by %s", x.N, x.Status, oneLine(x.Session, 60))},
		{key: "status", val: x.Status},
		{key: "hypothesis", str: Clean(x.Hypothesis), prefix: "hypothesis: ", min: 200},
		one("expect", "expected: ", x.Expect),
	}
	fields = append(fields, judgement(x.Judgement, d)...)
	fields = append(fields, one("proof", "", d.Proof),
		field{key: "lesson", str: oneLine(x.Lesson, maxText), prefix: "lesson: ", min: 200},
		one("note", "note: ", x.Note),
		one("candidate", "candidate: ", x.Candidate),
		one("commit", "kept as: ", x.Commit),
		field{key: "files", list: prefixed(fmt.Sprintf("changed (+%d -%d): ", x.Added, x.Removed), d.Files), min: 1},
		field{key: "runs", list: runRows(d.Runs, d.Metric.Name), min: 2},
		field{key: "diff", str: strings.TrimRight(Clean(d.Diff), "\n"), min: 300})

	return build(limit, append(fields, next(detailNext(x)))...)
}

func judgement(j *rules.Judgement, d *view.Detail) []field {
	if j == nil {
		return nil
	}

	fields := []field{{key: "verdict", val: j.Verdict, line: "verdict: " + string(j.Verdict)},
		value("value", "value: ", j.Value, d.Metric.Unit)}
	if d.Exact { // two raw numbers of a noisy metric only look comparable
		fields = append(fields, value("incumbent_value", "the incumbent's: ", j.Baseline, d.Metric.Unit))
	}

	if j.Gain != nil {
		line := "gain: " + wording.FormatBareGain(j.Gain, j.Scale)
		if j.Gain.Lo < j.Gain.Hi {
			line += fmt.Sprintf(" (90%% interval %s to %s)", wording.FormatBareGain(&research.Interval{Mid: j.Gain.Lo}, j.Scale),
				wording.FormatBareGain(&research.Interval{Mid: j.Gain.Hi}, j.Scale))
		}
		fields = append(fields, field{key: "gain", val: j.Gain, line: line})
	}

	if j.Detectable > 0 {
		fields = append(fields, field{key: "detectable", val: j.Detectable,
			line: "smallest gain it could have shown: " + wording.FormatBareGain(&research.Interval{Mid: j.Detectable}, j.Scale)})
	}

	return append(fields, field{key: "reason", str: oneLine(j.Reason, 600), prefix: "reason: ", min: 160})
}

func detailNext(x *history.Experiment) string {
	switch x.Status {
	case research.Running:
		return "wait_run{}"
	case research.Unresolved:
		return "keep{} if its verdict allows it, else revert{lesson}"
	case research.Voided:
		return fmt.Sprintf(`read_log{view:"output",query:"x%d"} for what it printed`, x.N)
	}

	return "read_log{}"
}
