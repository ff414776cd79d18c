package view

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"ratchet/internal/checkout"
	"ratchet/internal/report"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/ledger"
)

const reportRuns = 256 // runs that are added up in one transaction

// ReportFacts reads what a report may tell of a campaign.
func ReportFacts(tx *ledger.Tx, campaign string) (*report.Facts, error) {
	f, runs, err := gatherFacts(tx, campaign)
	if err != nil {
		return nil, err
	}

	return f, addRuns(tx, f, runs)
}

// gatherFacts reads all but the runs' sums, and says which runs make these up.
func gatherFacts(tx *ledger.Tx, campaign string) (*report.Facts, []uint64, error) {
	c, err := tx.Campaign(campaign)
	if err != nil {
		return nil, nil, err
	}
	f := &report.Facts{Campaign: *c}
	f.Head.Seq, f.Head.Hash = tx.Head()

	head, err := tx.Record(f.Head.Seq)
	if err != nil {
		return nil, nil, err
	}

	f.At = head.Time
	if f.Recent, _, err = tx.Experiments(campaign, ledger.Query{Limit: report.MostRecent}); err != nil {
		return nil, nil, err
	}

	if f.Invalid, _, err = tx.Experiments(campaign,
		ledger.Query{Status: research.Voided, Limit: report.MostInvalid}); err != nil {
		return nil, nil, err
	}

	if f.Sessions, err = tx.Sessions(campaign); err != nil {
		return nil, nil, err
	}
	report.Busiest(f.Sessions)

	if f.Sources, err = tx.ImportSources(campaign); err != nil {
		return nil, nil, err
	}

	if err := errors.Join(gatherFinal(tx, f), gatherKept(tx, f), gatherLessons(tx, f),
		gatherProofs(tx, f)); err != nil {
		return nil, nil, err
	}

	if c.Runs > report.MostRuns {
		return f, nil, nil
	}
	f.Sums = &report.Sums{}

	return f, tx.RunRecords(campaign, "", report.MostRuns), nil
}

// gatherKept reads what is in the incumbent, and the records of the heaviest.
func gatherKept(tx *ledger.Tx, f *report.Facts) error {
	var kept []history.Experiment

	for _, n := range f.Campaign.KeptStack {
		x, err := tx.Experiment(f.Campaign.Name, n)
		if err != nil {
			return err
		}

		kept = append(kept, *x)
	}
	f.Sort(kept)

	for i := range kept {
		x := report.Change{Experiment: kept[i]}
		if i < report.MostKept {
			if err := traceRecords(tx, &x, f.Head.Seq); err != nil {
				return err
			}
		}

		f.Kept = append(f.Kept, x)
	}

	return nil
}

// traceRecords fills in the records of a change.
func traceRecords(tx *ledger.Tx, x *report.Change, head uint64) (err error) {
	x.JudgedAt = report.Ref{Seq: x.JudgedSeq, Hash: x.JudgedHash}
	if x.JudgedSeq > 0 {
		x.KeptAt, err = nearestRecord(tx, x.JudgedSeq, 1, x.Job(), history.KindExperimentKept)
	} else { // it was lost, and a person kept it all the same
		x.KeptAt, err = nearestRecord(tx, head+1, -1, x.Job(), history.KindExperimentKept)
	}

	if err != nil {
		return err
	}
	x.ProposedAt, err = nearestRecord(tx, x.KeptAt.Seq, -1, x.Job(), history.KindExperimentProposed)

	return err
}

// nearestRecord is the record of that kind and job that stands nearest to seq, before
// it (step -1) or after it (1).
func nearestRecord(tx *ledger.Tx, seq uint64, step int, job research.JobID, kind history.Kind) (report.Ref, error) {
	for at := int64(seq) + int64(step); at > 0; at += int64(step) {
		r, err := tx.Record(uint64(at))
		if err != nil {
			return report.Ref{}, fmt.Errorf("find the %s of %s: %w", kind, job, err)
		}

		if of, err := history.Touches(r); r.Kind == kind && err == nil && of == job {
			return report.RefOf(r), nil
		}
	}

	return report.Ref{}, fmt.Errorf("find the %s of %s before record %d", kind, job, seq)
}

