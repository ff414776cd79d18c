package checkout

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/source"
	"ratchet/internal/wording"
	"ratchet/ledger"
)

// RefName is a name in the campaign's own namespace.
func RefName(campaign string, parts ...string) string {
	return "refs/ratchet/" + campaign + "/" + strings.Join(parts, "/")
}

// IsCampaignBranch says whether branch is this checkout's of campaign c: the campaign's
// own, or the one with the checkout's codename.
func (co *Checkout) IsCampaignBranch(c *history.Campaign, branch string) bool {
	name, ok := strings.CutPrefix(branch, c.Branch+"-")
	return branch == c.Branch || ok && isCodename(co.Repo.Root(), name)
}

// RequireCampaignBranch is where the checkout stands, on its branch of the campaign. Calls
// that change files or refs refuse to do it anywhere else.
func (co *Checkout) RequireCampaignBranch(ctx context.Context, campaign *history.Campaign) (source.Head, error) {
	if err := co.Repo.RequireNoOperation(ctx); err != nil {
		return source.Head{}, err
	}

	head, err := co.Repo.Head(ctx)
	if err != nil {
		return head, explainLostBranch(ctx, co, err)
	}

	if err := RequireCommits(ctx, co, campaign); err != nil {
		return head, err
	}

	if _, err := co.Repo.Tree(ctx, head.Commit); err != nil { // the branch's file names what is not a commit
		return head, explainLostBranch(ctx, co, err)
	}

	if !co.IsCampaignBranch(campaign, head.Branch) {
		return head, research.Errorf(research.CodeRepository, "call start_campaign, which goes there",
			"this checkout is on %s, not on a branch of campaign %s",
			cmp.Or(strings.TrimPrefix(head.Branch, "refs/heads/"), "a detached HEAD"), campaign.Name)
	}

	return head, nil
}

// explainLostBranch is the error of a checkout whose HEAD gives no commit: which branch of
// a campaign is gone, and the command that puts it back, if it is one; else cause.
func explainLostBranch(ctx context.Context, co *Checkout, cause error) error {
	branch := co.Repo.Branch(ctx)
	var campaign *history.Campaign

	err := co.Ledger.View(ctx, func(tx *ledger.Tx) error {
		campaign = campaignOfBranch(co, tx, branch)
		return nil
	})
	if err != nil || campaign == nil {
		return cause
	}

	if err := RequireCommits(ctx, co, campaign); err != nil {
		return err
	}

	return research.Errorf(research.CodeRepository, "git update-ref "+branch+" "+campaign.Incumbent,
		"%s, the branch of campaign %s, is gone or damaged; by the ledger it belongs at the incumbent", branch,
		campaign.Name)
}

// RequireCommits refuses where git no longer has the campaign's start or incumbent, since
// their refs were deleted and git has collected them.
func RequireCommits(ctx context.Context, co *Checkout, campaign *history.Campaign) error {
	err := RequireCommit(ctx, co, RefName(campaign.Name, "incumbent"), campaign.Incumbent)
	if err == nil && campaign.Start != campaign.Incumbent {
		err = RequireCommit(ctx, co, RefName(campaign.Name, "start"), campaign.Start)
	}

	return err
}

// RequireCommit refuses where git no longer has a commit that the ledger names and ref
// held. Errors: CodeRepository.
func RequireCommit(ctx context.Context, co *Checkout, ref, commit string) error {
	_, err := co.Repo.Tree(ctx, commit)
	if !research.HasCode(err, research.CodeNotFound) {
		return err
	}

	return research.Errorf(research.CodeRepository,
		fmt.Sprintf("fetch it from a clone or backup that has it: git fetch CLONE %s:%s, then start_campaign; if none has it: ratchet abandon, then start_campaign with another name",
			ref, ref),
		"commit %s, which %s held, is not in this repository any more: the ref was deleted, and git has collected it",
		commit, ref)
}

