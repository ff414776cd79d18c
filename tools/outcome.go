package tools

import (
	"fmt"
	"math"
	"strings"

	"ratchet/internal/job"
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
func RenderOutcome(o *job.Outcome) Answer {
	limit := runLimit
	if o.ID.Kind() == research.MeasurementJob {
		limit = Limit
	}

	fields := []field{{key: "status", val: o.Status, line: statusLine(o)}}
	if o.ID != "" {
		fields = append(fields, field{key: "id", val: o.ID})
	}

	if o.Experiment > 0 {
		fields = append(fields, field{key: "experiment", val: o.Experiment})
	}

	if o.Verdict != "" {
		fields = append(fields, field{key: "verdict", val: o.Verdict})
	}

	if o.Certificate != "" {
		fields = append(fields, field{key: "certificate", val: o.Certificate})
	}

	fields = append(fields, value("value", "value: ", o.Value, o.Unit))
	if o.Unit != "" {
		fields = append(fields, field{key: "unit", val: oneLine(o.Unit, 16)})
	}

	if o.Gain != nil {
		g := field{key: "gain", val: o.Gain}
		if o.Finding == "" { // which has it in words
			g.line = fmt.Sprintf("gain: %.4g (90%% interval %.4g to %.4g; positive is better)", o.Gain.Mid, o.Gain.Lo,
				o.Gain.Hi)
		}

		fields = append(fields, g)
	}

	if o.Reason == "" { // which is the whole finding of an invalid run
		fields = append(fields, field{key: "finding", str: oneLine(o.Finding, 400), min: 120})
	}
	fields = append(fields,
		field{key: "reason", str: oneLine(o.Reason, 400), min: 160, prefix: "reason: "})
	fields = append(fields, data("output_excerpt", o.Excerpt)...)
	fields = append(fields, samples("samples", "samples", o.Samples)...)
	fields = append(fields, samples("paired_samples", "paired with", o.Paired)...)
	fields = append(fields, value("noise", "noise of one run: ", o.Noise, ""))

	fields = append(fields, whileRunning(o)...)
	if o.Decided != "" {
		fields = append(fields, field{key: "decided", val: o.Decided,
			line: "decided: " + o.Decided + ", as program.md says"})
	}
	fields = append(fields, hooks(o.Hooks)...)

	fields = append(fields, human(o.Human), notes(o.Notes))
	if o.Left != nil {
		fields = append(fields, left(*o.Left))
	}

	return build(limit, append(fields, next(o.Next))...)
}

// whileRunning is what only a running job has.
func whileRunning(o *job.Outcome) []field {
	if o.Status != "running" {
		return nil
	}

	return []field{
		{key: "phase", val: oneLine(o.Phase, 80)},
		{key: "elapsed_s", val: o.Elapsed},
		{key: "runs_done", val: o.RunsDone},
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
	if p := oneLine(o.Phase, 80); p != "" {
		s += ": " + p
	}

	return fmt.Sprintf("%s, %s, %s done", s, wording.FormatDuration(math.Round(o.Elapsed)), wording.Count(o.RunsDone, "run"))
}
