package dashboard

import (
	"context"
	"encoding/json"
	"ratchet/internal/render"
	"strconv"
	"time"

	"ratchet/internal/lab"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
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
		GainText   string             `json:"gain_text"` // the values, the change and its interval
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
		// DetectableText is the same in words, "" for nothing.
		DetectableText string             `json:"detectable_text"`
		Metric         string             `json:"metric"` // that its runs were measured by
		Guards         []rules.GuardValue `json:"guards,omitempty"`
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

		page, err := view.ListExperiments(ctx, c.lab, query)
		if err != nil {
			return nil, err
		}

		for i := range page.Experiments {
			out.Rows = append(out.Rows, rowOf(&page.Experiments[i], page.Metric))
		}

		out.Next = page.Next
		if out.Next == "" || len(out.Rows) >= limit {
			break
		}
		query.Cursor = page.Next
	}

	return out, nil
}

// experimentQuery reads what the request searches for.
func (c *call) experimentQuery() (query view.Query, err error) {
	if query.Text, err = c.textParam("query", maxQuery); err != nil {
		return query, err
	}

	status, err := c.wordParam("status", "", "running", "unresolved", "kept", "reverted", "invalid")
	if err != nil {
		return query, err
	}

	verdict, err := c.wordParam("verdict", "", "improved", "provisional", "equivalent", "regressed", "inconclusive",
		"invalid")
	if err != nil {
		return query, err
	}

	query.Status = research.Status(status)
	query.Verdict = research.Verdict(verdict)
	query.Cursor = c.query.Get("cursor")

	return query, nil
}

func rowOf(experiment *history.Experiment, metric contract.Metric) experimentRow {
	row := experimentRow{
		N:          experiment.N,
		Hypothesis: render.Clean(wording.FirstLine(experiment.Hypothesis)),
		Status:     experiment.Status,
		Runs:       experiment.Runs,
		RunSeconds: experiment.RunSeconds,
		Session:    experiment.Session,
		Proof:      experiment.Proof,
		Overridden: experiment.Overridden != "",
		At:         experiment.ProposedAt,
		Added:      experiment.Added,
		Removed:    experiment.Removed,
	}

	if judgement := experiment.Judgement; judgement != nil {
		row.Verdict = judgement.Verdict
		row.Value = judgement.Value
		row.Gain = judgement.Gain
		if experiment.Under != nil {
			metric = *experiment.Under
		}

		if result := judgement.ShortResult(metric); result != "-" {
			row.GainText = render.Clean(result)
		}
	}

	if !experiment.JudgedAt.IsZero() {
		row.At = experiment.JudgedAt
	}

	return row
}

// showExperiment answers with one experiment by its number, its runs and its diff.
func showExperiment(ctx context.Context, c *call, name string) (any, error) {
	n, err := strconv.Atoi(name)
	if err != nil || n < 1 {
		return nil, research.Errorf(research.CodeNotFound, "name one by its number: /ui/api/experiments/7",
			"%q is not an experiment's number", excerpt(name))
	}

	detail, err := view.ReadDetail(ctx, c.lab, name, maxDiff)
	if err != nil {
		return nil, err
	}
	out := detailOf(detail)

	// An error says that the experiment needs no override, or can't have one.
	if o, err := lab.FindOverridable(ctx, c.lab, string(detail.Experiment.Job())); err == nil {
		out.Override = &overrideReason{Why: o.Why}
	}

	return out, nil
}

func detailOf(detail *view.Detail) *experimentDetail {
	experiment := &detail.Experiment

	out := &experimentDetail{
		experimentRow: rowOf(experiment, detail.Metric),
		Hypothesis:    render.Clean(experiment.Hypothesis),
		Expect:        render.Clean(experiment.Expect),
		Idea:          render.Clean(experiment.Idea),
		Proof:         detail.Proof,
		Lesson:        render.Clean(experiment.Lesson),
		Note:          render.Clean(experiment.Note),
		Checkout:      experiment.Checkout,
		ProposedAt:    experiment.ProposedAt,
		Commit:        experiment.Commit,
		Candidate:     experiment.Candidate,
		Parent:        experiment.Parent,
		Files:         detail.Files,
		Diff:          render.Clean(detail.Diff),
		Truncated:     detail.Cut,
		Runs:          make([]runDetail, len(detail.Runs)),
		Evidence:      append([]rules.Evidence{}, detail.Evidence...),
		Enforced:      map[string]string{},
		Metric:        render.Clean(detail.Metric.Name),
		Unit:          render.Clean(detail.Metric.Unit),
	}

	for _, guard := range experiment.Guards {
		out.Guards = append(out.Guards, rules.GuardValue{Name: render.Clean(guard.Name), Value: guard.Value})
	}

	for i := range detail.Runs {
		out.Runs[i] = runOf(&detail.Runs[i])

		if enforced := detail.Runs[i].Enforced; len(enforced) > 0 {
			out.Enforced = enforced
		}
	}

	if judgement := experiment.Judgement; judgement != nil {
		out.Words = render.Clean(judgement.Describe(detail.Metric))
		out.Reason = render.Clean(judgement.Reason)
		out.StoppedBy = judgement.StoppedBy
		out.Scale = judgement.Scale
		out.E = judgement.E
		out.Need = judgement.Need
		out.Detectable = judgement.Detectable

		if judgement.Detectable != 0 {
			out.DetectableText = detail.Metric.Words(judgement.Scale).FormatSize(judgement.Detectable)
		}
	}

	if !experiment.JudgedAt.IsZero() {
		out.JudgedAt = &experiment.JudgedAt
	}

	return out
}

func runOf(run *rules.Run) runDetail {
	return runDetail{
		Run:       run.Number,
		Role:      run.Role,
		Side:      run.Side,
		Pair:      run.Pair,
		Valid:     run.Valid,
		Void:      run.Void,
		WarmUp:    run.WarmUp,
		Contended: run.Contended,
		Again:     run.Again,
		Reason:    render.Clean(run.Reason),
		Samples:   run.Samples,
		Wall:      run.Wall,
		CPU:       run.CPU,
		MaxRSS:    run.MaxRSS,
		Exit:      run.Exit,
		Signal:    run.Signal,
		Outside:   run.Outside,
		GPU:       run.GPU,
		Started:   run.Started,
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

	page, err := view.ReadOutput(ctx, c.lab, id, c.query.Get("cursor"), limit)
	if err != nil {
		return nil, err
	}

	return map[string]any{"id": page.Job, "text": render.Clean(page.Text), "next": page.Next, "total": page.Total}, nil
}
