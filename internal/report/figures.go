package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/wording"
)

// Formula is a named figure: what the checker derives from the ledger's folded
// state. Its text holds the unit and the noun, so that a figure can't be said
// of something else.
type Formula struct {
	Name  string // of its bindings; a # stands for an index
	About string // what it counts, of which records
	text  func(f *Facts, i int) (string, bool)
}

func count(name, about, noun string, of func(f *Facts) int) Formula {
	return Formula{name, about, func(f *Facts, _ int) (string, bool) { return countText(of(f), noun), true }}
}

func verdict(v research.Verdict) Formula {
	return count("verdict."+string(v), "experiment.judged with this verdict; invalid also counts run.lost", string(v),
		func(f *Facts) int { return f.Campaign.Verdicts[v] })
}

func text(name, about string, of func(f *Facts) string) Formula {
	return Formula{name, about, func(f *Facts, _ int) (string, bool) { s := of(f); return s, s != "" }}
}

// each is a figure of an element of a list.
func each[T any](name, about string, list func(f *Facts) []T, of func(x T) string) Formula {
	return Formula{name, about, func(f *Facts, i int) (string, bool) {
		all := list(f)
		if i < 0 || i >= len(all) {
			return "", false
		}

		return of(all[i]), true
	}}
}

// Formulas are all named figures, in the order in which a report may use them.
func Formulas() []Formula {
	return slices.Concat(headFormulas(), gainFormulas(), triedFormulas(), costFormulas(), listFormulas())
}

func headFormulas() []Formula {
	return []Formula{
		text("campaign", "campaign.started: its name", func(f *Facts) string { return clean(f.Campaign.Name, 60) }),
		text("metric", "the contract's metric",
			func(f *Facts) string { return clean(f.Campaign.Program.Metric.Name, 60) }),
		text("head.seq", "the ledger's newest record",
			func(f *Facts) string { return fmt.Sprintf("record %d", f.Head.Seq) }),
		text("head.hash", "its hash", func(f *Facts) string { return f.Head.Hash[:min(12, len(f.Head.Hash))] }),
		text("head.time", "its time", func(f *Facts) string { return timeText(f.At) }),
		text("started", "time of campaign.started", func(f *Facts) string { return timeText(f.Campaign.StartedAt) }),
		text("ended", "campaign.ended: its reason", func(f *Facts) string { return clean(f.Campaign.Ended, 80) }),
		text("open", "jobs that began and have not ended", func(f *Facts) string {
			var ids []string
			for _, id := range f.Campaign.Open {
				ids = append(ids, string(id))
			}

			return clean(strings.Join(ids, ", "), 80)
		}),
		text("branch", "campaign.started: its branch", func(f *Facts) string {
			return branchText(f.Campaign.Branch)
		}),
	}
}

func gainFormulas() []Formula {
	unit := func(f *Facts) string { return unitText(f.Campaign.Program.Metric.Unit) }

	return []Formula{
		text("start.value", "the start's value in the last calibration of it", func(facts *Facts) string {
			if facts.Campaign.Baseline == nil {
				return ""
			}

			return wording.FormatValue(*facts.Campaign.Baseline, unit(facts))
		}),
		text("best.value", "the incumbent's value, of a deterministic metric", func(f *Facts) string {
			return wording.FormatValue(f.Campaign.Rule.Incumbent, unit(f))
		}),
		text("exact.gain", "the incumbent's gain over the start, of a deterministic metric", func(f *Facts) string {
			g, ok := f.Campaign.Exact()
			if !ok {
				return ""
			}

			return wording.FormatSignedGain(g, f.Campaign.Rule.Scale, unit(f))
		}),
		text("proven.gain", "sum of the certificates' estimates and of edits proven on their own",
			func(f *Facts) string {
				g, _, _ := f.Campaign.Reckoned()
				return wording.FormatSignedGain(g, f.Campaign.Rule.Scale, unit(f))
			}),
		text("claimed.gain", "sum of what the open chain's verdicts expect", func(f *Facts) string {
			_, g, _ := f.Campaign.Reckoned()
			return wording.FormatSignedGain(g, f.Campaign.Rule.Scale, unit(f))
		}),
		count("chain", "keeps since the last checkpoint", "edit|edits",
			func(f *Facts) int { _, _, n := f.Campaign.Reckoned(); return n }),
		count("certified", "certificate.finished that passed", "certificate|certificates",
			func(f *Facts) int { return f.Campaign.Certified }),
		count("certificates", "certificate.started", "certificate was begun|certificates were begun",
			func(f *Facts) int { return f.Campaign.Certificates }),
		count("audits", "audits begun", "audit|audits", func(f *Facts) int { return f.Campaign.Audits }),
		text("resolution", "the difference that an audit shows four times of five, from the calibrated noise",
			func(f *Facts) string {
				g, ok := f.Campaign.Rule.DetectableGain(rules.AuditPairs)
				if !ok {
					return ""
				}

				return resolutionText(g, f.Campaign.Rule.Scale, unit(f))
			}),
	}
}

