package lab

import (
	"context"
	"fmt"
	"strings"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/source"
	"ratchet/ledger"
)

// Audit measures what the campaign has gained: fresh interleaved pairs of its
// start and its incumbent, which no decision rests on, so that nothing was
// selected for them. pairs 0 is research.AuditPairs, or 2 of a deterministic
// metric. It is made beyond the
// campaign's budget too, since it is a person who asks.
func (l *Lab) Audit(ctx context.Context, pairs int, wait time.Duration, progress ProgressFunc) (*Outcome, error) {
	c, err := l.tidy(ctx)
	if err != nil {
		return nil, err
	}
	if err := l.agreed(c); err != nil {
		return nil, err
	}
	switch {
	case pairs == 0 && c.Rule.Class == research.Deterministic:
		pairs = 2
	case pairs == 0:
		pairs = research.AuditPairs
	case pairs < 2 || pairs > 100:
		return nil, research.Errorf(research.CodeBadArgument, "give 2 to 100", "pairs = %d is out of range", pairs)
	}
	if c.IncumbentTree == c.StartTree {
		return nil, research.Errorf(research.CodeNoChange, "keep something first", "the incumbent is the campaign's start: there is nothing to audit")
	}
	var id research.JobID
	err = l.update(ctx, c.Name, func(tx *ledger.Tx, now *research.Campaign, session string) error {
		id = research.NewJobID(research.AuditJob, now.Audits+1)
		_, err := tx.Append(research.Entry{Campaign: c.Name, Session: session, Kind: research.KindMeasurementStarted,
			Body: research.JobStart{Job: id, Commit: now.Incumbent, Paired: now.Start, Target: "incumbent", With: "start", Runs: pairs}})
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := l.start(ctx, c.Name, id); err != nil {
		return nil, err
	}
	return l.await(ctx, c.Name, id, wait, progress)
}

// Certify starts the certificate of the head now, if it has a chain; any extra
// test is paid for by e-LOND. A chain that claims too little to be proven is
// rolled back without a run. nil when there is no chain.
func (l *Lab) Certify(ctx context.Context, wait time.Duration, progress ProgressFunc) (*Outcome, error) {
	c, err := l.tidy(ctx)
	if err != nil {
		return nil, err
	}
	id := openOf(c, research.CertificateJob)
	if id == "" {
		if id, err = l.certifyIfDue(ctx, c, true); err != nil || id == "" {
			return nil, err
		}
	}
	return l.await(ctx, c.Name, id, wait, progress)
}

// auditWords is the campaign's gain as an audit found it.
func auditWords(c *research.Campaign, m *research.Measurement) string {
	e := m.End
	if e.Gain == nil {
		return "audit: too few pairs to say anything"
	}
	words := fmt.Sprintf("audited gain of the campaign: %s, from %d fresh pairs of start and incumbent", research.GainWords(*e.Gain, e.Scale, c.Program.Metric), len(e.Paired))
	if c.Certified > 0 {
		words += fmt.Sprintf("; its certificates add up to %s", c.CertifiedWords())
	}
	return words
}

// Finalized is the answer to finalize.
type Finalized struct {
	Branch      string   `json:"branch"`
	Commit      string   `json:"commit"`
	Certificate *Outcome `json:"certificate,omitempty"`
	Audit       *Outcome `json:"audit"`
	Next        string   `json:"next"`
}

// Finalize puts the incumbent on a branch of its own, ratchet/<name>-final, as
// one commit on the campaign's start whose message has the audited gain.
func (l *Lab) Finalize(ctx context.Context, audit *Outcome) (*Finalized, error) {
	c, err := l.tidy(ctx)
	if err != nil {
		return nil, err
	}
	branch := "refs/heads/ratchet/" + c.Name + "-final"
	was, err := l.repo.Ref(ctx, branch)
	if err != nil {
		return nil, err
	}
	if was != "" {
		return nil, research.Errorf(research.CodeConflict, "remove or rename it: git branch -m "+strings.TrimPrefix(branch, "refs/heads/")+" NAME",
			"the branch %s exists already", strings.TrimPrefix(branch, "refs/heads/"))
	}
	commit, err := l.repo.Commit(ctx, source.CommitSpec{Tree: c.IncumbentTree, Parents: []string{c.Start},
		Message: fmt.Sprintf("%s: %s\n\n%d of %d experiments are in it.\n\nRatchet-Campaign: %s\nRatchet-Incumbent: %s\n",
			c.Name, audit.Finding, c.Kept, c.Experiments, c.Name, c.Incumbent)})
	if err != nil {
		return nil, err
	}
	if err := l.repo.UpdateRefs(ctx, []source.RefUpdate{{Name: branch, New: commit}}, "ratchet: finalize "+c.Name); err != nil {
		return nil, err
	}
	name := strings.TrimPrefix(branch, "refs/heads/")
	return &Finalized{Branch: name, Commit: short(commit), Audit: audit,
		Next: "git switch " + c.Origin + " && git merge " + name}, nil
}
