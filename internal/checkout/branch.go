package checkout

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/source"
	"ratchet/internal/wording"
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
		return head, err
	}

	if !co.IsCampaignBranch(campaign, head.Branch) {
		return head, research.Errorf(research.CodeRepository, "call start_campaign, which goes there",
			"this checkout is on %s, not on a branch of campaign %s",
			cmp.Or(strings.TrimPrefix(head.Branch, "refs/heads/"), "a detached HEAD"), campaign.Name)
	}

	return head, nil
}

func FinalBranchName(c *history.Campaign) string { return "ratchet/" + c.Name + "-final" }

func MergeCommand(c *history.Campaign, branch string) string {
	return SwitchCommand(c.Origin) + " && git merge " + branch
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
