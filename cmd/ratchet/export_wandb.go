package main

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
)

// wandb writes the selected campaigns as offline runs of Weights & Biases: a
// folder for each with one .wandb file, which `wandb sync` uploads.
func (x *export) wandb(ctx context.Context) error {
	root, err := filepath.Abs(x.dir)
	if err != nil {
		return unwritten(err)
	}
	var w *wandbRun

	return x.into(ctx, &folder{Format: "wandb", Folder: root, usual: "wandb",
		begin: func(c history.Campaign) error {
			w = newWandbRun(c)
			return nil
		},
		run: func(r row) error {
			w.experiment(r)
			return nil
		},
		end: func() error {
			w.finish()
			return newFile(w.log.file(), root,
				"offline-run-"+w.campaign.StartedAt.UTC().Format("20060102_150405")+"-"+w.id, "run-"+w.id+".wandb")
		},
	})
}

// The field numbers of W&B's records (wandb_internal.proto), which only ever grow.
const (
	wandbNum, wandbHistory, wandbSummary, wandbMetric, wandbRunOf, wandbExit = 1, 2, 3, 12, 17, 18

	runID, runProject, runConfig, runName, runNotes, runTags, runStart, runGit = 1, 3, 4, 8, 9, 10, 17, 21
	itemKey, itemJSON                                                          = 1, 16 // of history, summary and config
	historyStep, metricOptions, metricGoal                                     = 2, 6, 8
)

// wandbRun is one campaign: a run whose steps are the experiments, the start being step 0.
type wandbRun struct {
	campaign history.Campaign
	id       string
	log      leveldbLog
	records  uint64
	last     time.Time
	best     *float64 // of the keeps
	kept     int
}

func newWandbRun(c history.Campaign) *wandbRun {
	w := &wandbRun{campaign: c, id: idOf(12, c, ""), last: c.StartedAt}
	p := c.Program

	var run, config, start, git []byte
	for _, kv := range []struct {
		key string
		val any
	}{
		{"campaign", c.Name}, {"metric", p.Metric.Name}, {"better", p.Metric.Better}, {"unit", p.Metric.Unit}, {"noise",
			p.Metric.Noise}, {"edit", p.Edit},
		{"run", p.Run}, {"build", p.Build}, {"check", p.Check}, {"search", p.Search}, {"start", c.Start},
	} {
		config = wandbItem(config, kv.key, kv.val)
	}
	start = protowire.AppendVarint(protowire.AppendTag(start, 1, protowire.VarintType), uint64(c.StartedAt.Unix()))
	start = protowire.AppendVarint(protowire.AppendTag(start, 2, protowire.VarintType),
		uint64(c.StartedAt.Nanosecond()))
	git = wandbText(git, 2, c.Start)
	run = wandbText(run, runID, w.id)
	run = wandbText(run, runProject, p.Name)
	run = wandbBytes(run, runConfig, config)
	run = wandbText(run, runName, c.Name)
	run = wandbText(run, runNotes, "a campaign of ratchet: each step is an experiment, step 0 the start")
	run = wandbText(run, runTags, "ratchet")
	run = wandbBytes(run, runStart, start)
	run = wandbBytes(run, runGit, git)
	w.record(wandbRunOf, run)
	w.metric()

	return w
}

// metric says which way is better, so that W&B knows too.
func (w *wandbRun) metric() {
	goal := uint64(1) // minimize
	if w.campaign.Program.Metric.Better == research.Higher {
		goal = 2
	}
	m := wandbText(nil, 1, w.campaign.Program.Metric.Name)
	m = wandbBytes(m, metricOptions, protowire.AppendVarint(protowire.AppendTag(nil, 3, protowire.VarintType),
		1)) // defined
	w.record(wandbMetric, protowire.AppendVarint(protowire.AppendTag(m, metricGoal, protowire.VarintType), goal))
}

// experiment writes one step.
func (w *wandbRun) experiment(r row) {
	m := w.campaign.Program.Metric

	facts := map[string]any{"experiment": r.N, "status": r.Status, "hypothesis": oneLine(r.Hypothesis),
		"session": r.Session, "lesson": oneLine(r.Lesson), "run_seconds": r.RunSeconds, "candidate": r.Candidate,
		"commit": r.Commit, "_step": r.N, "_timestamp": float64(r.ended().UnixMilli()) / 1000,
		"_runtime": r.ended().Sub(w.campaign.StartedAt).Seconds()}
	for name, v := range r.samples {
		if name != m.Name {
			facts["sample/"+name] = v
		}
	}

	if j := r.Judgement; j != nil {
		facts["verdict"] = j.Verdict
		if j.Gain != nil {
			facts["gain"], facts["gain_lo"], facts["gain_hi"] = j.Gain.Mid, j.Gain.Lo, j.Gain.Hi
		}
	}

	if v := r.value(); v != nil {
		facts[m.Name] = *v
		if r.Status == research.Kept {
			w.best = v
		}
	}

	if r.Status == research.Kept && r.N > 0 {
		w.kept++
	}

	if w.best != nil &&
		w.campaign.Rule.NoiseKind == research.Deterministic { // of a noisy metric raw numbers can't be compared
		facts["incumbent"] = *w.best
	}
	facts["kept"] = w.kept
	w.last = r.ended()
	step := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(r.N))
	w.record(wandbHistory, wandbBytes(wandbItems(facts), historyStep, step))
}

// finish writes the summary and the end.
func (w *wandbRun) finish() {
	facts := map[string]any{"experiments": w.campaign.Experiments, "kept": w.kept, "ratchet": w.campaign.Standing()}
	if w.best != nil && w.campaign.Rule.NoiseKind == research.Deterministic {
		facts[w.campaign.Program.Metric.Name] = *w.best
	}

	if a := w.campaign.Audit; a != nil {
		facts["audited_gain"], facts["audited_gain_lo"], facts["audited_gain_hi"] = a.Gain.Mid, a.Gain.Lo, a.Gain.Hi
	}
	w.record(wandbSummary, wandbItems(facts))
	took := protowire.AppendVarint(protowire.AppendTag(nil, 2, protowire.VarintType),
		uint64(max(0, w.last.Sub(w.campaign.StartedAt).Seconds())))
	w.record(wandbExit, took)
}

// record appends one record of the kind.
func (w *wandbRun) record(kind protowire.Number, body []byte) {
	w.records++
	rec := protowire.AppendVarint(protowire.AppendTag(nil, wandbNum, protowire.VarintType), w.records)
	w.log.append(wandbBytes(rec, kind, body))
}

// wandbItems are facts as the items of a message, which are its field 1, sorted.
func wandbItems(facts map[string]any) []byte {
	var keys []string
	for k := range facts {
		keys = append(keys, k)
	}
	slices.Sort(keys)

	var out []byte
	for _, k := range keys {
		out = wandbItem(out, k, facts[k])
	}

	return out
}

// wandbItem appends one key with its value as JSON. Empty texts, and what JSON can't say, are left out.
func wandbItem(out []byte, key string, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil || string(text) == `""` || string(text) == "null" {
		return out
	}

	return wandbBytes(out, 1, wandbText(wandbText(nil, itemKey, key), itemJSON, string(text)))
}

func wandbText(out []byte, n protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(out, n, protowire.BytesType), s)
}

func wandbBytes(out []byte, n protowire.Number, b []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(out, n, protowire.BytesType), b)
}