// gatherLessons reads lessons and free ideas.
func gatherLessons(tx *ledger.Tx, f *report.Facts) error {
	recs, err := tx.LessonRecords(f.Campaign.Name, report.MostTold)
	if err != nil {
		return err
	}

	for _, r := range recs {
		var b history.Lesson
		if err := json.Unmarshal(r.Body, &b); err != nil {
			return fmt.Errorf("decode record %d: %w", r.Seq, err)
		}
		f.Lessons = append(f.Lessons, report.Told{Ref: report.RefOf(r), Text: b.Text, Experiment: b.Experiment})
	}

	open, err := tx.Ideas(f.Campaign.Name, history.IdeaOpen, report.MostTold)
	if err != nil {
		return err
	}

	for _, i := range open {
		r, ok, err := tx.Keyed(f.Campaign.Name, checkout.IdeaKey(i.Text))
		if err != nil {
			return err
		}

		if ok {
			f.Ideas = append(f.Ideas, report.Told{Ref: report.RefOf(r), Text: i.Text})
		}
	}

	return nil
}

// gatherFinal reads what finalize made last, and what its ablation found.
func gatherFinal(tx *ledger.Tx, f *report.Facts) error {
	is := f.Campaign.Final
	if is == nil || is.Seq == 0 {
		return nil
	}

	r, err := tx.Record(is.Seq)
	if err != nil {
		return err
	}

	x := &report.Final{Ref: report.RefOf(r)}
	if err := json.Unmarshal(r.Body, &x.Finalization); err != nil {
		return fmt.Errorf("decode record %d: %w", r.Seq, err)
	}

	f.Final = x
	if !x.Ablated {
		return nil
	}

	r, ok, err := tx.Keyed(f.Campaign.Name,
		checkout.AblationEndKey(rules.Ablation{Of: x.Of, Pairs: cmp.Or(x.Most, rules.AblationPairs)}))
	if err != nil || !ok {
		return err
	}

	x.AblatedAt, x.Ablation = report.RefOf(r), &rules.AblationEnd{}
	if err := json.Unmarshal(r.Body, x.Ablation); err != nil {
		return fmt.Errorf("decode record %d: %w", r.Seq, err)
	}

	return nil
}

// gatherProofs reads the last audit and the newest certificates that have ended.
func gatherProofs(tx *ledger.Tx, f *report.Facts) error {
	c := &f.Campaign
	if c.Audit != nil {
		ref, err := endRecord(tx, c.Name, c.Audit.Job, history.KindMeasurementFinished)
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

		ref, err := endRecord(tx, c.Name, id, history.KindCertificateFinished)
		if err != nil {
			return err
		}

		f.Proofs = append(f.Proofs, report.Proof{Ref: ref, Job: id, Certificate: &m.Proof.Certificate})
	}

	return nil
}

// endRecord is the record that ended a job which has made runs: it stands behind the last of them.
func endRecord(tx *ledger.Tx, campaign string, id research.JobID, kind history.Kind) (report.Ref, error) {
	seqs := tx.RunRecords(campaign, id, report.MostRuns)
	if len(seqs) == 0 {
		return report.Ref{}, fmt.Errorf("find the runs of %s", id)
	}

	return nearestRecord(tx, slices.Max(seqs), 1, id, kind)
}

// addRuns adds to f what only the runs say.
func addRuns(tx *ledger.Tx, f *report.Facts, seqs []uint64) error {
	for _, seq := range seqs {
		r, err := tx.Record(seq)
		if err != nil {
			return err
		}

		var b struct {
			CPU       float64 `json:"cpu_s"`
			Contended bool    `json:"contended"`
			Void      bool    `json:"void"`
			GPU       struct {
				Samples int      `json:"samples"`
				Joules  *float64 `json:"joules"`
			} `json:"gpu"`
		}
		if err := json.Unmarshal(r.Body, &b); err != nil {
			return fmt.Errorf("decode record %d: %w", seq, err)
		}
		s := f.Sums

		s.CPU += b.CPU
		if b.GPU.Samples > 0 && b.GPU.Joules != nil && *b.GPU.Joules >= 0 {
			s.Joules, s.Metered = s.Joules+*b.GPU.Joules, s.Metered+1
		}

		if b.Contended {
			s.Contended++
		}

		if b.Void {
			s.Void++
		}
	}

	return nil
}
