package tools

import (
	"fmt"
	"math"
	"strings"

	"ratchet/internal/job"
	"ratchet/internal/render"
	"ratchet/internal/research"
	"ratchet/internal/research/rules"
	"ratchet/internal/wording"
)

// The answers of one cycle, a run and its keep or revert, have 1,200 bytes together.
const (
	runLimit    = 760
	decideLimit = 440
)

// maxPhase is how many characters of a job's phase are shown: with who holds the machine,
// and where, in it.
const maxPhase = 240

// RenderOutcome says what is known of an experiment, a calibration or a
// measurement: in at most 760 bytes for the first two, whose answers come
// often, else in at most Limit.
func RenderOutcome(outcome *job.Outcome) render.Answer {
	limit := runLimit
	if outcome.ID.Kind() == research.MeasurementJob {
		limit = render.Limit
	}

	fields := []render.Field{{Key: "status", Val: outcome.Status, Line: statusLine(outcome)}}
	if outcome.ID != "" {
		fields = append(fields, render.Field{Key: "id", Val: outcome.ID})
	}

	if outcome.Experiment > 0 {
		fields = append(fields, render.Field{Key: "experiment", Val: outcome.Experiment})
	}

	if outcome.Verdict != "" {
		fields = append(fields, render.Field{Key: "verdict", Val: outcome.Verdict})
	}

	if outcome.Certificate != "" {
		fields = append(fields, render.Field{Key: "certificate", Val: outcome.Certificate})
	}

	fields = append(fields, render.MetricValue("value", "value: ", outcome.Value, outcome.Unit))
	if outcome.Unit != "" {
		fields = append(fields, render.Field{Key: "unit", Val: render.OneLine(outcome.Unit, 16)})
	}

	fields = append(fields, guardValues(outcome.Guards)...)

	if outcome.Gain != nil {
		fields = append(fields, render.Field{Key: "gain", Val: outcome.Gain}) // the finding has it in words
	}

	if outcome.Reason == "" { // which is the whole finding of an invalid run
		fields = append(fields, render.Field{Key: "finding", Str: render.OneLine(outcome.Finding, 400), Min: 120})
	}
	fields = append(fields,
		render.Field{Key: "reason", Str: render.OneLine(outcome.Reason, 400), Min: 160, Prefix: "reason: "})
	fields = append(fields, render.DataText("output_excerpt", outcome.Excerpt)...)
	fields = append(fields, render.SampleList("samples", "samples", outcome.Samples)...)
	fields = append(fields, render.SampleList("paired_samples", "paired with", outcome.Paired)...)

	if outcome.Noise != nil { // likewise
		fields = append(fields, render.Field{Key: "noise", Val: *outcome.Noise})
	}

	fields = append(fields, whileRunning(outcome)...)
	if outcome.Decided != "" {
		fields = append(fields, render.Field{Key: "decided", Val: outcome.Decided,
			Line: "decided: " + outcome.Decided + ", as program.md says"})
	}
	fields = append(fields, render.HookOutput(outcome.Hooks)...)

	fields = append(fields, render.PersonNote(outcome.Human), render.NoteList(outcome.Notes))
	if outcome.Left != nil {
		fields = append(fields, render.BudgetLeft(*outcome.Left))
	}

	return render.BuildAnswer(limit, append(fields, render.NextStep(outcome.Next))...)
}

// guardValues are the guards' values, nothing where there are none.
func guardValues(all []rules.GuardValue) []render.Field {
	if len(all) == 0 {
		return nil
	}

	items := make([]render.Item, len(all))
	for i, guard := range all {
		items[i] = render.Item{Val: guard, Line: "guard " + render.OneLine(guard.Name, 40) + ": " +
			render.FormatOptional(&guard.Value)}
	}

	return []render.Field{{Key: "guards", List: items, Min: 1}}
}

// whileRunning is what only a running job has.
func whileRunning(outcome *job.Outcome) []render.Field {
	if outcome.Status != "running" {
		return nil
	}

	return []render.Field{
		{Key: "phase", Val: render.OneLine(outcome.Phase, maxPhase)},
		{Key: "elapsed_s", Val: outcome.Elapsed},
		{Key: "runs_done", Val: outcome.RunsDone},
	}
}

// statusLine is the first line of an outcome.
func statusLine(outcome *job.Outcome) string {
	switch {
	case outcome.Status == "running":
		return progressLine(outcome)
	case outcome.Status == "idle" && outcome.Finding == "":
		return "idle: nothing runs and no verdict waits"
	case outcome.Verdict != "" && (outcome.Reason != "" || !strings.HasPrefix(outcome.Finding,
		string(outcome.Verdict))):
		return fmt.Sprintf("%s %s: %s", outcome.ID, outcome.Status, outcome.Verdict)
	}

	return strings.TrimSpace(string(outcome.ID) + " " + outcome.Status)
}

// progressLine is how a job goes on, in a few words.
func progressLine(outcome *job.Outcome) string {
	s := strings.TrimSpace(fmt.Sprintf("%s %s", outcome.ID, outcome.Status))
	if p := render.OneLine(outcome.Phase, maxPhase); p != "" {
		s += ": " + p
	}

	return fmt.Sprintf("%s, %s, %s done", s, wording.FormatDuration(math.Round(outcome.Elapsed)),
		wording.Count(outcome.RunsDone, "run"))
}