// MoveIncumbent is the update that lets the ref of the campaign's incumbent follow the
// ledger from commit was to commit, nil where it is there already or another session has
// moved it further. The ledger decides: a ref that was deleted or moved elsewhere is put
// right, and note says so.
func MoveIncumbent(
	ctx context.Context, co *Checkout, campaign *history.Campaign, was, commit string,
) (update *source.RefUpdate, note string, err error) {
	name := RefName(campaign.Name, "incumbent")

	at, err := co.Repo.Ref(ctx, name)
	if err != nil || at == commit {
		return nil, "", err
	}
	update = &source.RefUpdate{Name: name, New: commit, Old: at}

	switch {
	case at == was:
		return update, "", nil
	case at == "":
		return update, name + " was deleted; it is back", nil
	}

	// An error says that git does not have what the ref points to.
	if isNewer, err := co.Repo.IsAncestor(ctx, commit, at); err == nil && isNewer {
		return nil, "", nil
	}

	if isOlder, err := co.Repo.IsAncestor(ctx, at, commit); err == nil && isOlder {
		return update, "", nil
	}

	return update, fmt.Sprintf("%s pointed to %s, which is not a commit of the campaign; it is put back", name,
		wording.ShortCommit(at)), nil
}

// SubmoduleNote says that the folders of a commit's submodules are empty in a run, and what
// to do; "" where it has none.
func SubmoduleNote(ctx context.Context, co *Checkout, commit string) (string, error) {
	paths, err := co.Repo.Submodules(ctx, commit)
	if err != nil || len(paths) == 0 {
		return "", err
	}

	return fmt.Sprintf("submodules are not part of a version, their folders are empty in a run: %s; for a run that needs them commit their files (git subtree), or copy them into a git-ignored folder and name that in `carry`",
		strings.Join(paths[:min(5, len(paths))], ", ")), nil
}

func FinalBranchName(c *history.Campaign) string { return "ratchet/" + c.Name + "-final" }

// MergeCommand is the command that merges a campaign's branch where it came from.
func MergeCommand(c *history.Campaign, branch string) string {
	return SwitchCommand(c.Origin) + " && git merge " + branch
}

// MergeStep is the same, with what has to be done before in this checkout: an edit under
// way would keep git from switching.
func MergeStep(ctx context.Context, co *Checkout, campaign *history.Campaign, branch string) (string, error) {
	changes, err := co.Repo.Changes(ctx, "HEAD")
	if err != nil {
		return "", err
	}
	step, edit := MergeCommand(campaign, branch), EditedFiles(campaign.ProgramPath, campaign.Program)

	for _, change := range changes {
		if slices.Contains(edit, change.Path) {
			return fmt.Sprintf("%s has an edit under way: keep it, or `ratchet call revert` (which saves it); then %s",
				change.Path, step), nil
		}
	}

	return step, nil
}

// SwitchCommand is the command that takes the checkout back to where it came from, a
// branch or a commit.
func SwitchCommand(origin string) string {
	if len(origin) == 40 {
		return "git switch --detach " + wording.ShortCommit(origin)
	}

	return "git switch " + origin
}

// CommitCandidate makes a commit that only a ref of the campaign will hold.
func (co *Checkout) CommitCandidate(
	ctx context.Context, campaign *history.Campaign, tree, subject string, parents ...string,
) (string, error) {
	return co.Repo.Commit(ctx, source.CommitSpec{Tree: tree, Parents: parents,
		Message: fmt.Sprintf("candidate: %s\n\nRatchet-Campaign: %s\n", subject, campaign.Name)})
}

// MergeTree is the incumbent's tree with what the commit edited changed in paths
// since base. CodeConflict where another session changed the same lines.
func (co *Checkout) MergeTree(
	ctx context.Context, campaign *history.Campaign, base, edited string, paths []string,
) (string, error) {
	tree, conflicts, err := co.Repo.Merge(ctx, base, campaign.Incumbent, edited, paths)
	if err == nil && len(conflicts) > 0 {
		err = research.Errorf(research.CodeConflict,
			"call revert (it stores your edit and brings the incumbent), then apply your idea again",
			"another session kept a change of the same lines of %s: the incumbent is %s now", strings.Join(conflicts,
				", "), wording.ShortCommit(campaign.Incumbent))
	}

	return tree, err
}
