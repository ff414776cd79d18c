package server

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"ratchet/internal/chart"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/view"
	"ratchet/tools"
)

// What /ui/api/state answers: a campaign at a glance.
type (
	boardState struct {
		Repo     string         `json:"repo"`
		Role     Role           `json:"role"`
		Seq      uint64         `json:"seq"`
		Now      time.Time      `json:"now"`
		Campaign boardCampaign  `json:"campaign"`
		Left     boardLeft      `json:"left"`
		Budget   boardBudget    `json:"budget"`
		Running  []boardJob     `json:"running"`
		Sessions []boardSession `json:"sessions"`
		Ideas    []boardIdea    `json:"ideas"`
		Lessons  []boardLesson  `json:"lessons"`
		Notes    []boardNote    `json:"notes"`
	}
	boardCampaign struct {
		Name        string                   `json:"name"`
		Metric      boardMetric              `json:"metric"`
		Noisy       bool                     `json:"noisy"`
		StartedAt   time.Time                `json:"started_at"`
		Ended       string                   `json:"ended,omitempty"`
		Rests       *history.Rest            `json:"rests"`
		Standing    string                   `json:"standing"`
		Merge       string                   `json:"merge,omitempty"` // a person's next step
		Next        string                   `json:"next"`            // the agent's
		Best        *float64                 `json:"best"`
		Baseline    *float64                 `json:"baseline"`
		Experiments int                      `json:"experiments"`
		Kept        int                      `json:"kept"`
		Overridden  int                      `json:"overridden"` // of the kept ones, by a person against the verdict
		Reverted    int                      `json:"reverted"`
		Verdicts    map[research.Verdict]int `json:"verdicts"`
		Runs        int                      `json:"runs"`
		RunSeconds  float64                  `json:"run_seconds"`
		GPUSeconds  float64                  `json:"gpu_seconds"`
		Changed     bool                     `json:"changed"` // program.md's contract is not the accepted one
		Broken      string                   `json:"broken"`  // why no run can be made
	}
	boardMetric struct {
		Name   string             `json:"name"`
		Better research.Direction `json:"better"`
		Unit   string             `json:"unit"`
	}
	boardLeft struct {
		Experiments int      `json:"experiments"`
		Hours       float64  `json:"hours"`
		GPUHours    *float64 `json:"gpu_hours"`
	}
	boardBudget struct {
		Experiments int      `json:"experiments"`
		Hours       float64  `json:"hours"`
		GPUHours    *float64 `json:"gpu_hours"`
		Wall        float64  `json:"wall_s"` // of one run
	}
	boardJob struct {
		ID      research.JobID `json:"id"`
		Phase   string         `json:"phase"`
		Elapsed float64        `json:"elapsed_s"`
		About   string         `json:"about"`
		Session string         `json:"session"`
	}
	boardSession struct {
		Codename    string           `json:"codename"`
		Client      string           `json:"client"`
		Version     string           `json:"version"`
		Checkout    string           `json:"checkout"`
		Last        time.Time        `json:"last"` // its last record
		Experiments int              `json:"experiments"`
		Kept        int              `json:"kept"`
		Running     []research.JobID `json:"running"`
		Claims      []int            `json:"claims"`
	}
	boardIdea struct {
		N      int                `json:"n"`
		Text   string             `json:"text"`
		Status history.IdeaStatus `json:"status"`
		Words  string             `json:"words"` // where it stands
		Holder string             `json:"holder"`
		Lapse  history.Lapse      `json:"lapse"`
		Tried  []int              `json:"tried"` // the last experiment made of it
	}
	boardLesson struct {
		N          int    `json:"n"`
		Text       string `json:"text"`
		Experiment int    `json:"experiment,omitempty"`
	}
	boardNote struct {
		N         int       `json:"n"`
		Text      string    `json:"text"`
		By        string    `json:"by"`
		At        time.Time `json:"at"`
		Delivered []string  `json:"delivered"` // codenames of the sessions that were told
	}
)

