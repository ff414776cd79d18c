package report

import (
	"fmt"

	"ratchet/internal/research"
	"ratchet/internal/research/rules"
	"ratchet/internal/wording"
)

// tried says how many experiments came to what, and what they were about.
func (w *writer) tried() {
	campaign := w.c
	w.heading("What was tried")

	if campaign.Experiments == 0 {
		w.para(say("No experiment was made."))
		return
	}
	spans := []Span{number("experiments", campaign.Experiments, "experiment|experiments"), say(": "),
		number("kept", campaign.Kept, "kept"), say(", "), number("reverted", campaign.Reverted, "reverted"),
		say(". By verdict: ")}
	first := true

	for _, v := range []research.Verdict{research.Improved, research.Provisional, research.Equivalent,
		research.Regressed, research.Inconclusive, research.Invalid} {
		if campaign.Verdicts[v] == 0 {
			continue
		}

		if !first {
			spans = append(spans, say(", "))
		}

		spans, first = append(spans, number("verdict."+string(v), campaign.Verdicts[v], string(v))), false
	}

	if first {
		spans = append(spans, say("none yet"))
	}

	if campaign.Streak > 2 {
		spans = append(spans, say("; "), number("streak", campaign.Streak, "judged since the last keep"))
	}

	if n := len(campaign.Unresolved); n > 0 {
		spans = append(spans, say("; "), number("unresolved", n, "experiment waits|experiments wait"),
			say(" for keep or revert"))
	}
	w.para(append(spans, say("."))...)
	w.families()
	w.imported()
}

// families are the words of the hypotheses, as a table.
func (w *writer) families() {
	fs := w.f.Families()

	fs = fs[:min(len(fs), w.size.Few)]
	if len(fs) == 0 {
		return
	}
	w.para(say("What the last "), number("recent", len(w.f.Recent), "experiment|experiments"),
		say(" were about, by the words of their hypotheses:"))
	w.row([]Span{say("word")}, []Span{say("tried")}, []Span{say("kept")})

	for i, x := range fs {
		key := fmt.Sprintf("family.%d.", i)
		w.row([]Span{{Quote, clean(x.Word, 40), key + "word"}},
			[]Span{number(key+"tried", x.Tried, "experiment|experiments")}, []Span{number(key+"kept", x.Kept, "kept")})
	}
}

// imported sets apart what other programs said of themselves.
func (w *writer) imported() {
	lines, runs := w.f.Imported()
	if lines == 0 {
		return
	}
	spans := []Span{strong("Self-reported history: "), number("imported.lines", lines, "line|lines"), say(" with "),
		number("imported.runs", runs, "run|runs"), say(" from ")}

	for i, s := range w.f.Sources[:min(len(w.f.Sources), 4)] {
		if i > 0 {
			spans = append(spans, say(", "))
		}
		spans = append(spans, name(fmt.Sprintf("source.%d.name", i), clean(s.Source, 60)))
	}
	w.para(append(spans, say(". Nobody here measured it: it is part of no figure of this report."))...)
}

