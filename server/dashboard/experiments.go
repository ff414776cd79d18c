package dashboard

import (
	"context"
	"encoding/json"
	"ratchet/internal/render"
	"strconv"
	"time"

	"ratchet/internal/lab"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/view"
	"ratchet/internal/wording"
)

const (
	defaultRows   = 100 // experiments on a page
	maxRows       = 500
	maxPagesRead  = 16        // of the ledger, for one page of the dashboard
	maxQuery      = 200       // bytes of words to search for
	maxDiff       = 256 << 10 // bytes
	defaultOutput = 16 << 10  // bytes of what a job printed
	maxOutput     = 256 << 10
	maxJobID      = 20 // bytes
)

type (
	experimentPage struct {
		Rows []experimentRow `json:"rows"`
		Next string          `json:"next"` // cursor, "" at the end
	}
	experimentRow struct {
		N          int                `json:"n"`
		Hypothesis string             `json:"hypothesis"` // its first line
		Status     research.Status    `json:"status"`
		Verdict    research.Verdict   `json:"verdict"` // "" while there is none
		Value      *float64           `json:"value"`
		Gain       *research.Interval `json:"gain"`
		GainText   string             `json:"gain_text"`
		Runs       int                `json:"runs"`
		RunSeconds float64            `json:"run_seconds"`
		Session    string             `json:"session"`
		Proof      string             `json:"proof"`
		Overridden bool               `json:"overridden,omitempty"`
		At         time.Time          `json:"at"` // of the verdict; of the proposal while there is none
		Added      int                `json:"added"`
		Removed    int                `json:"removed"`
	}
	experimentDetail struct {
		experimentRow
		Hypothesis string            `json:"hypothesis"` // whole
		Expect     string            `json:"expect"`
		Idea       string            `json:"idea"`
		Words      string            `json:"words"` // the judgement
		Reason     string            `json:"reason"`
		StoppedBy  string            `json:"stopped_by"`
		Proof      string            `json:"proof"`
		Lesson     string            `json:"lesson"`
		Note       string            `json:"note"`
		Checkout   string            `json:"checkout"`
		ProposedAt time.Time         `json:"proposed_at"`
		JudgedAt   *time.Time        `json:"judged_at"`
		Commit     string            `json:"commit"` // of the keep
		Candidate  string            `json:"candidate"`
		Parent     string            `json:"parent"`
		Files      []string          `json:"files"`
		Diff       string            `json:"diff"`
		Truncated  bool              `json:"diff_truncated"`
		Runs       []runDetail       `json:"runs"`
		Evidence   []rules.Evidence  `json:"evidence"`
		E          float64           `json:"e"`
		Need       float64           `json:"need"`
		Enforced   map[string]string `json:"enforced"`
		Override   *overrideReason   `json:"overridable"`
		Unit       string            `json:"unit"`
		Scale      string            `json:"scale"` // of gains and of detectable: log | linear
		Detectable float64           `json:"detectable"`
	}
	runDetail struct {
		Run       int                `json:"run"`
		Role      research.Role      `json:"role"`
		Side      rules.Side         `json:"side"`
		Pair      int                `json:"pair"`
		Valid     bool               `json:"valid"`
		Void      bool               `json:"void"`
		WarmUp    bool               `json:"warm_up"`
		Contended bool               `json:"contended"`
		Again     bool               `json:"again"`
		Reason    string             `json:"reason"`
		Samples   map[string]float64 `json:"samples"`
		Wall      float64            `json:"wall_s"`
		CPU       float64            `json:"cpu_s"`
		MaxRSS    int64              `json:"max_rss_bytes"`
		Exit      int                `json:"exit"`
		Signal    string             `json:"signal"`
		Outside   *float64           `json:"outside_cpus"`
		GPU       json.RawMessage    `json:"gpu"`
		Started   time.Time          `json:"started"`
	}
	overrideReason struct {
		Why string `json:"why"` // keep refuses it
	}
)

// listExperiments answers with a page of experiments, the newest first. A search
// for what is rare stops after a bounded effort: its page may be short, or empty,
// and yet have a cursor.
func listExperiments(ctx context.Context, c *call) (any, error) {
	limit, err := c.intParam("limit", defaultRows, maxRows)
	if err != nil {
		return nil, err
	}

	query, err := c.experimentQuery()
	if err != nil {
		return nil, err
	}

	out := experimentPage{Rows: []experimentRow{}}
	for range maxPagesRead {
		query.Limit = limit - len(out.Rows)

		p, err := view.ListExperiments(ctx, c.lab, query)
		if err != nil {
			return nil, err
		}

		for i := range p.Experiments {
			out.Rows = append(out.Rows, rowOf(&p.Experiments[i]))
		}

		out.Next = p.Next
		if out.Next == "" || len(out.Rows) >= limit {
			break
		}
		query.Cursor = p.Next
	}

	return out, nil
}

