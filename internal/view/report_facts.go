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
	facts, runs, err := gatherFacts(tx, campaign)
	if err != nil {
		return nil, err
	}

	return facts, addRuns(tx, facts, runs)
}

// gatherFacts reads all but the runs' sums, and says which runs make these up.
func gatherFacts(tx *ledger.Tx, campaign string) (*report.Facts, []uint64, error) {
	held, err := tx.Campaign(campaign)
	if err != nil {
		return nil, nil, err
	}
	facts := &report.Facts{Campaign: *held}
	facts.Head.Seq, facts.Head.Hash = tx.Head()

	head, err := tx.Record(facts.Head.Seq)
	if err != nil {
		return nil, nil, err
	}

	facts.At = head.Time
	if facts.Recent, _, err = tx.Experiments(campaign, ledger.Query{Limit: report.MostRecent}); err != nil {
		return nil, nil, err
	}

	if facts.Invalid, _, err = tx.Experiments(campaign,
		ledger.Query{Status: research.Voided, Limit: report.MostInvalid}); err != nil {
		return nil, nil, err
	}

	if facts.Sessions, err = tx.Sessions(campaign); err != nil {
		return nil, nil, err
	}
	report.SortByExperiments(facts.Sessions)

	if facts.Sources, err = tx.ImportSources(campaign); err != nil {
		return nil, nil, err
	}

	if err := errors.Join(gatherFinal(tx, facts), gatherKept(tx, facts), gatherLessons(tx, facts),
		gatherProofs(tx, facts)); err != nil {
		return nil, nil, err
	}

	if held.Runs > report.MostRuns {
		return facts, nil, nil
	}
	facts.Sums = &report.Sums{}

	return facts, tx.RunRecords(campaign, "", report.MostRuns), nil
}

// gatherKept reads what is in the incumbent, and the records of the heaviest.
func gatherKept(tx *ledger.Tx, facts *report.Facts) error {
	var kept []history.Experiment

	for _, n := range facts.Campaign.KeptStack {
		experiment, err := tx.Experiment(facts.Campaign.Name, n)
		if err != nil {
			return err
		}

		kept = append(kept, *experiment)
	}
	facts.SortKept(kept)

	if err := readGuards(tx, &facts.Campaign, kept[:min(len(kept), report.MostKept)]); err != nil {
		return err
	}

	for i := range kept {
		x := report.Change{Experiment: kept[i]}
		if i < report.MostKept {
			if err := traceRecords(tx, &x, facts.Head.Seq); err != nil {
				return err
			}
		}

		facts.Kept = append(facts.Kept, x)
	}

	return nil
}

// traceRecords fills in the records of a change.
func traceRecords(tx *ledger.Tx, change *report.Change, head uint64) (err error) {
	change.JudgedAt = report.Ref{Seq: change.JudgedSeq, Hash: change.JudgedHash}
	if change.JudgedSeq > 0 {
		change.KeptAt, err = nearestRecord(tx, change.JudgedSeq, 1, change.Job(), history.KindExperimentKept)
	} else { // it was lost, and a person kept it all the same
		change.KeptAt, err = nearestRecord(tx, head+1, -1, change.Job(), history.KindExperimentKept)
	}

	if err != nil {
		return err
	}
	change.ProposedAt, err = nearestRecord(tx, change.KeptAt.Seq, -1, change.Job(), history.KindExperimentProposed)

	return err
}

// nearestRecord is the record of that kind and job that stands nearest to seq, before
// it (step -1) or after it (1).
func nearestRecord(tx *ledger.Tx, seq uint64, step int, job research.JobID, kind history.Kind) (report.Ref, error) {
	for at := int64(seq) + int64(step); at > 0; at += int64(step) {
		record, err := tx.Record(uint64(at))
		if err != nil {
			return report.Ref{}, fmt.Errorf("find the %s of %s: %w", kind, job, err)
		}

		if of, err := history.Touches(record); record.Kind == kind && err == nil && of == job {
			return report.RefOf(record), nil
		}
	}

	return report.Ref{}, fmt.Errorf("find the %s of %s before record %d", kind, job, seq)
}

