package report

import (
	"cmp"
	"fmt"
	"strings"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/wording"
)

// Size is how much a report tells.
type Size struct {
	Kept, Told, Few int  // changes; lessons and ideas, of each; families, causes, sessions and certificates, of each
	Text            int  // characters of a quotation
	Short           bool // leaves out what a person finds in the full one
}

// FullSize is the size of a report that is read as a file: two pages at most.
func FullSize() Size { return Size{Kept: MostKept, Told: MostTold, Few: 4, Text: 140} }

// ShortSizes are the sizes of one that is read as an answer, the largest first.
func ShortSizes() []Size {
	return []Size{{Kept: 4, Told: 2, Few: 3, Text: 90, Short: true}, {Kept: 3, Told: 1, Few: 2, Text: 60, Short: true},
		{Kept: 2, Told: 0, Few: 1, Text: 40, Short: true}, {Kept: 1, Text: 30, Short: true}}
}

// BuildDocument writes the report of f. An error is a defect of this package: its own
// words held a number.
func BuildDocument(f *Facts, version string, size Size) (*Document, error) {
	d := &Document{Header: Header{Campaign: f.Campaign.Name, Seq: f.Head.Seq, Hash: f.Head.Hash, Version: version}}
	w := &writer{facts: f, campaign: &f.Campaign, document: d, size: size,
		unit: cleanUnit(f.Campaign.Program.Metric.Unit), metric: toldMetric(&f.Campaign)}
	w.writeTitle()
	w.writeAnswer()
	w.writeReview()
	w.writeTried()
	w.writeFailures()
	w.writeLessons()
	w.writeIdeas()
	w.writeCost()
	w.writeParticipants()
	w.writeUnknowns()
	w.writeVerification()

	return d, d.checkSpans()
}

// writer puts a document together. It takes values from the folded state and
// says where they come from; the checker derives them on its own way.
type writer struct {
	facts    *Facts
	campaign *history.Campaign
	document *Document
	size     Size
	unit     string
	metric   contract.Metric // as toldMetric
}

func (w *writer) addBlock(s Shape, spans ...Span) {
	w.document.Blocks = append(w.document.Blocks, Block{Shape: s, Cells: [][]Span{spans}})
}
func (w *writer) addHeading(text string)     { w.addBlock(Heading, say(text)) }
func (w *writer) addParagraph(spans ...Span) { w.addBlock(Paragraph, spans...) }
func (w *writer) addItem(spans ...Span)      { w.addBlock(Item, spans...) }
func (w *writer) addRow(cells ...[]Span) {
	w.document.Blocks = append(w.document.Blocks, Block{Shape: Row, Cells: cells})
}
func (w *writer) formatGain(g research.Interval, scale string) string {
	return formatGain(w.metric, g, scale)
}

func say(text string) Span                          { return Span{Kind: Words, Text: text} }
func strong(text string) Span                       { return Span{Kind: Strong, Text: text} }
func command(text string) Span                      { return Span{Kind: Command, Text: text} }
func figure(name, text string) Span                 { return Span{Figure, text, name} }
func nameSpan(name, text string) Span               { return Span{Name, text, name} }
func countSpan(key string, n int, noun string) Span { return figure(key, formatCount(n, noun)) }

// recordSpan is a value of a record.
func recordSpan(kind Kind, r Ref, as, path, text string) Span {
	return Span{kind, text, formatBinding(r, as, path)}
}

// quoteText is a text of a record, cut to the report's length.
func (w *writer) quoteText(r Ref, path, text string) Span {
	return recordSpan(Quote, r, fmt.Sprintf("text%d", w.size.Text), path, cleanText(text, w.size.Text))
}