func triedFormulas() []Formula {
	out := []Formula{
		count("experiments", "experiment.proposed", "experiment|experiments",
			func(f *Facts) int { return f.Campaign.Experiments }),
		count("kept", "experiment.kept, less what was undone or rolled back", "kept",
			func(f *Facts) int { return f.Campaign.Kept }),
		count("reverted", "experiment.reverted and keep.undone", "reverted",
			func(f *Facts) int { return f.Campaign.Reverted }),
		count("standing", "kept and in the incumbent, of the newest 64", "change|changes",
			func(f *Facts) int { return len(f.Kept) }),
		count("more", "of these, those that are not listed", "more",
			func(f *Facts) int { return len(f.Kept) - MostKept }),
		count("unresolved", "judged, and neither kept nor reverted", "experiment waits|experiments wait",
			func(f *Facts) int { return len(f.Campaign.Unresolved) }),
		count("streak", "experiment.judged since the last keep", "judged since the last keep",
			func(f *Facts) int { return f.Campaign.Streak }),
		count("overridden", "kept by a person against the verdict", "kept by a person against the verdict",
			func(f *Facts) int { return f.Campaign.Overridden }),
		count("recent", "the newest experiments that families are counted over", "experiment|experiments",
			func(f *Facts) int { return len(f.Recent) }),
		count("voided", "the newest invalid experiments that causes are counted over",
			"invalid experiment|invalid experiments", func(f *Facts) int { return len(f.Invalid) }),
		count("lost", "tests that saw a run and were lost; the next test paid for them", "test|tests",
			func(f *Facts) int { return f.Campaign.LostTests }),
		text("class", "the experiment that the present machine's class began with",
			func(f *Facts) string { return fmt.Sprintf("x%d", f.Campaign.ClassFrom) }),
		count("lessons", "lesson.added", "lesson|lessons", func(f *Facts) int { return f.Campaign.Lessons }),
		count("ideas", "idea.added", "idea|ideas", func(f *Facts) int { return f.Campaign.Ideas }),
		count("imported.lines", "history.imported, of the lines as they stand", "line|lines",
			func(f *Facts) int { n, _ := f.Imported(); return n }),
		count("imported.runs", "of these, those that tell of a run", "run|runs",
			func(f *Facts) int { _, n := f.Imported(); return n }),
	}
	for _, v := range []research.Verdict{research.Improved, research.Provisional, research.Equivalent,
		research.Regressed, research.Inconclusive, research.Invalid} {
		out = append(out, verdict(v))
	}

	return out
}

