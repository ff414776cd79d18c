package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"ratchet/internal/report"
	"ratchet/internal/research"
	"ratchet/ledger"
)

// This file makes and checks reports. What a report looks at does not grow with
// the campaign: folded states, what is in the incumbent, the newest of the rest.

// WrittenReport is a report that has been checked.
type WrittenReport struct {
	Markdown []byte // with its bindings
	Plain    string // Markdown without them
	HTML     []byte
	Checked  report.Checked
}

// Report makes the report of the checkout's campaign and checks what it wrote,
// before anybody sees it, against the ledger as another transaction reads it.
func (l *Lab) Report(ctx context.Context, size report.Size) (*WrittenReport, error) {
	c, err := l.tidy(ctx)
	if err != nil {
		return nil, err
	}
	for {
		facts, err := l.facts(ctx, c.Name)
		if err != nil {
			return nil, err
		}
		d, err := report.Build(facts, l.opt.Version, size)
		if err != nil {
			return nil, err
		}
		w := &WrittenReport{Markdown: d.Markdown(), Plain: d.PlainMarkdown(), HTML: d.HTML()}
		moved := false
		for _, written := range [][]byte{w.Markdown, w.HTML} {
			p, err := report.Read(written)
			if err != nil {
				return nil, err
			}
			err = l.ledger.View(ctx, func(tx *ledger.Tx) error {
				if seq, _ := tx.Head(); seq != facts.Head.Seq {
					moved = true
					return nil
				}
				w.Checked, err = p.Check(&evidence{tx, c.Name})
				return err
			})
			if err != nil {
				return nil, err
			}
		}
		if !moved || ctx.Err() != nil {
			return w, ctx.Err()
		}
	}
}

// ReportCheck is what CheckReport found.
type ReportCheck struct {
	report.Checked
	Since     uint64 `json:"records_since"` // that the ledger has grown by
	Recompute bool   `json:"recomputed"`    // the states were derived anew from the records
	Words     bool   `json:"words"`         // its words are those that this version writes, too
	Made      string `json:"made_by"`       // version of Ratchet
}

// CheckReport compares a written report with the ledger as it stood when it was
// made. Where the ledger has grown since, or on request, that state is derived
// anew from the records, which takes as long as a verification. Errors:
// CodeReport with the line.
func (l *Lab) CheckReport(ctx context.Context, written []byte, recompute bool) (*ReportCheck, error) {
	p, err := report.Read(written)
	if err != nil {
		return nil, err
	}
	out := &ReportCheck{Made: p.Header.Version}
	look := func(tx *ledger.Tx) error { return l.compare(tx, p, written, out) }
	err = l.ledger.View(ctx, func(tx *ledger.Tx) error {
		head, _ := tx.Head()
		if p.Header.Seq > head {
			return research.Errorf(research.CodeReport, "check it where it was made", "the report was made at record %d, this ledger ends at record %d", p.Header.Seq, head)
		}
		if rec, err := tx.Record(p.Header.Seq); err != nil || rec.Hash != p.Header.Hash {
			return research.Errorf(research.CodeReport, "check it where it was made; `ratchet verify` looks at the ledger",
				"the report was made from another ledger: record %d is not the one that it names", p.Header.Seq)
		}
		if out.Since = head - p.Header.Seq; out.Since > 0 || recompute {
			return nil
		}
		return look(tx)
	})
	if err == nil && (out.Since > 0 || recompute) {
		out.Recompute = true
		err = l.ledger.At(ctx, p.Header.Seq, look)
	}
	return out, err
}

// compare checks a page's figures, and its words where this version made it.
func (l *Lab) compare(tx *ledger.Tx, p *report.Page, written []byte, out *ReportCheck) (err error) {
	if _, err = tx.Campaign(p.Header.Campaign); err != nil {
		return err
	}
	if out.Checked, err = p.Check(&evidence{tx, p.Header.Campaign}); err != nil {
		return err
	}
	facts, err := ReportFacts(tx, p.Header.Campaign)
	if err != nil || p.Header.Version != l.opt.Version {
		return err
	}
	size := report.Full()
	d, err := report.Build(facts, l.opt.Version, size)
	if err != nil {
		return err
	}
	again := d.Markdown()
	if p.HTML {
		again = d.HTML()
	}
	out.Words = true
	return sameLines(again, bytes.ReplaceAll(written, []byte("\r\n"), []byte("\n")))
}

