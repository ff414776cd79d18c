package dashboard

import (
	"context"
	"encoding/json"
	"ratchet/internal/plots"
	"ratchet/internal/view"
	"sync"

	"ratchet/internal/chart"
)

const (
	maxProgress = 16 // campaigns whose progress is kept

	defaultPoints = 2000
	maxPoints     = 10_000
)

// progress is a campaign's progress as it was sent last. It is kept because many
// pages ask for the same after each append, and it is by far the largest answer.
type progress struct {
	mu   sync.Mutex // also held while it is made, so that it is made once
	seq  uint64     // of the ledger that it was made from
	body json.RawMessage
}

type progressKey struct {
	ledger, campaign string
	limit            int
}

func showProgress(ctx context.Context, c *call) (any, error) {
	limit, err := c.intParam("limit", defaultPoints, maxPoints)
	if err != nil {
		return nil, err
	}
	ledger := c.lab.Ledger

	known := c.handler.progress.GetOrAdd(progressKey{ledger.Path(), c.lab.Campaign(), limit}, &progress{})
	known.mu.Lock()
	defer known.mu.Unlock()

	seq, err := ledger.Acknowledged() // before it is read: at worst it is made once more
	if err != nil {
		return nil, err
	}

	if known.body != nil && known.seq == seq {
		return known.body, nil
	}

	series, err := view.ReadProgress(ctx, c.lab, limit)
	if err != nil {
		return nil, err
	}

	body, err := json.Marshal(series)
	if err != nil {
		return nil, err
	}
	known.seq, known.body = seq, body

	return known.body, nil
}

// showPlot sends a plot as an image with a ground of its own.
func showPlot(ctx context.Context, c *call) (any, error) {
	kind, err := c.wordParam("kind", plots.Kinds...)
	if err != nil {
		return nil, err
	}

	theme, err := c.wordParam("theme", string(chart.Light), string(chart.Dark))
	if err != nil {
		return nil, err
	}

	p, err := plots.ReadPlot(ctx, c.lab, kind, 0)
	if err != nil {
		return nil, err
	}

	svg, err := chart.Draw(p.Figure, chart.Options{Theme: chart.Theme(theme), Format: chart.SVG})
	if err != nil {
		return nil, err
	}

	header := c.w.Header()
	header.Set("Content-Type", "image/svg+xml")
	header.Set("Content-Security-Policy",
		"default-src 'none'; style-src 'unsafe-inline'") // for an image that is opened by itself
	_, _ = c.w.Write(svg)

	return nil, nil
}
