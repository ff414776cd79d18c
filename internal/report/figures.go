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

func countFormula(name, about, noun string, of func(f *Facts) int) Formula {
	return Formula{name, about, func(f *Facts, _ int) (string, bool) { return formatCount(of(f), noun), true }}
}

func verdictFormula(v research.Verdict) Formula {
	return countFormula("verdict."+string(v), "experiment.judged with this verdict; invalid also counts run.lost",
		string(v), func(f *Facts) int { return f.Campaign.Verdicts[v] })
}

func textFormula(name, about string, of func(f *Facts) string) Formula {
	return Formula{name, about, func(f *Facts, _ int) (string, bool) { s := of(f); return s, s != "" }}
}

// elementFormula is a figure of an element of a list.
func elementFormula[T any](name, about string, list func(f *Facts) []T, of func(x T) string) Formula {
	return Formula{name, about, func(f *Facts, i int) (string, bool) {
		all := list(f)
		if i < 0 || i >= len(all) {
			return "", false
		}

		return of(all[i]), true
	}}
}

// AllFormulas are all named figures, in the order in which a report may use them.
func AllFormulas() []Formula {
	return slices.Concat(headFormulas(), gainFormulas(), triedFormulas(), costFormulas(), listFormulas())
}

func headFormulas() []Formula {
	return []Formula{
		textFormula("campaign", "campaign.started: its name",
			func(f *Facts) string { return cleanText(f.Campaign.Name, 60) }),
		textFormula("metric", "the contract's metric",
			func(f *Facts) string { return cleanText(f.Campaign.Program.Metric.Name, 60) }),
		textFormula("head.seq", "the ledger's newest record",
			func(f *Facts) string { return fmt.Sprintf("record %d", f.Head.Seq) }),
		textFormula("head.hash", "its hash", func(f *Facts) string { return f.Head.Hash[:min(12, len(f.Head.Hash))] }),
		textFormula("head.time", "its time", func(f *Facts) string { return formatTime(f.At) }),
		textFormula("started", "time of campaign.started",
			func(f *Facts) string { return formatTime(f.Campaign.StartedAt) }),
		textFormula("ended", "campaign.ended: its reason",
			func(f *Facts) string { return cleanText(f.Campaign.Ended, 80) }),
		textFormula("open", "jobs that began and have not ended", func(f *Facts) string {
			var ids []string
			for _, id := range f.Campaign.Open {
				ids = append(ids, string(id))
			}

			return cleanText(strings.Join(ids, ", "), 80)
		}),
		textFormula("branch", "campaign.started: its branch", func(f *Facts) string {
			return shortBranch(f.Campaign.Branch)
		}),
	}
}

func gainFormulas() []Formula {
	unit := func(f *Facts) string { return cleanUnit(f.Campaign.Program.Metric.Unit) }

	return []Formula{
		textFormula("start.value", "the start's value in the last calibration of it", func(facts *Facts) string {
			if facts.Campaign.Baseline == nil {
				return ""
			}

			return wording.FormatValue(*facts.Campaign.Baseline, unit(facts))
		}),
		textFormula("best.value", "the incumbent's value, of a deterministic metric", func(f *Facts) string {
			return wording.FormatValue(f.Campaign.Rule.Incumbent, unit(f))
		}),
		textFormula("exact.gain", "the incumbent's gain over the start, of a deterministic metric",
			func(f *Facts) string {
				g, ok := f.Campaign.Exact()
				if !ok {
					return ""
				}

				return formatAmount(&f.Campaign, g)
			}),
		textFormula("branch.gain", "the audited gain of the branch that finalize made, from the start's value",
			func(f *Facts) string {
				if f.Final == nil || f.Final.Gain == nil {
					return ""
				}

				return formatOverStart(&f.Campaign, *f.Final.Gain, f.Final.Scale)
			}),
		textFormula("proven.gain", "sum of the certificates' estimates and of edits proven on their own",
			func(f *Facts) string {
				g, _, _ := f.Campaign.Reckoned()
				return formatSum(&f.Campaign, g)
			}),
		textFormula("claimed.gain", "sum of what the open chain's verdicts expect", func(f *Facts) string {
			_, g, _ := f.Campaign.Reckoned()
			return formatAmount(&f.Campaign, g)
		}),
		countFormula("chain", "keeps since the last checkpoint", "edit|edits",
			func(f *Facts) int { _, _, n := f.Campaign.Reckoned(); return n }),
		countFormula("certified", "certificate.finished that passed", "certificate|certificates",
			func(f *Facts) int { return f.Campaign.Certified }),
		countFormula("certificates", "certificate.started", "certificate was begun|certificates were begun",
			func(f *Facts) int { return f.Campaign.Certificates }),
		countFormula("audits", "audits begun", "audit|audits", func(f *Facts) int { return f.Campaign.Audits }),
		textFormula("resolution", "the difference that an audit shows four times of five, from the calibrated noise",
			func(f *Facts) string {
				return formatResolution(&f.Campaign)
			}),
	}
}