func costFormulas() []Formula {
	sums := func(of func(s *Sums) string) func(f *Facts) string {
		return func(facts *Facts) string {
			if facts.Sums == nil {
				return ""
			}

			return of(facts.Sums)
		}
	}
	mean := func(of func(p history.Predictions) float64, write func(share float64) string) func(f *Facts) string {
		return func(f *Facts) string {
			predictions := f.Predictions()
			if predictions.N == 0 {
				return ""
			}

			return write(of(predictions) / float64(predictions.N))
		}
	}

	return []Formula{
		count("runs", "run.finished", "run|runs", func(f *Facts) int { return f.Campaign.Runs }),
		text("run.time", "sum of wall_s of run.finished",
			func(f *Facts) string { return wording.FormatDuration(f.Campaign.RunSeconds) }),
		text("wall.time", "from campaign.started to the newest record",
			func(f *Facts) string { return wording.FormatDuration(f.At.Sub(f.Campaign.StartedAt).Seconds()) }),
		text("gpu.time", "sum of gpu_seconds of run.finished",
			func(f *Facts) string { return "GPU " + wording.FormatDuration(f.Campaign.GPUSeconds) }),
		text("cpu.time", "sum of cpu_s of run.finished",
			sums(func(s *Sums) string { return "CPU " + wording.FormatDuration(s.CPU) })),
		text("energy", "sum of the joules in run.finished", sums(func(s *Sums) string { return energyText(s.Joules) })),
		text("metered", "runs that tell their joules",
			sums(func(s *Sums) string { return countText(s.Metered, "run|runs") })),
		text("contended", "run.finished during which others kept the machine busy",
			sums(func(s *Sums) string { return countText(s.Contended, "run|runs") })),
		text("void", "run.finished that the machine's sleep made void",
			sums(func(s *Sums) string { return countText(s.Void, "run|runs") })),
		count("experiments.left", "the contract's experiments, less those proposed", "experiment|experiments",
			func(f *Facts) int { return max(0, f.Campaign.Program.Campaign.Experiments-f.Campaign.Experiments) }),
		text("time.left", "the contract's hours, less those of the runs",
			func(f *Facts) string { return wording.FormatDuration(f.Campaign.SecondsLeft()) }),
		count("sessions", "session.joined", "session|sessions", func(f *Facts) int { return len(f.Sessions) }),
		count("answers", "sum of the calls in session.answered", "answer|answers",
			func(f *Facts) int { return f.Told().N }),
		text("answers.bytes", "sum of their texts", func(f *Facts) string { return bytesText(f.Told().Text) }),
		count("predictions", "judged experiments whose expectation named a percentage", "prediction|predictions",
			func(f *Facts) int { return f.Predictions().N }),
		text("predictions.expected", "mean of the gains that they expected",
			mean(func(p history.Predictions) float64 { return p.Expected }, shareText)),
		text("predictions.found", "mean of the gains that were estimated",
			mean(func(p history.Predictions) float64 { return p.Found }, shareText)),
		text("predictions.missed", "mean distance between the two",
			mean(func(p history.Predictions) float64 { return p.Missed }, sizeText)),
		count("predictions.gains", "estimates above none", "gain|gains",
			func(f *Facts) int { return f.Predictions().Gains }),
	}
}

func listFormulas() []Formula {
	tried, causes := (*Facts).Families, (*Facts).Causes
	sessions := func(f *Facts) []history.Session { return f.Sessions }
	sources := func(f *Facts) []history.ImportSource { return f.Sources }

	return []Formula{
		each("family.#.word", "a word that hypotheses share", tried,
			func(x history.Family) string { return clean(x.Word, 40) }),
		each("family.#.tried", "experiments with it, and with none of the words before it", tried,
			func(x history.Family) string { return countText(x.Tried, "experiment|experiments") }),
		each("family.#.kept", "of these, those that are kept", tried,
			func(x history.Family) string { return countText(x.Kept, "kept") }),
		each("cause.#.text", "what the reasons of invalid experiments begin with", causes,
			func(x Cause) string { return x.Text }),
		each("cause.#.n", "invalid experiments with it", causes,
			func(x Cause) string { return countText(x.N, "time|times") }),
		each("cause.#.newest", "the newest of them", causes,
			func(x Cause) string { return fmt.Sprintf("x%d", x.Newest) }),
		each("session.#.name", "session.joined: codename", sessions,
			func(x history.Session) string { return clean(x.Codename, 40) }),
		each("session.#.client", "session.joined: client", sessions,
			func(x history.Session) string { return clean(x.Client+" "+x.Version, 40) }),
		each("session.#.experiments", "its experiment.proposed", sessions,
			func(x history.Session) string { return countText(x.Experiments, "experiment|experiments") }),
		each("session.#.kept", "its experiment.kept, undone ones included", sessions,
			func(x history.Session) string { return countText(x.Kept, "kept") }),
		each("source.#.name", "history.imported: its source", sources,
			func(x history.ImportSource) string { return clean(x.Source, 60) }),
	}
}

// named derives a named figure from f. false: there is no such figure, or f has none.
func named(facts *Facts, bind string) (string, bool) {
	formula, index := find(bind)
	if formula == nil {
		return "", false
	}

	return formula.text(facts, index)
}

// find is the formula of a binding, nil if there is none.
func find(bind string) (formula *Formula, index int) {
	parts := strings.Split(bind, ".")
	for k, p := range parts {
		if n, err := strconv.Atoi(p); err == nil && strconv.Itoa(n) == p {
			parts[k], index = "#", n
		}
	}

	name := strings.Join(parts, ".")
	for _, x := range Formulas() {
		if x.Name == name {
			return &x, index
		}
	}

	return nil, 0
}

// meaning says what a named figure counts, in brackets' words.
func meaning(bind string) string {
	if formula, _ := find(bind); formula != nil {
		return ", " + formula.About
	}

	return ""
}
