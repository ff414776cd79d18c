package checkout

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ratchet/internal/atomicfile"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/source"
	"ratchet/ledger"
	"ratchet/sandbox"
)

// This file is what a repository and its campaigns are known by. A campaign is that of
// a repository and of a program's path in it; a name that the program gives, or that
// a call gives, tells several of the same path apart. The folder's name, which is the
// default, does not: it differs between two checkouts.

// idLetters are the letters of a random id, as rand.Text makes it.
const idLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

// RepositoryID is the random id of the repository, "" before its first start. It lies
// in the git directory that all checkouts share, so a clone, and a repository that is
// made again at the same path, has another one. Errors: CodeRepository.
func RepositoryID(co *Checkout) (string, error) {
	text, err := os.ReadFile(repositoryFile(co))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}

	if err != nil {
		return "", research.Errorf(research.CodeRepository, "check its permissions", "read the repository's id: %w",
			err)
	}

	id := strings.TrimSpace(string(text))
	if len(id) < 26 || strings.Trim(id, idLetters) != "" {
		return "", research.Errorf(research.CodeRepository, "remove it: the next start_campaign makes another",
			"%s does not hold the repository's id", repositoryFile(co))
	}

	return id, nil
}

// EnsureRepositoryID gives the repository its id, where it has none yet.
func EnsureRepositoryID(ctx context.Context, co *Checkout) error {
	if id, err := RepositoryID(co); id != "" || err != nil {
		return err
	}

	if err := os.MkdirAll(filepath.Dir(repositoryFile(co)), 0o777); err != nil {
		return research.Errorf(research.CodeStorage, "make the git directory writable", "make the repository's id: %w",
			err)
	}

	lock, err := sandbox.AcquireLock(ctx, repositoryFile(co)+".lock", 0)
	if err != nil {
		return err
	}
	defer lock.Release()

	if id, err := RepositoryID(co); id != "" || err != nil { // another session made it meanwhile
		return err
	}

	return atomicfile.Write(repositoryFile(co), []byte(rand.Text()+"\n"), atomicfile.Options{})
}

func repositoryFile(co *Checkout) string {
	return filepath.Join(co.Repo.CommonDir(), "ratchet", "repository")
}

// CacheDir is the folder of this repository's workspaces. Another repository, and
// another ledger, has another. The name only leads there, and is short because
// sockets in a run's TMPDIR have paths of 107 bytes at most: what lies in the
// folder is stamped with the identity in full, and checked when it is taken.
func (co *Checkout) CacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", research.Errorf(research.CodeStorage, "set HOME or XDG_CACHE_HOME", "no cache folder: %w", err)
	}

	id, err := RepositoryID(co)
	if err != nil {
		return "", err
	}

	sum := sha256.Sum256([]byte(strings.Join([]string{id, co.Repo.CommonDir(), co.ledgerPath}, "\x00")))
	name := strings.ToLower(base32.StdEncoding.EncodeToString(sum[:10]))

	return filepath.Join(base, "ratchet", name), nil
}

// OldCacheDir is where the workspaces lay before repositories had ids: named by the
// path of the git directory alone.
func OldCacheDir(co *Checkout) (string, error) {
	dir, err := co.CacheDir()
	sum := sha256.Sum256([]byte(co.Repo.CommonDir()))

	return filepath.Join(filepath.Dir(dir), hex.EncodeToString(sum[:8])), err
}

// StartedCampaign is the campaign that start_campaign means where it is given no name: the
// one whose branch is checked out, else the program's. nil when none was started.
func StartedCampaign(
	ctx context.Context, co *Checkout, doc *ProgramDocument, head source.Head,
) (campaign *history.Campaign, err error) {
	err = co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		here := campaignOfBranch(co, tx, head.Branch)
		if here != nil && here.ProgramPath == doc.Path && here.Ended == "" {
			campaign = here
			return nil
		}
		campaign, err = campaignOfProgram(ctx, co, tx, doc, head)

		return err
	})

	return campaign, err
}

// campaignOfProgram is the campaign of a program that lies in the checkout, nil when none
// was started. Of those that go on it is, in this order:
//   - where HEAD is detached, as `git worktree add --detach` leaves it: the one from
//     whose start to whose incumbent it lies, if that is true of one only;
//   - the one that the program names;
//   - for a program that gives no name: the only one of its path, else of these the one
//     with the folder's name, else the one that HEAD lies on.
//
// Of those that have ended it is the one with the name, or the latest of a program
// that gives none. Errors: CodeNoCampaign when several are meant equally.
func campaignOfProgram(
	ctx context.Context, co *Checkout, tx *ledger.Tx, doc *ProgramDocument, head source.Head,
) (*history.Campaign, error) {
	all, err := tx.Campaigns()
	if err != nil {
		return nil, err
	}
	var named, ended *history.Campaign
	var live []*history.Campaign // of this program

	for i := range all {
		campaign := &all[i]
		if campaign.Name == doc.Program.Name {
			named = campaign
		}

		switch {
		case campaign.ProgramPath != doc.Path || RequireOwnCampaign(ctx, co, campaign) != nil:
		case campaign.Ended == "":
			live = append(live, campaign)
		case ended == nil || ended.StartedAt.Before(campaign.StartedAt):
			ended = campaign
		}
	}

	if len(live) == 0 {
		if named == nil && !doc.Named {
			named = ended
		}

		return named, nil
	}

	if len(live) == 1 && (!doc.Named || live[0] == named) {
		return live[0], nil
	}

	on := slices.DeleteFunc(slices.Clone(live), func(c *history.Campaign) bool { return !isOnLine(ctx, co, c, head) })
	detached := head.Branch == "" && len(on) == 1

	switch {
	case detached:
		return on[0], nil
	case doc.Named || slices.Contains(live, named):
		return named, nil
	case len(on) == 1:
		return on[0], nil
	}

	return nil, ambiguousProgram(doc, live)
}

// isOnLine says whether HEAD lies between the campaign's start and its incumbent.
func isOnLine(ctx context.Context, co *Checkout, campaign *history.Campaign, head source.Head) bool {
	after, err := co.Repo.IsAncestor(ctx, campaign.Start, head.Commit)
	if err != nil || !after {
		return false
	}

	before, err := co.Repo.IsAncestor(ctx, head.Commit, campaign.Incumbent)

	return err == nil && before
}

// ambiguousProgram is the error of a program without a name that has several campaigns.
func ambiguousProgram(doc *ProgramDocument, live []*history.Campaign) error {
	names := make([]string, len(live))
	for i, campaign := range live {
		names[i] = campaign.Name
	}

	return research.Errorf(research.CodeNoCampaign,
		"call start_campaign with the name of one, or git switch to its branch first: ratchet/"+names[0],
		"%s has several campaigns: %s", doc.Path, strings.Join(names, ", "))
}

// RequireOwnCampaign refuses a campaign that began in another repository, of which this
// one has no copy: a ledger may serve several.
func RequireOwnCampaign(ctx context.Context, co *Checkout, campaign *history.Campaign) error {
	id, err := RepositoryID(co)
	if err != nil || campaign.Repository == "" || campaign.Repository == id {
		return err
	}

	if _, err := co.Repo.Tree(ctx, campaign.Start); err == nil { // a clone has the start
		return nil
	}

	return research.Errorf(research.CodeConflict, "start in that repository, or call start_campaign with another name",
		"the campaign %q of this ledger began in another repository, at %s", campaign.Name, campaign.Checkout)
}