func triedFormulas() []Formula {
	out := []Formula{
		countFormula("experiments", "experiment.proposed", "experiment|experiments",
			func(f *Facts) int { return f.Campaign.Experiments }),
		countFormula("kept", "experiment.kept, less what was undone or rolled back", "kept",
			func(f *Facts) int { return f.Campaign.Kept }),
		countFormula("reverted", "experiment.reverted and keep.undone", "reverted",
			func(f *Facts) int { return f.Campaign.Reverted }),
		countFormula("standing", "kept and in the incumbent, of the newest 64", "change|changes",
			func(f *Facts) int { return len(f.Kept) }),
		countFormula("more", "of these, those that are not listed", "more",
			func(f *Facts) int { return len(f.Kept) - MostKept }),
		countFormula("unresolved", "judged, and neither kept nor reverted", "experiment waits|experiments wait",
			func(f *Facts) int { return len(f.Campaign.Unresolved) }),
		countFormula("streak", "experiment.judged since the last keep", "judged since the last keep",
			func(f *Facts) int { return f.Campaign.Streak }),
		countFormula("overridden", "kept by a person against the verdict", "kept by a person against the verdict",
			func(f *Facts) int { return f.Campaign.Overridden }),
		countFormula("recent", "the newest experiments that families are counted over", "experiment|experiments",
			func(f *Facts) int { return len(f.Recent) }),
		countFormula("voided", "the newest invalid experiments that causes are counted over",
			"invalid experiment|invalid experiments", func(f *Facts) int { return len(f.Invalid) }),
		countFormula("lost", "tests that saw a run and were lost; the next test paid for them", "test|tests",
			func(f *Facts) int { return f.Campaign.LostTests }),
		textFormula("class", "the experiment that the present machine's class began with",
			func(f *Facts) string { return fmt.Sprintf("x%d", f.Campaign.ClassFrom) }),
		countFormula("lessons", "lesson.added", "lesson|lessons", func(f *Facts) int { return f.Campaign.Lessons }),
		countFormula("ideas", "idea.added", "idea|ideas", func(f *Facts) int { return f.Campaign.Ideas }),
		countFormula("imported.lines", "history.imported, of the lines as they stand", "line|lines",
			func(f *Facts) int { n, _ := f.SumImported(); return n }),
		countFormula("imported.runs", "of these, those that tell of a run", "run|runs",
			func(f *Facts) int { _, n := f.SumImported(); return n }),
	}
	for _, v := range []research.Verdict{research.Improved, research.Provisional, research.Equivalent,
		research.Regressed, research.Inconclusive, research.Invalid} {
		out = append(out, verdictFormula(v))
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
	mean := func(
		of func(p history.Predictions) float64, write func(c *history.Campaign, share float64) string,
	) func(f *Facts) string {
		return func(f *Facts) string {
			predictions := f.SumPredictions()
			if predictions.N == 0 {
				return ""
			}

			return write(&f.Campaign, of(predictions)/float64(predictions.N))
		}
	}

	return []Formula{
		countFormula("runs", "run.finished", "run|runs", func(f *Facts) int { return f.Campaign.Runs }),
		textFormula("run.time", "sum of wall_s of run.finished",
			func(f *Facts) string { return wording.FormatDuration(f.Campaign.RunSeconds) }),
		textFormula("wall.time", "from campaign.started to the newest record",
			func(f *Facts) string { return wording.FormatDuration(f.At.Sub(f.Campaign.StartedAt).Seconds()) }),
		textFormula("gpu.time", "sum of gpu_seconds of run.finished",
			func(f *Facts) string { return "GPU " + wording.FormatDuration(f.Campaign.GPUSeconds) }),
		textFormula("cpu.time", "sum of cpu_s of run.finished",
			sums(func(s *Sums) string { return "CPU " + wording.FormatDuration(s.CPU) })),
		textFormula("energy", "sum of the joules in run.finished",
			sums(func(s *Sums) string { return formatEnergy(s.Joules) })),
		textFormula("metered", "runs that tell their joules",
			sums(func(s *Sums) string { return formatCount(s.Metered, "run|runs") })),
		textFormula("contended", "run.finished during which others kept the machine busy",
			sums(func(s *Sums) string { return formatCount(s.Contended, "run|runs") })),
		textFormula("void", "run.finished that the machine's sleep made void",
			sums(func(s *Sums) string { return formatCount(s.Void, "run|runs") })),
		countFormula("experiments.left", "the contract's experiments, less those proposed", "experiment|experiments",
			func(f *Facts) int { return max(0, f.Campaign.Program.Campaign.Experiments-f.Campaign.Experiments) }),
		textFormula("time.left", "the contract's hours, less those of the runs",
			func(f *Facts) string { return wording.FormatDuration(f.Campaign.SecondsLeft()) }),
		countFormula("sessions", "session.joined", "session|sessions", func(f *Facts) int { return len(f.Sessions) }),
		countFormula("answers", "sum of the calls in session.answered", "answer|answers",
			func(f *Facts) int { return f.SumAnswers().N }),
		textFormula("answers.bytes", "sum of their texts",
			func(f *Facts) string { return formatBytes(f.SumAnswers().Text) }),
		countFormula("predictions", "judged experiments whose expectation named a percentage", "prediction|predictions",
			func(f *Facts) int { return f.SumPredictions().N }),
		textFormula("predictions.expected", "mean of the gains that they expected",
			mean(func(p history.Predictions) float64 { return p.Expected }, formatShare)),
		textFormula("predictions.found", "mean of the gains that were estimated",
			mean(func(p history.Predictions) float64 { return p.Found }, formatShare)),
		textFormula("predictions.missed", "mean distance between the two",
			mean(func(p history.Predictions) float64 { return p.Missed },
				func(_ *history.Campaign, share float64) string { return wording.FormatShare(share) })),
		countFormula("predictions.gains", "estimates above none", "gain|gains",
			func(f *Facts) int { return f.SumPredictions().Gains }),
	}
}

func listFormulas() []Formula {
	tried, causes := (*Facts).Families, (*Facts).Causes
	sessions := func(f *Facts) []history.Session { return f.Sessions }
	sources := func(f *Facts) []history.ImportSource { return f.Sources }

	guards := (*Facts).GuardsOfKept

	return []Formula{
		elementFormula("guard.#.name", "a guard of a kept change", guards,
			func(x rules.GuardValue) string { return cleanText(x.Name, 40) }),
		elementFormula("guard.#.value", "run.finished: the median of its values with the candidate", guards,
			func(x rules.GuardValue) string { return wording.FormatValue(x.Value, "") }),
		elementFormula("family.#.word", "a word that hypotheses share", tried,
			func(x history.Family) string { return cleanText(x.Word, 40) }),
		elementFormula("family.#.tried", "experiments with it, and with none of the words before it", tried,
			func(x history.Family) string { return formatCount(x.Tried, "experiment|experiments") }),
		elementFormula("family.#.kept", "of these, those that are kept", tried,
			func(x history.Family) string { return formatCount(x.Kept, "kept") }),
		elementFormula("cause.#.text", "what the reasons of invalid experiments begin with", causes,
			func(x Cause) string { return x.Text }),
		elementFormula("cause.#.n", "invalid experiments with it", causes,
			func(x Cause) string { return formatCount(x.N, "time|times") }),
		elementFormula("cause.#.newest", "the newest of them", causes,
			func(x Cause) string { return fmt.Sprintf("x%d", x.Newest) }),
		elementFormula("session.#.name", "session.joined: codename", sessions,
			func(x history.Session) string { return cleanText(x.Codename, 40) }),
		elementFormula("session.#.client", "session.joined: client", sessions,
			func(x history.Session) string { return cleanText(x.Client+" "+x.Version, 40) }),
		elementFormula("session.#.experiments", "its experiment.proposed", sessions,
			func(x history.Session) string { return formatCount(x.Experiments, "experiment|experiments") }),
		elementFormula("session.#.kept", "its experiment.kept, undone ones included", sessions,
			func(x history.Session) string { return formatCount(x.Kept, "kept") }),
		elementFormula("source.#.name", "history.imported: its source", sources,
			func(x history.ImportSource) string { return cleanText(x.Source, 60) }),
	}
}

// deriveNamed derives a named figure from f. false: there is no such figure, or f has none.
func deriveNamed(facts *Facts, bind string) (string, bool) {
	formula, index := findFormula(bind)
	if formula == nil {
		return "", false
	}

	return formula.text(facts, index)
}

// findFormula returns the formula of a binding, nil if there is none.
func findFormula(bind string) (formula *Formula, index int) {
	parts := strings.Split(bind, ".")
	for k, p := range parts {
		if n, err := strconv.Atoi(p); err == nil && strconv.Itoa(n) == p {
			parts[k], index = "#", n
		}
	}

	name := strings.Join(parts, ".")
	for _, x := range AllFormulas() {
		if x.Name == name {
			return &x, index
		}
	}

	return nil, 0
}

// describeFormula says what a named figure counts, after a comma, "" for an unknown name.
func describeFormula(bind string) string {
	if formula, _ := findFormula(bind); formula != nil {
		return ", " + formula.About
	}

	return ""
}