func (w *writer) writeTitle() {
	campaign := w.campaign
	w.addBlock(Title, say("Report of "), nameSpan("campaign", cleanText(campaign.Name, 60)))

	spans := []Span{say("Begun "), figure("started", formatTime(campaign.StartedAt)),
		say("; the ledger as it stood at "), figure("head.seq", fmt.Sprintf("record %d", w.facts.Head.Seq)), say(", "),
		figure("head.time", formatTime(w.facts.At)), say(". ")}
	switch {
	case campaign.Ended != "":
		spans = append(spans, say("The campaign has ended: "), Span{Quote, cleanText(campaign.Ended, 80), "ended"},
			say("."))
	case campaign.Rests != nil:
		spans = append(spans, say("The loop was stopped and rests."))
	case len(campaign.Open) > 0:
		var ids []string
		for _, id := range campaign.Open {
			ids = append(ids, string(id))
		}

		spans = append(spans, say("Still under way: "), nameSpan("open", cleanText(strings.Join(ids, ", "), 80)),
			say("."))
	case campaign.Plan() == rules.PlanEnd:
		spans = append(spans, say("The budget is spent."))
	default:
		spans = append(spans, say("The campaign goes on."))
	}
	w.addParagraph(spans...)
}

// metricSpans names the metric and its direction.
func (w *writer) metricSpans() []Span {
	m := w.campaign.Program.Metric
	return []Span{nameSpan("metric", cleanText(m.Name, 60)),
		say(" (" + cmp.Or(string(m.Better), "lower") + " is better)")}
}

// writeAnswer says what was gained, and how sure that is.
func (w *writer) writeAnswer() {
	campaign := w.campaign
	proven, claimed, chain := campaign.Reckoned()

	_, exact := campaign.Exact()
	switch {
	case !campaign.Calibrated && campaign.Experiments == 0:
		w.addParagraph(append([]Span{strong("Nothing is measured yet"), say(" of ")},
			append(w.metricSpans(), say("."))...)...)
	case w.facts.Finalized() != nil:
		w.writeFinalized(w.facts.Finalized())
	case campaign.Audit != nil:
		w.writeAudited()
	case exact:
		w.writeExactGain()
	case proven > 0 && campaign.Certified > 0:
		w.addParagraph(append(append([]Span{strong("Certified: ")}, w.metricSpans()...), []Span{say(", "),
			figure("proven.gain", formatSum(campaign, proven)),
			say(", in "), countSpan("certified", campaign.Certified, "certificate|certificates"),
			say(": fresh interleaved pairs that each chain of edits had to pass. It is a sum of estimates; "),
			command("ratchet audit"), say(" measures the whole.")}...)...)
	case proven > 0:
		w.addParagraph(append(append([]Span{strong("Proven edit by edit: ")}, w.metricSpans()...), []Span{say(", "),
			figure("proven.gain", formatSum(campaign, proven)),
			say(". It is a sum of estimates, which lean upwards; "), command("ratchet audit"),
			say(" measures the whole.")}...)...)
	case campaign.Kept > 0:
		w.addParagraph(append([]Span{strong("No gain is proven"), say(" of ")},
			append(w.metricSpans(), say("."))...)...)
	default:
		w.addParagraph(append([]Span{strong("No gain"), say(": nothing that was tried was kept. The metric is ")},
			append(w.metricSpans(), say("."))...)...)
	}

	if audited := w.facts.Finalized() != nil || campaign.Audit != nil; audited && proven > 0 && campaign.Certified > 0 {
		it := "it"
		if made := w.facts.Finalized(); made != nil && len(made.Dropped) > 0 {
			it = "the incumbent, with all that was kept,"
		}
		w.addItem(say("Certificates had put "+it+" at "), figure("proven.gain", formatSum(campaign, proven)),
			say(" in "), countSpan("certified", campaign.Certified, "certificate|certificates"), say("."))
	}
	w.writeOvertakenBranch()

	if campaign.GainsAfter > 0 {
		w.addItem(say("The contract has changed since the start: what was gained before is another number, and counts in none of these."))
	}

	if chain > 0 {
		w.addItem(strong("Only claimed: "), countSpan("chain", chain, "edit|edits"),
			say(" since the last proof, expected to make "), figure("claimed.gain", formatAmount(campaign, claimed)),
			say("; "), command("ratchet finalize"), say(" certifies them or takes them back."))
	}

	if campaign.Overridden > 0 {
		w.addItem(countSpan("overridden", campaign.Overridden, "kept by a person against the verdict"),
			say(": in no figure but an audit's."))
	}
}

