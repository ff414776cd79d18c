package report

import (
	"fmt"

	"ratchet/internal/research"
	"ratchet/internal/research/rules"
	"ratchet/internal/wording"
)

// writeTried says how many experiments came to what, and what they were about.
func (w *writer) writeTried() {
	campaign := w.campaign
	w.addHeading("What was tried")

	if campaign.Experiments == 0 {
		w.addParagraph(say("No experiment was made."))
		return
	}
	spans := []Span{countSpan("experiments", campaign.Experiments, "experiment|experiments"), say(": "),
		countSpan("kept", campaign.Kept, "kept"), say(", "), countSpan("reverted", campaign.Reverted, "reverted"),
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

		spans, first = append(spans, countSpan("verdict."+string(v), campaign.Verdicts[v], string(v))), false
	}

	if first {
		spans = append(spans, say("none yet"))
	}

	if campaign.Streak > 2 {
		spans = append(spans, say("; "), countSpan("streak", campaign.Streak, "judged since the last keep"))
	}

	if n := len(campaign.Unresolved); n > 0 {
		spans = append(spans, say("; "), countSpan("unresolved", n, "experiment waits|experiments wait"),
			say(" for keep or revert"))
	}
	w.addParagraph(append(spans, say("."))...)
	w.writeFamilies()
	w.writeImported()
}

// writeFamilies writes the words that hypotheses share, as a table.
func (w *writer) writeFamilies() {
	fs := w.facts.Families()

	fs = fs[:min(len(fs), w.size.Few)]
	if len(fs) == 0 {
		return
	}
	w.addParagraph(say("What the last "), countSpan("recent", len(w.facts.Recent), "experiment|experiments"),
		say(" were about, by the words of their hypotheses:"))
	w.addRow([]Span{say("word")}, []Span{say("tried")}, []Span{say("kept")})

	for i, x := range fs {
		key := fmt.Sprintf("family.%d.", i)
		w.addRow([]Span{{Quote, cleanText(x.Word, 40), key + "word"}},
			[]Span{countSpan(key+"tried", x.Tried, "experiment|experiments")},
			[]Span{countSpan(key+"kept", x.Kept, "kept")})
	}
}

// writeImported sets apart what other programs said of themselves.
func (w *writer) writeImported() {
	lines, runs := w.facts.SumImported()
	if lines == 0 {
		return
	}
	spans := []Span{strong("Self-reported history: "), countSpan("imported.lines", lines, "line|lines"), say(" with "),
		countSpan("imported.runs", runs, "run|runs"), say(" from ")}

	for i, s := range w.facts.Sources[:min(len(w.facts.Sources), 4)] {
		if i > 0 {
			spans = append(spans, say(", "))
		}
		spans = append(spans, nameSpan(fmt.Sprintf("source.%d.name", i), cleanText(s.Source, 60)))
	}
	w.addParagraph(append(spans, say(". Nobody here measured it: it is part of no figure of this report."))...)
}

// writeFailures says what went wrong, and why.
func (w *writer) writeFailures() {
	campaign := w.campaign
	from := len(w.document.Blocks)
	w.addHeading("What went wrong")

	if n := len(w.facts.Invalid); n > 0 && w.size.Few > 0 {
		w.addParagraph(say("No comparable number came out of "),
			countSpan("voided", n, "invalid experiment|invalid experiments"), say(". Their reasons begin with:"))

		causes := w.facts.Causes()
		for i, x := range causes[:min(len(causes), w.size.Few)] {
			key := fmt.Sprintf("cause.%d.", i)
			w.addItem(Span{Quote, x.Text, key + "text"}, say(", "), countSpan(key+"n", x.N, "time|times"),
				say(", last in "), nameSpan(key+"newest", fmt.Sprintf("x%d", x.Newest)))
		}
	}

	if s := w.facts.Sums; s != nil && s.Contended > 0 {
		then := "; such pairs were made again."
		if campaign.Rule.NoiseKind == research.Deterministic {
			then = ", which changes no deterministic number."
		}
		w.addItem(figure("contended", formatCount(s.Contended, "run|runs")),
			say(" while others kept the machine busy"+then))
	}

	if s := w.facts.Sums; s != nil && s.Void > 0 {
		w.addItem(figure("void", formatCount(s.Void, "run|runs")),
			say(" made void by the machine's sleep, and made again."))
	}

	if campaign.LostTests > 0 {
		w.addItem(countSpan("lost", campaign.LostTests, "test|tests"),
			say(" cut off after the first run; the next test paid for what was seen."))
	}

	if campaign.Class > 1 {
		w.addItem(say("The machine changed; since "), nameSpan("class", fmt.Sprintf("x%d", campaign.ClassFrom)),
			say(" numbers are not comparable with those before."))
	}

	for i := range w.facts.Proofs[:min(len(w.facts.Proofs), w.size.Few)] {
		w.writeFailedProof(&w.facts.Proofs[i])
	}

	if campaign.Broken != "" {
		w.addItem(say("The last calibration failed: nothing can be measured until the command is fixed."))
	}

	if len(w.document.Blocks) == from+1 { // nothing but the heading
		w.document.Blocks = w.document.Blocks[:from]
	}
}