// sameLines names the first line that is not as it was written.
func sameLines(want, have []byte) error {
	a, b := bytes.Split(want, []byte("\n")), bytes.Split(have, []byte("\n"))
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(a):
			return research.Errorf(research.CodeReport, "make it again: ratchet report", "line %d: %.200q was added", i+1, b[i])
		case i >= len(b):
			return research.Errorf(research.CodeReport, "make it again: ratchet report", "line %d: %.200q is missing", i+1, a[i])
		case !bytes.Equal(a[i], b[i]):
			return research.Errorf(research.CodeReport, "make it again: ratchet report", "line %d: its words are not those of the report: %.200q stands there, it was %.200q", i+1, b[i], a[i])
		}
	}
	return nil
}

// evidence is the ledger inside one transaction, as a check reads it.
type evidence struct {
	tx       *ledger.Tx
	campaign string
}

func (e *evidence) Record(seq uint64) (research.Record, error) { return e.tx.Record(seq) }
func (e *evidence) Facts() (*report.Facts, error)              { return ReportFacts(e.tx, e.campaign) }

func (l *Lab) facts(ctx context.Context, campaign string) (f *report.Facts, err error) {
	err = l.ledger.View(ctx, func(tx *ledger.Tx) error {
		f, err = ReportFacts(tx, campaign)
		return err
	})
	return f, err
}

// ReportFacts reads what a report may tell of a campaign.
func ReportFacts(tx *ledger.Tx, campaign string) (*report.Facts, error) {
	c, err := tx.Campaign(campaign)
	if err != nil {
		return nil, err
	}
	f := &report.Facts{Campaign: *c}
	f.Head.Seq, f.Head.Hash = tx.Head()
	head, err := tx.Record(f.Head.Seq)
	if err != nil {
		return nil, err
	}
	f.At = head.Time
	if f.Recent, _, err = tx.Experiments(campaign, ledger.Query{Limit: report.MostRecent}); err != nil {
		return nil, err
	}
	if f.Invalid, _, err = tx.Experiments(campaign, ledger.Query{Status: research.Voided, Limit: report.MostInvalid}); err != nil {
		return nil, err
	}
	if f.Sessions, err = tx.Sessions(campaign); err != nil {
		return nil, err
	}
	report.Busiest(f.Sessions)
	if f.Sources, err = tx.ImportSources(campaign); err != nil {
		return nil, err
	}
	return f, errors.Join(gatherKept(tx, f), gatherTold(tx, f), gatherProofs(tx, f), gatherSums(tx, f))
}

// gatherKept reads what is in the incumbent, and the records of the heaviest.
func gatherKept(tx *ledger.Tx, f *report.Facts) error {
	var kept []research.Experiment
	for _, n := range f.Campaign.KeptStack {
		x, err := tx.Experiment(f.Campaign.Name, n)
		if err != nil {
			return err
		}
		kept = append(kept, *x)
	}
	report.Heaviest(kept)
	for i := range kept {
		x := report.Change{Experiment: kept[i]}
		if i < report.MostKept {
			var err error
			judged := x.JudgedSeq
			x.JudgedAt = report.Ref{Seq: judged, Hash: x.JudgedHash}
			if x.ProposedAt, err = nearest(tx, judged, -1, x.Job(), research.KindExperimentProposed); err != nil {
				return err
			}
			if x.KeptAt, err = nearest(tx, judged, 1, x.Job(), research.KindExperimentKept); err != nil {
				return err
			}
		}
		f.Kept = append(f.Kept, x)
	}
	return nil
}

// nearest is the record of that kind and job that stands nearest to seq, before
// it (step -1) or after it (1).
func nearest(tx *ledger.Tx, seq uint64, step int, job research.JobID, kind research.Kind) (report.Ref, error) {
	for at := int64(seq) + int64(step); at > 0; at += int64(step) {
		r, err := tx.Record(uint64(at))
		if err != nil {
			return report.Ref{}, fmt.Errorf("find the %s of %s: %w", kind, job, err)
		}
		if of, err := research.Touches(r); r.Kind == kind && err == nil && of == job {
			return report.RefOf(r), nil
		}
	}
	return report.Ref{}, fmt.Errorf("find the %s of %s before record %d", kind, job, seq)
}

