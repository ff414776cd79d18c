package dashboard

import (
	"cmp"
	"context"
	"time"

	"ratchet/internal/checkout"
	"ratchet/internal/render"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/view"
)

// What /ui/api/state answers: a campaign at a glance.
type (
	state struct {
		Repo     string        `json:"repo"`
		Role     string        `json:"role"`
		Locked   bool          `json:"locked"` // a person's decision needs a passphrase, see `ratchet lock`
		Seq      uint64        `json:"seq"`
		Now      time.Time     `json:"now"`
		Campaign campaignState `json:"campaign"`
		Left     remaining     `json:"left"`
		Budget   budget        `json:"budget"`
		Running  []runningJob  `json:"running"`
		Sessions []session     `json:"sessions"`
		Ideas    []idea        `json:"ideas"`
		Lessons  []lesson      `json:"lessons"`
		Notes    []note        `json:"notes"`
	}
	campaignState struct {
		Name        string                   `json:"name"`
		Metric      metric                   `json:"metric"`
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
	metric struct {
		Name   string             `json:"name"`
		Better research.Direction `json:"better"`
		Unit   string             `json:"unit"`
	}
	remaining struct {
		Experiments int      `json:"experiments"`
		Hours       float64  `json:"hours"`
		GPUHours    *float64 `json:"gpu_hours"`
	}
	budget struct {
		Experiments int      `json:"experiments"`
		Hours       float64  `json:"hours"`
		GPUHours    *float64 `json:"gpu_hours"`
		Wall        float64  `json:"wall_s"` // of one run
	}
	runningJob struct {
		ID      research.JobID `json:"id"`
		Phase   string         `json:"phase"`
		Elapsed float64        `json:"elapsed_s"`
		About   string         `json:"about"`
		Session string         `json:"session"`
	}
	session struct {
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
	idea struct {
		N      int                `json:"n"`
		Text   string             `json:"text"`
		Status history.IdeaStatus `json:"status"`
		Words  string             `json:"words"` // where it stands
		Holder string             `json:"holder"`
		Lapse  history.Lapse      `json:"lapse"`
		Tried  []int              `json:"tried"` // the last experiment made of it
	}
	lesson struct {
		N          int    `json:"n"`
		Text       string `json:"text"`
		Experiment int    `json:"experiment,omitempty"`
	}
	note struct {
		N         int       `json:"n"`
		Text      string    `json:"text"`
		By        string    `json:"by"`
		At        time.Time `json:"at"`
		Delivered []string  `json:"delivered"` // codenames of the sessions that were told
	}
)

// showState answers with the campaign at a glance.
func showState(ctx context.Context, c *call) (any, error) {
	board, err := view.ReadBoard(ctx, c.lab)
	if err != nil {
		return nil, err
	}
	contract := board.Campaign.Program

	out := &state{
		Repo:     c.Checkout,
		Role:     c.Role,
		Seq:      board.Seq,
		Now:      time.Now().UTC(),
		Campaign: campaignOf(board),
		Left:     remaining{Experiments: board.Left.Experiments, Hours: board.Left.Hours},
		Budget: budget{
			Experiments: contract.Campaign.Experiments,
			Hours:       contract.Campaign.Hours,
			Wall:        time.Duration(contract.Budget.Wall).Seconds(),
		},
	}

	// A file that can't be read locks, too.
	locked, err := checkout.Passphrase(c.lab).IsSet()
	out.Locked = locked || err != nil

	if limit := contract.Campaign.GPUHours; limit > 0 {
		left := max(0, limit-board.Campaign.GPUSeconds/3600)
		out.Budget.GPUHours, out.Left.GPUHours = &limit, &left
	}

	out.addJobs(board)
	out.addSessions(board)
	out.addIdeas(board)
	out.addNotes(board)

	return out, nil
}

func campaignOf(board *view.Board) campaignState {
	campaign := board.Campaign

	return campaignState{
		Name: campaign.Name,
		Metric: metric{
			Name:   campaign.Program.Metric.Name,
			Better: campaign.Program.Metric.Better,
			Unit:   render.Clean(campaign.Program.Metric.Unit),
		},
		Noisy:       campaign.Rule.NoiseKind == research.Noisy,
		StartedAt:   campaign.StartedAt,
		Ended:       campaign.Ended,
		Rests:       campaign.Rests,
		Standing:    cmp.Or(board.Standing, campaign.ExactWords()),
		Merge:       board.Merge,
		Next:        board.Next,
		Best:        board.Best,
		Baseline:    board.Baseline,
		Experiments: campaign.Experiments,
		Kept:        campaign.Kept,
		Overridden:  campaign.Overridden,
		Reverted:    campaign.Reverted,
		Verdicts:    campaign.Verdicts,
		Runs:        campaign.Runs,
		RunSeconds:  campaign.RunSeconds,
		GPUSeconds:  campaign.GPUSeconds,
		Changed:     board.Changed,
		Broken:      render.Clean(campaign.Broken),
	}
}

func (out *state) addJobs(board *view.Board) {
	out.Running = make([]runningJob, len(board.Running))

	for i, j := range board.Running {
		out.Running[i] = runningJob{
			ID:      j.ID,
			Phase:   render.Clean(j.Phase),
			Elapsed: j.Elapsed,
			About:   render.Clean(j.About),
			Session: j.Session,
		}
	}
}

func (out *state) addSessions(board *view.Board) {
	out.Sessions = make([]session, len(board.Sessions))

	for i := range board.Sessions {
		from := &board.Sessions[i]

		running := []research.JobID{}
		for _, j := range from.Running {
			running = append(running, j.ID)
		}

		out.Sessions[i] = session{
			Codename:    from.Codename,
			Client:      render.Clean(from.Client),
			Version:     render.Clean(from.Version),
			Checkout:    from.Checkout,
			Last:        from.Last,
			Experiments: from.Experiments,
			Kept:        from.Kept,
			Running:     running,
			Claims:      append([]int{}, from.Claims...),
		}
	}
}

func (out *state) addIdeas(board *view.Board) {
	out.Ideas = make([]idea, len(board.Ideas))

	for i := range board.Ideas {
		from := &board.Ideas[i]

		tried := []int{}
		if from.Experiment > 0 {
			tried = append(tried, from.Experiment)
		}

		out.Ideas[i] = idea{
			N:      from.N,
			Text:   render.Clean(from.Text),
			Status: from.Status,
			Words:  render.Clean(from.StatusText()),
			Holder: from.Holder,
			Lapse:  from.Lapse,
			Tried:  tried,
		}
	}
}

// addNotes fills in the agents' lessons and the persons' notes.
func (out *state) addNotes(board *view.Board) {
	out.Lessons = make([]lesson, len(board.Lessons))
	for i, l := range board.Lessons {
		out.Lessons[i] = lesson{N: l.N, Text: render.Clean(l.Text), Experiment: l.Experiment}
	}

	out.Notes = make([]note, len(board.Notes))
	for i, n := range board.Notes {
		out.Notes[i] = note{
			N:         n.N,
			Text:      render.Clean(n.Text),
			By:        n.By,
			At:        n.At,
			Delivered: append([]string{}, n.Delivered...),
		}
	}
}
