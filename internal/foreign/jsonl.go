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
		return s.json("type", "metricName") || s.json("run", "metric", "status") || s.json("run", "status",
			"description") || s.json("type", "stage", "exit_code")
	},
	start: func(path string) decoder {
		metric := ""

		return lines(func(o object) Entry {
			switch {
			case o.text("type") == "config":
				if name := o.text("metricName"); name != "" {
					metric = name
				}

				return Entry{Kind: Header, Metric: metric, Better: direction(o.text("bestDirection")),
					Description: o.text("name")}
			case o.isNumber("run"):
				return piRun(o, metric)
			}

			return Entry{Kind: Other, Description: o.text("type")}
		})(path)
	},
}

// piRun is a run; its 0 is no value where it failed, and a missing metric is
// unknown, never 0.
func piRun(o object, metric string) Entry {
	asi := o.inner("asi")

	entry := Entry{Kind: Run, Metric: metric, Commit: o.text("commit"), Status: o.text("status"),
		Description: o.text("description")}
	if entry.Description == "" {
		entry.Description = asi.text("hypothesis")
	}

	for _, key := range []string{"rollback_reason", "learned"} {
		if t := asi.text(key); t != "" {
			entry = entry.note(strings.ReplaceAll(key, "_", " ") + ": " + t)
		}
	}

	return entry.of(o.text("metric"))
}

// rigor is autoresearch-mlx's ledger: repeated samples of each version.
var rigor = Format{
	Name:  "rigor",
	About: "rigor_ledger.jsonl with hash, desc, samples, mean, std, status, p_better (autoresearch-mlx)",
	fits:  func(s sample) bool { return s.json("hash", "samples", "mean", "status") },
	start: lines(func(o object) Entry {
		e := Entry{Kind: Run, Metric: "mean", Status: o.text("status"), Description: o.text("desc")}
		if hash := o.text("hash"); hash != "" {
			e = e.note("train.py " + hash) // a digest of the file, not a commit
		}

		return e.of(o.text("mean"))
	}),
}

// hub are the records of autoresearch-at-home's shared hub, one a line.
var hub = Format{
	Name:  "hub",
	About: "JSON lines with agent_id: results, claims, insights, hypotheses (autoresearch-at-home)",
	fits:  func(s sample) bool { return s.json("agent_id") || s.json("achieved_by", "val_bpb") },
	start: lines(func(o object) Entry {
		e := Entry{Kind: Other, Status: o.text("status"), Commit: o.text("commit"),
			Description: o.either("description", "insight", "title", "hypothesis")}
		if o["val_bpb"] == nil {
			return e
		}

		e.Kind, e.Metric = Run, "val_bpb"
		if who := o.either("agent_id", "achieved_by"); who != "" {
			e = e.note("by " + who)
		}

		return e.of(o.text("val_bpb"))
	}),
}

// hugoEvents is the event log of hugoferreira/autoresearch.
var hugoEvents = Format{
	Name:  "hugoferreira-events",
	About: ".research/events.jsonl with ts, kind, actor, subject, data (hugoferreira/autoresearch)",
	fits:  func(s sample) bool { return s.json("ts", "kind", "subject") },
	start: lines(func(o object) Entry {
		data := o.inner("data")

		return Entry{Kind: Other, Status: data.either("verdict", "to"),
			Description: strings.TrimSpace(fmt.Sprintf("%s %s %s", o.text("kind"), o.text("subject"),
				data.either("claim", "reason")))}
	}),
}

// wecoIndex lists what each step of a Weco run printed; the values are in those files.
var wecoIndex = Format{
	Name:  "weco",
	About: ".runs/…/exec_output.jsonl with step, timestamp, output_file (Weco)",
	fits:  func(s sample) bool { return s.json("step", "output_file") },
	start: lines(func(o object) Entry {
		return Entry{Kind: Other,
			Description: strings.TrimSpace("step " + o.text("step") + " " + o.text("output_file"))}
	}),
}

// wecoObserve are the steps of a run that Weco was told of.
var wecoObserve = Format{
	Name:  "weco-observe",
	About: "JSON lines with step, status, description, metrics (Weco observe)",
	fits:  func(s sample) bool { return s.json("step", "metrics") },
	start: lines(func(o object) Entry {
		e := Entry{Kind: Run, Status: o.text("status"), Description: o.text("description")}
		return e.only(o.inner("metrics"))
	}),
}

// only takes the value of metrics that hold just one number, or a combined score.
func (e Entry) only(metrics object) Entry {
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
		return e.note(fmt.Sprintf("%d metrics, and none is the one", len(names)))
	default:
		return e
	}

	return e.of(metrics.text(e.Metric))
}