// writeAudited gives the answer of an audit.
func (w *writer) writeAudited() {
	a, p := w.campaign.Audit, w.facts.Audit
	spans := append(append([]Span{strong("Audited: ")}, w.metricSpans()...), say(", "),
		w.auditSpan())
	w.addParagraph(append(spans, say(" over the start, from "),
		recordSpan(Figure, p.Ref, "pairs", "/paired", formatCount(a.Pairs, "pair|pairs")),
		say(" on which no decision rested. "+w.describeInterval(a.Gain)))...)

	if a.Interferes {
		w.addItem(strong("Interference: "), say(interference))
	}

	if a.Commit != w.campaign.Incumbent {
		w.addItem(say("The audit is of an earlier incumbent: what was kept or taken back since is not in it."))
	}
}

// auditSpan is what the last audit measured.
func (w *writer) auditSpan() Span {
	if at := w.facts.Audit; at.Measured != nil && at.Measured.Gain != nil {
		return recordSpan(Figure, at.Ref, "measured", "", at.Measured.DescribeChange(w.metric))
	}
	a := w.campaign.Audit

	return recordSpan(Figure, w.facts.Audit.Ref, "gain", "/gain", w.formatGain(a.Gain, a.Scale))
}

// interference says what an audit's control found.
const interference = "the start itself ran differently right after a run of the audited version than after one of its " +
	"own. That version disturbs what runs after it, and the gain is of those pairs alone in which the start did not."

// describeInterval says what an audited interval shows.
func (w *writer) describeInterval(g research.Interval) string {
	switch {
	case g.Lo == g.Hi && w.campaign.Rule.NoiseKind == research.Deterministic:
		return "The number is deterministic."
	case g.Lo > 0:
		return "The whole interval is a gain."
	case g.Hi < 0:
		return "The whole interval is a loss."
	}

	return "The interval includes no gain at all: this shows none."
}

// writeExactGain gives the answer of a deterministic metric.
func (w *writer) writeExactGain() {
	campaign := w.campaign

	g, _ := campaign.Exact()
	if g == 0 {
		w.addParagraph(append([]Span{strong("No gain so far"), say(" of ")},
			append(w.metricSpans(), say(": it stands at "),
				figure("start.value", wording.FormatValue(*campaign.Baseline, w.unit)),
				say(", as at the start. The number is deterministic."))...)...)

		return
	}
	w.addParagraph(append([]Span{strong("Gained: ")},
		append(w.metricSpans(),
			say(" went from "), figure("start.value", wording.FormatValue(*campaign.Baseline, w.unit)), say(" to "),
			figure("best.value", wording.FormatValue(campaign.Rule.Incumbent, w.unit)), say(", "),
			figure("exact.gain", formatAmount(campaign, g)),
			say(". The number is deterministic: a single run shows it exactly."))...)...)
}

// describeProof say how far a keep is proven.
func (w *writer) describeProof(x *Change) string {
	switch p := w.campaign.Proof(&x.Experiment); {
	case p == "" && w.campaign.Rule.NoiseKind == research.Deterministic:
		return ""
	case p == "":
		return "proven on its own"
	case p == "certified":
		return "certified as part of a chain"
	case p == "provisional":
		return "provisional, only claimed"
	default:
		return p
	}
}

