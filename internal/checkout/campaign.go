package checkout

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"ratchet/internal/host"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/ledger"
)

// CurrentCampaign is the state of the checkout's campaign: the one whose branch is
// checked out, else the one of the nearest program.
func (co *Checkout) CurrentCampaign(ctx context.Context) (*history.Campaign, error) {
	var campaign *history.Campaign
	err := co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		found, err := co.FindCampaign(ctx, tx)
		if err == nil {
			campaign, err = co.ReadCampaign(tx, found.Name)
		}

		return err
	})

	return campaign, err
}

// ReadCampaign is a campaign as this checkout sees it: with its own experiment that
// waits for a decision or runs, and the first note that its session has not been told.
func (co *Checkout) ReadCampaign(tx *ledger.Tx, name string) (*history.Campaign, error) {
	campaign, err := tx.Campaign(name)
	if err != nil {
		return nil, err
	}

	experiment, err := co.WaitingExperiment(tx, campaign)
	if err != nil {
		return campaign, err
	}

	if experiment != nil {
		campaign.Mine = experiment.N
	}

	campaign.MineRuns, err = co.runningExperiment(tx, campaign)
	if err != nil {
		return campaign, err
	}
	campaign.Unheard, err = firstUnheardNote(co, tx, campaign)

	return campaign, err
}

// FindCampaign is the campaign that this checkout is about: the person's, else that of
// the program which the options name, else the one whose branch is checked out, else the
// nearest program's (campaignOfProgram).
// Errors: CodeNoCampaign, with where a campaign is if there is one.
func (co *Checkout) FindCampaign(ctx context.Context, tx *ledger.Tx) (*history.Campaign, error) {
	if co.personCampaign != "" {
		return tx.Campaign(co.personCampaign)
	}

	here := campaignOfBranch(co, tx, co.Repo.Branch(ctx))
	if co.Opt.Program != "" {
		return campaignOfNamedProgram(co, tx, here)
	}

	if here != nil {
		return here, nil
	}

	doc, err := co.ReadProgram("")
	if err != nil {
		err = CampaignElsewhere(tx, err)
		return nil, research.Errorf(research.CodeNoCampaign, research.Describe(err).Next, "no campaign here: %w", err)
	}

	head, _ := co.Repo.Head(ctx) // none before the first commit

	campaign, err := campaignOfProgram(ctx, co, tx, doc, head)
	if campaign == nil && err == nil {
		err = research.Errorf(research.CodeNoCampaign, "call start_campaign",
			"the campaign %q has not been started in this repository", doc.Program.Name)
	}

	return campaign, err
}

// campaignOfNamedProgram is the campaign of the program that the options name: here, the one
// that is checked out, if it is of that program; else the one of the program's name; else
// the last one that goes on, or began last. The program itself need not be there.
func campaignOfNamedProgram(co *Checkout, tx *ledger.Tx, here *history.Campaign) (*history.Campaign, error) {
	path, err := programPath(co, "")
	if err != nil || here != nil && here.ProgramPath == path {
		return here, err
	}

	all, err := tx.Campaigns()
	if err != nil {
		return nil, err
	}

	name := ""
	if doc, err := co.ReadProgram(""); err == nil {
		name = doc.Program.Name
	}

	var best *history.Campaign
	var others []string

	better := func(a, b *history.Campaign) bool {
		return cmp.Or(compareBool(a.Name == name, b.Name == name), compareBool(a.Ended == "", b.Ended == ""),
			a.StartedAt.Compare(b.StartedAt)) > 0
	}

	for i := range all {
		c := &all[i]
		if c.ProgramPath != path {
			others = append(others, fmt.Sprintf("%s (%s)", c.Name, c.ProgramPath))
		} else if best == nil || better(c, best) {
			best = c
		}
	}

	if best == nil {
		shown := strings.Join(others[:min(5, len(others))], ", ")

		return nil, research.Errorf(research.CodeNoCampaign, "call start_campaign, or name another program",
			"%s has no campaign in this repository; those there are: %s", path, cmp.Or(shown, "none"))
	}

	return best, nil
}

// compareBool orders false before true.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}

	return -1
}

// CampaignElsewhere is the error of a checkout without a program: where the campaigns
// are, if there are any (program.md is on their branches), else cause.
func CampaignElsewhere(tx *ledger.Tx, cause error) error {
	all, err := tx.Campaigns()
	if err != nil {
		return err
	}

	for _, campaign := range all {
		if campaign.Ended == "" {
			branch := strings.TrimPrefix(campaign.Branch, "refs/heads/")

			return research.Errorf(research.CodeNoCampaign, "git switch "+branch,
				"no program here, but campaign %q is on branch %s", campaign.Name, branch)
		}
	}

	return cause
}

// LookUpCampaign is the campaign of that name, nil when there is none.
func (co *Checkout) LookUpCampaign(ctx context.Context, name string) (campaign *history.Campaign, err error) {
	err = co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		campaign, err = tx.Campaign(name)
		if research.HasCode(err, research.CodeNoCampaign) {
			campaign, err = nil, nil
		}

		return err
	})

	return campaign, err
}

