package report

import (
	"cmp"
	"fmt"
	"strings"

	"ratchet/internal/research"
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

// Full is the size of a report that is read as a file: two pages at most.
func Full() Size { return Size{Kept: MostKept, Told: MostTold, Few: 4, Text: 140} }

// Short are the sizes of one that is read as an answer, the largest first.
func Short() []Size {
	return []Size{{Kept: 4, Told: 2, Few: 3, Text: 90, Short: true}, {Kept: 3, Told: 1, Few: 2, Text: 60, Short: true},
		{Kept: 2, Told: 0, Few: 1, Text: 40, Short: true}, {Kept: 1, Text: 30, Short: true}}
}

// Build writes the report of f. An error is a defect of this package: its own
// words held a number.
func Build(f *Facts, version string, size Size) (*Document, error) {
	d := &Document{Header: Header{Campaign: f.Campaign.Name, Seq: f.Head.Seq, Hash: f.Head.Hash, Version: version}}
	w := &writer{f: f, c: &f.Campaign, d: d, size: size, unit: unitText(f.Campaign.Program.Metric.Unit)}
	w.title()
	w.answer()
	w.review()
	w.tried()
	w.trouble()
	w.deadEnds()
	w.ideas()
	w.cost()
	w.predictions()
	w.unknown()
	w.verify()

	return d, d.check()
}

// writer puts a document together. It takes values from the folded state and
// says where they come from; the checker derives them on its own way.
type writer struct {
	f    *Facts
	c    *history.Campaign
	d    *Document
	size Size
	unit string
}

func (w *writer) block(s Shape, spans ...Span) {
	w.d.Blocks = append(w.d.Blocks, Block{Shape: s, Cells: [][]Span{spans}})
}
func (w *writer) heading(text string) { w.block(Heading, say(text)) }
func (w *writer) para(spans ...Span)  { w.block(Paragraph, spans...) }
func (w *writer) item(spans ...Span)  { w.block(Item, spans...) }
func (w *writer) row(cells ...[]Span) {
	w.d.Blocks = append(w.d.Blocks, Block{Shape: Row, Cells: cells})
}
func (w *writer) amount(g float64) string { return wording.FormatSignedGain(g, w.c.Rule.Scale, w.unit) }

func say(text string) Span                       { return Span{Kind: Words, Text: text} }
func strong(text string) Span                    { return Span{Kind: Strong, Text: text} }
func command(text string) Span                   { return Span{Kind: Command, Text: text} }
func fig(name, text string) Span                 { return Span{Figure, text, name} }
func name(name, text string) Span                { return Span{Name, text, name} }
func number(key string, n int, noun string) Span { return fig(key, countText(n, noun)) }

// of is a value of a record.
func of(kind Kind, r Ref, as, path, text string) Span { return Span{kind, text, bind(r, as, path)} }

// quote is a text of a record, cut to the report's length.
func (w *writer) quote(r Ref, path, text string) Span {
	return of(Quote, r, fmt.Sprintf("text%d", w.size.Text), path, clean(text, w.size.Text))
}

func (w *writer) title() {
	campaign := w.c
	w.block(Title, say("Report of "), name("campaign", clean(campaign.Name, 60)))

	spans := []Span{say("Begun "), fig("started", timeText(campaign.StartedAt)), say("; the ledger as it stood at "),
		fig("head.seq", fmt.Sprintf("record %d", w.f.Head.Seq)), say(", "), fig("head.time", timeText(w.f.At)),
		say(". ")}
	switch {
	case campaign.Ended != "":
		spans = append(spans, say("The campaign has ended: "), Span{Quote, clean(campaign.Ended, 80), "ended"},
			say("."))
	case campaign.Rests != nil:
		spans = append(spans, say("The loop was stopped and rests."))
	case len(campaign.Open) > 0:
		var ids []string
		for _, id := range campaign.Open {
			ids = append(ids, string(id))
		}

		spans = append(spans, say("Still under way: "), name("open", clean(strings.Join(ids, ", "), 80)), say("."))
	case campaign.Plan() == rules.PlanEnd:
		spans = append(spans, say("The budget is spent."))
	default:
		spans = append(spans, say("The campaign goes on."))
	}
	w.para(spans...)
}

// metric names the metric and its direction.
func (w *writer) metric() []Span {
	m := w.c.Program.Metric
	return []Span{name("metric", clean(m.Name, 60)), say(" (" + cmp.Or(string(m.Better), "lower") + " is better)")}
}

// answer is what was gained, and how sure that is.
func (w *writer) answer() {
	campaign := w.c
	proven, claimed, chain := campaign.Reckoned()

	_, exact := campaign.Exact()
	switch {
	case !campaign.Calibrated && campaign.Experiments == 0:
		w.para(append([]Span{strong("Nothing is measured yet"), say(" of ")}, append(w.metric(), say("."))...)...)
	case w.f.Finalized() != nil:
		w.finalized(w.f.Finalized())
	case campaign.Audit != nil:
		w.audited()
	case exact:
		w.exact()
	case proven > 0 && campaign.Certified > 0:
		w.para(append([]Span{strong("Certified: "), say("about "), fig("proven.gain", w.amount(proven)), say(" of ")},
			append(w.metric(),
				say(", in "), number("certified", campaign.Certified, "certificate|certificates"),
				say(": fresh interleaved pairs that each chain of edits had to pass. It is a sum of estimates; "),
				command("ratchet audit"), say(" measures the whole."))...)...)
	case proven > 0:
		w.para(append([]Span{strong("Proven edit by edit: "), say("about "), fig("proven.gain", w.amount(proven)),
			say(" of ")}, append(w.metric(),
			say(". It is a sum of estimates, which lean upwards; "), command("ratchet audit"),
			say(" measures the whole."))...)...)
	case campaign.Kept > 0:
		w.para(append([]Span{strong("No gain is proven"), say(" of ")}, append(w.metric(), say("."))...)...)
	default:
		w.para(append([]Span{strong("No gain"), say(": nothing that was tried was kept. The metric is ")},
			append(w.metric(), say("."))...)...)
	}

	if audited := w.f.Finalized() != nil || campaign.Audit != nil; audited && proven > 0 && campaign.Certified > 0 {
		it := "it"
		if made := w.f.Finalized(); made != nil && len(made.Dropped) > 0 {
			it = "the incumbent, with all that was kept,"
		}
		w.item(say("Certificates had put "+it+" at about "), fig("proven.gain", w.amount(proven)), say(" in "),
			number("certified", campaign.Certified, "certificate|certificates"), say("."))
	}
	w.overtaken()

	if campaign.GainsAfter > 0 {
		w.item(say("The contract has changed since the start: what was gained before is another number, and counts in none of these."))
	}

	if chain > 0 {
		w.item(strong("Only claimed: "), number("chain", chain, "edit|edits"),
			say(" since the last proof, expected to be worth "), fig("claimed.gain", w.amount(claimed)), say("; "),
			command("ratchet finalize"), say(" certifies them or takes them back."))
	}

	if campaign.Overridden > 0 {
		w.item(number("overridden", campaign.Overridden, "kept by a person against the verdict"),
			say(": in no figure but an audit's."))
	}
}

// audited is the answer of an audit.
func (w *writer) audited() {
	a, p := w.c.Audit, w.f.Audit
	spans := append([]Span{strong("Audited: "),
		of(Figure, p.Ref, "gain", "/gain", wording.FormatGainInterval(a.Gain, a.Scale, w.unit)), say(" of ")},
		w.metric()...)
	w.para(append(spans, say(" over the start, from "),
		of(Figure, p.Ref, "pairs", "/paired", countText(a.Pairs, "pair|pairs")),
		say(" on which no decision rested. "+w.sure(a.Gain)))...)

	if a.Commit != w.c.Incumbent {
		w.item(say("The audit is of an earlier incumbent: what was kept or taken back since is not in it."))
	}
}

// sure says what an audited interval shows.
func (w *writer) sure(g research.Interval) string {
	switch {
	case g.Lo == g.Hi && w.c.Rule.NoiseKind == research.Deterministic:
		return "The number is deterministic."
	case g.Lo > 0:
		return "The whole interval is a gain."
	case g.Hi < 0:
		return "The whole interval is a loss."
	}

	return "The interval includes no gain at all: this shows none."
}

// exact is the answer of a deterministic metric.
func (w *writer) exact() {
	campaign := w.c

	g, _ := campaign.Exact()
	if g == 0 {
		w.para(append([]Span{strong("No gain so far"), say(" of ")}, append(w.metric(), say(": it stands at "),
			fig("start.value", wording.FormatValue(*campaign.Baseline, w.unit)),
			say(", as at the start. The number is deterministic."))...)...)

		return
	}
	w.para(append([]Span{strong("Gained: "), fig("exact.gain", w.amount(g)), say(" of ")}, append(w.metric(),
		say(", from "), fig("start.value", wording.FormatValue(*campaign.Baseline, w.unit)), say(" to "),
		fig("best.value", wording.FormatValue(campaign.Rule.Incumbent, w.unit)),
		say(". The number is deterministic: a single run shows it exactly."))...)...)
}

// proofWords say how far a keep is proven.
func (w *writer) proofWords(x *Change) string {
	switch p := w.c.Proof(&x.Experiment); {
	case p == "" && w.c.Rule.NoiseKind == research.Deterministic:
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

// review lists what is in the incumbent, the heaviest first.
func (w *writer) review() {
	w.heading("Review first")

	if len(w.f.Kept) == 0 {
		w.para(say("Nothing was kept, so there is nothing to merge."))
		return
	}

	made := w.f.Finalized()
	if made != nil {
		w.merge(made)
	}

	var newest []Span
	if w.c.Kept > len(w.f.Kept) { // the state remembers only so many
		newest = append(newest, say("The newest "))
	}

	order := ", the largest effect first. " + w.caution()
	if made != nil && (made.Ablation != nil || len(made.Stack) > 0) {
		order = ", those in the branch and the largest effect first."
	}
	w.para(append(newest, number("standing", len(w.f.Kept), "change|changes"), say(" on "),
		name("branch", branchText(w.c.Branch)), say(order))...)

	for i := range w.f.Kept[:min(len(w.f.Kept), w.size.Kept)] {
		w.change(&w.f.Kept[i])
	}

	if n := len(w.f.Kept) - MostKept; n > 0 && w.size.Kept == MostKept {
		w.item(number("more", n, "more"), say(", smaller; "), command("ratchet log"), say(" lists them."))
	}
}

// caution says how the figures of single changes are to be taken.
func (w *writer) caution() string {
	if w.c.Rule.NoiseKind == research.Deterministic {
		return "Each figure is over the version before it."
	}

	return "Each figure is the look that got its edit in, so it leans upwards; never add them up."
}

func (w *writer) change(x *Change) {
	spans := []Span{of(Name, x.ProposedAt, "x", "/n", fmt.Sprintf("x%d", x.N)), say(": ")}
	measured := false

	if made := w.f.Finalized(); made != nil {
		var found []Span
		if found, measured = w.found(made, x.N); len(found) > 0 && !measured {
			found = append(found, say(", when it was kept "))
		}
		spans = append(spans, found...)
	}

	if !measured {
		spans = append(spans, w.look(x)...)
	}

	if x.Simpler {
		spans = append(spans, say(", kept for being shorter"))
	}

	if !w.size.Short {
		spans = append(spans, say("; "), of(Figure, x.ProposedAt, "lines", "", linesText(x.Added, x.Removed)),
			say(" in "), of(Name, x.ProposedAt, "paths", "/paths", pathsText(x.Paths)))
	}
	w.item(append(spans, say("; "), of(Name, x.KeptAt, "commit", "/commit", commitText(x.Commit)), say("; "),
		w.quote(x.ProposedAt, "/hypothesis", x.Hypothesis))...)
}

// look is what got a change in.
func (w *writer) look(change *Change) (spans []Span) {
	if judgement := change.Judgement; judgement != nil && judgement.Gain != nil {
		as, text := "gain", wording.FormatGainInterval(*judgement.Gain, judgement.Scale, w.unit)
		if judgement.Verdict == research.Provisional {
			as, text = "expected", wording.FormatSignedGain(judgement.Gain.Mid, judgement.Scale, w.unit)

			spans = append(spans, say("expected "))
		}

		spans = append(spans, of(Figure, change.JudgedAt, as, "/gain", text))
	} else {
		spans = append(spans, say("not measured"))
	}

	if proof := w.proofWords(change); proof != "" {
		spans = append(spans, say(", "+proof))
	}

	return spans
}
