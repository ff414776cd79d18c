package checkout

import (
	"context"
	"fmt"
	"strings"

	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/source"
	"ratchet/internal/wording"
)

// CommitCandidate makes a commit that only a ref of the campaign will hold.
func (co *Checkout) CommitCandidate(
	ctx context.Context, c *history.Campaign, tree, subject string, parents ...string,
) (string, error) {
	return co.Repo.Commit(ctx, source.CommitSpec{Tree: tree, Parents: parents,
		Message: fmt.Sprintf("candidate: %s\n\nRatchet-Campaign: %s\n", subject, c.Name)})
}

// MergeTree is the incumbent's tree with what the commit edited changed in paths
// since base. CodeConflict where another session changed the same lines.
func (co *Checkout) MergeTree(
	ctx context.Context, c *history.Campaign, base, edited string, paths []string,
) (string, error) {
	tree, conflicts, err := co.Repo.Merge(ctx, base, c.Incumbent, edited, paths)
	if err == nil && len(conflicts) > 0 {
		err = research.Errorf(research.CodeConflict,
			"call revert (it stores your edit and brings the incumbent), then apply your idea again",
			"another session kept a change of the same lines of %s: the incumbent is %s now", strings.Join(conflicts,
				", "), wording.ShortCommit(c.Incumbent))
	}

	return tree, err
}
