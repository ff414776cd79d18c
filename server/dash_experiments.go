package server

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"ratchet/internal/lab"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/view"
	"ratchet/internal/wording"
	"ratchet/tools"
)

const (
	boardRows    = 100 // experiments on a page, by default and
	boardRowsMax = 500 // at most
	boardPages   = 16  // of the ledger's, searched for one page of the dashboard's
	boardDiff    = 256 << 10
	boardOutput  = 16 << 10
	boardOutMax  = 256 << 10
	maxQuery     = 200 // bytes of words to search for
)

type (
	boardPage struct {
		Rows []boardRow `json:"rows"`
		Next string     `json:"next"` // cursor, "" at the end
	}
	boardRow struct {
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
	boardDetail struct {
		boardRow
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
		Runs       []boardRun        `json:"runs"`
		Evidence   []rules.Evidence  `json:"evidence"`
		E          float64           `json:"e"`
		Need       float64           `json:"need"`
		Enforced   map[string]string `json:"enforced"`
		Override   *boardOverride    `json:"overridable"`
		Unit       string            `json:"unit"`
		Scale      string            `json:"scale"` // of gains and of detectable: log | linear
		Detectable float64           `json:"detectable"`
	}
	boardRun struct {
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
	boardOverride struct {
		Why string `json:"why"` // keep refuses it
	}
)

// listExperiments is a page of them. A search for what rarely meets takes a
// bounded effort: its page may be short, or empty, and yet have a cursor.
func listExperiments(ctx context.Context, b *board) (any, error) {
	limit, err := b.number("limit", boardRows, boardRowsMax)
	if err != nil {
		return nil, err
	}

	q := view.Query{Status: research.Status(b.q.Get("status")), Verdict: research.Verdict(b.q.Get("verdict")),
		Cursor: b.q.Get("cursor")}
	if q.Text, err = b.text("query", maxQuery); err != nil {
		return nil, err
	}

	if _, err := b.oneOf("status", "", "running", "unresolved", "kept", "reverted", "invalid"); err != nil {
		return nil, err
	}

	if _, err := b.oneOf("verdict", "", "improved", "provisional", "equivalent", "regressed", "inconclusive",
		"invalid"); err != nil {
		return nil, err
	}

	out := boardPage{Rows: []boardRow{}}
	for range boardPages {
		q.Limit = limit - len(out.Rows)

		p, err := view.ListExperiments(ctx, b.lab, q)
		if err != nil {
			return nil, err
		}

		for i := range p.Experiments {
			out.Rows = append(out.Rows, rowOf(&p.Experiments[i]))
		}

		out.Next, q.Cursor = p.Next, p.Next
		if out.Next == "" || len(out.Rows) >= limit {
			break
		}
	}

	return out, nil
}

func rowOf(x *history.Experiment) boardRow {
	r := boardRow{N: x.N, Hypothesis: tools.Clean(wording.FirstLine(x.Hypothesis)), Status: x.Status, Runs: x.Runs, RunSeconds: x.RunSeconds,
		Session: x.Session, Proof: x.Proof, Overridden: x.Overridden != "", At: x.ProposedAt, Added: x.Added,
		Removed: x.Removed}
	if j := x.Judgement; j != nil {
		r.Verdict, r.Value, r.Gain, r.GainText = j.Verdict, j.Value, j.Gain, tools.GainText(j.Gain, j.Scale)
	}

	if !x.JudgedAt.IsZero() {
		r.At = x.JudgedAt
	}

	return r
}

func showExperiment(ctx context.Context, b *board, name string) (any, error) {
	n, err := strconv.Atoi(name)
	if err != nil || n < 1 {
		return nil, research.Errorf(research.CodeNotFound, "name one by its number: /ui/api/experiments/7",
			"%q is no experiment's number", shown(name))
	}

	d, err := view.ReadDetail(ctx, b.lab, name, boardDiff)
	if err != nil {
		return nil, err
	}
	x := &d.Experiment

	out := boardDetail{boardRow: rowOf(x), Hypothesis: tools.Clean(x.Hypothesis), Expect: tools.Clean(x.Expect),
		Idea: tools.Clean(x.Idea), Proof: d.Proof, Lesson: tools.Clean(x.Lesson), Note: tools.Clean(x.Note),
		Checkout: x.Checkout, ProposedAt: x.ProposedAt, Commit: x.Commit, Candidate: x.Candidate, Parent: x.Parent,
		Files: d.Files, Diff: tools.Clean(d.Diff), Truncated: d.Cut, Runs: make([]boardRun, len(d.Runs)),
		Evidence: append([]rules.Evidence{}, d.Evidence...), Enforced: map[string]string{},
		Unit: tools.Clean(d.Metric.Unit)}
	for i := range d.Runs {
		out.Runs[i] = runOf(&d.Runs[i])
		if e := d.Runs[i].Enforced; len(e) > 0 {
			out.Enforced = e
		}
	}

	if j := x.Judgement; j != nil {
		out.Words, out.Reason, out.StoppedBy, out.Scale = tools.Clean(j.Words(d.Metric)), tools.Clean(j.Reason),
			j.StoppedBy, j.Scale
		out.E, out.Need, out.Detectable = j.E, j.Need, j.Detectable
	}

	if !x.JudgedAt.IsZero() {
		out.JudgedAt = &x.JudgedAt
	}

	if o, err := lab.FindOverridable(ctx, b.lab, string(x.Job())); err == nil { // else it needs none, or can't be
		out.Override = &boardOverride{Why: o.Why}
	}

	return &out, nil
}

func runOf(r *rules.Run) boardRun {
	return boardRun{Run: r.Number, Role: r.Role, Side: r.Side, Pair: r.Pair, Valid: r.Valid, Void: r.Void,
		WarmUp: r.WarmUp, Contended: r.Contended, Again: r.Again, Reason: tools.Clean(r.Reason), Samples: r.Samples,
		Wall: r.Wall, CPU: r.CPU, MaxRSS: r.MaxRSS, Exit: r.Exit, Signal: r.Signal, Outside: r.Outside, GPU: r.GPU,
		Started: r.Started}
}

// showOutput is a part of what a job printed, from its end by default.
func showOutput(ctx context.Context, b *board) (any, error) {
	limit, err := b.number("limit", boardOutput, boardOutMax)
	if err != nil {
		return nil, err
	}

	id, err := b.text("id", 20)
	if err != nil {
		return nil, err
	}

	p, err := view.ReadOutput(ctx, b.lab, id, b.q.Get("cursor"), limit)
	if err != nil {
		return nil, err
	}

	return map[string]any{"id": p.Job, "text": tools.Clean(p.Text), "next": p.Next, "total": p.Total}, nil
}
