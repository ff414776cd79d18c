package dashboard

import (
	"context"
	"path/filepath"
	"time"
)

type (
	repository struct {
		Path      string            `json:"path"`
		Name      string            `json:"name"`
		Campaigns []campaignSummary `json:"campaigns"`
	}
	campaignSummary struct {
		Name        string    `json:"name"`
		Ended       string    `json:"ended,omitempty"`
		Rests       bool      `json:"rests"`
		Experiments int       `json:"experiments"`
		Kept        int       `json:"kept"`
		StartedAt   time.Time `json:"started_at"`
	}
)

// listRepositories answers with the checkouts that the roots list, as far as
// they can be opened.
func listRepositories(ctx context.Context, c *call) (any, error) {
	opt := &c.handler.opt
	repositories := []repository{}

	for _, dir := range opt.Roots.Campaigns() {
		if _, err := opt.Roots.Checkout(dir); err != nil {
			continue // it reaches outside the roots, or is another user's: not to be shown
		}

		co, err := c.handler.openLab(ctx, dir)
		if err != nil {
			opt.Log.Debug("a repository is not shown", "dir", dir, "err", err)
			continue
		}

		states, err := co.CampaignStates(ctx)
		if err != nil {
			return nil, err
		}

		r := repository{Path: dir, Name: filepath.Base(dir), Campaigns: []campaignSummary{}}
		for _, campaign := range states {
			r.Campaigns = append(r.Campaigns, campaignSummary{
				Name:        campaign.Name,
				Ended:       campaign.Ended,
				Rests:       campaign.Rests != nil,
				Experiments: campaign.Experiments,
				Kept:        campaign.Kept,
				StartedAt:   campaign.StartedAt,
			})
		}

		repositories = append(repositories, r)
	}

	return map[string]any{"repos": repositories, "role": c.Role, "version": opt.Version}, nil
}