// CampaignStates are the repository's campaigns as they stand, by name.
func (co *Checkout) CampaignStates(ctx context.Context) (all []history.Campaign, err error) {
	err = co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		all, err = tx.Campaigns()
		return err
	})

	return all, err
}

// WaitingExperiment is this checkout's experiment that waits for keep or revert, nil if none.
func (co *Checkout) WaitingExperiment(tx *ledger.Tx, c *history.Campaign) (*history.Experiment, error) {
	for _, n := range c.Unresolved {
		x, err := tx.Experiment(c.Name, n)
		if err != nil || x.Checkout == co.Repo.Root() {
			return x, err
		}
	}

	return nil, nil
}

// runningExperiment is the number of the checkout's own experiment under way, 0 for none.
func (co *Checkout) runningExperiment(tx *ledger.Tx, campaign *history.Campaign) (int, error) {
	for _, id := range campaign.Open {
		if id.Kind() != research.ExperimentJob {
			continue
		}

		experiment, err := tx.Experiment(campaign.Name, id.N())
		if err != nil || experiment.Checkout == co.Repo.Root() {
			return id.N(), err
		}
	}

	return 0, nil
}

// ResolveJob turns a tool's id into a job of the campaign. With "" it is, in this order:
//   - the checkout's latest experiment, whichever session started it, unless it is
//     closed (an invalid one is once it is reverted or followed by another);
//   - a certificate, calibration, audit or measurement under way;
//   - the certificate that ended last, if nothing was proposed since;
//   - the last calibration, if nothing was proposed yet;
//   - "".
func (co *Checkout) ResolveJob(tx *ledger.Tx, campaign *history.Campaign, id string) (research.JobID, error) {
	if id != "" {
		return research.ParseJobID(id)
	}

	if n, ok := tx.Latest(campaign.Name, co.Repo.Root()); ok {
		experiment, err := tx.Experiment(campaign.Name, n)
		if err != nil {
			return "", err
		}

		if experiment.Status == research.Running || experiment.Status == research.Unresolved ||
			experiment.Status == research.Voided && !experiment.Closed {
			return experiment.Job(), nil
		}
	}

	for _, kind := range []byte{research.CertificateJob, research.CalibrationJob, research.AuditJob,
		research.MeasurementJob} {
		i := slices.IndexFunc(campaign.Open, func(o research.JobID) bool { return o.Kind() == kind })
		if i >= 0 {
			return campaign.Open[i], nil
		}
	}

	if campaign.Certificates > 0 && campaign.ChainFrom > campaign.Experiments && campaign.Rule.Auto != nil {
		return research.NewJobID(research.CertificateJob, campaign.Certificates), nil
	}

	if campaign.Calibrations > 0 && campaign.Experiments == 0 {
		return research.NewJobID(research.CalibrationJob, campaign.Calibrations), nil
	}

	return "", nil
}

// SessionOfJob is the session that started a job.
func SessionOfJob(tx *ledger.Tx, campaign string, id research.JobID) (string, error) {
	if id.Kind() == research.ExperimentJob {
		experiment, err := tx.Experiment(campaign, id.N())
		if err != nil {
			return "", err
		}

		return experiment.Session, nil
	}

	measurement, err := tx.Measurement(campaign, id)
	if err != nil {
		return "", err
	}

	return measurement.Session, nil
}

// HasWorker says whether the job's worker lives; in doubt it does.
func (co *Checkout) HasWorker(campaign string, id research.JobID) bool {
	status, err := co.Host.Status(host.Job{Campaign: campaign, ID: id})
	return err != nil || status.State == host.Alive
}

// ReadPhase is what a running job's worker reported last, "starting" before that.
func (co *Checkout) ReadPhase(campaign string, id research.JobID) string {
	status, _ := co.Host.Status(host.Job{Campaign: campaign, ID: id}) // the phase is set whatever the error
	return status.Phase
}

// AblationEndKey is the key under which the end of an ablation is recorded once.
func AblationEndKey(a rules.Ablation) string { return fmt.Sprintf("ablated/%s/%d", a.Of, a.Pairs) }

// campaignOfBranch is the campaign that a branch belongs to, nil if none. Its name is
// ratchet/CAMPAIGN, or with this checkout's codename ratchet/CAMPAIGN-CODENAME.
func campaignOfBranch(co *Checkout, tx *ledger.Tx, branch string) *history.Campaign {
	name, ok := strings.CutPrefix(branch, "refs/heads/ratchet/")
	if !ok {
		return nil
	}

	if c, err := tx.Campaign(name); err == nil {
		return c
	}

	i := strings.LastIndexByte(name, '-')
	if i <= 0 {
		return nil
	}

	if c, err := tx.Campaign(name[:i]); err == nil && co.IsCampaignBranch(c, branch) {
		return c
	}

	return nil
}
