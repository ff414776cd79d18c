package checkout

import (
	"cmp"
	"context"
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
type Checkout struct {
	Opt    Options
	Repo   *source.Repo
	Ledger *ledger.Ledger

	personCampaign string // the campaign that its calls are for, "" for the checkout's own
	Person         bool   // not a session, see Person

	mu        sync.Mutex
	attends   bool // this is a session, not a single command
	heard     bool // it is known by its calls only
	left      bool // that has ended
	attending *sandbox.Lock
	answers   map[string]history.Answered // since the last record of them
}

// Open finds the repository of o.Dir. It starts nothing and writes nothing.
// Errors: CodeRepository, CodeUnsupported.
func Open(ctx context.Context, o Options) (*Checkout, error) {
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
	l := &Checkout{Opt: o, Repo: repo}

	l.Ledger, err = ledger.Open(path, ledger.Options{Version: o.Version, Running: l.HasWorker, Observe: o.Observe,
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

// Root is the top of the checkout.
func (co *Checkout) Root() string { return co.Repo.Root() }

// ProgramDocument is program.md as it is on disk now.
type ProgramDocument struct {
	contract.Document
	Path   string // relative to the repository's root, slash-separated
	Digest string
}

// EditedFiles are the edited files, relative to the repository's root.
func EditedFiles(programPath string, p contract.Program) []string {
	out := make([]string, len(p.Edit))
	for i, e := range p.Edit {
		out[i] = JoinSlash(SlashDir(programPath), e)
	}

	return out
}

func JoinSlash(dir, name string) string {
	return filepath.ToSlash(filepath.Join(filepath.FromSlash(dir), filepath.FromSlash(name)))
}

func SlashDir(path string) string { return filepath.ToSlash(filepath.Dir(filepath.FromSlash(path))) }

// CurrentCampaign is the state of the checkout's campaign: the one whose branch is
// checked out, else the one of the nearest program.
func (co *Checkout) CurrentCampaign(ctx context.Context) (*history.Campaign, error) {
	var c *history.Campaign
	err := co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		found, err := co.FindCampaign(ctx, tx)
		if err == nil {
			c, err = co.ReadCampaign(tx, found.Name)
		}

		return err
	})

	return c, err
}

// ReadCampaign is a campaign as this checkout sees it.
func (co *Checkout) ReadCampaign(tx *ledger.Tx, name string) (*history.Campaign, error) {
	c, err := tx.Campaign(name)
	if err != nil {
		return nil, err
	}

	x, err := co.WaitingExperiment(tx, c)
	if x != nil {
		c.Mine = x.N
	}

	if err == nil {
		c.Unheard, err = co.firstUnheardNote(tx, c)
	}

	return c, err
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

func (co *Checkout) FindCampaign(ctx context.Context, tx *ledger.Tx) (*history.Campaign, error) {
	if co.personCampaign != "" {
		return tx.Campaign(co.personCampaign)
	}

	if name, ok := strings.CutPrefix(co.Repo.Branch(ctx), "refs/heads/ratchet/"); ok {
		c, err := tx.Campaign(name)
		if err == nil {
			return c, nil
		}

		if i := strings.LastIndexByte(name, '-'); i > 0 {
			if c, err := tx.Campaign(name[:i]); err == nil && co.IsCampaignBranch(c, "refs/heads/ratchet/"+name) {
				return c, nil
			}
		}
	}

	doc, err := co.ReadProgram("")
	if err != nil {
		err = CampaignElsewhere(tx, err)
		return nil, research.Errorf(research.CodeNoCampaign, research.Describe(err).Next, "no campaign here: %w", err)
	}

	c, err := tx.Campaign(doc.Program.Name)
	if research.Describe(err).Code == research.CodeNoCampaign {
		return nil, research.Errorf(research.CodeNoCampaign, "call start_campaign",
			"the campaign %q has not been started in this repository", doc.Program.Name)
	}

	return c, err
}

// IsCampaignBranch says whether branch is this checkout's of campaign c: the campaign's
// own, or the one with the checkout's codename.
func (co *Checkout) IsCampaignBranch(c *history.Campaign, branch string) bool {
	name, ok := strings.CutPrefix(branch, c.Branch+"-")
	return branch == c.Branch || ok && isCodename(co.Repo.Root(), name)
}

// RequireCampaignBranch is where the checkout stands, on its branch of the campaign. Calls
// that change files or refs refuse to do it anywhere else.
func (co *Checkout) RequireCampaignBranch(ctx context.Context, c *history.Campaign) (source.Head, error) {
	if err := co.Repo.RequireNoOperation(ctx); err != nil {
		return source.Head{}, err
	}

	head, err := co.Repo.Head(ctx)
	if err != nil {
		return head, err
	}

	if !co.IsCampaignBranch(c, head.Branch) {
		return head, research.Errorf(research.CodeRepository, "call start_campaign, which goes there",
			"this checkout is on %s, not on a branch of campaign %s",
			cmp.Or(strings.TrimPrefix(head.Branch, "refs/heads/"), "a detached HEAD"), c.Name)
	}

	return head, nil
}

// CampaignElsewhere is the error of a checkout without a program: where the campaigns
// are, if there are any (program.md is on their branches), else cause.
func CampaignElsewhere(tx *ledger.Tx, cause error) error {
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

// BudgetLeft is what remains of the campaign's budget.
func BudgetLeft(c *history.Campaign) Left {
	lim := c.Program.Campaign

	return Left{
		Experiments: max(0, lim.Experiments-c.Experiments),
		Hours:       float64(int(c.SecondsLeft()/3600*1000)) / 1000,
	}
}

// RaiseBudget is what is left to do when there is nothing left to spend.
const RaiseBudget = "follow read_log{view: \"guide\", query: \"finalize\"} and tell the user the result; a person may raise `campaign:` in program.md and run `ratchet accept`"

// RequireBudget returns an error when the campaign has ended, rests, or its budget is used up.
func RequireBudget(c *history.Campaign) error {
	if c.Ended != "" {
		return research.Errorf(research.CodeEnded, "start another one: start_campaign with a new name",
			"the campaign %q has ended: %s", c.Name, c.Ended)
	}

	if c.Rests != nil {
		return research.Errorf(research.CodeStopped, Resting, "%s: no experiment starts", c.Rests.Words())
	}

	if b := BudgetLeft(c); b.Experiments == 0 || c.SecondsLeft() <= 0 {
		return research.Errorf(research.CodeBudget, RaiseBudget,
			"the budget is spent: %d of %d experiments, %.2f of %g run hours (a run begins only while its longest time, %s, is left)",
			c.Experiments, c.Program.Campaign.Experiments, c.RunSeconds/3600, c.Program.Campaign.Hours,
			contract.LongestRunTime(c.Program))
	}

	return nil
}

// RefName is a name in the campaign's own namespace.
func RefName(campaign string, parts ...string) string {
	return "refs/ratchet/" + campaign + "/" + strings.Join(parts, "/")
}

// ResolveJob turns a tool's id, or "", into a job of the campaign: by default
// the checkout's latest experiment that is not closed (an invalid one is until it
// is reverted or followed by another), whoever started it, then a running
// certificate, calibration, audit or measurement, then the certificate that
// ended last, if nothing was proposed since, then "".
func (co *Checkout) ResolveJob(tx *ledger.Tx, c *history.Campaign, id string) (research.JobID, error) {
	if id != "" {
		return research.ParseJobID(id)
	}

	if n, ok := tx.Latest(c.Name, co.Repo.Root()); ok {
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

// UpdateCampaign appends to a campaign in one transaction, in the name of this checkout's
// session. f sees the campaign as it is now, not as the caller read it. What the
// session's agent was told goes with it.
func (co *Checkout) UpdateCampaign(
	ctx context.Context, campaign string, f func(tx *ledger.Tx, now *history.Campaign, session string) error,
) error {
	told := co.takeAnswerCounts()

	err := co.Ledger.Update(ctx, func(tx *ledger.Tx) error {
		now, err := co.ReadCampaign(tx, campaign)
		if err != nil {
			return err
		}

		session, err := co.joinSession(tx, now)
		if err != nil {
			return err
		}

		if err := f(tx, now, session); err != nil {
			return err
		}

		return appendAnswers(tx, campaign, session, told)
	})
	if err != nil {
		co.restoreAnswerCounts(told)
	}

	return err
}

// joinSession is the checkout's codename, appending session.joined when the checkout
// or its client is new to the campaign; "" for a person.
func (co *Checkout) joinSession(tx *ledger.Tx, c *history.Campaign) (string, error) {
	if co.Person {
		return "", nil
	}

	name, known := tx.SessionOf(c.Name, co.Repo.Root())
	if known {
		s, err := tx.Session(c.Name, name)
		if err != nil {
			return "", err
		}

		if s.Client == co.Opt.Client.Name && s.Version == co.Opt.Client.Version {
			return name, nil
		}
	}

	for i := 0; !known; i++ {
		name = makeCodename(co.Repo.Root(), i)
		_, err := tx.Session(c.Name, name)

		known = err != nil // nobody else has it
		if known && research.Describe(err).Code != research.CodeNotFound {
			return "", err
		}
	}
	_, err := tx.Append(history.Entry{Campaign: c.Name, Session: name, Kind: history.KindSessionJoined,
		Body: history.SessionJoin{Codename: name, Client: co.Opt.Client.Name, Version: co.Opt.Client.Version,
			Checkout: co.Repo.Root()}})

	return name, err
}

// BoundWait bounds how long a call may take.
func BoundWait(d time.Duration) time.Duration { return min(max(d, 0), 50*time.Second) }

// The requests and answers of every call, as plain values. The JSON names are
// what agents and scripts see (design, section 4); package tools renders them.

type (

	// Left is what remains of the campaign's budget.
	Left struct {
		Experiments int     `json:"experiments"`
		Hours       float64 `json:"hours"`
	}
)

// The views of the ledger that read_log, the resources and the command line show.

type (

	// IdeaView is an idea, and who works on it now.
	IdeaView struct {
		history.IdeaState
		Lapse history.Lapse  // why its claim has ended unreleased, "" while it holds
		Mine  bool           // this checkout's session holds it
		Idle  time.Duration  // since the holder's last record
		Works research.JobID // what the holder runs now
	}
)

// Client says who is connected.
type Client struct {
	Name    string
	Version string
}
