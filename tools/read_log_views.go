package tools

import (
	"context"
	"fmt"

	"ratchet/internal/checkout"
	"ratchet/internal/job"
	"ratchet/internal/render"
	"ratchet/internal/research"
	"ratchet/internal/research/contract"
	"ratchet/internal/research/history"
	"ratchet/internal/research/rules"
	"ratchet/internal/view"
)

// logOut is every key that a view may have.
type logOut struct {
	View        string            `json:"view"`
	Campaign    string            `json:"campaign"`
	Metric      string            `json:"metric"`
	Baseline    float64           `json:"baseline"`
	Best        float64           `json:"best"`
	Standing    string            `json:"standing"`
	HumanNotes  []noteRow         `json:"human_notes"`
	Machine     string            `json:"machine"`
	Proof       string            `json:"proof"`
	Edit        []string          `json:"edit"`
	Contract    []string          `json:"contract"`
	Counts      string            `json:"counts"`
	Tried       string            `json:"tried"`
	Running     []job.RunningJob  `json:"running"`
	Rows        []row             `json:"rows"`
	Imported    []importRow       `json:"imported"`
	ImportedAre string            `json:"imported_are"`
	Lessons     []history.Lesson  `json:"lessons"`
	Ideas       []ideaRow         `json:"ideas"`
	Sessions    []sessionRow      `json:"sessions"`
	Changed     bool              `json:"contract_changed"`
	Left        checkout.Left     `json:"budget_left"`
	Experiment  int               `json:"experiment"`
	Status      research.Status   `json:"status"`
	Verdict     research.Verdict  `json:"verdict"`
	Hypothesis  string            `json:"hypothesis"`
	Expect      string            `json:"expect"`
	Value       float64           `json:"value"`
	Incumbent   float64           `json:"incumbent_value"`
	Gain        research.Interval `json:"gain"`
	Detectable  float64           `json:"detectable"`
	Reason      string            `json:"reason"`
	Lesson      string            `json:"lesson"`
	Note        string            `json:"note"`
	Candidate   string            `json:"candidate"`
	Commit      string            `json:"commit"`
	Files       []string          `json:"files"`
	Runs        []runRow          `json:"runs"`
	RunsLeftOut int               `json:"runs_left_out"` // that the answer has no room for
	Diff        string            `json:"diff"`
	ID          research.JobID    `json:"id"`
	Output      string            `json:"output"`
	OutputBytes int64             `json:"output_bytes"`
	Text        string            `json:"text"`
	Guides      []string          `json:"guides"`
	Cursor      string            `json:"cursor"`
	Next        string            `json:"next"`
}

// row is one experiment in a table.
type row struct {
	N       int              `json:"n"`
	Verdict research.Verdict `json:"verdict,omitempty"`
	Status  research.Status  `json:"status"`
	// of a keep: certified | provisional | unverified | rolled back | left out by finalize
	Proof string   `json:"proof,omitempty"`
	Gain  *float64 `json:"gain,omitempty"`
	Value *float64 `json:"value,omitempty"`
	// what the value is of, where the campaign has another metric now
	Metric     string             `json:"metric,omitempty"`
	Guards     []rules.GuardValue `json:"guards,omitempty"`
	Hypothesis string             `json:"hypothesis"`
}

// rowOf is an experiment's row in a campaign of that metric, its hypothesis cut to n bytes.
func rowOf(experiment *history.Experiment, metric contract.Metric, n int) render.Item {
	r := row{N: experiment.N, Status: experiment.Status, Proof: experiment.Proof,
		Guards: experiment.Guards, Hypothesis: render.OneLine(experiment.Hypothesis, n)}

	if j := experiment.Judgement; j != nil {
		r.Verdict, r.Value = j.Verdict, j.Value
		if gain := j.ExpectedGain(); gain != nil {
			r.Gain = &gain.Mid
		}
	}

	verdict := r.Verdict
	if verdict == "" {
		verdict = "-"
	}

	status := string(r.Status)
	if r.Proof != "" {
		status += " (" + r.Proof + ")"
	}

	if experiment.Under != nil && r.Value != nil {
		r.Metric = render.OneLine(experiment.Under.Name, 40)
	}

	return render.Item{Val: r, Line: fmt.Sprintf("%d %s %s | %s | %s", r.N, verdict, status,
		FactsOfRow(experiment, metric).Result, r.Hypothesis)}
}