// writeReview lists what is in the incumbent, the heaviest first.
func (w *writer) writeReview() {
	w.addHeading("Review first")

	if len(w.facts.Kept) == 0 {
		w.addParagraph(say("Nothing was kept, so there is nothing to merge."))
		return
	}

	made := w.facts.Finalized()
	if made != nil {
		w.writeMergeAdvice(made)
	}

	var newest []Span
	if w.campaign.Kept > len(w.facts.Kept) { // the state remembers only so many
		newest = append(newest, say("The newest "))
	}

	order := ", the largest effect first. " + w.figuresCaution()
	if made != nil && (made.Ablation != nil || len(made.Stack) > 0) {
		order = ", those in the branch and the largest effect first."
	}
	w.addParagraph(append(newest, countSpan("standing", len(w.facts.Kept), "change|changes"), say(" on "),
		nameSpan("branch", shortBranch(w.campaign.Branch)), say(order))...)

	for i := range w.facts.Kept[:min(len(w.facts.Kept), w.size.Kept)] {
		w.writeChange(&w.facts.Kept[i])
	}

	if n := len(w.facts.Kept) - MostKept; n > 0 && w.size.Kept == MostKept {
		w.addItem(countSpan("more", n, "more"), say(", smaller; "), command("ratchet log"), say(" lists them."))
	}
}

// figuresCaution says how the figures of single changes are to be taken.
func (w *writer) figuresCaution() string {
	if w.campaign.Rule.NoiseKind == research.Deterministic {
		return "Each figure is over the version before it."
	}

	return "Each figure is from the runs that got its edit kept, so it leans upwards; never add them up."
}

func (w *writer) writeChange(x *Change) {
	spans := []Span{recordSpan(Name, x.ProposedAt, "x", "/n", fmt.Sprintf("x%d", x.N)), say(": ")}
	measured := false

	if made := w.facts.Finalized(); made != nil {
		var found []Span
		if found, measured = w.findingSpans(made, x.N); len(found) > 0 && !measured {
			found = append(found, say(", when it was kept "))
		}
		spans = append(spans, found...)
	}

	if !measured {
		spans = append(spans, w.judgementSpans(x)...)
	}

	if x.Simpler {
		spans = append(spans, say(", kept for being shorter"))
	}

	if !w.size.Short {
		spans = append(spans, w.guardSpans(x)...)
	}

	if !w.size.Short {
		spans = append(spans, say("; "), recordSpan(Figure, x.ProposedAt, "lines", "", formatLines(x.Added, x.Removed)),
			say(" in "), recordSpan(Name, x.ProposedAt, "paths", "/paths", formatPaths(x.Paths)))
	}
	w.addItem(append(spans, say("; "), recordSpan(Name, x.KeptAt, "commit", "/commit", shortCommit(x.Commit)),
		say("; "), w.quoteText(x.ProposedAt, "/hypothesis", x.Hypothesis))...)
}

// guardSpans are the values of a change's guards.
func (w *writer) guardSpans(change *Change) (spans []Span) {
	first := 0 // of this change, in the order of Facts.GuardsOfKept

	for i := range w.facts.Kept {
		if w.facts.Kept[i].N == change.N {
			break
		}
		first += len(w.facts.Kept[i].Guards)
	}

	for i, guard := range change.Guards {
		key := fmt.Sprintf("guard.%d.", first+i)
		spans = append(spans, say("; guard "), nameSpan(key+"name", cleanText(guard.Name, 40)), say(" "),
			figure(key+"value", wording.FormatValue(guard.Value, "")))
	}

	return spans
}

// judgementSpans are the gain and the proof with which a change was kept.
func (w *writer) judgementSpans(change *Change) (spans []Span) {
	words := ""
	if change.Judgement != nil {
		words = change.Judgement.DescribeChange(w.metric)
	}

	if words != "" {
		spans = append(spans, recordSpan(Figure, change.JudgedAt, "judged", "", words))
	} else {
		spans = append(spans, say("not measured"))
	}

	if proof := w.describeProof(change); proof != "" {
		spans = append(spans, say(", "+proof))
	}

	return spans
}