// writeFailedProof tells of a chain that was rolled back.
func (w *writer) writeFailedProof(p *Proof) {
	x := p.Certificate
	if x == nil || x.Outcome != rules.RolledBack {
		return
	}

	spans := []Span{recordSpan(Name, p.Ref, "text40", "/job", cleanText(string(p.Job), 40)),
		say(" rolled back a chain of "), recordSpan(Figure, p.Ref, "edits", "/edits",
			formatCount(x.Edits, "edit|edits"))}
	if x.Gain != nil {
		spans = append(spans, say(", which showed "),
			recordSpan(Figure, p.Ref, "certificate", "", x.DescribeChange(w.metric)))
	}
	w.addItem(append(spans, say("."))...)
}

func (w *writer) writeLessons() {
	n := min(len(w.facts.Lessons), w.size.Told)
	if n == 0 {
		return
	}
	w.addHeading("Dead ends and lessons")

	for _, l := range w.facts.Lessons[:n] {
		spans := []Span{w.quoteText(l.Ref, "/text", l.Text)}
		if l.Experiment > 0 {
			spans = append([]Span{recordSpan(Name, l.Ref, "x", "/experiment", fmt.Sprintf("x%d", l.Experiment)),
				say(": ")},
				spans...)
		}
		w.addItem(spans...)
	}
}

func (w *writer) writeIdeas() {
	n := min(len(w.facts.Ideas), w.size.Told)
	if n == 0 && w.size.Short {
		return
	}
	w.addHeading("Next ideas")

	for _, i := range w.facts.Ideas[:n] {
		w.addItem(w.quoteText(i.Ref, "/text", i.Text))
	}

	if n == 0 {
		w.addParagraph(say("No idea is waiting."))
	}
}

// writeCost writes what the campaign took, as a table.
func (w *writer) writeCost() {
	campaign := w.campaign
	w.addHeading("Cost")

	if w.size.Short {
		w.addParagraph(countSpan("runs", campaign.Runs, "run|runs"), say(", "),
			figure("run.time", wording.FormatDuration(campaign.RunSeconds)), say(". Left: "),
			countSpan("experiments.left",
				max(0, campaign.Program.Campaign.Experiments-campaign.Experiments), "experiment|experiments"),
			say(", "), figure("time.left", wording.FormatDuration(campaign.SecondsLeft())), say("."))

		return
	}
	w.addRow([]Span{say("what")}, []Span{say("how much")})
	put := func(what string, spans ...Span) { w.addRow([]Span{say(what)}, spans) }
	put("runs", countSpan("runs", campaign.Runs, "run|runs"), say(" in "),
		figure("run.time", wording.FormatDuration(campaign.RunSeconds)))
	put("from the start to the last record", figure("wall.time",
		wording.FormatDuration(w.facts.At.Sub(campaign.StartedAt).Seconds())))

	if s := w.facts.Sums; s != nil {
		put("processors", figure("cpu.time", "CPU "+wording.FormatDuration(s.CPU)))

		if s.Metered > 0 {
			put("energy of GPUs", figure("energy", formatEnergy(s.Joules)), say(" in "),
				figure("metered", formatCount(s.Metered, "run|runs")))
		}
	}

	if campaign.GPUSeconds > 0 {
		put("leased GPUs", figure("gpu.time", "GPU "+wording.FormatDuration(campaign.GPUSeconds)))
	}
	put("left of the budget", countSpan("experiments.left",
		max(0, campaign.Program.Campaign.Experiments-campaign.Experiments), "experiment|experiments"), say(" and "),
		figure("time.left", wording.FormatDuration(campaign.SecondsLeft())), say(" of runs"))

	if told := w.facts.SumAnswers(); told.N > 0 {
		put("told to agents", countSpan("answers", told.N, "answer|answers"), say(", "),
			figure("answers.bytes", formatBytes(told.Text)))
	}
	put("tokens", say("not told: no client says what its model was charged"))
}