// gatherTold reads lessons and free ideas.
func gatherTold(tx *ledger.Tx, f *report.Facts) error {
	recs, err := tx.LessonRecords(f.Campaign.Name, report.MostTold)
	if err != nil {
		return err
	}
	for _, r := range recs {
		var b research.Lesson
		if err := json.Unmarshal(r.Body, &b); err != nil {
			return fmt.Errorf("decode record %d: %w", r.Seq, err)
		}
		f.Lessons = append(f.Lessons, report.Told{Ref: report.RefOf(r), Text: b.Text, Experiment: b.Experiment})
	}
	open, err := tx.Ideas(f.Campaign.Name, research.IdeaOpen, report.MostTold)
	if err != nil {
		return err
	}
	for _, i := range open {
		r, ok, err := tx.Keyed(f.Campaign.Name, ideaKey(i.Text))
		if err != nil {
			return err
		}
		if ok {
			f.Ideas = append(f.Ideas, report.Told{Ref: report.RefOf(r), Text: i.Text})
		}
	}
	return nil
}

// gatherProofs reads the last audit and the newest certificates that have ended.
func gatherProofs(tx *ledger.Tx, f *report.Facts) error {
	c := &f.Campaign
	if c.Audit != nil {
		ref, err := endOf(tx, c.Name, c.Audit.Job, research.KindMeasurementFinished)
		if err != nil {
			return err
		}
		f.Audit = &report.Proof{Ref: ref, Job: c.Audit.Job}
	}
	for n := c.Certificates; n > 0 && len(f.Proofs) < report.MostProofs; n-- {
		id := research.NewJobID(research.CertificateJob, n)
		m, err := tx.Measurement(c.Name, id)
		if err != nil {
			return err
		}
		if m.Proof == nil || m.Runs == 0 {
			continue
		}
		ref, err := endOf(tx, c.Name, id, research.KindCertificateFinished)
		if err != nil {
			return err
		}
		f.Proofs = append(f.Proofs, report.Proof{Ref: ref, Job: id, Certificate: &m.Proof.Certificate})
	}
	return nil
}

// endOf is the record that ended a job which has made runs: it stands behind the last of them.
func endOf(tx *ledger.Tx, campaign string, id research.JobID, kind research.Kind) (report.Ref, error) {
	seqs := tx.RunRecords(campaign, id, report.MostRuns)
	if len(seqs) == 0 {
		return report.Ref{}, fmt.Errorf("find the runs of %s", id)
	}
	return nearest(tx, slices.Max(seqs), 1, id, kind)
}

// gatherSums adds up what only the runs say, of a campaign that has not too many.
func gatherSums(tx *ledger.Tx, f *report.Facts) error {
	if f.Campaign.Runs > report.MostRuns {
		return nil
	}
	f.Sums = &report.Sums{}
	for _, seq := range tx.RunRecords(f.Campaign.Name, "", report.MostRuns) {
		r, err := tx.Record(seq)
		if err != nil {
			return err
		}
		var b research.Run
		var gpu struct {
			Samples int      `json:"samples"`
			Joules  *float64 `json:"joules"`
		}
		if err := json.Unmarshal(r.Body, &b); err != nil {
			return fmt.Errorf("decode record %d: %w", seq, err)
		}
		if len(b.GPU) > 0 {
			if err := json.Unmarshal(b.GPU, &gpu); err != nil {
				return fmt.Errorf("decode the GPU evidence of record %d: %w", seq, err)
			}
		}
		f.Sums.CPU += b.CPU
		if gpu.Joules != nil && *gpu.Joules >= 0 && gpu.Samples > 0 {
			f.Sums.Joules, f.Sums.Metered = f.Sums.Joules+*gpu.Joules, f.Sums.Metered+1
		}
		if b.Contended {
			f.Sums.Contended++
		}
		if b.Void {
			f.Sums.Void++
		}
	}
	return nil
}
