package lab

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/source"
	"ratchet/ledger"
	"ratchet/sandbox"
)

// Options say where a lab stands and who uses it.
type Options struct {
	Dir string // a folder of the checkout; "" is the process's own
	// GitDir and CommonDir are the checkout's git directories, and Dir its root,
	// where whoever started this process has asked git already; "" to ask it.
	GitDir, CommonDir string

	Program string // path of program.md, "" for the nearest one at or above Dir
	Ledger  string // path of the ledger, "" for <git common dir>/ratchet/ledger.db
	Client  Client
	Version string // of Ratchet
	// Observe is told how long this lab's transactions with the ledger took; nil: nobody is.
	Observe func(ledger.Timing)
	// Advance is told how far a long reading of the ledger has come; nil: nobody is.
	Advance func(what string, done, total uint64)
	// Supervise is the command that runs Lab.Supervise in a process of its own;
	// the campaign's name and the job's id are appended.
	Supervise []string
	// Tell is the command that runs Lab.Tell in a process of its own; the
	// campaign's name is appended. Empty: nobody is told.
	Tell []string
}

// Lab is one checkout's view of its repository's campaigns. It remembers
// nothing: every call reads the ledger afresh. The one thing that it may hold
// is the mark of a session that works in the checkout (Attend).
type Lab struct {
	opt    Options
	repo   *source.Repo
	ledger *ledger.Ledger

	personCampaign string // the campaign that its calls are for, "" for the checkout's own
	person         bool   // not a session, see Person

	mu        sync.Mutex
	attends   bool // this is a session, not a single command
	heard     bool // it is known by its calls only
	left      bool // that has ended
	attending *sandbox.Lock
	answers   map[string]history.Answered // since the last record of them
}

// Open finds the repository of o.Dir. It starts nothing and writes nothing.
// Errors: CodeRepository, CodeUnsupported.
func Open(ctx context.Context, o Options) (*Lab, error) {
	if o.Dir == "" {
		o.Dir = "."
	}

	repo, err := openRepository(ctx, o)
	if err != nil {
		return nil, err
	}

	path := o.Ledger
	if path == "" {
		path = filepath.Join(repo.CommonDir(), "ratchet", "ledger.db")
	}
	l := &Lab{opt: o, repo: repo}

	l.ledger, err = ledger.Open(path, ledger.Options{Version: o.Version, Running: l.hasWorker, Observe: o.Observe,
		Advance: o.Advance})
	if err != nil {
		return nil, err
	}

	return l, nil
}

// openRepository asks git where the checkout lies, unless whoever started this process
// has said so.
func openRepository(ctx context.Context, o Options) (*source.Repo, error) {
	if o.GitDir != "" && o.CommonDir != "" {
		return source.At(o.Dir, o.GitDir, o.CommonDir)
	}

	return source.Open(ctx, o.Dir)
}

// Ledger is the ledger that the lab appends to.
func (l *Lab) Ledger() *ledger.Ledger { return l.ledger }

// Root is the top of the checkout.
func (l *Lab) Root() string { return l.repo.Root() }

// programDocument is program.md as it is on disk now.
type programDocument struct {
	contract.Document
	path   string // relative to the repository's root, slash-separated
	digest string
}

// editedFiles are the edited files, relative to the repository's root.
func editedFiles(programPath string, p contract.Program) []string {
	out := make([]string, len(p.Edit))
	for i, e := range p.Edit {
		out[i] = joinSlash(slashDir(programPath), e)
	}

	return out
}

func joinSlash(dir, name string) string {
	return filepath.ToSlash(filepath.Join(filepath.FromSlash(dir), filepath.FromSlash(name)))
}

func slashDir(path string) string { return filepath.ToSlash(filepath.Dir(filepath.FromSlash(path))) }

// currentCampaign is the state of the checkout's campaign: the one whose branch is
// checked out, else the one of the nearest program.
func (l *Lab) currentCampaign(ctx context.Context) (*history.Campaign, error) {
	var c *history.Campaign
	err := l.ledger.View(ctx, func(tx *ledger.Tx) error {
		found, err := l.findCampaign(ctx, tx)
		if err == nil {
			c, err = l.readCampaign(tx, found.Name)
		}

		return err
	})

	return c, err
}

// readCampaign is a campaign as this checkout sees it.
func (l *Lab) readCampaign(tx *ledger.Tx, name string) (*history.Campaign, error) {
	c, err := tx.Campaign(name)
	if err != nil {
		return nil, err
	}

	x, err := l.waitingExperiment(tx, c)
	if x != nil {
		c.Mine = x.N
	}

	if err == nil {
		c.Unheard, err = l.firstUnheardNote(tx, c)
	}

	return c, err
}

