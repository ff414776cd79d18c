package tools

import (
	"fmt"
	"math"
	"strings"

	"ratchet/internal/job"
	"ratchet/internal/render"
	"ratchet/internal/research"
	"ratchet/internal/wording"
)

// The answers of one cycle, a run and its keep or revert, have 1,200 bytes together.
const (
	runLimit    = 760
	decideLimit = 440
)

// RenderOutcome says what is known of an experiment, a calibration or a
// measurement: in at most 760 bytes for the first two, whose answers come
// often, else in at most Limit.
func RenderOutcome(o *job.Outcome) render.Answer {
	limit := runLimit
	if o.ID.Kind() == research.MeasurementJob {
		limit = render.Limit
	}

	fields := []render.Field{{Key: "status", Val: o.Status, Line: statusLine(o)}}
	if o.ID != "" {
		fields = append(fields, render.Field{Key: "id", Val: o.ID})
	}

	if o.Experiment > 0 {
		fields = append(fields, render.Field{Key: "experiment", Val: o.Experiment})
	}

	if o.Verdict != "" {
		fields = append(fields, render.Field{Key: "verdict", Val: o.Verdict})
	}

	if o.Certificate != "" {
		fields = append(fields, render.Field{Key: "certificate", Val: o.Certificate})
	}

	fields = append(fields, render.MetricValue("value", "value: ", o.Value, o.Unit))
	if o.Unit != "" {
		fields = append(fields, render.Field{Key: "unit", Val: render.OneLine(o.Unit, 16)})
	}

	if o.Gain != nil {
		g := render.Field{Key: "gain", Val: o.Gain}
		if o.Finding == "" { // which has it in words
			g.Line = fmt.Sprintf("gain: %.4g (90%% interval %.4g to %.4g; positive is better)", o.Gain.Mid, o.Gain.Lo,
				o.Gain.Hi)
		}

		fields = append(fields, g)
	}

	if o.Reason == "" { // which is the whole finding of an invalid run
		fields = append(fields, render.Field{Key: "finding", Str: render.OneLine(o.Finding, 400), Min: 120})
	}
	fields = append(fields,
		render.Field{Key: "reason", Str: render.OneLine(o.Reason, 400), Min: 160, Prefix: "reason: "})
	fields = append(fields, render.DataText("output_excerpt", o.Excerpt)...)
	fields = append(fields, render.SampleList("samples", "samples", o.Samples)...)
	fields = append(fields, render.SampleList("paired_samples", "paired with", o.Paired)...)
	fields = append(fields, render.MetricValue("noise", "noise of one run: ", o.Noise, ""))

	fields = append(fields, whileRunning(o)...)
	if o.Decided != "" {
		fields = append(fields, render.Field{Key: "decided", Val: o.Decided,
			Line: "decided: " + o.Decided + ", as program.md says"})
	}
	fields = append(fields, render.HookOutput(o.Hooks)...)

	fields = append(fields, render.PersonNote(o.Human), render.NoteList(o.Notes))
	if o.Left != nil {
		fields = append(fields, render.BudgetLeft(*o.Left))
	}

	return render.BuildAnswer(limit, append(fields, render.NextStep(o.Next))...)
}

// whileRunning is what only a running job has.
func whileRunning(o *job.Outcome) []render.Field {
	if o.Status != "running" {
		return nil
	}

	return []render.Field{
		{Key: "phase", Val: render.OneLine(o.Phase, 80)},
		{Key: "elapsed_s", Val: o.Elapsed},
		{Key: "runs_done", Val: o.RunsDone},
	}
}

// statusLine is the first line of an outcome.
func statusLine(o *job.Outcome) string {
	switch {
	case o.Status == "running":
		return progressLine(o)
	case o.Status == "idle" && o.Finding == "":
		return "idle: nothing runs and no verdict waits"
	case o.Verdict != "" && (o.Reason != "" || !strings.HasPrefix(o.Finding, string(o.Verdict))):
		return fmt.Sprintf("%s %s: %s", o.ID, o.Status, o.Verdict)
	}

	return strings.TrimSpace(string(o.ID) + " " + o.Status)
}

// progressLine is how a job goes on, in a few words.
func progressLine(o *job.Outcome) string {
	s := strings.TrimSpace(fmt.Sprintf("%s %s", o.ID, o.Status))
	if p := render.OneLine(o.Phase, 80); p != "" {
		s += ": " + p
	}

	return fmt.Sprintf("%s, %s, %s done", s, wording.FormatDuration(math.Round(o.Elapsed)),
		wording.Count(o.RunsDone, "run"))
}
