package foreign

import (
	"fmt"
	"strings"
)

// pi is the log of pi-autoresearch, and of codex-autoresearch, which adds to it.
var pi = Format{
	Name:  "pi",
	About: ".auto/log.jsonl or autoresearch.jsonl: config, run and hook lines (pi-autoresearch, codex-autoresearch, `ratchet export --format pi`)",
	fits: func(s sample) bool {
		return s.hasKeys("type", "metricName") || s.hasKeys("run", "metric", "status") || s.hasKeys("run", "status",
			"description") || s.hasKeys("type", "stage", "exit_code")
	},
	start: func(head sample) decoder {
		var segment Entry // what the last config line says of the metric

		return lineDecoder(func(o object) Entry {
			switch {
			case o.textOf("type") == "config":
				if name := o.textOf("metricName"); name != "" {
					segment = Entry{Metric: name}
				}
				segment.Better, segment.Unit = parseDirection(o.textOf("bestDirection")), o.textOf("metricUnit")
				e := segment
				e.Kind, e.Description = Header, o.textOf("name")

				return e
			case o.isNumber("run"):
				return decodePiRun(o, segment)
			case o.textOf("type") == "":
				return Entry{Kind: Broken, Note: "it is neither config, run nor hook: its keys are " + o.listKeys()}
			}

			return Entry{Kind: Other, Description: o.textOf("type")}
		})(head)
	},
}

// decodePiRun is a run; its 0 is not a value where it failed, and a missing metric is
// unknown, never 0.
func decodePiRun(o object, segment Entry) Entry {
	asi := o.innerObject("asi")

	entry := Entry{Kind: Run, Metric: segment.Metric, Better: segment.Better, Unit: segment.Unit,
		Commit: o.textOf("commit"), Status: o.textOf("status"), Description: o.textOf("description")}
	if entry.Description == "" {
		entry.Description = asi.textOf("hypothesis")
	}

	for _, key := range []string{"rollback_reason", "learned"} {
		if t := asi.textOf(key); t != "" {
			entry = entry.addNote(strings.ReplaceAll(key, "_", " ") + ": " + t)
		}
	}

	return entry.withValue(o.textOf("metric"))
}

// rigor is autoresearch-mlx's ledger: repeated samples of each version.
var rigor = Format{
	Name:  "rigor",
	About: "rigor_ledger.jsonl with hash, desc, samples, mean, std, status, p_better (autoresearch-mlx)",
	fits:  func(s sample) bool { return s.hasKeys("hash", "samples", "mean", "status") },
	start: lineDecoder(func(o object) Entry {
		e := Entry{Kind: Run, Metric: "mean", Status: o.textOf("status"), Description: o.textOf("desc")}
		if hash := o.textOf("hash"); hash != "" {
			e = e.addNote("train.py " + hash) // a digest of the file, not a commit
		}

		return e.withValue(o.textOf("mean"))
	}),
}

// hub are the records of autoresearch-at-home's shared hub, one a line.
var hub = Format{
	Name:  "hub",
	About: "JSON lines with agent_id: results, claims, insights, hypotheses (autoresearch-at-home)",
	fits:  func(s sample) bool { return s.hasKeys("agent_id") || s.hasKeys("achieved_by", "val_bpb") },
	start: lineDecoder(func(o object) Entry {
		e := Entry{Kind: Other, Status: o.textOf("status"), Commit: o.textOf("commit"),
			Description: o.firstText("description", "insight", "title", "hypothesis")}
		if o["val_bpb"] == nil {
			return e
		}

		e.Kind, e.Metric = Run, "val_bpb"
		if who := o.firstText("agent_id", "achieved_by"); who != "" {
			e = e.addNote("by " + who)
		}

		return e.withValue(o.textOf("val_bpb"))
	}),
}

// hugoEvents is the event log of hugoferreira/autoresearch.
var hugoEvents = Format{
	Name:  "hugoferreira-events",
	About: ".research/events.jsonl with ts, kind, actor, subject, data (hugoferreira/autoresearch)",
	fits:  func(s sample) bool { return s.hasKeys("ts", "kind", "subject") },
	start: lineDecoder(func(o object) Entry {
		data := o.innerObject("data")

		return Entry{Kind: Other, Status: data.firstText("verdict", "to"),
			Description: strings.TrimSpace(fmt.Sprintf("%s %s %s", o.textOf("kind"), o.textOf("subject"),
				data.firstText("claim", "reason")))}
	}),
}

// wecoIndex lists what each step of a Weco run printed; the values are in those files.
var wecoIndex = Format{
	Name:  "weco",
	About: ".runs/…/exec_output.jsonl with step, timestamp, output_file (Weco)",
	fits:  func(s sample) bool { return s.hasKeys("step", "output_file") },
	start: lineDecoder(func(o object) Entry {
		return Entry{Kind: Other,
			Description: strings.TrimSpace("step " + o.textOf("step") + " " + o.textOf("output_file"))}
	}),
}

// wecoObserve are the steps of a run that Weco was told of.
var wecoObserve = Format{
	Name:  "weco-observe",
	About: "JSON lines with step, status, description, metrics (Weco observe)",
	fits:  func(s sample) bool { return s.hasKeys("step", "metrics") },
	start: lineDecoder(func(o object) Entry {
		e := Entry{Kind: Run, Status: o.textOf("status"), Description: o.textOf("description")}
		return e.withOnlyMetric(o.innerObject("metrics"))
	}),
}

// withOnlyMetric takes the value of metrics that hold just one number, or a combined score.
func (e Entry) withOnlyMetric(metrics object) Entry {
	names := []string{}

	for k := range metrics {
		if metrics.isNumber(k) {
			names = append(names, k)
		}
	}

	switch {
	case metrics.isNumber("combined_score"):
		e.Metric = "combined_score"
	case len(names) == 1:
		e.Metric = names[0]
	case len(names) > 1:
		return e.addNote(fmt.Sprintf("%d metrics, and none is the one", len(names)))
	default:
		return e
	}

	return e.withValue(metrics.textOf(e.Metric))
}