// waitingExperiment is this checkout's experiment that waits for keep or revert, nil if none.
func (l *Lab) waitingExperiment(tx *ledger.Tx, c *history.Campaign) (*history.Experiment, error) {
	for _, n := range c.Unresolved {
		x, err := tx.Experiment(c.Name, n)
		if err != nil || x.Checkout == l.repo.Root() {
			return x, err
		}
	}

	return nil, nil
}

func (l *Lab) findCampaign(ctx context.Context, tx *ledger.Tx) (*history.Campaign, error) {
	if l.personCampaign != "" {
		return tx.Campaign(l.personCampaign)
	}

	if name, ok := strings.CutPrefix(l.repo.Branch(ctx), "refs/heads/ratchet/"); ok {
		c, err := tx.Campaign(name)
		if err == nil {
			return c, nil
		}

		if i := strings.LastIndexByte(name, '-'); i > 0 {
			if c, err := tx.Campaign(name[:i]); err == nil && l.isCampaignBranch(c, "refs/heads/ratchet/"+name) {
				return c, nil
			}
		}
	}

	doc, err := l.readProgram("")
	if err != nil {
		err = campaignElsewhere(tx, err)
		return nil, research.Errorf(research.CodeNoCampaign, research.Describe(err).Next, "no campaign here: %w", err)
	}

	c, err := tx.Campaign(doc.Program.Name)
	if research.Describe(err).Code == research.CodeNoCampaign {
		return nil, research.Errorf(research.CodeNoCampaign, "call start_campaign",
			"the campaign %q has not been started in this repository", doc.Program.Name)
	}

	return c, err
}

// isCampaignBranch says whether branch is this checkout's of campaign c: the campaign's
// own, or the one with the checkout's codename.
func (l *Lab) isCampaignBranch(c *history.Campaign, branch string) bool {
	name, ok := strings.CutPrefix(branch, c.Branch+"-")
	return branch == c.Branch || ok && isCodename(l.repo.Root(), name)
}

// requireCampaignBranch is where the checkout stands, on its branch of the campaign. Calls
// that change files or refs refuse to do it anywhere else.
func (l *Lab) requireCampaignBranch(ctx context.Context, c *history.Campaign) (source.Head, error) {
	if err := l.repo.Busy(ctx); err != nil {
		return source.Head{}, err
	}

	head, err := l.repo.Head(ctx)
	if err != nil {
		return head, err
	}

	if !l.isCampaignBranch(c, head.Branch) {
		return head, research.Errorf(research.CodeRepository, "call start_campaign, which goes there",
			"this checkout is on %s, not on a branch of campaign %s",
			cmp.Or(strings.TrimPrefix(head.Branch, "refs/heads/"), "a detached HEAD"), c.Name)
	}

	return head, nil
}

// campaignElsewhere is the error of a checkout without a program: where the campaigns
// are, if there are any (program.md is on their branches), else cause.
func campaignElsewhere(tx *ledger.Tx, cause error) error {
	all, err := tx.Campaigns()
	if err != nil {
		return err
	}

	for _, c := range all {
		if c.Ended == "" {
			branch := strings.TrimPrefix(c.Branch, "refs/heads/")
			return research.Errorf(research.CodeNoCampaign, "git switch "+branch,
				"no program here, but campaign %q is on branch %s", c.Name, branch)
		}
	}

	return cause
}

// budgetLeft is what remains of the campaign's budget.
func budgetLeft(c *history.Campaign) Left {
	lim := c.Program.Campaign

	return Left{
		Experiments: max(0, lim.Experiments-c.Experiments),
		Hours:       float64(int(c.SecondsLeft()/3600*1000)) / 1000,
	}
}

// raiseBudget is what is left to do when there is nothing left to spend.
const raiseBudget = "follow read_log{view: \"guide\", query: \"finalize\"} and tell the user the result; a person may raise `campaign:` in program.md and run `ratchet accept`"

