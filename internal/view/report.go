package view

import (
	"bytes"
	"context"
	"slices"

	"ratchet/internal/checkout"
	"ratchet/internal/job"
	"ratchet/internal/report"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/ledger"
)

// WrittenReport is a report that has been checked.
type WrittenReport struct {
	Text    []byte // with its bindings
	Plain   string // Markdown without them
	Checked report.Checked
}

// reportTries is how often a report is made in short transactions. When the ledger has
// grown each time, one transaction is held for the whole report.
const reportTries = 3

// WriteReport makes the report of the checkout's campaign, as Markdown or as HTML,
// and checks the text against the ledger, which it reads again, before it returns it.
func WriteReport(ctx context.Context, co *checkout.Checkout, size report.Size, html bool) (*WrittenReport, error) {
	campaign, err := job.CurrentReaped(ctx, co)
	if err != nil {
		return nil, err
	}

	for range reportTries {
		if w, err := writeChecked(co, &liveSource{checkout: co, ctx: ctx, campaign: campaign.Name},
			&liveSource{checkout: co, ctx: ctx, campaign: campaign.Name}, size, html); err != nil || w != nil {
			return w, err
		}
	}
	var w *WrittenReport
	err = co.Ledger.View(ctx, func(tx *ledger.Tx) (err error) {
		w, err = writeChecked(co, &snapshotSource{tx, campaign.Name}, &snapshotSource{tx, campaign.Name}, size, html)
		return err
	})

	return w, err
}

// writeChecked makes a report of what from shows and checks it against what to shows;
// nil when the ledger has grown in between.
func writeChecked(co *checkout.Checkout, from, to report.Source, size report.Size, html bool) (*WrittenReport, error) {
	facts, err := from.Facts()
	if err != nil {
		return nil, err
	}

	d, err := report.BuildDocument(facts, co.Opt.Version, size)
	if err != nil {
		return nil, err
	}

	w := &WrittenReport{Text: d.RenderMarkdown(), Plain: d.RenderPlainMarkdown()}
	if html {
		w.Text = d.RenderHTML()
	}

	page, err := report.ReadPage(w.Text)
	if err != nil {
		return nil, err
	}

	if now, err := to.Facts(); err != nil || now.Head != facts.Head {
		return nil, err
	}
	w.Checked, err = page.Check(to)

	return w, err
}

// ReportCheck is what CheckReport found.
type ReportCheck struct {
	report.Checked
	Since     uint64 `json:"records_since"` // that the ledger has grown by
	Recompute bool   `json:"recomputed"`    // the states were derived again from the records
	// its words are those that this version writes, too: true, or there is an error
	Words bool   `json:"words"`
	Made  string `json:"made_by"` // version of Ratchet
}

// CheckReport compares a written report with the ledger as it stood when it was
// made. Where the ledger has grown since, or on request, that state is derived
// again from the records, which takes as long as a verification. Errors:
// CodeReport with the line.
func CheckReport(ctx context.Context, co *checkout.Checkout, written []byte, recompute bool) (*ReportCheck, error) {
	page, err := report.ReadPage(written)
	if err != nil {
		return nil, err
	}
	out := &ReportCheck{Made: page.Header.Version}

	err = co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		head, _ := tx.Head()
		if page.Header.Seq > head {
			return research.Errorf(research.CodeReport, "check it where it was made",
				"the report was made at record %d, this ledger ends at record %d", page.Header.Seq, head)
		}

		if rec, err := tx.Record(page.Header.Seq); err != nil || rec.Hash != page.Header.Hash {
			return research.Errorf(research.CodeReport,
				"check it where it was made; `ratchet verify` looks at the ledger",
				"the report was made from another ledger: record %d is not the one that it names", page.Header.Seq)
		}

		out.Since = head - page.Header.Seq
		if _, err := tx.Campaign(page.Header.Campaign); err != nil {
			return research.Errorf(research.CodeReport, "make it again: ratchet report",
				"the report is of the campaign %q, which this ledger does not have", page.Header.Campaign)
		}

		return nil
	})
	if err != nil {
		return out, err
	}

	if !recompute && out.Since == 0 {
		now := &liveSource{checkout: co, ctx: ctx, campaign: page.Header.Campaign}

		facts, err := now.Facts()
		if err != nil {
			return out, err
		}

		if facts.Head.Seq == page.Header.Seq { // else it has grown just now
			return out, checkPage(co, now, page, written, out)
		}
	}
	out.Recompute = true

	return out, co.Ledger.At(ctx, page.Header.Seq, func(tx *ledger.Tx) error {
		return checkPage(co, &snapshotSource{tx, page.Header.Campaign}, page, written, out)
	})
}

