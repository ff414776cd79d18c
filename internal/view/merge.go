package view

import (
	"context"
	"strings"

	"ratchet/internal/checkout"
	"ratchet/internal/research/history"
)

// mergeAdvice is how a person reviews and merges what finalize made of the present
// incumbent; "" when there is nothing of it, or its branch is merged into the
// campaign's origin, moved or gone.
func mergeAdvice(ctx context.Context, co *checkout.Checkout, campaign *history.Campaign) string {
	f := campaign.Finalized()
	if f == nil {
		return ""
	}

	if at, err := co.Repo.Ref(ctx, f.Branch); err != nil || at != f.Commit {
		return ""
	}

	if merged, err := co.Repo.IsAncestor(ctx, f.Commit, campaign.Origin); err != nil || merged {
		return ""
	}
	branch := strings.TrimPrefix(f.Branch, "refs/heads/")

	return "review " + branch + " (`git diff " + campaign.Start[:9] + " " + branch + "`), then " +
		checkout.MergeCommand(campaign,
			branch)
}