const rowHead = "n verdict status | from → to, change (90 %) | hypothesis"

// table is a page of experiments, newest first.
func table(ctx context.Context, l *checkout.Checkout, in logIn) (render.Answer, error) {
	return fit(rowsLimit(in, 260), orRows(in, 12), func(n int) (render.Answer, error) {
		page, err := view.ListExperiments(ctx, l, view.Query{Text: string(in.Query), Cursor: in.Cursor, Limit: n})
		if err != nil {
			return render.Answer{}, err
		}

		return RenderTable(page, string(in.Query)), nil
	})
}

// RenderTable shows a page of experiments, one a line; about 200 bytes each.
func RenderTable(page *view.Page, query string) render.Answer {
	rows := render.Field{Key: "rows", List: make([]render.Item, len(page.Experiments))}
	for i := range page.Experiments {
		rows.List[i] = rowOf(&page.Experiments[i], page.Metric, 72)
	}

	title := rowHead
	if len(rows.List) == 0 {
		title = "no experiments"
	}
	fields := append([]render.Field{{Key: "view", Val: "table", Line: title}, rows}, importField(page.Imported)...)

	then := `read_log{view:"experiment",query:"N"} for one of them`
	if page.Next != "" {
		then = fmt.Sprintf(`read_log{view:"table",query:%q,cursor:%q} for older ones`, render.OneLine(query, 100),
			page.Next)
		fields = append(fields, render.Field{Key: "cursor", Val: page.Next})
	}

	return render.BuildAnswer(1<<30, append(fields, render.NextStep(then))...)
}

// output is a page of what a job printed.
func output(ctx context.Context, co *checkout.Checkout, in logIn) (render.Answer, error) {
	limit := bytesFor(in)

	return fit(limit, limit-200, func(n int) (render.Answer, error) {
		page, err := view.ReadOutput(ctx, co, string(in.Query), in.Cursor, n)
		if err != nil {
			return render.Answer{}, err
		}

		return RenderOutput(page), nil
	})
}

// RenderOutput shows a page of a job's output, marked as data.
func RenderOutput(page *view.OutputPage) render.Answer {
	fields := []render.Field{
		{Key: "view", Val: "output", Line: fmt.Sprintf("output of %s, %d bytes in all", page.Job, page.Total)},
		{Key: "id", Val: page.Job}, {Key: "output_bytes", Val: page.Total},
	}
	fields = append(fields, render.DataText("output", page.Text)...)

	then := "read_log{}"
	if page.Next == "" && int64(len(page.Text)) < page.Total {
		then = fmt.Sprintf(`read_log{view:"output",query:"%s",cursor:"0"} for its beginning`, page.Job)
	}

	if page.Next != "" {
		fields = append(fields, render.Field{Key: "cursor", Val: page.Next})
		then = fmt.Sprintf(`read_log{view:"output",query:"%s",cursor:%q} for more`, page.Job, page.Next)
	}

	return render.BuildAnswer(1<<30, append(fields, render.NextStep(then))...)
}

// ideas lists ideas and lessons, newest first.
func ideas(ctx context.Context, co *checkout.Checkout, in logIn) (render.Answer, error) {
	n := orRows(in, 8)

	is, err := view.ListIdeas(ctx, co, n)
	if err != nil {
		return render.Answer{}, err
	}

	ls, err := view.ListLessons(ctx, co, n)
	if err != nil {
		return render.Answer{}, err
	}

	return RenderIdeas(is, ls, rowsLimit(in, 500)), nil
}

func lessonList(ls []history.Lesson, n int) render.Field {
	field := render.Field{Key: "lessons", List: make([]render.Item, len(ls)), Min: 1}
	for i, x := range ls {
		x.Text = render.OneLine(x.Text, n)

		of := ""
		if x.Experiment > 0 {
			of = fmt.Sprintf(" (x%d)", x.Experiment)
		}
		field.List[i] = render.Item{Val: x, Line: "lesson" + of + ": " + x.Text}
	}

	return field
}