// writeParticipants hold the agents' expectations against the findings.
func (w *writer) writeParticipants() {
	campaign, p := w.campaign, w.facts.SumPredictions()
	if w.size.Short || len(w.facts.Sessions) == 0 {
		return
	}
	w.addHeading("Who took part")

	for i := range w.facts.Sessions[:min(len(w.facts.Sessions), w.size.Few)] {
		session, key := &w.facts.Sessions[i], fmt.Sprintf("session.%d.", i)
		w.addItem(nameSpan(key+"name", cleanText(session.Codename, 40)), say(" ("),
			Span{Quote, cleanText(session.Client+" "+session.Version, 40), key + "client"}, say("): "),
			countSpan(key+"experiments",
				session.Experiments, "experiment|experiments"), say(", "), countSpan(key+"kept", session.Kept, "kept"),
			say(" at the time"))
	}

	if len(w.facts.Sessions) > w.size.Few {
		w.addItem(countSpan("sessions", len(w.facts.Sessions), "session|sessions"), say(" in all."))
	}

	if p.N > 0 {
		n := float64(p.N)
		w.addParagraph(say("Expected and found: of "), countSpan("predictions", p.N, "prediction|predictions"),
			say(" the mean was "), figure("predictions.expected", formatShare(campaign, p.Expected/n)),
			say(", the mean finding "), figure("predictions.found", formatShare(campaign, p.Found/n)),
			say(", the mean distance "), figure("predictions.missed",
				wording.FormatShare(p.Missed/n)), say("; "), countSpan("predictions.gains", p.Gains, "gain|gains"),
			say(" among them."))
	}
}

// writeUnknowns lists what a reader might take for known.
func (w *writer) writeUnknowns() {
	campaign := w.campaign
	if w.size.Short {
		return
	}
	w.addHeading("What is not known")

	if campaign.Rule.NoiseKind == research.Noisy && campaign.Audit == nil && w.facts.Finalized() == nil &&
		campaign.Kept > 0 {
		w.addItem(say("The campaign's whole gain: no audit was made."))
	}

	if words := formatResolution(campaign); words != "" {
		w.addItem(say("Smaller effects: the noise lets an audit show "),
			figure("resolution", words),
			say(" in most cases, and less only by luck."))
	}

	if n := campaign.Verdicts[research.Inconclusive]; n > 0 {
		w.addItem(say("Whether the "), countSpan("verdict.inconclusive", n, "inconclusive"),
			say(" edits do anything: they were not seen to, within their runs."))
	}

	if w.facts.Sums == nil {
		w.addItem(say("Processor time and energy: there are too many runs to add them up here; "),
			command("ratchet export"), say(" has them."))
	}
	w.addItem(say("What the benchmark does not cover, and calls that were refused, which leave no record."))
}

// writeVerification names the commands with which a reader can check the report.
func (w *writer) writeVerification() {
	if w.size.Short {
		w.addParagraph(say("Every figure was checked against its record. "), command("ratchet report"),
			say(" writes the whole."))
		return
	}
	w.addHeading("How to check this")
	w.addParagraph(command("ratchet report --check FILE"),
		say(" reads every figure of this file again, from its record. "), command("ratchet verify --recompute"),
		say(" derives every verdict from its runs. Quotation marks hold what agents or people wrote: nobody measured what they say. The ledger's newest record had the hash "), nameSpan("head.hash", w.facts.Head.Hash[:min(12, len(w.facts.Head.Hash))]), say("."))
}