// trouble is what went wrong, and why.
func (w *writer) trouble() {
	campaign := w.c
	from := len(w.d.Blocks)
	w.heading("What went wrong")

	if n := len(w.f.Invalid); n > 0 && w.size.Few > 0 {
		w.para(say("No comparable number came out of "), number("voided", n, "invalid experiment|invalid experiments"),
			say(". Their reasons begin with:"))

		causes := w.f.Causes()
		for i, x := range causes[:min(len(causes), w.size.Few)] {
			key := fmt.Sprintf("cause.%d.", i)
			w.item(Span{Quote, x.Text, key + "text"}, say(", "), number(key+"n", x.N, "time|times"), say(", last in "),
				name(key+"newest", fmt.Sprintf("x%d", x.Newest)))
		}
	}

	if s := w.f.Sums; s != nil && s.Contended > 0 {
		then := "; such pairs were made again."
		if campaign.Rule.NoiseKind == research.Deterministic {
			then = ", which changes no deterministic number."
		}
		w.item(fig("contended", countText(s.Contended, "run|runs")), say(" while others kept the machine busy"+then))
	}

	if s := w.f.Sums; s != nil && s.Void > 0 {
		w.item(fig("void", countText(s.Void, "run|runs")), say(" made void by the machine's sleep, and made again."))
	}

	if campaign.LostTests > 0 {
		w.item(number("lost", campaign.LostTests, "test|tests"),
			say(" cut off after the first run; the next test paid for what was seen."))
	}

	if campaign.Class > 1 {
		w.item(say("The machine changed; since "), name("class", fmt.Sprintf("x%d", campaign.ClassFrom)),
			say(" numbers are not comparable with those before."))
	}

	for i := range w.f.Proofs[:min(len(w.f.Proofs), w.size.Few)] {
		w.failedProof(&w.f.Proofs[i])
	}

	if campaign.Broken != "" {
		w.item(say("The last calibration failed: nothing can be measured until the command is mended."))
	}

	if len(w.d.Blocks) == from+1 { // nothing but the heading
		w.d.Blocks = w.d.Blocks[:from]
	}
}

// failedProof tells of a chain that was rolled back.
func (w *writer) failedProof(p *Proof) {
	x := p.Certificate
	if x == nil || x.Outcome != rules.RolledBack {
		return
	}

	spans := []Span{of(Name, p.Ref, "text40", "/job", clean(string(p.Job), 40)), say(" rolled back a chain of "),
		of(Figure, p.Ref, "edits", "/edits", countText(x.Edits, "edit|edits"))}
	if x.Gain != nil {
		spans = append(spans, say(", which showed "),
			of(Figure, p.Ref, "gain", "/gain", wording.FormatGainInterval(*x.Gain, x.Scale, w.unit)))
	}
	w.item(append(spans, say("."))...)
}

func (w *writer) deadEnds() {
	n := min(len(w.f.Lessons), w.size.Told)
	if n == 0 {
		return
	}
	w.heading("Dead ends and lessons")

	for _, l := range w.f.Lessons[:n] {
		spans := []Span{w.quote(l.Ref, "/text", l.Text)}
		if l.Experiment > 0 {
			spans = append([]Span{of(Name, l.Ref, "x", "/experiment", fmt.Sprintf("x%d", l.Experiment)), say(": ")},
				spans...)
		}
		w.item(spans...)
	}
}

func (w *writer) ideas() {
	n := min(len(w.f.Ideas), w.size.Told)
	if n == 0 && w.size.Short {
		return
	}
	w.heading("Next ideas")

	for _, i := range w.f.Ideas[:n] {
		w.item(w.quote(i.Ref, "/text", i.Text))
	}

	if n == 0 {
		w.para(say("No idea is waiting."))
	}
}

// cost is what the campaign took, as a table.
func (w *writer) cost() {
	campaign := w.c
	w.heading("Cost")

	if w.size.Short {
		w.para(number("runs", campaign.Runs, "run|runs"), say(", "),
			fig("run.time", wording.FormatDuration(campaign.RunSeconds)), say(". Left: "), number("experiments.left",
				max(0, campaign.Program.Campaign.Experiments-campaign.Experiments), "experiment|experiments"),
			say(", "), fig("time.left", wording.FormatDuration(campaign.SecondsLeft())), say("."))

		return
	}
	w.row([]Span{say("what")}, []Span{say("how much")})
	put := func(what string, spans ...Span) { w.row([]Span{say(what)}, spans) }
	put("runs", number("runs", campaign.Runs, "run|runs"), say(" in "),
		fig("run.time", wording.FormatDuration(campaign.RunSeconds)))
	put("from the start to the last record", fig("wall.time",
		wording.FormatDuration(w.f.At.Sub(campaign.StartedAt).Seconds())))

	if s := w.f.Sums; s != nil {
		put("processors", fig("cpu.time", "CPU "+wording.FormatDuration(s.CPU)))

		if s.Metered > 0 {
			put("energy of GPUs", fig("energy", energyText(s.Joules)), say(" in "),
				fig("metered", countText(s.Metered, "run|runs")))
		}
	}

	if campaign.GPUSeconds > 0 {
		put("leased GPUs", fig("gpu.time", "GPU "+wording.FormatDuration(campaign.GPUSeconds)))
	}
	put("left of the budget", number("experiments.left",
		max(0, campaign.Program.Campaign.Experiments-campaign.Experiments), "experiment|experiments"), say(" and "),
		fig("time.left", wording.FormatDuration(campaign.SecondsLeft())), say(" of runs"))

	if told := w.f.Told(); told.N > 0 {
		put("told to agents", number("answers", told.N, "answer|answers"), say(", "),
			fig("answers.bytes", bytesText(told.Text)))
	}
	put("tokens", say("not told: no client says what its model was charged"))
}

