package tools

import (
	"fmt"
	"math"
	"strings"

	"ratchet/internal/job"
	"ratchet/internal/render"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/view"
	"ratchet/internal/wording"
)

// RenderBrief is what a session needs to go on, in at most Limit bytes
// whatever the campaign's size.
func RenderBrief(b *view.Brief) render.Answer {
	a, _ := renderBrief(b, render.Limit)
	return a
}

// renderBrief also gives the notes that the answer has whole, and that the
// session had not been told.
func renderBrief(b *view.Brief, limit int) (a render.Answer, told []int) {
	campaign := &b.Campaign
	notes, told := humanNotes(b.Notes, max(briefNotes, limit-render.Limit))
	metric := campaign.Program.Metric

	fields := []render.Field{
		{Key: "view", Val: "brief"},
		{Key: "campaign", Val: campaign.Name, Line: "campaign " + campaign.Name + ended(campaign)},
		{Key: "metric", Val: render.MetricText(metric), Line: "metric: " + render.MetricText(metric)},
		render.ShortFact("merge", "your human's next step: ", b.Merge),
		render.ShortFact("rests", "", rests(campaign)),
		notes,
		render.MetricValue("baseline", "at the start: ", b.Baseline, metric.Unit),
		render.MetricValue("best", "best: ", b.Best, metric.Unit),
		render.ShortFact("standing", "", b.Standing),
		render.ShortFact("machine", "", classWords(campaign)),
		{Key: "edit", List: render.PrefixItems("edit only: ", b.Edit), Min: 1},
		{Key: "counts", Val: counts(campaign), Line: counts(campaign)},
		{Key: "running", List: running(b.Running), Min: 1},
		render.ShortFact("tried", "tried of late: ", tried(b.Families)),
		{Key: "rows", List: recent(b.Recent, metric), Min: 3},
		lessonList(b.Lessons, 200),
		ideaList(b.Ideas, 160),
		{Key: "contract", List: render.LineItems(contractLines(&campaign.Program)), Min: 3},
	}
	if b.Changed {
		fields = append(fields, render.Field{Key: "contract_changed", Val: true,
			Line: "program.md's contract differs from the accepted one: no run until a person accepts it"})
	}

	return render.BuildAnswer(limit, append(fields, render.BudgetLeft(b.Left), render.NextStep(b.Next))...), told
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
func humanNotes(ns []view.NoteView, room int) (field render.Field, told []int) {
	var rows []noteRow
	var said []string

	for _, n := range ns {
		text, whole := render.OneLine(n.Text, render.MaxText), true
		for len(render.EncodeJSON(text)) > room && len(text) > len(noteShown) {
			text = strings.TrimSuffix(render.CutHead(strings.TrimSuffix(text, noteShown),
				max(0, len(text)-len(noteShown)-40)),
				"…") + noteShown
			whole = false
		}

		if len(render.EncodeJSON(text)) > room {
			break
		}
		room -= len(render.EncodeJSON(text)) + 40
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
		field = render.Field{Key: "human_notes", Val: rows, Line: strings.Join(said, "\n")}
	}

	return field, told
}

// classWords says that the machine has changed under the campaign.
func classWords(campaign *history.Campaign) string {
	if campaign.Class < 2 {
		return ""
	}

	return fmt.Sprintf("calibrated again at experiment %d (%s): earlier numbers are not comparable with later ones",
		campaign.ClassFrom, campaign.Changed)
}

func ended(campaign *history.Campaign) string {
	if campaign.Ended == "" {
		return ""
	}

	return ", ended: " + render.OneLine(campaign.Ended, 80)
}

// rests says that somebody stopped the loop, "" while it goes on.
func rests(campaign *history.Campaign) string {
	if campaign.Rests == nil || campaign.Ended != "" {
		return ""
	}

	return campaign.Rests.Words() + ": finish what is open, report, and wait; a person goes on with `ratchet resume`"
}

// counts is how the experiments came out.
func counts(campaign *history.Campaign) string {
	s := wording.Count(campaign.Experiments, "experiment")
	var by []string

	for _, v := range []research.Verdict{research.Improved, research.Provisional, research.Equivalent,
		research.Regressed, research.Inconclusive, research.Invalid} {
		if n := campaign.Verdicts[v]; n > 0 {
			by = append(by, fmt.Sprintf("%d %s", n, v))
		}
	}

	if len(by) > 0 {
		s += " (" + strings.Join(by, ", ") + ")"
	}

	s += fmt.Sprintf(", %d kept", campaign.Kept)
	if campaign.Overridden > 0 {
		s += fmt.Sprintf(" (%d by a person against the verdict)", campaign.Overridden)
	}

	if campaign.Streak > 2 {
		s += fmt.Sprintf("; %d since the last keep", campaign.Streak)
	}

	return s
}

// tried names what the last experiments were about.
func tried(fs []history.Family) string {
	var out []string
	for _, f := range fs {
		out = append(out, render.OneLine(f.Words(), 40))
	}

	return strings.Join(out, ", ")
}

func running(js []job.RunningJob) []render.Item {
	out := make([]render.Item, len(js))
	for i, j := range js {
		j.Phase = render.OneLine(j.Phase, maxPhase)
		out[i] = render.Item{Val: j, Line: fmt.Sprintf("running: %s, %s, %s", j.ID, j.Phase,
			wording.FormatDuration(math.Round(j.Elapsed)))}
	}

	return out
}

// recent is the last experiments, under a heading that goes when they do.
func recent(xs []history.Experiment, metric contract.Metric) []render.Item {
	out := make([]render.Item, len(xs))
	for i := range xs {
		out[i] = rowOf(&xs[i], metric, 80)
		if i == 0 {
			out[0].Line = rowHead + "\n" + out[0].Line
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
	// contended: others kept the machine busy; again: repeats such a pair; unequal: its pair does not count
	Mark string `json:"mark,omitempty"`
}

func runRows(rs []rules.Run, metric string) []render.Item {
	out := make([]render.Item, len(rs))
	for i, run := range rs {
		x := runRow{Run: run.Number, Role: run.Role, Side: run.Side, Wall: run.Wall,
			Reason: render.OneLine(run.Reason, 120)}
		if v, ok := run.Samples[metric]; ok {
			x.Value = &v
		}

		switch {
		case run.Unequal != "":
			x.Mark, x.Reason = "unequal", run.Unequal
		case run.Again:
			x.Mark = "again"
		case run.Contended:
			x.Mark = "contended"
		}
		line := fmt.Sprintf("run %d %s %s %s %s %s", x.Run, x.Role, x.Side, render.FormatOptional(x.Value),
			wording.FormatDuration(x.Wall), x.Mark)
		out[i] = render.Item{Val: x, Line: strings.TrimSpace(strings.TrimSpace(line) + " " + x.Reason)}
	}

	return out
}

// RenderDetail is one experiment with its runs and its diff, in at most limit
// bytes: the diff gives way first, then runs.
func RenderDetail(detail *view.Detail, limit int) render.Answer {
	experiment := &detail.Experiment
	fields := []render.Field{
		{Key: "view", Val: "experiment"},
		{Key: "experiment", Val: experiment.N, Line: fmt.Sprintf("x%d, %s, by %s", experiment.N, experiment.Status,
			render.OneLine(experiment.Session, 60))},
		{Key: "status", Val: experiment.Status},
		{Key: "hypothesis", Str: render.Clean(experiment.Hypothesis), Prefix: "hypothesis: ", Min: 200},
		render.ShortFact("expect", "expected: ", experiment.Expect),
	}
	if experiment.Under != nil {
		fields = append(fields, render.ShortFact("metric", "measured by the earlier metric ",
			render.MetricText(*experiment.Under)))
	}
	fields = append(fields, judgement(experiment.Judgement, detail)...)
	fields = append(fields, guardValues(experiment.Guards)...)
	fields = append(fields, render.ShortFact("proof", "", detail.Proof),
		render.Field{Key: "lesson", Str: render.OneLine(experiment.Lesson, render.MaxText), Prefix: "lesson: ",
			Min: 200},
		render.ShortFact("note", "note: ", experiment.Note),
		render.ShortFact("candidate", "candidate: ", experiment.Candidate),
		render.ShortFact("commit", "kept as: ", experiment.Commit),
		render.Field{Key: "files",
			List: render.PrefixItems(fmt.Sprintf("changed (+%d -%d): ", experiment.Added, experiment.Removed),
				detail.Files), Min: 1},
		render.Field{Key: "runs", List: runRows(detail.Runs, detail.Metric.Name), Min: 2, Noun: "run",
			More: fmt.Sprintf(`read_log{view:"experiment",query:"%d",limit:%d}`, experiment.N, maxBytes)},
		render.Field{Key: "diff", Str: strings.TrimRight(render.Clean(detail.Diff), "\n"), Min: 300})

	return render.BuildAnswer(limit, append(fields, render.NextStep(detailNext(experiment)))...)
}

func judgement(verdict *rules.Judgement, detail *view.Detail) []render.Field {
	if verdict == nil {
		return nil
	}

	fields := []render.Field{{Key: "verdict", Val: verdict.Verdict, Line: "verdict: " + string(verdict.Verdict)},
		render.MetricValue("value", "value: ", verdict.Value, detail.Metric.Unit)}
	if verdict.Verdict != research.Invalid {
		fields = append(fields, render.MetricValue("incumbent_value", "the incumbent's: ", verdict.Baseline,
			detail.Metric.Unit),
			render.Field{Line: render.OneLine(verdict.Describe(detail.Metric), render.MaxText)})
	}

	if verdict.Gain != nil {
		fields = append(fields, render.Field{Key: "gain", Val: verdict.Gain})
	}

	if verdict.Detectable > 0 {
		fields = append(fields, render.Field{Key: "detectable", Val: verdict.Detectable})
	}

	return append(fields, render.Field{Key: "reason", Str: render.OneLine(verdict.Reason, 600), Prefix: "reason: ",
		Min: 160})
}

func detailNext(experiment *history.Experiment) string {
	switch experiment.Status {
	case research.Running:
		return "wait_run{}"
	case research.Unresolved:
		return "keep{} if its verdict allows it, else revert{lesson}"
	case research.Voided:
		return fmt.Sprintf(`read_log{view:"output",query:"x%d"} for what it printed`, experiment.N)
	}

	return "read_log{}"
}
