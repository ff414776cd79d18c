package checkout

import (
	"context"
	"path/filepath"
	"slices"

	"ratchet/internal/host"
	"ratchet/internal/passphrase"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/source"
	"ratchet/ledger"
)

// Options say where a checkout is and who uses it.
type Options struct {
	Dir string // a folder of the checkout; "" is the process's own
	// GitDir and CommonDir are the checkout's git directories, and Dir its root,
	// where the process that started this one has asked git already; "" to ask it.
	GitDir, CommonDir string

	Program string // path of program.md, "" for the nearest one at or above Dir
	Ledger  string // path of the ledger, "" for <git common dir>/ratchet/ledger.db
	Client  Client
	Version string // of Ratchet
	// Observe is called with how long each transaction of the ledger took; may be nil.
	Observe func(ledger.Timing)
	// Advance is called with how far a long reading of the ledger has come; may be nil.
	Advance func(what string, done, total uint64)
	// Host brings workers to life; nil: processes of this machine, whose files lie in
	// JobsDir.
	Host host.Host
	// Supervise is the command of a worker; the campaign's name, the job's id and
	// where the checkout is are appended.
	Supervise []string
	// Tell is the command of a notifier, in a process of its own; the campaign's name
	// is appended. Empty: no notice is sent.
	Tell []string
}

// Checkout is one checkout's view of its repository's campaigns. It remembers
// nothing of them: every call reads the ledger afresh. It may hold the mark of a
// session that works in the checkout (Attend). It may be used by several goroutines.
type Checkout struct {
	Opt    Options
	Repo   *source.Repo
	Ledger *ledger.Ledger
	Host   host.Host

	// ledgerPath is of the ledger that names the cache folder: a throw-away campaign
	// has its workspace beside those of the checkout's own ledger.
	ledgerPath     string
	personCampaign string // the campaign that a person's calls are for, "" for the checkout's own
	Person         bool   // not a session, see AsPerson

	mark    mark
	answers answerCounts
}

// Open finds the repository of o.Dir. It starts nothing and writes no file.
// Errors: CodeRepository, CodeUnsupported.
func Open(ctx context.Context, options Options) (*Checkout, error) {
	if options.Dir == "" {
		options.Dir = "."
	}

	repo, err := openRepository(ctx, options)
	if err != nil {
		return nil, err
	}

	path := options.Ledger
	if path == "" {
		path = filepath.Join(repo.CommonDir(), "ratchet", "ledger.db")
	}

	co := &Checkout{Opt: options, Repo: repo, Host: options.Host}

	co.Ledger, err = ledger.Open(path, ledger.Options{Version: options.Version, Running: co.HasWorker,
		Observe: options.Observe, Advance: options.Advance})
	if err != nil {
		return nil, err
	}
	co.ledgerPath = co.Ledger.Path()

	if co.Host == nil {
		co.Host = host.NewLocal(co.JobsDir())
	}

	return co, nil
}

// openRepository finds the checkout by asking git, unless the options say where it is.
func openRepository(ctx context.Context, options Options) (*source.Repo, error) {
	if options.GitDir != "" && options.CommonDir != "" {
		return source.At(options.Dir, options.GitDir, options.CommonDir)
	}

	return source.Open(ctx, options.Dir)
}

// Root is the top of the checkout.
func (co *Checkout) Root() string { return co.Repo.Root() }

// Client says who is connected.
type Client struct {
	Name    string
	Version string
}

// JobsDir is the folder of the locks of this repository: of sessions, of the turns to
// measure and, with the local host, of workers.
func (co *Checkout) JobsDir() string { return filepath.Join(co.Ledger.Dir(), "jobs") }

// Passphrase is the repository's, by which a person has locked what only a person decides
// (`ratchet lock`). It lies beside the ledger of the git directory, whichever is used.
func Passphrase(co *Checkout) passphrase.Lock {
	return passphrase.Lock{Path: filepath.Join(co.Repo.CommonDir(), "ratchet", "passphrase.json")}
}

// AsPerson is the same checkout for a person who looks on and steers: its calls
// are about the campaign of that name; with "" about the checkout's own, else the
// one that began last. What it appends is in no session's name, and it marks
// nothing. Errors: CodeNoCampaign.
func (co *Checkout) AsPerson(ctx context.Context, campaign string) (*Checkout, error) {
	p := &Checkout{Opt: co.Opt, Repo: co.Repo, Ledger: co.Ledger, Host: co.Host, ledgerPath: co.ledgerPath,
		personCampaign: campaign, Person: true}

	err := co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		if campaign != "" {
			_, err := tx.Campaign(campaign)
			return err
		}

		c, err := co.FindCampaign(ctx, tx)
		if err == nil {
			p.personCampaign = c.Name
			return nil
		}

		all, listErr := tx.Campaigns()
		if listErr != nil {
			return listErr
		}

		if len(all) == 0 || !research.HasCode(err, research.CodeNoCampaign) {
			return err
		}

		latest := slices.MaxFunc(all, func(a, b history.Campaign) int { return a.StartedAt.Compare(b.StartedAt) })
		p.personCampaign = latest.Name

		return nil
	})

	return p, err
}

// Campaign is the name of the campaign that a person's calls are for, "" for a
// session's.
func (co *Checkout) Campaign() string { return co.personCampaign }

// WithLedger is the same checkout with another ledger and with workers of its own, for
// a campaign that is thrown away. It marks nothing.
func (co *Checkout) WithLedger(led *ledger.Ledger) *Checkout {
	other := &Checkout{Opt: co.Opt, Repo: co.Repo, Ledger: led, ledgerPath: co.ledgerPath}
	other.Host = host.NewLocal(other.JobsDir())

	return other
}

// OpenSibling opens another checkout of the same repository and ledger, for the same
// campaign. Errors: as Open's.
func (co *Checkout) OpenSibling(ctx context.Context, dir string) (*Checkout, error) {
	options := co.Opt
	options.Dir, options.Ledger, options.Program = dir, co.Ledger.Path(), ""

	sibling, err := Open(ctx, options)
	if err != nil {
		return nil, err
	}
	sibling.personCampaign, sibling.Person = co.personCampaign, co.Person

	return sibling, nil
}