// gatherLessons reads lessons and free ideas.
func gatherLessons(tx *ledger.Tx, facts *report.Facts) error {
	recs, err := tx.LessonRecords(facts.Campaign.Name, report.MostTold)
	if err != nil {
		return err
	}

	for _, record := range recs {
		var b history.Lesson
		if err := json.Unmarshal(record.Body, &b); err != nil {
			return fmt.Errorf("decode record %d: %w", record.Seq, err)
		}
		facts.Lessons = append(facts.Lessons,
			report.RecordedText{Ref: report.RefOf(record), Text: b.Text, Experiment: b.Experiment})
	}

	open, err := tx.Ideas(facts.Campaign.Name, history.IdeaOpen, report.MostTold)
	if err != nil {
		return err
	}

	for _, idea := range open {
		r, ok, err := tx.Keyed(facts.Campaign.Name, checkout.IdeaKey(idea.Text))
		if err != nil {
			return err
		}

		if ok {
			facts.Ideas = append(facts.Ideas, report.RecordedText{Ref: report.RefOf(r), Text: idea.Text})
		}
	}

	return nil
}

// gatherFinal reads what finalize made last, and what its ablation found.
func gatherFinal(tx *ledger.Tx, facts *report.Facts) error {
	is := facts.Campaign.Final
	if is == nil || is.Seq == 0 {
		return nil
	}

	record, made, err := readFinalization(tx, is)
	if err != nil {
		return err
	}
	final := &report.Final{Ref: report.RefOf(record), Finalization: made}
	facts.Final = final

	if !final.Ablated {
		return nil
	}

	record, ok, err := tx.Keyed(facts.Campaign.Name,
		checkout.AblationEndKey(rules.Ablation{Of: final.Of, Pairs: cmp.Or(final.Most, rules.SparingAblationPairs)}))
	if err != nil || !ok {
		return err
	}

	final.AblatedAt, final.Ablation = report.RefOf(record), &rules.AblationEnd{}
	if err := json.Unmarshal(record.Body, final.Ablation); err != nil {
		return fmt.Errorf("decode record %d: %w", record.Seq, err)
	}

	return nil
}

// gatherProofs reads the last audit and the newest certificates that have ended.
func gatherProofs(tx *ledger.Tx, facts *report.Facts) error {
	campaign := &facts.Campaign
	if campaign.Audit != nil {
		ref, err := endRecord(tx, campaign.Name, campaign.Audit.Job, history.KindMeasurementFinished)
		if err != nil {
			return err
		}

		measurement, err := tx.Measurement(campaign.Name, campaign.Audit.Job)
		if err != nil {
			return err
		}
		facts.Audit = &report.Proof{Ref: ref, Job: campaign.Audit.Job, Measured: measurement.End}
	}

	for n := campaign.Certificates; n > 0 && len(facts.Proofs) < report.MostProofs; n-- {
		id := research.NewJobID(research.CertificateJob, n)

		measurement, err := tx.Measurement(campaign.Name, id)
		if err != nil {
			return err
		}

		if measurement.Proof == nil || measurement.Runs == 0 {
			continue
		}

		ref, err := endRecord(tx, campaign.Name, id, history.KindCertificateFinished)
		if err != nil {
			return err
		}

		facts.Proofs = append(facts.Proofs, report.Proof{Ref: ref, Job: id,
			Certificate: &measurement.Proof.Certificate})
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
func addRuns(tx *ledger.Tx, facts *report.Facts, seqs []uint64) error {
	for _, seq := range seqs {
		record, err := tx.Record(seq)
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
		if err := json.Unmarshal(record.Body, &b); err != nil {
			return fmt.Errorf("decode record %d: %w", seq, err)
		}
		s := facts.Sums

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