// experimentQuery reads what the request searches for.
func (c *call) experimentQuery() (q view.Query, err error) {
	if q.Text, err = c.textParam("query", maxQuery); err != nil {
		return q, err
	}

	status, err := c.wordParam("status", "", "running", "unresolved", "kept", "reverted", "invalid")
	if err != nil {
		return q, err
	}

	verdict, err := c.wordParam("verdict", "", "improved", "provisional", "equivalent", "regressed", "inconclusive",
		"invalid")
	if err != nil {
		return q, err
	}

	q.Status = research.Status(status)
	q.Verdict = research.Verdict(verdict)
	q.Cursor = c.query.Get("cursor")

	return q, nil
}

func rowOf(x *history.Experiment) experimentRow {
	row := experimentRow{
		N:          x.N,
		Hypothesis: render.Clean(wording.FirstLine(x.Hypothesis)),
		Status:     x.Status,
		Runs:       x.Runs,
		RunSeconds: x.RunSeconds,
		Session:    x.Session,
		Proof:      x.Proof,
		Overridden: x.Overridden != "",
		At:         x.ProposedAt,
		Added:      x.Added,
		Removed:    x.Removed,
	}

	if j := x.Judgement; j != nil {
		row.Verdict = j.Verdict
		row.Value = j.Value
		row.Gain = j.Gain
		row.GainText = render.GainText(j.Gain, j.Scale)
	}

	if !x.JudgedAt.IsZero() {
		row.At = x.JudgedAt
	}

	return row
}

// showExperiment answers with one experiment by its number, its runs and its diff.
func showExperiment(ctx context.Context, c *call, name string) (any, error) {
	n, err := strconv.Atoi(name)
	if err != nil || n < 1 {
		return nil, research.Errorf(research.CodeNotFound, "name one by its number: /ui/api/experiments/7",
			"%q is no experiment's number", excerpt(name))
	}

	d, err := view.ReadDetail(ctx, c.lab, name, maxDiff)
	if err != nil {
		return nil, err
	}
	out := detailOf(d)

	// An error says that the experiment needs no override, or can't have one.
	if o, err := lab.FindOverridable(ctx, c.lab, string(d.Experiment.Job())); err == nil {
		out.Override = &overrideReason{Why: o.Why}
	}

	return out, nil
}

func detailOf(d *view.Detail) *experimentDetail {
	x := &d.Experiment

	out := &experimentDetail{
		experimentRow: rowOf(x),
		Hypothesis:    render.Clean(x.Hypothesis),
		Expect:        render.Clean(x.Expect),
		Idea:          render.Clean(x.Idea),
		Proof:         d.Proof,
		Lesson:        render.Clean(x.Lesson),
		Note:          render.Clean(x.Note),
		Checkout:      x.Checkout,
		ProposedAt:    x.ProposedAt,
		Commit:        x.Commit,
		Candidate:     x.Candidate,
		Parent:        x.Parent,
		Files:         d.Files,
		Diff:          render.Clean(d.Diff),
		Truncated:     d.Cut,
		Runs:          make([]runDetail, len(d.Runs)),
		Evidence:      append([]rules.Evidence{}, d.Evidence...),
		Enforced:      map[string]string{},
		Unit:          render.Clean(d.Metric.Unit),
	}

	for i := range d.Runs {
		out.Runs[i] = runOf(&d.Runs[i])

		if enforced := d.Runs[i].Enforced; len(enforced) > 0 {
			out.Enforced = enforced
		}
	}

	if j := x.Judgement; j != nil {
		out.Words = render.Clean(j.Describe(d.Metric))
		out.Reason = render.Clean(j.Reason)
		out.StoppedBy = j.StoppedBy
		out.Scale = j.Scale
		out.E = j.E
		out.Need = j.Need
		out.Detectable = j.Detectable
	}

	if !x.JudgedAt.IsZero() {
		out.JudgedAt = &x.JudgedAt
	}

	return out
}

func runOf(r *rules.Run) runDetail {
	return runDetail{
		Run:       r.Number,
		Role:      r.Role,
		Side:      r.Side,
		Pair:      r.Pair,
		Valid:     r.Valid,
		Void:      r.Void,
		WarmUp:    r.WarmUp,
		Contended: r.Contended,
		Again:     r.Again,
		Reason:    render.Clean(r.Reason),
		Samples:   r.Samples,
		Wall:      r.Wall,
		CPU:       r.CPU,
		MaxRSS:    r.MaxRSS,
		Exit:      r.Exit,
		Signal:    r.Signal,
		Outside:   r.Outside,
		GPU:       r.GPU,
		Started:   r.Started,
	}
}

// showOutput answers with a part of what a job printed, from its end by default.
func showOutput(ctx context.Context, c *call) (any, error) {
	limit, err := c.intParam("limit", defaultOutput, maxOutput)
	if err != nil {
		return nil, err
	}

	id, err := c.textParam("id", maxJobID)
	if err != nil {
		return nil, err
	}

	p, err := view.ReadOutput(ctx, c.lab, id, c.query.Get("cursor"), limit)
	if err != nil {
		return nil, err
	}

	return map[string]any{"id": p.Job, "text": render.Clean(p.Text), "next": p.Next, "total": p.Total}, nil
}