// requireBudget returns an error when the campaign has ended, rests, or its budget is used up.
func requireBudget(c *history.Campaign) error {
	if c.Ended != "" {
		return research.Errorf(research.CodeEnded, "start another one: start_campaign with a new name",
			"the campaign %q has ended: %s", c.Name, c.Ended)
	}

	if c.Rests != nil {
		return research.Errorf(research.CodeStopped, resting, "%s: no experiment starts", c.Rests.Words())
	}

	if b := budgetLeft(c); b.Experiments == 0 || c.SecondsLeft() <= 0 {
		return research.Errorf(research.CodeBudget, raiseBudget,
			"the budget is spent: %d of %d experiments, %.2f of %g run hours (a run begins only while its longest time, %s, is left)",
			c.Experiments, c.Program.Campaign.Experiments, c.RunSeconds/3600, c.Program.Campaign.Hours,
			contract.LongestRun(c.Program))
	}

	return nil
}

// refName is a name in the campaign's own namespace.
func refName(campaign string, parts ...string) string {
	return "refs/ratchet/" + campaign + "/" + strings.Join(parts, "/")
}

// shortCommit is how commits are shown.
func shortCommit(commit string) string { return commit[:min(9, len(commit))] }

// resolveJob turns a tool's id, or "", into a job of the campaign: by default
// the checkout's latest experiment that is not closed (an invalid one is until it
// is reverted or followed by another), whoever started it, then a running
// certificate, calibration, audit or measurement, then the certificate that
// ended last, if nothing was proposed since, then "".
func (l *Lab) resolveJob(tx *ledger.Tx, c *history.Campaign, id string) (research.JobID, error) {
	if id != "" {
		return research.ParseJobID(id)
	}

	if n, ok := tx.Latest(c.Name, l.repo.Root()); ok {
		x, err := tx.Experiment(c.Name, n)
		if err != nil {
			return "", err
		}

		if x.Status == research.Running || x.Status == research.Unresolved || x.Status == research.Voided && !x.Closed {
			return x.Job(), nil
		}
	}

	for _, kind := range []byte{research.CertificateJob, research.CalibrationJob, research.AuditJob,
		research.MeasurementJob} {
		if i := slices.IndexFunc(c.Open, func(o research.JobID) bool { return o.Kind() == kind }); i >= 0 {
			return c.Open[i], nil
		}
	}

	if c.Certificates > 0 && c.ChainFrom > c.Experiments && c.Rule.Auto != nil {
		return research.NewJobID(research.CertificateJob, c.Certificates), nil
	}

	return "", nil
}

// updateCampaign appends to a campaign in one transaction, in the name of this checkout's
// session. f sees the campaign as it is now, not as the caller read it. What the
// session's agent was told goes with it.
func (l *Lab) updateCampaign(
	ctx context.Context, campaign string, f func(tx *ledger.Tx, now *history.Campaign, session string) error,
) error {
	told := l.takeAnswerCounts()

	err := l.ledger.Update(ctx, func(tx *ledger.Tx) error {
		now, err := l.readCampaign(tx, campaign)
		if err != nil {
			return err
		}

		session, err := l.joinSession(tx, now)
		if err != nil {
			return err
		}

		if err := f(tx, now, session); err != nil {
			return err
		}

		return appendAnswers(tx, campaign, session, told)
	})
	if err != nil {
		l.restoreAnswerCounts(told)
	}

	return err
}

// joinSession is the checkout's codename, appending session.joined when the checkout
// or its client is new to the campaign; "" for a person.
func (l *Lab) joinSession(tx *ledger.Tx, c *history.Campaign) (string, error) {
	if l.person {
		return "", nil
	}

	name, known := tx.SessionOf(c.Name, l.repo.Root())
	if known {
		s, err := tx.Session(c.Name, name)
		if err != nil {
			return "", err
		}

		if s.Client == l.opt.Client.Name && s.Version == l.opt.Client.Version {
			return name, nil
		}
	}

	for i := 0; !known; i++ {
		name = makeCodename(l.repo.Root(), i)
		_, err := tx.Session(c.Name, name)

		known = err != nil // nobody else has it
		if known && research.Describe(err).Code != research.CodeNotFound {
			return "", err
		}
	}
	_, err := tx.Append(history.Entry{Campaign: c.Name, Session: name, Kind: history.KindSessionJoined,
		Body: history.SessionJoin{Codename: name, Client: l.opt.Client.Name, Version: l.opt.Client.Version,
			Checkout: l.repo.Root()}})

	return name, err
}

// boundWait bounds how long a call may take.
func boundWait(d time.Duration) time.Duration { return min(max(d, 0), 50*time.Second) }

// hasCode says whether err carries the code.
func hasCode(err error, code research.Code) bool {
	var e *research.Error
	return errors.As(err, &e) && e.Code == code
}