// predictions hold the agents' expectations against the findings.
func (w *writer) predictions() {
	p := w.f.Predictions()
	if w.size.Short || len(w.f.Sessions) == 0 {
		return
	}
	w.heading("Who took part")

	for i := range w.f.Sessions[:min(len(w.f.Sessions), w.size.Few)] {
		session, key := &w.f.Sessions[i], fmt.Sprintf("session.%d.", i)
		w.item(name(key+"name", clean(session.Codename, 40)), say(" ("),
			Span{Quote, clean(session.Client+" "+session.Version, 40), key + "client"}, say("): "),
			number(key+"experiments",
				session.Experiments, "experiment|experiments"), say(", "), number(key+"kept", session.Kept, "kept"),
			say(" at the time"))
	}

	if len(w.f.Sessions) > w.size.Few {
		w.item(number("sessions", len(w.f.Sessions), "session|sessions"), say(" in all."))
	}

	if p.N > 0 {
		n := float64(p.N)
		w.para(say("Expected and found: of "), number("predictions", p.N, "prediction|predictions"),
			say(" the mean was "), fig("predictions.expected", shareText(p.Expected/n)), say(", the mean finding "),
			fig("predictions.found", shareText(p.Found/n)), say(", the mean distance "), fig("predictions.missed",
				sizeText(p.Missed/n)), say("; "), number("predictions.gains", p.Gains, "gain|gains"),
			say(" among them."))
	}
}

// unknown is what a reader might take for known.
func (w *writer) unknown() {
	campaign := w.c
	if w.size.Short {
		return
	}
	w.heading("What is not known")

	if campaign.Rule.NoiseKind == research.Noisy && campaign.Audit == nil && w.f.Finalized() == nil &&
		campaign.Kept > 0 {
		w.item(say("The campaign's whole gain: no audit was made."))
	}

	if g, ok := campaign.Rule.DetectableGain(rules.AuditPairs); ok {
		w.item(say("Smaller effects: the noise lets an audit show "),
			fig("resolution", resolutionText(g, campaign.Rule.Scale, w.unit)),
			say(" in most cases, and less only by luck."))
	}

	if n := campaign.Verdicts[research.Inconclusive]; n > 0 {
		w.item(say("Whether the "), number("verdict.inconclusive", n, "inconclusive"),
			say(" edits do anything: they were not seen to, within their runs."))
	}

	if w.f.Sums == nil {
		w.item(say("Processor time and energy: there are too many runs to add them up here; "),
			command("ratchet export"), say(" has them."))
	}
	w.item(say("What the benchmark does not cover, and calls that were refused, which leave no record."))
}

// verify says how a reader convinces himself.
func (w *writer) verify() {
	if w.size.Short {
		w.para(say("Every figure was checked against its record. "), command("ratchet report"),
			say(" writes the whole."))
		return
	}
	w.heading("How to check this")
	w.para(command("ratchet report --check FILE"), say(" reads every figure of this file again, from its record. "),
		command("ratchet verify --recompute"),
		say(" derives every verdict from its runs. Quotation marks hold what agents or people wrote: nobody measured what they say. The ledger's newest record had the hash "), name("head.hash", w.f.Head.Hash[:min(12, len(w.f.Head.Hash))]), say("."))
}