// checkPage checks a page's figures, and that its words are those that this version
// writes. Words of another version can't be told from forged ones: an error says so.
func checkPage(
	co *checkout.Checkout, src report.Source, page *report.Page, written []byte, out *ReportCheck,
) (err error) {
	if out.Checked, err = page.Check(src); err != nil {
		return err
	}

	facts, err := src.Facts()
	if err != nil {
		return err
	}

	d, err := report.BuildDocument(facts, page.Header.Version, report.FullSize())
	if err != nil {
		return err
	}

	again := d.RenderMarkdown()
	if page.HTML {
		again = d.RenderHTML()
	}

	err = requireSameLines(again, bytes.ReplaceAll(written, []byte("\r\n"), []byte("\n")))
	out.Words = err == nil
	if err != nil && page.Header.Version != co.Opt.Version {
		return research.Errorf(research.CodeReport, "check it with that version, or make it again: ratchet report",
			"its %d figures agree, but its words are not those that this version writes; it says that version %.40q made it", out.Figures, page.Header.Version)
	}

	return err
}

// requireSameLines is an error that names the first line in which have differs.
func requireSameLines(want, have []byte) error {
	a, b := bytes.Split(want, []byte("\n")), bytes.Split(have, []byte("\n"))
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(a):
			return research.Errorf(research.CodeReport, "make it again: ratchet report", "line %d: %.200q was added",
				i+1, b[i])
		case i >= len(b):
			return research.Errorf(research.CodeReport, "make it again: ratchet report", "line %d: %.200q is missing",
				i+1, a[i])
		case !bytes.Equal(a[i], b[i]):
			return research.Errorf(research.CodeReport, "make it again: ratchet report",
				"line %d: its words are not those of the report: %.200q stands there, it was %.200q", i+1, b[i], a[i])
		}
	}

	return nil
}

// snapshotSource is the ledger inside one transaction, as reports are made and checked.
type snapshotSource struct {
	tx       *ledger.Tx
	campaign string
}

func (h *snapshotSource) Record(seq uint64) (history.Record, error) { return h.tx.Record(seq) }

func (h *snapshotSource) Facts() (*report.Facts, error) { return ReportFacts(h.tx, h.campaign) }

// liveSource reads the ledger in many short transactions, so that others need not wait.
// Its facts are those of the first one.
type liveSource struct {
	checkout *checkout.Checkout
	ctx      context.Context
	campaign string
	facts    *report.Facts
}

func (v *liveSource) Record(seq uint64) (record history.Record, err error) {
	err = v.checkout.Ledger.View(v.ctx, func(tx *ledger.Tx) error {
		record, err = tx.Record(seq)
		return err
	})

	return record, err
}

func (v *liveSource) Facts() (*report.Facts, error) {
	if v.facts != nil {
		return v.facts, nil
	}
	var facts *report.Facts
	var runs []uint64

	err := v.checkout.Ledger.View(v.ctx, func(tx *ledger.Tx) (err error) {
		facts, runs, err = gatherFacts(tx, v.campaign)
		return err
	})
	for page := range slices.Chunk(runs, reportRuns) {
		if err == nil {
			err = v.checkout.Ledger.View(v.ctx, func(tx *ledger.Tx) error { return addRuns(tx, facts, page) })
		}
	}

	if err != nil {
		return nil, err
	}
	v.facts = facts

	return facts, nil
}