func showState(ctx context.Context, b *board) (any, error) {
	s, err := view.ReadBoard(ctx, b.lab)
	if err != nil {
		return nil, err
	}
	c := s.Campaign
	p := c.Program

	out := boardState{Repo: b.v.checkout, Role: b.v.role, Seq: s.Seq, Now: time.Now().UTC(),
		Campaign: boardCampaign{Name: c.Name,
			Metric: boardMetric{p.Metric.Name, p.Metric.Better, tools.Clean(p.Metric.Unit)},
			Noisy:  c.Rule.Class == research.Noisy, StartedAt: c.StartedAt, Ended: c.Ended, Rests: c.Rests,
			Standing: s.Standing, Merge: s.Merge, Next: s.Next, Best: s.Best, Baseline: s.Baseline,
			Experiments: c.Experiments, Kept: c.Kept, Overridden: c.Overridden, Reverted: c.Reverted,
			Verdicts: c.Verdicts, Runs: c.Runs, RunSeconds: c.RunSeconds, GPUSeconds: c.GPUSeconds, Changed: s.Changed,
			Broken: tools.Clean(c.Broken)},
		Left: boardLeft{Experiments: s.Left.Experiments, Hours: s.Left.Hours},
		Budget: boardBudget{Experiments: p.Campaign.Experiments, Hours: p.Campaign.Hours,
			Wall: time.Duration(p.Budget.Wall).Seconds()},
		Running: make([]boardJob, len(s.Running)), Sessions: make([]boardSession, len(s.Sessions)),
		Ideas: make([]boardIdea, len(s.Ideas)), Lessons: make([]boardLesson, len(s.Lessons)), Notes: make([]boardNote,
			len(s.Notes)),
	}
	if limit := p.Campaign.GPUHours; limit > 0 {
		left := max(0, limit-c.GPUSeconds/3600)
		out.Budget.GPUHours, out.Left.GPUHours = &limit, &left
	}
	out.list(s)

	return &out, nil
}

// list fills in what there is several of.
func (out *boardState) list(s *view.Board) {
	for i, j := range s.Running {
		out.Running[i] = boardJob{j.ID, tools.Clean(j.Phase), j.Elapsed, tools.Clean(j.About), j.Session}
	}

	for i := range s.Sessions {
		v := &s.Sessions[i]

		x := boardSession{Codename: v.Codename, Client: tools.Clean(v.Client), Version: tools.Clean(v.Version),
			Checkout: v.Checkout, Last: v.Last, Experiments: v.Experiments, Kept: v.Kept, Running: []research.JobID{},
			Claims: append([]int{}, v.Claims...)}
		for _, j := range v.Running {
			x.Running = append(x.Running, j.ID)
		}
		out.Sessions[i] = x
	}

	for i := range s.Ideas {
		v := &s.Ideas[i]

		x := boardIdea{N: v.N, Text: tools.Clean(v.Text), Status: v.Status, Words: tools.Clean(v.StatusText()),
			Holder: v.Holder, Lapse: v.Lapse, Tried: []int{}}
		if v.Experiment > 0 {
			x.Tried = append(x.Tried, v.Experiment)
		}
		out.Ideas[i] = x
	}

	for i, l := range s.Lessons {
		out.Lessons[i] = boardLesson{l.N, tools.Clean(l.Text), l.Experiment}
	}

	for i, n := range s.Notes {
		out.Notes[i] = boardNote{n.N, tools.Clean(n.Text), n.By, n.At, append([]string{}, n.Delivered...)}
	}
}

// series is the progress of a campaign as it was sent last: many pages ask for
// the same after each append, and it is by far the largest answer.
type series struct {
	mu   sync.Mutex // also held while it is made, so that it is made once
	seq  uint64
	body rawJSON
}

type seriesKey struct {
	ledger, campaign string
	limit            int
}

const keptSeries = 16

func showProgress(ctx context.Context, b *board) (any, error) {
	limit, err := b.number("limit", 2000, 10_000)
	if err != nil {
		return nil, err
	}
	l := b.lab.Ledger
	s := b.h.series.add(seriesKey{l.Path(), b.lab.Campaign(), limit}, &series{})
	s.mu.Lock()
	defer s.mu.Unlock()

	seq, err := l.Acknowledged() // before it is read: at worst it is made once more
	if err != nil || seq == s.seq && s.body != nil {
		return s.body, err
	}

	p, err := view.ReadProgress(ctx, b.lab, limit)
	if err != nil {
		return nil, err
	}
	s.seq = seq
	s.body, err = json.Marshal(p)

	return s.body, err
}

// showPlot draws one kind, as an image that brings its own ground along.
func showPlot(ctx context.Context, b *board) (any, error) {
	kind, err := b.oneOf("kind", tools.Kinds...)
	if err != nil {
		return nil, err
	}

	theme, err := b.oneOf("theme", string(chart.Light), string(chart.Dark))
	if err != nil {
		return nil, err
	}

	p, err := tools.ReadPlot(ctx, b.lab, kind, 0)
	if err != nil {
		return nil, err
	}

	svg, err := chart.Draw(p.Figure, chart.Options{Theme: chart.Theme(theme), Format: chart.SVG})
	if err != nil {
		return nil, err
	}
	b.v.code = "ok"
	b.out.head.Set("Content-Type", "image/svg+xml")
	b.out.head.Set("Content-Security-Policy",
		"default-src 'none'; style-src 'unsafe-inline'") // should it be opened by itself
	_, _ = b.out.Write(svg)

	return nil, nil
}
